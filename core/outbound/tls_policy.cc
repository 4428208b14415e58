#include "core/outbound/tls_policy.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/base/hash.h"
#include "core/config/postfix_tls.h"
#include "core/config/value.h"
#include "core/outbound/certificate_match.h"

namespace postern::outbound {
namespace {

using Level = config::ClientTlsLevel;

constexpr size_t kDigestBytesMax = 64;  // SHA-512, the longest there is

// A row of smtp_tls_policy_maps, or what main.cf says where there is none.
struct Row {
  Level level = Level::kNone;
  std::optional<std::string> ciphers, protocols, servername, exclude;
  std::vector<std::string> match, trust_anchor_files;
  std::optional<bool> connection_reuse;
};

class Chooser {
 public:
  Chooser(const TlsDestination& destination, const config::SmtpClient& client)
      : destination_(destination), client_(client) {}

  // nullopt: the row is unusable.
  std::optional<Row> FindRow();
  TlsChoice Choose(const TlsaFacts* tlsa);

 private:
  bool Fail(std::string warning) {
    warnings_.push_back(std::move(warning));
    return false;
  }
  bool ParseRow(std::string_view text, const std::string& key, Row* row);
  bool ParseAttribute(std::string_view word, const std::string& where, Row* row);
  bool SetOnce(std::optional<std::string>* member, std::string_view name, std::string_view value,
               const std::string& where);

  bool ApplyDane(const TlsaFacts* tlsa);
  bool Incompatible(bool our_fault, bool found_records, std::string words);
  bool FillCommon(const Row& row);
  bool FillCertificate(const Row& row);
  void AddFingerprints(std::string_view list, std::string_view delimiters);
  std::string Reference(const std::string& pattern) const;

