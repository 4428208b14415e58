// Old habits and settings that cannot matter: nothing breaks, but the file says something else than what happens.
#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/check.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr uint64_t kUsualMessageBytes = 10'240'000;  // Postfix's default of 1999

constexpr std::string_view kLegacySyntax[] = {"allow_percent_hack", "swap_bangpath"};

bool IsLegacySyntax(std::string_view name) {
  return std::find(std::begin(kLegacySyntax), std::end(kLegacySyntax), name) != std::end(kLegacySyntax);
}

class HabitChecker {
 public:
  explicit HabitChecker(HostConfiguration* host) : host_(host), main_(host->Main()) {}

  void Run() {
    CheckStyle();
    CheckRestatedDefaults();
    CheckRules();
    CheckRouting();
    CheckSizes();
    CheckPortability();
    CheckFamilies();
  }

 private:
  // Invalid values that do nothing only because another setting hides them.
  void CheckStyle() {
    if (!main_.IsSet("mynetworks_style") || !main_.IsSet("mynetworks")) return;
    const std::string style = LowerCase(main_.Text("mynetworks_style"));
    if (style == "host" || style == "subnet" || style == "class") return;
    host_->findings.Warning("postfix-mynetworks-style-masked", main_.PlaceOf("mynetworks_style"),
                            "mynetworks_style is \"" + style +
                                "\", which is none of its three values; it does nothing only because mynetworks is set",
                            "remove it");
  }

  void CheckRestatedDefaults() {
    std::string names;
    Place first;
    for (const Assignment& assignment : host_->postfix.main.assignments) {
      const ParameterFacts* facts = FindPostfixParameter(assignment.name);
      if (facts == nullptr || facts->effect != SettingEffect::kHonoured || facts->default_value.empty()) continue;
      if (IsLegacySyntax(assignment.name)) continue;  // has a finding of its own, with another mend
      if (host_->postfix.main.Find(assignment.name) != &assignment || assignment.value != facts->default_value)
        continue;
      if (names.empty()) first = assignment.place;
      names += (names.empty() ? "" : ", ") + assignment.name + " (line " + std::to_string(assignment.place.line) + ")";
    }
    if (names.empty()) return;
    host_->findings.Notice("defaults-restated", first, "these only say what is so anyway: " + names, "remove them");
  }

  void CheckRules() {
    for (const std::string_view name :
         {"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
          "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions",
          "smtpd_etrn_restrictions"}) {
      const std::vector<std::string> rules = main_.LowerList(name);
      if (!rules.empty() && rules.back() == "permit" && main_.IsSet(name)) {
        host_->findings.Notice("rule-without-effect", main_.PlaceOf(name),
                               "\"permit\" at the end of " + std::string(name) + " does what the end does",
                               "remove it");
      }
      for (size_t i = 0; i + 1 < rules.size(); ++i) {
        if (rules[i] != "permit" && rules[i] != "reject" && rules[i] != "defer") continue;
        if (i > 0 && rules[i - 1] == "warn_if_reject") continue;
        host_->findings.Warning("rules-never-reached", main_.PlaceOf(name),
                                "the rules after \"" + rules[i] + "\" in " + std::string(name) + " are never reached",
                                "move \"" + rules[i] + "\" to the end");
        break;
      }
    }
    const std::vector<std::string> etrn = main_.LowerList("smtpd_etrn_restrictions");
    if (!etrn.empty() && main_.IsSet("smtpd_etrn_restrictions") && host_->config->routing.fast_flush_domains.empty()) {
      host_->findings.Notice("etrn-never-served", main_.PlaceOf("smtpd_etrn_restrictions"),
                             "ETRN is refused for every domain, whatever its rules say: fast_flush_domains is empty",
                             "remove the rules");
    }
  }

