// Mechanisms against stored passwords, Postfix's way to Dovecot's users, files that hold passwords.
#include <algorithm>
#include <map>

#include "core/base/ascii.h"
#include "core/config/check.h"
#include "core/config/sasl_socket.h"
#include "core/config/users_file.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

bool IsPlain(std::string_view scheme) { return scheme == "PLAIN" || scheme == "CLEARTEXT" || scheme == "CLEAR"; }

// Can a password stored under `scheme` serve `mechanism`?
bool Serves(std::string_view scheme, std::string_view mechanism) {
  if (mechanism == "PLAIN" || mechanism == "LOGIN" || IsPlain(scheme)) return true;
  return scheme == mechanism;  // {CRAM-MD5} serves CRAM-MD5, {SCRAM-SHA-256} SCRAM-SHA-256
}

// Schemes that fall to a stolen file in hours, or that are as good as the password.
bool IsWeak(std::string_view scheme) {
  static constexpr std::string_view kWeak[] = {"CRAM-MD5", "DIGEST-MD5", "HMAC-MD5",  "LANMAN", "LDAP-MD5", "MD5",
                                               "NTLM",     "PLAIN-MD4",  "PLAIN-MD5", "SHA",    "SHA1",     "SMD5",
                                               "SSHA",     "RPA",        "OTP",       "SKEY",   "DES-CRYPT"};
  return IsPlain(scheme) || std::find(std::begin(kWeak), std::end(kWeak), scheme) != std::end(kWeak);
}

class AuthChecker {
 public:
  explicit AuthChecker(HostConfiguration* host) : host_(host), dovecot_(host->Dovecot()), main_(host->Main()) {}

  void Run() {
    CountSchemes();
    CheckMechanisms();
    CheckWeakness();
    CheckSocket();
    CheckUsersFiles();
  }

 private:
  void CountSchemes() {
    for (const PassDb& passdb : host_->config->auth.passdbs) {
      if (passdb.users == nullptr || passdb.deny) continue;
      passdb.users->ForEach([&](std::string_view, const UserRecord& record) {
        if (record.password.empty()) return;
        ++schemes_[SchemeOf(record.password.Reveal(), passdb.default_scheme)];
        ++users_count_;
      });
    }
  }

  void CheckMechanisms() {
    const Auth& auth = host_->config->auth;
    const Place place = dovecot_.PlaceOf("auth_mechanisms");
    for (const std::string& mechanism : auth.mechanisms) {
      size_t unserved = 0;
      std::string example;
      for (const auto& [scheme, count] : schemes_) {
        if (Serves(scheme, mechanism)) continue;
        unserved += count;
        example = scheme;
      }
      if (unserved > 0) {
        host_->findings.Warning(
            "mechanism-without-scheme", place,
            mechanism + " is offered, and the stored passwords of " + std::to_string(unserved) + " of " +
                std::to_string(users_count_) + " users ({" + example +
                "}) cannot serve it: programs that prefer it cannot log in",
            "remove " + LowerCase(mechanism) + " from auth_mechanisms, or store {" + mechanism + "} passwords");
      }
      if (mechanism == "DIGEST-MD5") {
        host_->findings.Security("mechanism-historic", place, "DIGEST-MD5 is historic (RFC 6331): its hash is broken",
                                 "offer plain and login under TLS, or scram-sha-256");
      }
    }
    if (auth.passdbs.empty()) return;  // whoever offers mechanisms, it is not this configuration
    const auto offered = [&auth](std::string_view name) {
      return std::find(auth.mechanisms.begin(), auth.mechanisms.end(), name) != auth.mechanisms.end();
    };
    if (schemes_.count("CRAM-MD5") != 0 && !offered("CRAM-MD5")) {
      host_->findings.Notice("mechanism-not-offered", place, "the stored passwords fit CRAM-MD5, which is not offered",
                             "nothing: plain under TLS is better");
    }
    if (offered("PLAIN") && !offered("LOGIN") && AnySasl()) {
      host_->findings.Notice("mechanism-login-missing", place,
                             "Outlook and some devices know LOGIN only, which is not offered: they cannot send",
                             "write auth_mechanisms = plain login");
    }
  }

  void CheckWeakness() {
    for (const auto& [scheme, count] : schemes_) {
      if (!IsWeak(scheme)) continue;
      host_->findings.Security("password-scheme-weak", FirstUsersFile(),
                               std::to_string(count) + " passwords are stored as {" + scheme +
                                   "}: who reads the file has them, or soon will",
                               "store them as {ARGON2ID} or {SHA512-CRYPT} (postern pw)");
    }
  }

