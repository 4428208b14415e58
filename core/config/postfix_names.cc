#include "core/config/postfix_names.h"

#include <algorithm>
#include <set>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

class NameChecker {
 public:
  explicit NameChecker(PostfixSource* source) : source_(source), main_(source, nullptr) {
    for (const Assignment& assignment : source->main.assignments) Collect(assignment.value);
    for (const MasterService& service : source->master.services) {
      for (const Assignment& override : service.overrides) Collect(override.value);
      for (const std::string& argument : service.arguments) Collect(argument);
    }
    for (const std::string& name : main_.List("smtpd_restriction_classes")) referenced_.insert(name);
  }

  void CheckMain() {
    for (const Assignment& assignment : source_->main.assignments) {
      if (source_->main.Find(assignment.name) == &assignment) Check(main_, assignment, nullptr);
    }
  }

  void CheckOverrides() {
    for (const MasterService& service : source_->master.services) {
      const PostfixParameters parameters(source_, &service);
      for (const Assignment& override : service.overrides) {
        if (service.FindOverride(override.name) == &override) Check(parameters, override, &service);
      }
    }
  }

 private:
  void Collect(std::string_view text) {
    for (std::string& name : ReferencedParameters(text)) referenced_.insert(std::move(name));
  }

  void Check(const PostfixParameters& parameters, const Assignment& assignment, const MasterService* service) {
    const std::string& name = assignment.name;
    if (const ParameterFacts* facts = FindPostfixParameter(name)) {
      if (service != nullptr && !IsServer(*service)) return NoteIdleOverride(assignment, *service, *facts);
      return CheckEffect(parameters, assignment, *facts);
    }
    if (IsTransportParameter(*source_, name)) return CheckEffect(parameters, assignment, *FindTransportParameter(name));
    FindingList& findings = *source_->findings;
    if (name.starts_with("postern_")) {
      findings.Error("postfix-unknown-own-setting", assignment.place, "\"" + name + "\" is no setting of ours",
                     "remove it");
    } else if (referenced_.count(name) == 0) {
      const std::string_view nearest = NearestPostfixParameter(name);
      findings.Warning(
          "postfix-unknown-parameter", assignment.place,
          name + " is no parameter, and nothing refers to it: it does nothing",
          nearest.empty() ? "correct its name, or remove it" : "did you mean " + std::string(nearest) + "?");
    }
  }

  static bool IsClient(const MasterService& service) { return service.command == "smtp" || service.command == "lmtp"; }

  // TLS of other servers: what is demanded of them, and how.
  static bool MakesSafer(std::string_view name) {
    if (name == "smtp_enforce_tls" || name == "lmtp_enforce_tls") return true;
    if (!name.starts_with("smtp_tls_") && !name.starts_with("lmtp_tls_")) return false;
    const std::string_view rest = name.substr(5);
    return rest == "tls_security_level" || rest == "tls_policy_maps" || rest.starts_with("tls_mandatory_") ||
           rest.ends_with("_cert_match") || rest == "tls_trust_anchor_file" || rest == "tls_CAfile" ||
           rest == "tls_CApath" || rest == "tls_wrappermode";
  }

  static bool IsServer(const MasterService& service) {
    return service.command == "smtpd" || service.command == "postscreen";
  }

  // An override of a service that is no process here: main.cf's value holds for it.
  void NoteIdleOverride(const Assignment& assignment, const MasterService& service, const ParameterFacts& facts) {
    const std::string value = PostfixParameters(source_, &service).Text(assignment.name);
    if (IsClient(service) && MakesSafer(assignment.name) && value != main_.Text(assignment.name) && !value.empty() &&
        LowerCase(value) != "none") {
      source_->findings->Error("master-cf-override-unsupported", assignment.place,
                               "-o " + assignment.name + " of service \"" + service.name +
                                   "\" would not hold: all transports have main.cf's settings, so that mail would "
                                   "go out less safely than meant",
                               "set " + assignment.name + " in main.cf, or use smtp_tls_policy_maps");
      return;
    }
    const bool matters = facts.effect == SettingEffect::kHonoured || facts.effect == SettingEffect::kProtects ||
                         facts.effect == SettingEffect::kChangesMail;
    if (!matters || assignment.name == "syslog_name") return;
    source_->findings->Notice("master-cf-override-ignored", assignment.place,
                              "-o " + assignment.name + " of service \"" + service.name + "\" (" + service.command +
                                  ") has no effect: only smtpd services have settings of their own",
                              "set it in main.cf, or remove it");
  }

