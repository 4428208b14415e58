// Old habits and settings that cannot matter: nothing breaks, but the file says something else than what happens.
#include <algorithm>

#include "core/config/check.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr uint64_t kUsualMessageBytes = 10'240'000;  // Postfix's default of 1999

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
    const std::string style = Lower(main_.Text("mynetworks_style"));
    if (style == "host" || style == "subnet" || style == "class") return;
    host_->findings.Warning("postfix-mynetworks-style-masked", main_.PlaceOf("mynetworks_style"),
                            "mynetworks_style is \"" + style +
                                "\", which is none of its three values; it does nothing only because mynetworks is set",
                            "remove it");
  }

  void CheckRestatedDefaults() {
    std::string names;
    for (const Assignment& assignment : host_->postfix.main.assignments) {
      const ParameterFacts* facts = FindPostfixParameter(assignment.name);
      if (facts == nullptr || facts->effect != SettingEffect::kHonoured || facts->default_value.empty()) continue;
      if (host_->postfix.main.Find(assignment.name) != &assignment || assignment.value != facts->default_value) continue;
      names += (names.empty() ? "" : ", ") + assignment.name;
    }
    if (names.empty()) return;
    host_->findings.Notice("defaults-restated", {host_->postfix.main.file, 0}, "these only say what is so anyway: " + names,
                           "remove them");
  }

  void CheckRules() {
    for (const std::string_view name :
         {"smtpd_client_restrictions", "smtpd_helo_restrictions", "smtpd_sender_restrictions",
          "smtpd_relay_restrictions", "smtpd_recipient_restrictions", "smtpd_data_restrictions",
          "smtpd_etrn_restrictions"}) {
      const std::vector<std::string> rules = main_.LowerList(name);
      if (!rules.empty() && rules.back() == "permit" && main_.IsSet(name)) {
        host_->findings.Notice("rule-without-effect", main_.PlaceOf(name),
                               "\"permit\" at the end of " + std::string(name) + " does what the end does", "remove it");
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
    if (!etrn.empty() && main_.IsSet("smtpd_etrn_restrictions")) {
      host_->findings.Notice("etrn-never-served", main_.PlaceOf("smtpd_etrn_restrictions"),
                             "ETRN is always refused here, whatever its rules say", "remove the rules");
    }
  }

  void CheckRouting() {
    const Routing& routing = host_->config->routing;
    for (const std::string_view name : {"allow_percent_hack", "swap_bangpath"}) {
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
    host_->findings.Warning("message-size-small", main_.PlaceOf("message_size_limit"),
                            "messages above " + std::to_string(limit) +
                                " bytes are refused: attachments of 7 MB are too large already",
                            "set message_size_limit = 52428800 and virtual_mailbox_limit = 0");
  }

  void CheckPortability() {
    bool chrooted = false;
    for (const MasterService& service : host_->postfix.master.services) {
      chrooted = chrooted || service.chroot == "y" ||
                 (service.chroot == "-" && CompareLevels(main_.Text("compatibility_level"), "1").value_or(0) < 0);
      if (service.type == "inet" && service.name == "smtps") {
        host_->findings.Notice("service-name-smtps", service.place,
                               "\"smtps\" is a name of Debian's /etc/services; elsewhere Postfix would not know it",
                               "write submissions, or 465");
      }
    }
    if (chrooted) {
      host_->findings.Notice("chroot-ignored", {host_->postfix.master.file, 0},
                             "the chroot column has no effect: the program locks itself in by other means",
                             "leave it for Postfix");
    }
  }

  void CheckFamilies() {
    const auto& listeners = host_->config->listeners;
    const bool v6 = std::any_of(listeners.begin(), listeners.end(),
                                [](const Listener& listener) { return listener.endpoint.address.v6; });
    const bool only_loopback = std::all_of(listeners.begin(), listeners.end(), [](const Listener& listener) {
      return listener.endpoint.address.IsLoopback();
    });
    if (v6 || only_loopback || listeners.empty()) return;
    host_->findings.Notice("ipv4-only", main_.PlaceOf("inet_protocols"), "nothing listens on IPv6",
                           "set inet_protocols = all and listen = *, ::");
  }

  HostConfiguration* host_;
  const PostfixParameters main_;
};

}  // namespace

void CheckHabits(HostConfiguration* host) { HabitChecker(host).Run(); }

}  // namespace postern::config
