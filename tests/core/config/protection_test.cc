// What protects and is not supported stops the start; what has no effect is listed; nothing passes in silence. Each
// line is added to a host that has no finding, so that whatever is found is the line's.
#include <gtest/gtest.h>

#include <set>

#include "core/config/registry.h"
#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

// The findings of the sound host with `line` added to its main.cf or dovecot.conf; `starts` says whether it would.
std::set<std::string> With(const std::string& file, const std::string& line, bool* starts) {
  MemoryFiles files = SoundHost();
  files.Add("/etc/postfix/access", "bad.test REJECT\n");
  files.Add(file, *files.Read(file) + line + "\n");
  const Loaded loaded = Load(files, {});
  *starts = loaded.config != nullptr;
  std::set<std::string> ids;
  for (const Finding& finding : loaded.findings) ids.insert(finding.id);
  return ids;
}

struct Line {
  std::string text, id;
};
std::ostream& operator<<(std::ostream& out, const Line& line) { return out << line.text; }

class PostfixStops : public testing::TestWithParam<Line> {};
TEST_P(PostfixStops, TheStart) {
  bool starts = true;
  const auto ids = With(kMain, GetParam().text, &starts);
  EXPECT_FALSE(starts);
  EXPECT_TRUE(ids.contains(GetParam().id)) << testing::PrintToString(ids);
}

class DovecotStops : public testing::TestWithParam<Line> {};
TEST_P(DovecotStops, TheStart) {
  bool starts = true;
  const auto ids = With(kDovecot, GetParam().text, &starts);
  EXPECT_FALSE(starts);
  EXPECT_TRUE(ids.contains(GetParam().id)) << testing::PrintToString(ids);
}

// Lines that ask for nothing, or for what is there.
class PostfixAllows : public testing::TestWithParam<std::string> {};
TEST_P(PostfixAllows, TheStart) {
  bool starts = false;
  const auto ids = With(kMain, GetParam(), &starts);
  EXPECT_TRUE(starts) << testing::PrintToString(ids);
}

const std::string kNo = "setting-unsupported";

INSTANTIATE_TEST_SUITE_P(
    Settings, PostfixStops,
    testing::Values(
        Line{"smtpd_milters = inet:127.0.0.1:8891", kNo}, Line{"non_smtpd_milters = inet:127.0.0.1:8891", kNo},
        Line{"smtpd_milter_maps = texthash:/etc/postfix/access", kNo},
        Line{"content_filter = smtp-amavis:[127.0.0.1]:10024", kNo}, Line{"smtpd_proxy_filter = 127.0.0.1:10024", kNo},
        Line{"header_checks = texthash:/etc/postfix/access", kNo},
        Line{"mime_header_checks = texthash:/etc/postfix/access", kNo},
        Line{"nested_header_checks = texthash:/etc/postfix/access", kNo},
        Line{"body_checks = texthash:/etc/postfix/access", kNo},
        Line{"smtp_header_checks = texthash:/etc/postfix/access", kNo},
        Line{"smtp_body_checks = texthash:/etc/postfix/access", kNo}, Line{"smtpd_tls_req_ccert = yes", kNo},
        Line{"relay_clientcerts = texthash:/etc/postfix/access", kNo},
        Line{"smtpd_client_message_rate_limit = 10", kNo}, Line{"smtpd_client_auth_rate_limit = 10", kNo},
        Line{"smtpd_client_connection_rate_limit = 10", kNo}, Line{"smtpd_client_recipient_rate_limit = 10", kNo},
        Line{"smtpd_sasl_mechanism_filter = plain", kNo}, Line{"smtpd_command_filter = pcre:/etc/postfix/access", kNo},
        Line{"smtpd_null_access_lookup_key = none", kNo}, Line{"parent_domain_matches_subdomains =", kNo},
        Line{"message_reject_characters = \\0", kNo}, Line{"strict_7bit_headers = yes", kNo},
        Line{"strict_8bitmime = yes", kNo}, Line{"smtp_tls_security_level = sceure", "postfix-smtp-tls-level"},
        Line{"lmtp_tls_security_level = sceure", "postfix-smtp-tls-level"},
        Line{"smtp_tls_per_site = texthash:/etc/postfix/access", kNo}, Line{"smtp_bind_address = 192.0.2.1", kNo},
        Line{"smtp_delivery_status_filter = texthash:/etc/postfix/access", kNo},
        Line{"local_login_sender_maps = texthash:/etc/postfix/access", kNo},
        Line{"smtpd_tls_security_level = secure", "postfix-bad-value"},
        Line{"smtpd_tls_security_level = encrpyt", "postfix-bad-value"},
        Line{"sender_bcc_maps = texthash:/etc/postfix/access", kNo},
        Line{"recipient_bcc_maps = texthash:/etc/postfix/access", kNo}, Line{"always_bcc = archive@example.test", kNo},
        Line{"masquerade_domains = example.test", kNo}, Line{"smtp_generic_maps = texthash:/etc/postfix/access", kNo},
        Line{"canonical_classes = envelope_sender", kNo},
        Line{"propagate_unmatched_extensions = virtal", "postfix-bad-value"},
        Line{"receive_override_options = no_address_mappings", kNo},
        Line{"relocated_maps = texthash:/etc/postfix/access", kNo},
        Line{"virtual_transport = maildrop", "transport-unsupported"},
        Line{"smtpd_helo_restrictions = check_helo_access mysql:/etc/postfix/mysql.cf", "table-type-unsupported"},
        Line{"smtpd_helo_restrictions = check_helo_access texthash:/etc/postfix/gone", "table-unreadable"}));