  const TlsDestination& destination_;
  const config::SmtpClient& client_;
  std::vector<std::string> warnings_;
  TlsPolicy policy_;
  TlsRefusal refusal_{.status = "4.7.5", .text = "client TLS configuration problem"};
};

std::vector<std::string> Split(std::string_view text, std::string_view delimiters) {
  std::vector<std::string> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of(delimiters), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}
constexpr std::string_view kCommaSpace = ", \t\r\n";

std::string_view LevelName(Level level) {
  static constexpr std::string_view kNames[] = {"none", "may",       "encrypt", "fingerprint",
                                                "dane", "dane-only", "verify",  "secure"};
  return kNames[static_cast<size_t>(level)];
}

// ---- the row --------------------------------------------------------------------------------------------------------

std::optional<Row> Chooser::FindRow() {
  Row row{.level = client_.tls_level};
  const config::TableList& maps = client_.tls.policy_maps;
  if (maps.empty()) return row;
  // "[host]", "host:port" and sockets are never a recipient's domain: they have no parents.
  const bool is_domain = routing::IsHostName(destination_.text);
  std::string key = destination_.text;
  for (;;) {
    if (const auto value = maps.Find(key)) {
      if (!ParseRow(*value, key, &row)) return std::nullopt;
      return row;
    }
    const size_t dot = is_domain ? key.find('.', 1) : std::string::npos;
    if (dot == std::string::npos) return row;
    key.erase(0, dot);
  }
}

bool Chooser::ParseRow(std::string_view text, const std::string& key, Row* row) {
  const std::string where =
      std::string(destination_.lmtp ? "lmtp" : "smtp") + "_tls_policy_maps, next-hop destination \"" + key + "\"";
  const std::vector<std::string> words = Split(text, kCommaSpace);
  if (words.empty()) return Fail(where + ": invalid empty policy");
  const auto level = config::ParseClientTlsLevel(words[0]);
  if (!level) return Fail(where + ": invalid security level \"" + words[0] + "\"");
  row->level = *level;
  for (size_t i = 1; i < words.size(); ++i) {
    if (*level == Level::kNone) {
      Fail(where + ": ignoring attribute \"" + words[i] + "\" with TLS disabled");
    } else if (!ParseAttribute(words[i], where, row)) {
      return false;
    }
  }
  return true;
}

bool Chooser::SetOnce(std::optional<std::string>* member, std::string_view name, std::string_view value,
                      const std::string& where) {
  if (*member) return Fail(where + ": attribute \"" + std::string(name) + "\" is specified multiple times");
  *member = std::string(value);
  return true;
}

bool Chooser::ParseAttribute(std::string_view word, const std::string& where, Row* row) {
  const size_t equals = word.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Fail(where + ": malformed attribute/value pair \"" + std::string(word) +
                "\": missing '=' after attribute name");
  }
  const std::string name = LowerCase(word.substr(0, equals));
  const std::string_view value = word.substr(equals + 1);
  const auto empty = [&] { return Fail(where + ": attribute \"" + name + "\" has empty value"); };
  const auto invalid = [&] {
    return Fail(where + ": attribute \"" + name + "\" invalid at security level \"" +
                std::string(LevelName(row->level)) + "\"");
  };
  if (name == "ciphers") return value.empty() ? empty() : SetOnce(&row->ciphers, name, value, where);
  if (name == "protocols") return SetOnce(&row->protocols, name, value, where);
  if (name == "exclude") return SetOnce(&row->exclude, name, value, where);
  if (name == "servername") {
    if (!routing::IsHostName(value))
      return Fail(where + ": \"servername=" + std::string(value) + "\" specifies an invalid hostname");
    return SetOnce(&row->servername, name, value, where);
  }
  if (name == "match") {
    if (value.empty()) return empty();
    const bool digests = row->level == Level::kFingerprint;
    if (!digests && row->level != Level::kVerify && row->level != Level::kSecure) return invalid();
    for (std::string& pattern : Split(value, digests ? "|" : ":")) row->match.push_back(std::move(pattern));
    return true;
  }
  if (name == "tafile") {
    if (row->level != Level::kVerify && row->level != Level::kSecure) return invalid();
    if (value.empty()) return empty();
    row->trust_anchor_files.emplace_back(value);
    return true;
  }
  if (name == "connection_reuse") {
    row->connection_reuse = config::ParsePostfixBool(value);
    return row->connection_reuse ||
           Fail(where + ": attribute \"" + name + "\" has bad value: \"" + std::string(value) + "\"");
  }
  return Fail(where + ": invalid attribute name: \"" + name + "\"");
}

// ---- DANE -----------------------------------------------------------------------------------------------------------

// DANE cannot be had: dane becomes what is left of it, dane-only is refused.
bool Chooser::Incompatible(bool our_fault, bool found_records, std::string words) {
  if (policy_.level == Level::kDane) {
    policy_.level = found_records ? Level::kEncrypt : Level::kMay;
    if (our_fault) warnings_.push_back(std::move(words));
    return true;
  }
  if (our_fault) return Fail(std::move(words));
  refusal_.text = std::move(words);
  return false;
}

bool Chooser::ApplyDane(const TlsaFacts* tlsa) {
  const std::string configured = destination_.text + ": " + std::string(LevelName(policy_.level)) + " configured with ";
  if (destination_.port == 0) {
    return Fail(destination_.text + ": the \"dane\" security level is invalid for delivery via unix-domain sockets");
  }
  if (!client_.lookup_dns || client_.dns_support != config::SmtpClient::DnsSupport::kDnssec) {
    return Incompatible(true, false, configured + "dnssec lookups disabled");
  }
  if (!destination_.lmtp && client_.ignore_mx_lookup_error) {
    return Incompatible(true, false, configured + "MX lookup errors ignored");
  }
  const Level insecure_mx = client_.tls.dane_insecure_mx_policy;
  const bool mx_is_insecure = destination_.by_mx && !destination_.mx_secure;
  if (mx_is_insecure && (policy_.level == Level::kDaneOnly || insecure_mx == Level::kMay)) {
    return Incompatible(false, false, "non DNSSEC destination");
  }
  if (tlsa == nullptr || tlsa->kind == TlsaFacts::Kind::kError) {  // RFC 7672 section 2.1.2: never sent without knowing
    refusal_.text = "TLSA lookup error for " + destination_.host + ":" + std::to_string(destination_.port);
    return false;
  }
  if (tlsa->kind == TlsaFacts::Kind::kNone) return Incompatible(false, false, "no TLSA records found");
  policy_.tlsa = UsableRecords(tlsa->records);
  if (policy_.tlsa.empty()) return Incompatible(false, true, "TLSA records unusable");
  if (mx_is_insecure) {
    if (insecure_mx == Level::kEncrypt) {
      policy_.tlsa.clear();
      return Incompatible(false, true, "Verification not possible, MX RRset is insecure");
    }
    policy_.half_dane = true;
  }
  // RFC 7672 section 3.2.2: the TLSA base domain, and whose MX records led here.
  policy_.match_names = {tlsa->base_domain};
  if (destination_.by_mx) {
    if (destination_.mx_canonical_name != destination_.mx_name)
      policy_.match_names.push_back(destination_.mx_canonical_name);
    policy_.match_names.push_back(destination_.mx_name);
  }
  policy_.server_name = tlsa->base_domain;  // section 8.1
  return true;
}

// ---- the rest of the policy -----------------------------------------------------------------------------------------

std::string Chooser::Reference(const std::string& pattern) const {
  if (EqualsIgnoringCase(pattern, "nexthop")) return AsciiDomain(destination_.nexthop);
  if (EqualsIgnoringCase(pattern, "dot-nexthop")) return "." + AsciiDomain(destination_.nexthop);
  if (EqualsIgnoringCase(pattern, "hostname")) return AsciiDomain(destination_.host);
  if (pattern.starts_with('.')) return "." + AsciiDomain(std::string_view(pattern).substr(1));
  return AsciiDomain(pattern);
}

bool Chooser::FillCommon(const Row& row) {
  const bool mandatory = policy_.required();
  const std::string protocols =
      row.protocols.value_or(mandatory ? client_.tls.mandatory_protocols : client_.tls.protocols);
  std::string unknown;
  const auto versions = config::ParseTlsVersions(protocols, &unknown);
  if (!versions) return Fail(destination_.text + ": \"" + unknown + "\" is no TLS protocol version");
  if (versions->lowest().empty())
    return Fail(destination_.text + ": the protocols \"" + protocols + "\" leave no version");
  policy_.versions = *versions;
  policy_.cipher_grade =
      LowerCase(row.ciphers.value_or(mandatory ? client_.tls.mandatory_ciphers : client_.tls.ciphers));
  static constexpr std::string_view kGrades[] = {"high", "medium", "low", "export", "null"};
  if (std::find(std::begin(kGrades), std::end(kGrades), policy_.cipher_grade) == std::end(kGrades)) {
    return Fail(destination_.text + ": invalid cipher grade: \"" + policy_.cipher_grade + "\"");
  }
  const auto exclude = [this](std::string_view ciphers) {
    for (const std::string& cipher : Split(ciphers, ", \t\r\n:")) {
      policy_.exclude_ciphers += (policy_.exclude_ciphers.empty() ? "" : " ") + cipher;
    }
  };
  if (row.exclude) {
    exclude(*row.exclude);
  } else {
    exclude(client_.tls.exclude_ciphers);
    if (mandatory) exclude(client_.tls.mandatory_exclude_ciphers);
  }
  // Whoever must have TLS gets encryption; whoever must have the certificate gets one.
  if (mandatory) exclude(policy_.must_match() ? "aNULL" : "eNULL");
  policy_.connection_reuse = row.connection_reuse.value_or(client_.tls.connection_reuse);
  if (!policy_.server_name.empty()) return true;  // DANE's
  const std::string server_name = row.servername.value_or(client_.tls.servername);
  if (server_name.empty()) return true;
  if (!routing::IsHostName(server_name))
    return Fail("\"smtp_tls_servername = " + server_name + "\" specifies an invalid hostname");
  policy_.server_name = server_name == "hostname"  ? destination_.host
                        : server_name == "nexthop" ? destination_.nexthop
                                                   : server_name;
  policy_.server_name = AsciiDomain(policy_.server_name);
  return true;
}

void Chooser::AddFingerprints(std::string_view list, std::string_view delimiters) {
  for (const std::string& text : Split(list, delimiters)) {
    std::string hex = text;
    std::erase(hex, ':');
    const auto digest = DecodeHex(hex);
    if (!digest || digest->empty() || digest->size() > kDigestBytesMax) {
      warnings_.push_back("malformed fingerprint value: " + text.substr(0, 384));
    } else {
      policy_.fingerprints.push_back(*digest);
    }
  }
}

bool Chooser::FillCertificate(const Row& row) {
  if (policy_.level == Level::kFingerprint) {
    for (const std::string& text : row.match) AddFingerprints(text, "|");
    if (policy_.fingerprints.empty()) {
      for (const std::string& text : client_.tls.fingerprint_cert_match) AddFingerprints(text, kCommaSpace);
    }
    return !policy_.fingerprints.empty() ||
           Fail("nexthop domain " + destination_.text +
                ": configured at fingerprint security level, but with no fingerprints to match.");
  }
  if (policy_.level != Level::kVerify && policy_.level != Level::kSecure) return true;
  const std::vector<std::string>& usual =
      policy_.level == Level::kVerify ? client_.tls.verify_cert_match : client_.tls.secure_cert_match;
  for (const std::string& pattern : row.match.empty() ? usual : row.match) {
    if (std::string name = Reference(pattern); name != "." && !name.empty()) {
      policy_.match_names.push_back(std::move(name));
    } else {
      warnings_.push_back(destination_.text + ": ignoring invalid match name: \"" + pattern + "\"");
    }
  }
  if (policy_.match_names.empty()) return Fail(destination_.text + ": could not configure peer name checks");
  policy_.trust_anchor_files = row.trust_anchor_files.empty() ? client_.tls.trust_anchor_files : row.trust_anchor_files;
  return true;
}

TlsChoice Chooser::Choose(const TlsaFacts* tlsa) {
  const auto row = FindRow();
  bool good = row.has_value();
  if (good) {
    policy_.level = row->level;
    // A socket is private already; what "may" gives there is not worth a failed handshake.
    if (destination_.port == 0 && policy_.level == Level::kMay) policy_.level = Level::kNone;
    if (policy_.level == Level::kDane || policy_.level == Level::kDaneOnly) good = ApplyDane(tlsa);
    if (good && policy_.wanted()) good = FillCommon(*row) && FillCertificate(*row);
  }
  TlsChoice choice{.result = TlsPolicy{}, .warnings = std::move(warnings_)};
  if (good) {
    choice.result = std::move(policy_);
  } else {
    choice.result = std::move(refusal_);
  }
  return choice;
}

}  // namespace

bool NeedsTlsa(const TlsDestination& destination, const config::SmtpClient& client) {
  const auto row = Chooser(destination, client).FindRow();
  if (!row || destination.port == 0) return false;
  if (row->level != Level::kDane && row->level != Level::kDaneOnly) return false;
  if (!client.lookup_dns || client.dns_support != config::SmtpClient::DnsSupport::kDnssec) return false;
  if (!destination.lmtp && client.ignore_mx_lookup_error) return false;
  const bool mx_is_insecure = destination.by_mx && !destination.mx_secure;
  return !mx_is_insecure || (row->level == Level::kDane && client.tls.dane_insecure_mx_policy != Level::kMay);
}

TlsChoice ChooseTlsPolicy(const TlsDestination& destination, const config::SmtpClient& client, const TlsaFacts* tlsa) {
  return Chooser(destination, client).Choose(tlsa);
}

bool MayFallBackToPlaintext(const TlsPolicy& policy, bool waited_long_enough, bool has_login) {
  return policy.level == Level::kMay && waited_long_enough && !has_login;
}

}  // namespace postern::outbound
