#include "core/outbound/certificate_match.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/base/hash.h"
#include "core/config/value.h"

namespace postern::outbound {
namespace {

using Level = config::ClientTlsLevel;

// RFC 6698 section 7.2 to 7.4 and RFC 7218.
constexpr uint8_t kDaneTa = 2, kDaneEe = 3;
constexpr uint8_t kFull = 0, kSha256 = 1, kSha512 = 2;

bool IsUsable(const TlsaRecord& record) {
  if (record.usage != kDaneTa && record.usage != kDaneEe) return false;
  if (record.selector > 1) return false;
  if (record.matching_type == kFull) return !record.data.empty();
  if (record.matching_type == kSha256) return record.data.size() == DigestSize(HashKind::kSha256);
  return record.matching_type == kSha512 && record.data.size() == DigestSize(HashKind::kSha512);
}

bool RecordMatches(const TlsaRecord& record, const CertificateFacts::Link& link) {
  const std::string& selected = record.selector == 0 ? link.certificate : link.public_key;
  if (record.matching_type == kFull) return record.data == selected;
  return record.data == Digest(record.matching_type == kSha256 ? HashKind::kSha256 : HashKind::kSha512, selected);
}

bool AnyNameMatches(const CertificateFacts& certificate, const std::vector<std::string>& references) {
  for (const std::string& reference : references) {
    if (const auto address = IpAddress::Parse(reference)) {
      if (std::find(certificate.ip_addresses.begin(), certificate.ip_addresses.end(), *address) !=
          certificate.ip_addresses.end())
        return true;
      continue;
    }
    for (const std::string& name : certificate.dns_names) {
      if (NameMatches(name, reference)) return true;
    }
    // RFC 6125 section 6.4.4: the common name only where nothing better is.
    if (certificate.dns_names.empty() && NameMatches(certificate.common_name, reference)) return true;
  }
  return false;
}

bool DaneMatches(const TlsPolicy& policy, const CertificateFacts& certificate) {
  for (const TlsaRecord& record : policy.tlsa) {
    if (record.usage == kDaneEe) {  // RFC 7672 section 3.1.1: neither names nor dates count
      if (!certificate.chain.empty() && RecordMatches(record, certificate.chain.front())) return true;
      continue;
    }
    for (size_t i = 1; i < certificate.chain.size(); ++i) {  // section 3.1.2: the issuer or one above it, and the names
      const CertificateFacts::Link& link = certificate.chain[i];
      if (link.would_anchor && RecordMatches(record, link) && AnyNameMatches(certificate, policy.match_names))
        return true;
    }
  }
  return false;
}

bool HasFingerprint(const TlsPolicy& policy, const CertificateFacts& certificate) {
  return std::any_of(policy.fingerprints.begin(), policy.fingerprints.end(), [&](const std::string& digest) {
    return digest == certificate.certificate_digest || digest == certificate.key_digest;
  });
}

bool Matches(const TlsPolicy& policy, const CertificateFacts& certificate) {
  switch (policy.level) {
    case Level::kNone:
    case Level::kMay:
    case Level::kEncrypt:
      return false;
    case Level::kFingerprint:
      return HasFingerprint(policy, certificate);
    case Level::kDane:
    case Level::kDaneOnly:
      return DaneMatches(policy, certificate);
    case Level::kVerify:
    case Level::kSecure:
      return certificate.chain_trusted && AnyNameMatches(certificate, policy.match_names);
  }
  return false;
}

}  // namespace

TlsVerdict JudgeCertificate(const TlsPolicy& policy, const CertificateFacts* certificate) {
  TlsVerdict verdict;
  verdict.matched = certificate != nullptr && Matches(policy, *certificate);
  verdict.acceptable = verdict.matched || !policy.must_match();
  if (!verdict.acceptable) {
    verdict.status = "4.7.5";
    verdict.text = "Server certificate not verified";
  }
  if (certificate == nullptr) {
    verdict.summary = "Anonymous";
  } else if (policy.must_match()) {
    verdict.summary = !verdict.matched ? "Untrusted" : policy.half_dane ? "Trusted" : "Verified";
  } else {
    verdict.summary = certificate->chain_trusted ? "Trusted" : "Untrusted";
  }
  return verdict;
}

bool NameMatches(std::string_view name, std::string_view reference) {
  if (name.empty() || reference.empty() || name.find('\0') != std::string_view::npos) return false;
  if (reference.size() > 1 && reference.front() == '.') {
    return name.size() > reference.size() && EqualsIgnoringCase(name.substr(name.size() - reference.size()), reference);
  }
  if (EqualsIgnoringCase(name, reference)) return true;
  if (!name.starts_with("*.")) return false;
  const std::string_view below = name.substr(1);  // ".example.com"
  if (below.find('.', 1) == std::string_view::npos) return false;
  const size_t dot = reference.find('.');
  return dot != std::string_view::npos && dot > 0 && EqualsIgnoringCase(reference.substr(dot), below);
}

std::vector<TlsaRecord> UsableRecords(const std::vector<TlsaRecord>& records) {
  std::vector<TlsaRecord> usable;
  std::copy_if(records.begin(), records.end(), std::back_inserter(usable), IsUsable);
  std::vector<TlsaRecord> strongest;
  for (const TlsaRecord& record : usable) {
    const bool outdone =
        record.matching_type == kSha256 && std::any_of(usable.begin(), usable.end(), [&](const TlsaRecord& other) {
          return other.usage == record.usage && other.selector == record.selector && other.matching_type == kSha512;
        });
    if (!outdone) strongest.push_back(record);
  }
  return strongest;
}

}  // namespace postern::outbound