std::vector<Line> UnsupportedRules() {
  std::vector<Line> lines;
  for (const RestrictionFacts& facts : AllRestrictions()) {
    if (facts.supported) continue;
    const std::string argument = facts.argument == RestrictionFacts::Argument::kTable  ? " texthash:/etc/postfix/access"
                                 : facts.argument == RestrictionFacts::Argument::kText ? " zen.example.test"
                                                                                       : "";
    for (const std::string list : {"client", "sender", "recipient"}) {
      lines.push_back(
          {"smtpd_" + list + "_restrictions = permit_mynetworks, " + std::string(facts.name) + argument + ", reject",
           "postfix-restriction-unsupported"});
    }
  }
  return lines;
}
INSTANTIATE_TEST_SUITE_P(Rules, PostfixStops, testing::ValuesIn(UnsupportedRules()));

INSTANTIATE_TEST_SUITE_P(
    OtherRules, PostfixStops,
    testing::Values(
        Line{"smtpd_sender_restrictions = check_policy_service unix:private/policy", "postfix-restriction-unsupported"},
        Line{"smtpd_sender_restrictions = { check_policy_service unix:private/policy, timeout=1s }",
             "postfix-restriction-unsupported"},
        Line{"smtpd_sender_restrictions = warn_if_reject reject_rbl_client zen.example.test",
             "postfix-restriction-unsupported"},
        Line{"smtpd_sender_restrictions = reject_nonsense", "postfix-restriction-unknown"},
        Line{"smtpd_restriction_classes = a\na = check_policy_service unix:private/policy\nsmtpd_sender_restrictions = "
             "a",
             "postfix-restriction-unsupported"},
        Line{"smtpd_sender_restrictions = check_sender_access", "postfix-restriction-argument"},
        Line{"smtpd_sender_restrictions = check_sender_access inline:{ {a@b.test=FILTER smtp:[127.0.0.1]:10025} }",
             "access-table-action"},
        Line{"smtpd_sender_restrictions = check_sender_access inline:{ a@b.test=reject_rbl_client }",
             "access-table-action"},
        Line{"smtpd_sender_restrictions = check_sender_access inline:{ a@b.test=PREPEND }", "access-table-action"},
        Line{"smtpd_sender_restrictions = check_sender_access inline:{ a@b.test=RJECT }", "access-table-action"},
        Line{"smtpd_sender_restrictions = check_sender_access pcre:{ {/x/ FILTER smtp:x} }", "access-table-action"},
        Line{"smtpd_restriction_classes = a b c d e f g h i\na = b\nb = c\nc = d\nd = e\ne = f\nf = g\ng = h\nh = i\ni "
             "= reject\n"
             "smtpd_sender_restrictions = a",
             "postfix-restriction-class-loop"}));

INSTANTIATE_TEST_SUITE_P(
    Settings, PostfixAllows,
    testing::Values(
        "smtpd_milters =", "smtpd_client_message_rate_limit = 0", "receive_override_options = no_header_body_checks",
        "smtp_tls_security_level = encrypt", "soft_bounce = no", "smtpd_tls_loglevel = 1", "mailbox_size_limit = 0",
        "smtpd_sender_restrictions = check_sender_access inline:{ {a@b.test=REJECT no} {c.test=OK} {d.test=DUNNO} "
        "{e.test=450 4.7.1 later} {f.test=permit_mynetworks, reject} {g.test=HOLD} {h.test=REDIRECT x@example.test} }",
        "smtpd_restriction_classes = none\nnone =\nsmtpd_sender_restrictions = none, reject_non_fqdn_sender",
        "smtp_enforce_tls = no", "smtp_tls_security_level =\nsmtp_enforce_tls = yes", "smtp_tls_security_level = dane",
        "smtp_tls_security_level = secure", "smtp_tls_security_level = fingerprint", "lmtp_tls_security_level = verify",
        "smtp_tls_policy_maps = texthash:/etc/postfix/access", "smtp_tls_mandatory_protocols = >=TLSv1.3",
        "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = texthash:/etc/postfix/access",
        "sender_dependent_default_transport_maps = texthash:/etc/postfix/access",
        "sender_dependent_relayhost_maps = texthash:/etc/postfix/access", "smtp_fallback_relay = [b.example.test]",
        "parent_domain_matches_subdomains = fast_flush_domains mynetworks relay_domains smtpd_access_maps "
        "transport_maps",
        "mydestination =", "local_transport = error:no local mail\nmydestination = localhost",
        "mydestination = localhost", "propagate_unmatched_extensions =", "expand_owner_alias = yes"));

