// passdb and userdb sections, mechanisms, user names.
#include <algorithm>
#include <array>
#include <map>

#include "core/base/ascii.h"
#include "core/config/dovecot_settings.h"
#include "core/config/users_file.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

Fields ParseFields(std::string_view text) {
  Fields fields;
  for (const std::string& word : SplitWords(text)) {
    const size_t equals = word.find('=');
    fields.emplace_back(word.substr(0, equals), equals == std::string::npos ? "yes" : word.substr(equals + 1));
  }
  return fields;
}

bool SectionBool(const DovecotSettings& settings, const DovecotSection& section, std::string_view key) {
  const DovecotSetting* setting = section.Find(key);
  if (setting == nullptr) return false;
  const auto parsed = ParseDovecotBool(setting->value);
  if (!parsed) {
    settings.findings().Error("dovecot-bad-value", setting->place,
                              std::string(key) + " is \"" + setting->value + "\": Dovecot would not start",
                              "write yes or no");
  }
  return parsed.value_or(false);
}

std::string SectionText(const DovecotSection& section, std::string_view key, std::string_view fallback) {
  const DovecotSetting* setting = section.Find(key);
  return setting == nullptr ? std::string(fallback) : setting->value;
}

Place PlaceIn(const DovecotSection& section, std::string_view key) {
  const DovecotSetting* setting = section.Find(key);
  return setting == nullptr ? section.place : setting->place;
}

// The words of args of a passwd-file: options, and the path at the end.
struct FileArguments {
  std::string scheme, username_format, path;
};
FileArguments ParseFileArguments(std::string_view args) {
  FileArguments parsed;
  // Options come first; what follows them is the path, blanks and all.
  args = Trim(args);
  while (!args.empty()) {
    const size_t end = std::min(args.find(' '), args.size());
    const std::string_view word = args.substr(0, end);
    if (word.starts_with("scheme=")) {
      parsed.scheme = UpperCase(word.substr(7));
    } else if (word.starts_with("username_format=")) {
      parsed.username_format = word.substr(16);
    } else {
      parsed.path = args;
      break;
    }
    args = Trim(args.substr(end));
  }
  return parsed;
}

class AuthBuilder {
 public:
  explicit AuthBuilder(const DovecotSettings& settings) : settings_(settings) {}

  Auth Build() {
    FillGlobal();
    for (const auto& section : settings_.root().sections) {
      if (section->type == "passdb") AddPassDb(*section);
      if (section->type == "userdb") AddUserDb(*section);
    }
    if (auth_.passdbs.empty()) {
      settings_.findings().Error("dovecot-no-passdb", {settings_.root().place.file, 0},
                                 "there is no passdb: nobody could log in", "add a passdb section");
    }
    return std::move(auth_);
  }

