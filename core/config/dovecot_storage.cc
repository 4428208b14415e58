// mail_location, namespaces, and what IMAP and POP3 sessions read.
#include "core/base/ascii.h"
#include "core/config/dovecot_settings.h"
#include "core/config/value.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

bool FlagOf(const DovecotSettings& settings, const DovecotSection& section, std::string_view key, bool fallback) {
  const DovecotSetting* setting = section.Find(key);
  if (setting == nullptr) return fallback;
  if (const auto parsed = ParseDovecotBool(setting->value)) return *parsed;
  if (key == "list" && setting->value == "children") return true;
  settings.findings().Error("dovecot-bad-value", setting->place,
                            std::string(key) + " is \"" + setting->value + "\": Dovecot would not start",
                            "write yes or no");
  return fallback;
}

void AddMailbox(const DovecotSettings& settings, const DovecotSection& section, Namespace* ns) {
  SpecialMailbox mailbox;
  mailbox.name = section.name;
  const std::string_view automatic = section.Value("auto");
  if (automatic == "create") {
    mailbox.auto_create = SpecialMailbox::Auto::kCreate;
  } else if (automatic == "subscribe") {
    mailbox.auto_create = SpecialMailbox::Auto::kSubscribe;
  } else if (!automatic.empty() && automatic != "no") {
    settings.findings().Error("dovecot-bad-value", section.Find("auto")->place,
                              "auto is \"" + std::string(automatic) + "\": Dovecot would not start",
                              "write no, create or subscribe");
  }
  mailbox.special_use = SplitWords(section.Value("special_use"));
  if (const DovecotSetting* setting = section.Find("autoexpunge"); setting != nullptr && setting->value != "0") {
    settings.findings().Warning("dovecot-autoexpunge-ignored", setting->place,
                                "old messages in " + section.name + " will not be removed on their own",
                                "remove them by other means");
  }
  ns->mailboxes.push_back(std::move(mailbox));
}

void AddNamespace(const DovecotSettings& settings, const DovecotSection& section, Storage* storage) {
  if (FlagOf(settings, section, "disabled", false)) return;
  const std::string_view type = section.Value("type");
  if ((!type.empty() && type != "private") || section.Find("alias_for") != nullptr) {
    settings.findings().Error("dovecot-namespace-unsupported", section.place,
                              "namespace " + section.name + " is " +
                                  (section.Find("alias_for") != nullptr ? "an alias" : std::string(type)) +
                                  ": only private namespaces are supported, its mailboxes would be missing",
                              "remove it if you can do without");
    return;
  }
  Namespace ns;
  ns.prefix = section.Value("prefix");
  const std::string_view separator = section.Value("separator");
  if (!separator.empty()) ns.separator = separator.front();
  if (separator.size() > 1) {
    settings.findings().Error("dovecot-bad-value", section.Find("separator")->place,
                              "a separator is one character: Dovecot would not start", "write \"/\" or \".\"");
  }
  ns.inbox = FlagOf(settings, section, "inbox", false);
  ns.hidden = FlagOf(settings, section, "hidden", false);
  ns.list = FlagOf(settings, section, "list", true);
  ns.subscriptions = FlagOf(settings, section, "subscriptions", true);
  ns.location = section.Value("location");
  for (const auto& inner : section.sections) {
    if (inner->type == "mailbox") AddMailbox(settings, *inner, &ns);
  }
  storage->namespaces.push_back(std::move(ns));
}

void CheckLocation(const DovecotSettings& settings, const std::string& location, const Place& place) {
  if (location.starts_with("maildir:")) return;
  settings.findings().Error("dovecot-mail-location", place,
                            location.empty() ? "mail_location is not set: where mail is cannot be guessed"
                                             : "\"" + location + "\" is no Maildir: it cannot be read",
                            "write mail_location = maildir:PATH");
}

// All mailboxes of an account are in one Maildir.
void CheckOneLocation(const DovecotSettings& settings, const DovecotSection& section,
                      const std::string& mail_location) {
  const DovecotSetting* location = section.Find("location");
  if (location == nullptr || location->value.empty() || location->value == mail_location) return;
  settings.findings().Error("dovecot-namespace-unsupported", location->place,
                            "namespace " + section.name +
                                " has a location of its own: its mailboxes would be looked for in "
                                "mail_location",
                            "write the location as mail_location, or remove the namespace if you can do without");
}

}  // namespace