INSTANTIATE_TEST_SUITE_P(
    Settings, DovecotStops,
    testing::Values(
        Line{"auth_policy_server_url = http://127.0.0.1:4001/", kNo}, Line{"auth_ssl_require_client_cert = yes", kNo},
        Line{"auth_ssl_username_from_cert = yes", kNo}, Line{"ssl_verify_client_cert = yes", kNo},
        Line{"ssl_ca = </etc/ca.pem", kNo}, Line{"login_access_sockets = tcpwrap", kNo},
        Line{"auth_master_user_separator = *", kNo}, Line{"mail_chroot = /x", kNo},
        Line{"mail_plugins = acl", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = quota", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = $mail_plugins mail_crypt", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = zlib", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = lazy_expunge", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = virtual", "dovecot-plugin-unsupported"},
        Line{"mail_plugins = listescape", "dovecot-plugin-unsupported"},
        Line{"protocol imap {\n  mail_plugins = imap_acl\n}", "dovecot-plugin-unsupported"},
        Line{"protocol lmtp {\n  mail_plugins = quota\n}", "dovecot-plugin-unsupported"},
        Line{"passdb {\n  driver = pam\n}", "dovecot-driver-unsupported"},
        Line{"passdb {\n  driver = sql\n  args = /etc/dovecot/sql.conf\n}", "dovecot-driver-unsupported"},
        Line{"passdb {\n  driver = ldap\n  args = /etc/dovecot/ldap.conf\n}", "dovecot-driver-unsupported"},
        Line{"passdb {\n  driver = passwd-file\n  deny = yes\n  args = /etc/dovecot/deny\n}",
             "dovecot-users-unreadable"},
        Line{"passdb {\n  driver = passwd-file\n  args = /etc/dovecot/users\n  username_filter = *@example.test\n}",
             kNo},
        Line{"userdb {\n  driver = sql\n  args = /etc/dovecot/sql.conf\n}", "dovecot-driver-unsupported"},
        Line{"userdb {\n  driver = static\n  args = uid=1 gid=1\n  result_success = continue\n}", kNo},
        Line{"userdb {\n  driver = static\n  args = uid=1 gid=1\n  skip = found\n}", kNo},
        Line{"remote 10.0.0.0/8 {\n  disable_plaintext_auth = no\n}", "dovecot-filter-unsupported"},
        Line{"local 10.0.0.1 {\n  ssl = no\n}", "dovecot-filter-unsupported"},
        Line{"service imap-login {\n  inet_listener imap {\n    haproxy = yes\n  }\n}", "dovecot-haproxy-unsupported"},
        Line{"namespace second {\n  prefix = x/\n  location = maildir:/srv/x\n}", "dovecot-namespace-unsupported"},
        Line{"namespace inbox {\n  location = maildir:/srv/x\n}", "dovecot-namespace-unsupported"},
        Line{"namespace pub {\n  type = public\n  prefix = Public/\n}", "dovecot-namespace-unsupported"},
        Line{"lmtp_proxy = yes", kNo}, Line{"lmtp_save_to_detail_mailbox = yes", kNo},
        Line{"mail_location = mbox:~/mail", "dovecot-mail-location"},
        Line{"auth_mechansims = plain", "dovecot-unknown-setting"}, Line{"ssl_min_protocol = TLSv9", "tls-version"},
        Line{"ssl = maybe", "dovecot-bad-value"}));

// Every parameter that we know and do not honour is spoken of when it is set: by an error or a notice, never not at
// all.
TEST(Protection, NoSettingPassesInSilence) {
  size_t spoken = 0;
  for (const ParameterFacts* facts : AllPostfixParameters()) {
    if (facts->effect == SettingEffect::kHonoured) continue;
    const std::string name(facts->name);
    if (name.ends_with("_directory") || name.ends_with("_path") || name == "mail_owner" || name == "setgid_group" ||
        name == "alias_database" || name == "debugger_command" || name == "smtp_host_lookup") {
      continue;  // where things are installed; nobody expects an effect
    }
    bool starts = false;
    const auto ids = With(kMain, name + " = 4711", &starts);
    EXPECT_TRUE(ids.contains("setting-unsupported") || ids.contains("setting-unsupported-harmless") ||
                ids.contains("setting-without-effect"))
        << name;
    const bool protects = facts->effect == SettingEffect::kProtects || facts->effect == SettingEffect::kChangesMail;
    if (protects && name != "receive_override_options") EXPECT_FALSE(starts) << name;
    ++spoken;
  }
  EXPECT_GT(spoken, 500u);
}

}  // namespace
}  // namespace postern::config