 private:
  void FillGlobal() {
    auth_.mechanisms.clear();
    static constexpr std::array<std::string_view, 6> kOurs = {"PLAIN",      "LOGIN",       "CRAM-MD5",
                                                              "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
    static constexpr std::array<std::string_view, 10> kTheirs = {
        "ANONYMOUS", "APOP", "EXTERNAL", "GSSAPI", "GSS-SPNEGO", "NTLM", "OAUTHBEARER", "OTP", "RPA", "XOAUTH2"};
    for (const std::string& word : settings_.Words("auth_mechanisms")) {
      const std::string name = UpperCase(word);
      if (std::find(kOurs.begin(), kOurs.end(), name) != kOurs.end()) {
        auth_.mechanisms.push_back(name);
      } else if (std::find(kTheirs.begin(), kTheirs.end(), name) != kTheirs.end()) {
        settings_.findings().Warning("dovecot-mechanism-unsupported", settings_.PlaceOf("auth_mechanisms"),
                                     name + " is not supported and will not be offered",
                                     "remove it, and tell its users");
      } else {
        settings_.findings().Error("dovecot-mechanism-unknown", settings_.PlaceOf("auth_mechanisms"),
                                   "\"" + word + "\" is no mechanism: Dovecot would not start", "correct its name");
      }
    }
    auth_.username_format = settings_.Text("auth_username_format");
    auth_.username_chars = settings_.Text("auth_username_chars");
    auth_.username_translation = settings_.Text("auth_username_translation");
    auth_.default_realm = settings_.Text("auth_default_realm");
    auth_.realms = settings_.Words("auth_realms");
    auth_.allow_weak_schemes = settings_.Bool("auth_allow_weak_schemes");
    auth_.failure_delay = settings_.Time("auth_failure_delay");
    auth_.disable_plaintext_auth = settings_.Bool("disable_plaintext_auth");
    for (const std::string& word : SplitWords(settings_.Text("login_trusted_networks"), true)) {
      if (const auto network = Network::Parse(word)) {
        auth_.login_trusted_networks.push_back(*network);
      } else {
        settings_.findings().Error("dovecot-bad-value", settings_.PlaceOf("login_trusted_networks"),
                                   "\"" + word + "\" in login_trusted_networks is no network", "write ADDRESS/BITS");
      }
    }
  }

  // The users of `path`, read once however many sections name it; null with a finding.
  UserTablePtr Users(const std::string& path, const Place& place) {
    if (const auto at = files_.find(path); at != files_.end()) return at->second;
    UserTablePtr users;
    if (path.find('%') != std::string::npos) {
      settings_.findings().Error("dovecot-users-per-domain", place,
                                 "a users file whose name depends on the login (" + path + ") is not supported",
                                 "put all users into one file");
    } else if (const auto text = settings_.files().Read(path); text.ok()) {
      users = ParseUsersFile(*text, path, settings_.files(), &settings_.findings());
    } else {
      settings_.findings().Error(
          "dovecot-users-unreadable", place,
          path + " cannot be read (" + std::string(Message(text.status())) + "): nobody could log in",
          "create it, or correct its name or rights");
    }
    files_.emplace(path, users);
    return users;
  }

  // Keys of a section that we know and do not do: they decide whom it serves.
  void RefuseUnless(const DovecotSection& section, std::string_view key, std::string_view usual) {
    const DovecotSetting* setting = section.Find(key);
    if (setting == nullptr || setting->value == usual) return;
    settings_.findings().Error(
        "setting-unsupported", setting->place,
        std::string(key) + " of a " + section.type + " is not supported: others than meant would be served by it",
        "remove it if you can do without");
  }

  void AddPassDb(const DovecotSection& section) {
    PassDb passdb;
    RefuseUnless(section, "username_filter", "");
    passdb.driver = SectionText(section, "driver", "");
    passdb.default_fields = ParseFields(SectionText(section, "default_fields", ""));
    passdb.override_fields = ParseFields(SectionText(section, "override_fields", ""));
    passdb.deny = SectionBool(settings_, section, "deny");
    passdb.master = SectionBool(settings_, section, "master");
    passdb.pass = SectionBool(settings_, section, "pass");
    passdb.skip = SectionText(section, "skip", passdb.skip);
    passdb.result_success = SectionText(section, "result_success", passdb.result_success);
    passdb.result_failure = SectionText(section, "result_failure", passdb.result_failure);
    passdb.result_internalfail = SectionText(section, "result_internalfail", passdb.result_internalfail);
    for (const std::string& name : SplitWords(SectionText(section, "mechanisms", ""))) {
      passdb.mechanisms.push_back(UpperCase(name));
    }
    const std::string args = SectionText(section, "args", "");
    if (passdb.driver == "passwd-file") {
      const FileArguments arguments = ParseFileArguments(args);
      passdb.default_scheme = arguments.scheme.empty() ? "CRYPT" : arguments.scheme;
      passdb.username_format = arguments.username_format.empty() ? "%u" : arguments.username_format;
      passdb.users = Users(arguments.path, PlaceIn(section, "args"));
    } else if (passdb.driver == "static") {
      ParseStaticPassword(args, section, &passdb);
    } else {
      return UnsupportedDriver(section, "passdb", passdb.driver,
                               passdb.deny ? "whom it locks out would get in" : "its users could not log in");
    }
    auth_.passdbs.push_back(std::move(passdb));
  }

  void ParseStaticPassword(const std::string& args, const DovecotSection& section, PassDb* passdb) {
    passdb->default_scheme = "PLAIN";
    passdb->username_format = "%u";
    bool known = false;
    for (auto& [name, value] : ParseFields(args)) {
      if (name == "password") {
        passdb->static_password = value;
        known = true;
      } else if (name == "nopassword") {
        passdb->static_nopassword = value == "yes" || value == "y";
        known = true;
      } else {
        passdb->default_fields.emplace_back(name, value);
      }
    }
    if (passdb->static_nopassword) {
      settings_.findings().Security("dovecot-no-password", PlaceIn(section, "args"),
                                    "nopassword lets everyone in, under any name", "use a users file with passwords");
    }
    if (!known) {
      settings_.findings().Error("dovecot-static-password", PlaceIn(section, "args"),
                                 "a static passdb needs password= or nopassword=y", "add it to args");
    }
  }

  void AddUserDb(const DovecotSection& section) {
    UserDb userdb;
    RefuseUnless(section, "skip", "never");
    RefuseUnless(section, "result_success", "return-ok");
    RefuseUnless(section, "result_failure", "continue");
    RefuseUnless(section, "result_internalfail", "continue");
    userdb.driver = SectionText(section, "driver", "");
    userdb.default_fields = ParseFields(SectionText(section, "default_fields", ""));
    userdb.override_fields = ParseFields(SectionText(section, "override_fields", ""));
    if (const std::string home = settings_.Text("mail_home"); !home.empty()) {
      userdb.default_fields.insert(userdb.default_fields.begin(), {"home", home});
    }
    const std::string args = SectionText(section, "args", "");
    if (userdb.driver == "static") {
      ParseStaticUser(args, section, &userdb);
    } else if (userdb.driver == "passwd-file") {
      const FileArguments arguments = ParseFileArguments(args);
      userdb.username_format = arguments.username_format.empty() ? "%u" : arguments.username_format;
      userdb.users = Users(arguments.path, PlaceIn(section, "args"));
    } else if (userdb.driver != "prefetch") {
      return UnsupportedDriver(section, "userdb", userdb.driver, "its users would have no mailbox");
    }
    ResolveIds(section, &userdb.default_fields);
    ResolveIds(section, &userdb.override_fields);
    auth_.userdbs.push_back(std::move(userdb));
  }

  void ParseStaticUser(const std::string& args, const DovecotSection& section, UserDb* userdb) {
    const Place place = PlaceIn(section, "args");
    for (auto& [name, value] : ParseFields(args)) {
      if (name == "uid") {
        userdb->uid = Resolve(value, true, place);
      } else if (name == "gid") {
        userdb->gid = Resolve(value, false, place);
      } else if (name == "home") {
        userdb->home = value;
      } else if (name == "allow_all_users") {
        userdb->allow_all_users = value == "yes" || value == "y";
      } else {
        userdb->fields.emplace_back(name, value);
      }
    }
  }

  std::string Resolve(const std::string& text, bool is_user, const Place& place) {
    if (text.find('%') != std::string::npos) return text;
    const int64_t id = settings_.Id(text, is_user, place);
    return id < 0 ? "" : std::to_string(id);
  }

  void ResolveIds(const DovecotSection& section, Fields* fields) {
    for (auto& [name, value] : *fields) {
      if (name == "uid" || name == "gid") value = Resolve(value, name == "uid", section.place);
    }
  }

  void UnsupportedDriver(const DovecotSection& section, std::string_view kind, const std::string& driver,
                         std::string_view harm) {
    settings_.findings().Error("dovecot-driver-unsupported", PlaceIn(section, "driver"),
                               std::string(kind) +
                                   (driver.empty() ? " without a driver" : " driver " + driver + " is not supported") +
                                   ": " + std::string(harm),
                               "use driver = passwd-file or static");
  }

  const DovecotSettings& settings_;
  Auth auth_;
  std::map<std::string, UserTablePtr> files_;
};

}  // namespace

Auth BuildAuth(const DovecotSettings& settings) { return AuthBuilder(settings).Build(); }

}  // namespace postern::config