  // The args of the first passdb that names a users file.
  Place FirstUsersFile() const {
    for (const auto& section : host_->dovecot->sections) {
      if (section->type != "passdb" || section->Value("driver") != "passwd-file") continue;
      const DovecotSetting* args = section->Find("args");
      if (args != nullptr) return args->place;
    }
    return {host_->dovecot->place.file, 0};
  }

  bool AnySasl() const {
    return std::any_of(host_->config->listeners.begin(), host_->config->listeners.end(), [](const Listener& listener) {
      return listener.protocol == Protocol::kSmtp && listener.smtp && listener.smtp->sasl_auth_enable;
    });
  }

  void CheckSocket() {
    if (!AnySasl()) return;
    const std::string type = LowerCase(main_.Text("smtpd_sasl_type"));
    if (type != "dovecot") {
      host_->findings.Error("sasl-type-unsupported", main_.PlaceOf("smtpd_sasl_type"),
                            "smtpd_sasl_type is " + type +
                                ": logins would be checked against other users than "
                                "those of dovecot.conf",
                            "set smtpd_sasl_type = dovecot and smtpd_sasl_path = private/auth");
      return;
    }
    CheckOwnSocket();
    for (const Listener& listener : host_->config->listeners) {
      if (listener.protocol == Protocol::kSmtp && listener.smtp != nullptr && listener.smtp->sasl_socket) {
        CheckForeignSocket(*listener.smtp);
      }
    }
  }

  void CheckOwnSocket() {
    std::string path = main_.Text("smtpd_sasl_path");
    if (path.starts_with("unix:")) path.erase(0, 5);
    path = NormalizePath(JoinPath(main_.Text("queue_directory"), path));
    for (const UnixListener& socket : UnixListeners(dovecot_)) {
      if (socket.path != path || socket.mode == 0 || (socket.mode & 7) == 0) continue;
      host_->findings.Security(
          "auth-socket-mode", socket.place,
          "everybody on this host who can enter its folder may open " + socket.path + " and try passwords there",
          "write mode = 0660, user = postfix, group = postfix");
    }
  }

  // The one that another Dovecot is to make: it may come later, so that nothing here stops the start.
  void CheckForeignSocket(const SmtpService& service) {
    const SaslSocket& socket = *service.sasl_socket;
    const Place place = PlaceOfPath(service.service_name);
    if (!socket.path.empty() && !host_->files().Stat(socket.path).ok()) {
      const std::string mend = "let the Dovecot that knows the users make it, or correct smtpd_sasl_path";
      host_->findings.Warning("auth-socket-missing", place,
                              "there is no " + socket.path +
                                  ", and no unix_listener of service auth makes it: until there is, nobody can log in "
                                  "(454)",
                              !host_->has_dovecot()
                                  ? mend
                                  : "add \"unix_listener " + socket.path +
                                        " {\" to \"service auth {\" for logins to be checked here; or " + mend);
    }
    for (const Endpoint& to : socket.endpoints) {
      if (to.address.IsLoopback()) continue;
      host_->findings.Security("auth-socket-inet", place,
                               "passwords cross the network in clear on their way to " + to.address.ToString(),
                               "ask a Dovecot on this host, or lead the connection through a tunnel");
      return;
    }
  }

  // smtpd_sasl_path of a service, which may have one of its own (-o).
  Place PlaceOfPath(std::string_view service_name) {
    for (const MasterService& service : host_->postfix.master.services) {
      if (service.type == "inet" && service.name == service_name) {
        return PostfixParameters(&host_->postfix, &service).PlaceOf("smtpd_sasl_path");
      }
    }
    return main_.PlaceOf("smtpd_sasl_path");
  }

  void CheckUsersFiles() {
    for (const auto& section : host_->dovecot->sections) {
      if (section->type != "passdb" || section->Value("driver") != "passwd-file") continue;
      const std::vector<std::string> words = SplitWords(section->Value("args"));
      if (words.empty()) continue;
      const auto facts = host_->files().Stat(words.back());
      if (!facts.ok() || (facts->mode & 4) == 0) continue;
      host_->findings.Warning("users-file-readable", {words.back(), 0},
                              "everybody on this host may read the stored passwords",
                              "chown root:dovecot and chmod 0640");
    }
  }

  HostConfiguration* host_;
  const DovecotSettings dovecot_;
  const PostfixParameters main_;
  std::map<std::string, size_t> schemes_;  // how many users have each
  size_t users_count_ = 0;
};

}  // namespace

void CheckAuthentication(HostConfiguration* host) { AuthChecker(host).Run(); }

}  // namespace postern::config