  void CheckRouting() {
    const Routing& routing = host_->config->routing;
    for (const std::string_view name : kLegacySyntax) {
      const bool on = name == "allow_percent_hack" ? routing.allow_percent_hack : routing.swap_bangpath;
      if (!on) continue;
      host_->findings.Notice("legacy-routing-syntax", main_.PlaceOf(name),
                             std::string(name) + " keeps an address syntax of the 1980s alive (" +
                                 (name == "allow_percent_hack" ? "user%domain" : "site!user") + ")",
                             "set " + std::string(name) + " = no");
    }
    if (main_.IsSet("unknown_local_recipient_reject_code") && routing.mydestination.empty()) {
      host_->findings.Notice("setting-cannot-matter", main_.PlaceOf("unknown_local_recipient_reject_code"),
                             "unknown_local_recipient_reject_code is for the domains of mydestination, which is empty",
                             "remove it; unknown_virtual_mailbox_reject_code is the one for mailboxes");
    }
  }

  void CheckSizes() {
    const uint64_t limit = main_.Number("message_size_limit");
    if (limit == 0 || limit > kUsualMessageBytes) return;
    host_->findings.Warning(
        "message-size-small", main_.PlaceOf("message_size_limit"),
        "messages above " + std::to_string(limit) + " bytes are refused: attachments of 7 MB are too large already",
        "set message_size_limit = 52428800 and virtual_mailbox_limit = 0");
  }

  void CheckPortability() {
    const MasterService* chrooted = nullptr;
    for (const MasterService& service : host_->postfix.master.services) {
      const bool old_default = CompareLevels(main_.Text("compatibility_level"), "1").value_or(0) < 0;
      if (chrooted == nullptr && (service.chroot == "y" || (service.chroot == "-" && old_default))) chrooted = &service;
      if (service.type == "inet" && service.name == "smtps") {
        host_->findings.Notice("service-name-smtps", service.place,
                               "\"smtps\" is a name of Debian's /etc/services; elsewhere Postfix would not know it",
                               "write submissions, or 465");
      }
    }
    if (chrooted != nullptr) {
      host_->findings.Notice("chroot-ignored", chrooted->place,
                             "the chroot column has no effect: the program locks itself in by other means",
                             "leave it for Postfix");
    }
    CheckBerkeleyTables();
  }

  void CheckBerkeleyTables() {
    std::string names;
    Place first;
    for (const Assignment& assignment : host_->postfix.main.assignments) {
      if (host_->postfix.main.Find(assignment.name) != &assignment) continue;
      if (assignment.value.find("hash:") == std::string::npos && assignment.value.find("btree:") == std::string::npos)
        continue;
      if (assignment.value.find("texthash:") != std::string::npos) continue;
      if (names.empty()) first = assignment.place;
      names += (names.empty() ? "" : ", ") + assignment.name;
    }
    if (names.empty()) return;
    host_->findings.Notice("table-type-portability", first,
                           "hash: and btree: tables (" + names +
                               ") need Berkeley DB, which Postfix of newer systems has no "
                               "more (RHEL 10, SLES 15.3, Alpine); we read the text",
                           "nothing here; write lmdb: before going to such a system");
  }

  // IPv6 of both files, each on its own: mending one does not mend the other.
  void CheckFamilies() {
    if (OnlyV4(true)) {
      host_->findings.Notice(
          "ipv4-only", main_.PlaceOf("inet_protocols"), "no SMTP service listens on IPv6",
          "set inet_protocols = all" +
              std::string(main_.IsSet("mynetworks") && main_.Text("mynetworks").find("::1") == std::string::npos
                              ? ", and add [::1]/128 to mynetworks"
                              : ""));
    }
    if (OnlyV4(false)) {
      host_->findings.Notice("ipv4-only", host_->Dovecot().PlaceOf("listen"), "neither IMAP nor POP3 listens on IPv6",
                             "write listen = *, ::");
    }
  }

  bool OnlyV4(bool smtp) const {
    bool any = false;
    for (const Listener& listener : host_->config->listeners) {
      if (listener.is_unix() || listener.protocol == Protocol::kAuth) continue;
      if ((listener.protocol == Protocol::kSmtp) != smtp || listener.endpoint.address.IsLoopback()) continue;
      if (listener.endpoint.address.v6) return false;
      any = true;
    }
    return any;
  }

  HostConfiguration* host_;
  const PostfixParameters main_;
};

}  // namespace

void CheckHabits(HostConfiguration* host) { HabitChecker(host).Run(); }

}  // namespace postern::config