  void CheckEffect(const PostfixParameters& parameters, const Assignment& assignment, const ParameterFacts& facts) {
    FindingList& findings = *source_->findings;
    const std::string meaning(facts.meaning);
    if (facts.effect == SettingEffect::kHonoured) return;
    if (facts.effect == SettingEffect::kNoEffect) {
      if (IsInstallation(assignment.name)) return;
      findings.Notice("setting-without-effect", assignment.place, assignment.name + " has no effect: " + meaning,
                      "leave it for Postfix, or remove it");
      return;
    }
    const std::string value = parameters.Text(assignment.name);
    const std::string usual(Trim(IsRawParameter(facts.name) ? std::string(facts.default_value)
                                                            : parameters.Expand(facts.default_value).text));
    if (value == usual || Harmless(assignment.name, value)) return;
    // Of its words only this one changes where mail goes; the others leave out steps that are not here.
    const bool idle =
        assignment.name == "receive_override_options" && value.find("no_address_mappings") == std::string::npos;
    if (assignment.name == "parent_domain_matches_subdomains" && MatchesSubdomainsAsWeDo(parameters)) return;
    if (facts.effect == SettingEffect::kHarmless || idle) {
      findings.Notice("setting-unsupported-harmless", assignment.place,
                      assignment.name + " (" + meaning + ") is not supported; nothing else depends on it",
                      "leave it for Postfix, or remove it");
      return;
    }
    findings.Error("setting-unsupported", assignment.place,
                   assignment.name + " (" + meaning + ") is not supported" +
                       (facts.effect == SettingEffect::kProtects ? ": what it protects would be open"
                                                                 : ": mail would not go where it should"),
                   "remove it if you can do without");
  }

  // Of the lists that are here, all but transport_maps cover sub-domains in any case.
  static bool MatchesSubdomainsAsWeDo(const PostfixParameters& parameters) {
    const std::vector<std::string> names = parameters.LowerList("parent_domain_matches_subdomains");
    for (const std::string_view name : {"fast_flush_domains", "mynetworks", "relay_domains", "smtpd_access_maps"}) {
      if (std::find(names.begin(), names.end(), name) == names.end()) return false;
    }
    return true;
  }

  // Where programs and documents are: every installation sets them, nobody expects an effect.
  static bool IsInstallation(std::string_view name) {
    return name.ends_with("_directory") || name.ends_with("_path") || name == "mail_owner" || name == "setgid_group" ||
           name == "alias_database" || name == "debugger_command";
  }

  // Values that ask for nothing, other than the default.
  static bool Harmless(std::string_view name, const std::string& value) {
    // Empty asks for nothing, but where it takes something away.
    static constexpr std::string_view kEmptyNarrows[] = {
        "smtpd_sasl_mechanism_filter", "parent_domain_matches_subdomains", "canonical_classes",
        "sender_canonical_classes",    "recipient_canonical_classes",      "propagate_unmatched_extensions"};
    if (value.empty() && std::find(std::begin(kEmptyNarrows), std::end(kEmptyNarrows), name) == std::end(kEmptyNarrows))
      return true;
    if (name.starts_with("smtpd_client_") && name.ends_with("_rate_limit")) return value == "0";
    if (name == "smtp_host_lookup") return true;
    return false;
  }

  PostfixSource* source_;
  const PostfixParameters main_;
  std::set<std::string, std::less<>> referenced_;
};

}  // namespace

void CheckPostfixNames(PostfixSource* source) {
  NameChecker checker(source);
  checker.CheckMain();
  checker.CheckOverrides();
}

}  // namespace postern::config
