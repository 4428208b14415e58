#include "core/config/postfix_tls.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/tls_versions.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// The lowest version that a parameter allows.
std::string LowestVersion(const PostfixParameters& p, std::string_view parameter) {
  std::string unknown;
  const auto versions = ParseTlsVersions(p.Text(parameter), &unknown);
  if (!versions) {
    p.findings().Error("tls-version", p.PlaceOf(parameter),
                       std::string(parameter) + " names \"" + unknown + "\", which is no version of TLS",
                       "write \">=TLSv1.2\"");
  }
  if (!versions || versions->lowest().empty()) return "TLSv1.2";
  return std::string(versions->lowest());
}

// An OpenSSL list for the grade, empty where grade and lists are the defaults.
std::string Ciphers(const PostfixParameters& p, bool mandatory) {
  const std::string grade = LowerCase(p.Text(mandatory ? "smtpd_tls_mandatory_ciphers" : "smtpd_tls_ciphers"));
  const std::string list_name = "tls_" + grade + "_cipherlist";
  std::vector<std::string> excluded = p.List("smtpd_tls_exclude_ciphers");
  if (mandatory) {
    for (std::string& cipher : p.List("smtpd_tls_mandatory_exclude_ciphers")) excluded.push_back(std::move(cipher));
  }
  if (grade != "high" && grade != "medium" && grade != "low" && grade != "export" && grade != "null") {
    p.findings().Error("postfix-bad-value", p.PlaceOf(mandatory ? "smtpd_tls_mandatory_ciphers" : "smtpd_tls_ciphers"),
                       "\"" + grade + "\" is no grade of ciphers", "write high or medium");
    return "";
  }
  if (grade == "medium" && !p.IsSet(list_name) && excluded.empty()) return "";
  std::string list = p.Text(list_name);
  for (const std::string& cipher : excluded) list += ":!" + cipher;
  return list;
}

struct CertificateFiles {
  std::string certificate, key;
  std::string_view certificate_setting, key_setting;
};

CertificateFiles FilesOf(const PostfixParameters& p) {
  const std::vector<std::string> chain = p.List("smtpd_tls_chain_files");
  if (!chain.empty()) {
    if (chain.size() > 1) {
      p.findings().Notice("postfix-tls-second-certificate", p.PlaceOf("smtpd_tls_chain_files"),
                          "of several chain files only the first is used", "put the one for all clients first");
    }
    return {chain[0], chain[0], "smtpd_tls_chain_files", "smtpd_tls_chain_files"};
  }
  const std::string rsa = p.Text("smtpd_tls_cert_file"), ecdsa = p.Text("smtpd_tls_eccert_file");
  if (!rsa.empty() && !ecdsa.empty()) {
    p.findings().Notice("postfix-tls-second-certificate", p.PlaceOf("smtpd_tls_eccert_file"),
                        "of the two certificates only smtpd_tls_cert_file is used", "keep one certificate");
  }
  if (rsa.empty() && !ecdsa.empty()) {
    return {ecdsa, p.Text("smtpd_tls_eckey_file"), "smtpd_tls_eccert_file", "smtpd_tls_eckey_file"};
  }
  return {rsa, p.Text("smtpd_tls_key_file"), "smtpd_tls_cert_file", "smtpd_tls_key_file"};
}

}  // namespace

TlsLevel SmtpTlsLevel(const PostfixParameters& p) {
  const std::string level = LowerCase(p.Text("smtpd_tls_security_level"));
  if (level.empty()) {
    if (p.Bool("smtpd_enforce_tls")) return TlsLevel::kEncrypt;
    return p.Bool("smtpd_use_tls") ? TlsLevel::kMay : TlsLevel::kNone;
  }
  if (level == "none") return TlsLevel::kNone;
  if (level == "may") return TlsLevel::kMay;
  if (level != "encrypt") {
    p.findings().Error("postfix-bad-value", p.PlaceOf("smtpd_tls_security_level"),
                       "smtpd_tls_security_level is \"" + level + "\", which a server does not know",
                       "write none, may or encrypt");
  }
  return TlsLevel::kEncrypt;
}