Storage BuildStorage(const DovecotSettings& settings) {
  Storage storage;
  storage.mail_location = settings.Text("mail_location");
  CheckLocation(settings, storage.mail_location, settings.PlaceOf("mail_location"));
  for (const auto& section : settings.root().sections) {
    if (section->type != "namespace") continue;
    AddNamespace(settings, *section, &storage);
    CheckOneLocation(settings, *section, storage.mail_location);
  }
  bool has_inbox = false;
  for (const Namespace& ns : storage.namespaces) has_inbox = has_inbox || ns.inbox;
  if (storage.namespaces.empty()) {
    storage.namespaces.push_back(Namespace());
  } else if (!has_inbox) {
    settings.findings().Error("dovecot-no-inbox", {settings.root().place.file, 0},
                              "no namespace has inbox = yes: Dovecot would refuse every login",
                              "write inbox = yes into one namespace");
  }
  const std::string fsync = LowerCase(settings.Text("mail_fsync"));
  storage.fsync = fsync == "always" ? MailFsync::kAlways : fsync == "never" ? MailFsync::kNever : MailFsync::kOptimized;
  if (fsync != "always" && fsync != "never" && fsync != "optimized") {
    settings.findings().Error("dovecot-bad-value", settings.PlaceOf("mail_fsync"),
                              "mail_fsync is \"" + fsync + "\": Dovecot would not start",
                              "write optimized, always or never");
  }
  storage.first_valid_uid = static_cast<int64_t>(settings.Number("first_valid_uid"));
  storage.last_valid_uid = static_cast<int64_t>(settings.Number("last_valid_uid"));
  storage.first_valid_gid = static_cast<int64_t>(settings.Number("first_valid_gid"));
  storage.mail_uid = settings.Id(settings.Text("mail_uid"), true, settings.PlaceOf("mail_uid"));
  storage.mail_gid = settings.Id(settings.Text("mail_gid"), false, settings.PlaceOf("mail_gid"));
  storage.maildir_copy_with_hardlinks = settings.Bool("maildir_copy_with_hardlinks");
  storage.maildir_broken_filename_sizes = settings.Bool("maildir_broken_filename_sizes");
  storage.maildir_very_dirty_syncs = settings.Bool("maildir_very_dirty_syncs");
  storage.mailbox_list_index = settings.Bool("mailbox_list_index");
  storage.mail_max_keyword_length = static_cast<uint32_t>(settings.Number("mail_max_keyword_length"));
  storage.mail_max_userip_connections = static_cast<uint32_t>(settings.Number("mail_max_userip_connections"));
  storage.pop3_uidl_format = settings.Text("pop3_uidl_format");
  if (storage.pop3_uidl_format.find('%') == std::string::npos) {
    settings.findings().Error("dovecot-bad-value", settings.PlaceOf("pop3_uidl_format"),
                              "pop3_uidl_format contains no variable: all messages would look the same",
                              "write %08Xu%08Xv");
  }
  const auto tried = ExpandVariablesWith(storage.pop3_uidl_format, [](std::string_view name) {
    const bool known = name == "u" || name == "v" || name == "f" || name == "g";
    return known ? std::optional<std::string>("1") : std::nullopt;
  });
  if (!tried.ok()) {
    settings.findings().Error(
        "dovecot-bad-value", settings.PlaceOf("pop3_uidl_format"),
        "pop3_uidl_format: " + std::string(Message(tried.status())) + ": clients would not know their messages again",
        "write it with %u, %v, %f and %g");
  }
  return storage;
}

ImapService BuildImapService(const DovecotSettings& imap) {
  ImapService service;
  service.capability = imap.Text("imap_capability");
  if (imap.IsSet("login_greeting")) service.greeting = imap.Text("login_greeting");
  service.id_send = imap.Text("imap_id_send");
  service.idle_notify_interval = imap.Time("imap_idle_notify_interval");
  service.max_line_length = static_cast<uint32_t>(std::min<uint64_t>(imap.Size("imap_max_line_length"), UINT32_MAX));
  service.logout_format = imap.Text("imap_logout_format");
  service.client_workarounds = imap.Words("imap_client_workarounds");
  service.max_userip_connections = static_cast<uint32_t>(imap.Number("mail_max_userip_connections"));
  service.ssl_required = imap.Text("ssl") == "required";
  return service;
}

namespace {

// Without an own word, a flag to give means that it is given.
void BuildPop3Deletion(const DovecotSettings& pop3, Pop3Service* service) {
  service->deleted_flag = pop3.Text("pop3_deleted_flag");
  const std::string type = pop3.Text("pop3_delete_type");
  service->delete_type_flag = type == "flag" || (type == "default" && !service->deleted_flag.empty());
  if (type != "default" && type != "expunge" && type != "flag") {
    pop3.findings().Error("dovecot-bad-value", pop3.PlaceOf("pop3_delete_type"),
                          "pop3_delete_type is \"" + type + "\": Dovecot would not start",
                          "write default, expunge or flag");
  } else if (type == "flag" && service->deleted_flag.empty()) {
    pop3.findings().Error("dovecot-bad-value", pop3.PlaceOf("pop3_delete_type"),
                          "pop3_delete_type is flag, but pop3_deleted_flag names none: Dovecot would not start",
                          "write pop3_deleted_flag = \"$POP3Deleted\"");
  }
}

}  // namespace

Pop3Service BuildPop3Service(const DovecotSettings& pop3) {
  Pop3Service service;
  if (pop3.IsSet("login_greeting")) service.greeting = pop3.Text("login_greeting");
  service.no_flag_updates = pop3.Bool("pop3_no_flag_updates");
  service.enable_last = pop3.Bool("pop3_enable_last");
  service.reuse_xuidl = pop3.Bool("pop3_reuse_xuidl");
  service.lock_session = pop3.Bool("pop3_lock_session");
  service.fast_size_lookups = pop3.Bool("pop3_fast_size_lookups");
  BuildPop3Deletion(pop3, &service);
  service.uidl_duplicates = pop3.Text("pop3_uidl_duplicates");
  service.client_workarounds = pop3.Words("pop3_client_workarounds");
  service.logout_format = pop3.Text("pop3_logout_format");
  service.max_userip_connections = static_cast<uint32_t>(pop3.Number("mail_max_userip_connections"));
  service.ssl_required = pop3.Text("ssl") == "required";
  return service;
}

}  // namespace postern::config