std::optional<ClientTlsLevel> ParseClientTlsLevel(std::string_view name) {
  static constexpr std::pair<std::string_view, ClientTlsLevel> kLevels[] = {
      {"none", ClientTlsLevel::kNone},       {"may", ClientTlsLevel::kMay},
      {"encrypt", ClientTlsLevel::kEncrypt}, {"fingerprint", ClientTlsLevel::kFingerprint},
      {"dane", ClientTlsLevel::kDane},       {"dane-only", ClientTlsLevel::kDaneOnly},
      {"verify", ClientTlsLevel::kVerify},   {"secure", ClientTlsLevel::kSecure}};
  for (const auto& [word, level] : kLevels) {
    if (EqualsIgnoringCase(word, name)) return level;
  }
  return std::nullopt;
}

ClientTlsLevel ClientTlsLevelOf(const PostfixParameters& p, std::string_view front) {
  const std::string prefix(front);
  const std::string level = LowerCase(p.Text(prefix + "tls_security_level"));
  if (level.empty()) {
    // The old form of "encrypt", or of "verify": by default names are checked, too.
    if (p.Bool(prefix + "enforce_tls")) {
      return p.Bool(prefix + "tls_enforce_peername") ? ClientTlsLevel::kVerify : ClientTlsLevel::kEncrypt;
    }
    return p.Bool(prefix + "use_tls") ? ClientTlsLevel::kMay : ClientTlsLevel::kNone;
  }
  const auto parsed = ParseClientTlsLevel(level);
  if (!parsed) {
    p.findings().Error("postfix-smtp-tls-level", p.PlaceOf(prefix + "tls_security_level"),
                       prefix + "tls_security_level is \"" + level + "\", which is no level: mail would wait for ever",
                       "write none, may, encrypt, fingerprint, dane, dane-only, verify or secure");
  }
  return parsed.value_or(ClientTlsLevel::kSecure);
}

std::string ReadPem(FileSource& files, const std::string& path, std::string_view setting, const Place& place,
                    FindingList* findings) {
  auto text = files.Read(path);
  if (text.ok()) return std::move(*text);
  findings->Error("tls-file-unreadable", place,
                  std::string(setting) + " names " + path + ", which cannot be read (" +
                      std::string(Message(text.status())) + "): there would be no TLS",
                  "create the file, or correct its name or rights");
  return "";
}

std::shared_ptr<const TlsContext> BuildSmtpTls(const PostfixParameters& p, TlsContextCache* cache) {
  const CertificateFiles files = FilesOf(p);
  if (files.certificate.empty() || LowerCase(files.certificate) == "none") {
    const Place place =
        p.PlaceOf(p.Bool("smtpd_tls_wrappermode") ? "smtpd_tls_wrappermode" : "smtpd_tls_security_level");
    p.findings().Error("tls-no-certificate", place, "TLS is asked for and smtpd_tls_cert_file is not set",
                       "set smtpd_tls_cert_file and smtpd_tls_key_file");
    return nullptr;
  }
  const bool mandatory = SmtpTlsLevel(p) == TlsLevel::kEncrypt || p.Bool("smtpd_tls_wrappermode");
  TlsContext context;
  context.certificate_path = files.certificate;
  context.key_path = files.key;
  context.min_protocol = LowestVersion(p, mandatory ? "smtpd_tls_mandatory_protocols" : "smtpd_tls_protocols");
  context.ciphers = Ciphers(p, mandatory);
  context.prefer_server_ciphers = p.Bool("tls_preempt_cipherlist");
  context.name = "smtpd";
  const std::string key = context.certificate_path + "\n" + context.key_path + "\n" + context.min_protocol + "\n" +
                          context.ciphers + (context.prefer_server_ciphers ? "\n1" : "\n0");
  if (const auto at = cache->find(key); at != cache->end()) return at->second;
  FileSource& source = *p.source().files;
  context.certificate_pem = ReadPem(source, context.certificate_path, files.certificate_setting,
                                    p.PlaceOf(files.certificate_setting), &p.findings());
  context.key_pem = ReadPem(source, context.key_path, files.key_setting, p.PlaceOf(files.key_setting), &p.findings());
  auto shared = std::make_shared<const TlsContext>(std::move(context));
  cache->emplace(key, shared);
  return shared;
}

}  // namespace postern::config
