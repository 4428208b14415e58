// The hazards of a published recipe for a mail host, one by one (field-notes.md section 3a, by its numbers): a small
// host that has none of them is broken in one place, and the finding must stand at the right file and line, with a mend
// that says what to write; the same host mended as it says has no such finding. Not here: 29 and 34, which delivery and
// the daemon do away with (names with sizes, indexes, certificates read again).
#include <gtest/gtest.h>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

struct Hazard {
  int number;
  std::string finding;  // "error main.cf:3 id"
  std::string mend;     // a part of what the finding's mend says
  std::vector<Edit> broken;
  std::vector<Edit> mended;  // of the broken host, as the mend says
};
std::ostream& operator<<(std::ostream& out, const Hazard& hazard) {
  return out << "hazard " << hazard.number << ", " << hazard.finding;
}

class Hazards : public testing::TestWithParam<Hazard> {};

TEST(SoundHost, HasNoOtherFinding) {
  MemoryFiles files = SoundHost();
  std::vector<std::string> found;
  for (const Finding& finding : Load(files, {}).findings) {
    found.push_back(Describe(finding) + ": " + finding.what);
  }
  EXPECT_EQ(found, std::vector<std::string>{});
}

TEST_P(Hazards, IsFoundInItsPlaceAndGoneWhenMended) {
  const Hazard& hazard = GetParam();
  MemoryFiles files = SoundHost();
  Apply(hazard.broken, &files);
  const Loaded broken = Load(files, {});
  std::string all;
  const Finding* found = nullptr;
  for (const Finding& finding : broken.findings) {
    all += Describe(finding) + "\n";
    if (Describe(finding) == hazard.finding && finding.mend.find(hazard.mend) != std::string::npos) found = &finding;
  }
  ASSERT_NE(found, nullptr) << "what was found:\n" << all;
  EXPECT_EQ(broken.config == nullptr, hazard.finding.starts_with("error")) << all;
  Apply(hazard.mended, &files);
  const Loaded mended = Load(files, {});
  EXPECT_NE(mended.config, nullptr);
  for (const Finding& finding : mended.findings) {
    EXPECT_NE(Describe(finding), hazard.finding) << finding.what;
    EXPECT_NE(finding.severity, FindingSeverity::kError) << Describe(finding);
  }
}

const std::string kPlainImap = "service imap-login {\n  inet_listener imap {\n    port = 0\n  }\n";
const std::string kAliasesFile = "alias_maps = texthash:/etc/aliases\n";

INSTANTIATE_TEST_SUITE_P(
    Syntax, Hazards,
    testing::Values(
        Hazard{1,
               "error dovecot.conf:11 dovecot-syntax-unclosed-section",
               "add the missing \"}\" before line 15",
               {{kDovecot, "service auth {", kPlainImap + "service auth {"}},
               {{kDovecot, "service auth {", "}\nservice auth {"}}},
        Hazard{2,
               "error dovecot.conf:11 dovecot-syntax-listener-outside-service",
               "write \"service auth {\" before it; its \"}\" is line 16 already",
               {{kDovecot, "service auth {\n", ""}},
               {{kDovecot, "  unix_listener", "service auth {\n  unix_listener"}}},
        Hazard{2,
               "error dovecot.conf:11 dovecot-syntax-listener-outside-service",
               "write \"service auth {\" before it and \"}\" after it",
               {{kDovecot, "service auth {\n", ""}, {kDovecot, "  }\n}\n", "  }\n"}},
               {{kDovecot, "  unix_listener", "service auth {\n  unix_listener"}, {kDovecot, "  }\n", "  }\n}\n"}}},
        Hazard{2,
               "warning main.cf:13 auth-socket-missing",
               "add \"unix_listener /var/spool/postfix/private/auth {\" to \"service auth {\"",
               {{kDovecot, "service auth {", "service imap-login {"}},
               {{kDovecot, "service imap-login {", "service auth {"}}},
        Hazard{3,
               "error master.cf:2 master-cf-hidden-service",
               "remove the white space before \"submission\"",
               {{kMaster, "submission  inet", " submission  inet"}},
               {{kMaster, " submission  inet", "submission  inet"}}},
        Hazard{15,
               "error main.cf:6 postfix-mynetworks-style",
               "set mynetworks, or write host, subnet or class",
               {{kMain, "mynetworks = 127.0.0.0/8 [::1]/128", "mynetworks_style = host, localhost"}},
               {{kMain, "host, localhost", "host"}}},
        Hazard{15,
               "warning main.cf:1 postfix-mynetworks-style-masked",
               "remove it",
               {{kMain, "compatibility_level", "mynetworks_style = host, localhost\ncompatibility_level"}},
               {{kMain, "mynetworks_style = host, localhost\n", ""}}},
        Hazard{23,
               "notice dovecot.conf:1 setting-without-effect",
               "remove it",
               {{kDovecot, "protocols", "valid_chroot_dirs = /home/vmail/%d/\nprotocols"}},
               {{kDovecot, "valid_chroot_dirs = /home/vmail/%d/\n", ""}}},
        Hazard{24,
               "notice main.cf:13 setting-without-effect",
               "remove it",
               {{kMain, "smtpd_sasl_path", "smtpd_sasl_local_domain = $myhostname\nsmtpd_sasl_path"}},
               {{kMain, "smtpd_sasl_local_domain = $myhostname\n", ""}}},
        Hazard{25,
               "notice main.cf:2 main-cf-repeated",
               "remove one of the two",
               {{kMain, "compatibility_level",
                 "disable_vrfy_command = yes\ndisable_vrfy_command = yes\ncompatibility_level"}},
               {{kMain, "disable_vrfy_command = yes\n", ""}}},
        Hazard{25,
               "notice main.cf:14 rule-without-effect",
               "remove it",
               {{kMain, "smtpd_client_restrictions =", "smtpd_client_restrictions = permit_mynetworks, permit"}},
               {{kMain, "permit_mynetworks, permit\n", "permit_mynetworks\n"}}},
        Hazard{25,
               "notice main.cf:1 defaults-restated",
               "remove",
               {{kMain, "compatibility_level", "smtpd_soft_error_limit = 10\ncompatibility_level"}},
               {{kMain, "smtpd_soft_error_limit = 10\n", ""}}},
        Hazard{25,
               "notice main.cf:1 setting-cannot-matter",
               "unknown_virtual_mailbox_reject_code",
               {{kMain, "compatibility_level", "unknown_local_recipient_reject_code = 550\ncompatibility_level"}},
               {{kMain, "unknown_local_recipient_reject_code = 550\n", ""}}},
        Hazard{26,
               "notice main.cf:26 legacy-routing-syntax",
               "set allow_percent_hack = no",
               {{kMain, "allow_percent_hack = no", "allow_percent_hack = yes"}},
               {{kMain, "allow_percent_hack = yes", "allow_percent_hack = no"}}},
        Hazard{26,
               "notice main.cf:27 legacy-routing-syntax",
               "set swap_bangpath = no",
               {{kMain, "swap_bangpath = no", "swap_bangpath = yes"}},
               {{kMain, "swap_bangpath = yes", "swap_bangpath = no"}}},
        Hazard{27,
               "notice main.cf:14 etrn-never-served",
               "remove the rules",
               {{kMain, "smtpd_client_restrictions =",
                 "smtpd_etrn_restrictions = permit_mynetworks, reject_invalid_hostname"}},
               {{kMain, "smtpd_etrn_restrictions = permit_mynetworks, reject_invalid_hostname\n", ""}}},
        Hazard{32,
               "notice master.cf:6 service-name-smtps",
               "write submissions, or 465",
               {{kMaster, "submissions inet", "smtps inet"}},
               {{kMaster, "smtps inet", "submissions inet"}}},
        Hazard{32,
               "notice main.cf:18 table-type-portability",
               "lmdb:",
               {{kMain, "texthash:/etc/postfix/virtual", "hash:/etc/postfix/virtual"}},
               {{kMain, "hash:/etc/postfix/virtual", "lmdb:/etc/postfix/virtual"}}}));

INSTANTIATE_TEST_SUITE_P(
    Protection, Hazards,
    testing::Values(
        Hazard{4,
               "security main.cf:8 smtp-without-tls",
               "set smtpd_tls_security_level = may",
               {{kMain, "smtpd_tls_security_level = may\n", ""}},
               {{kMain, "compatibility_level", "smtpd_tls_security_level = may\ncompatibility_level"}}},
        Hazard{4,
               "security master.cf:2 submission-without-tls",
               "add \"-o smtpd_tls_security_level=encrypt\"",
               {{kMaster, "  -o smtpd_tls_security_level=encrypt\n", "  -o smtpd_tls_auth_only=yes\n"}},
               {{kMaster, "  -o smtpd_tls_auth_only=yes\n", "  -o smtpd_tls_security_level=encrypt\n"}}},
        Hazard{5,
               "security master.cf:2 auth-in-clear",
               "set smtpd_tls_security_level = may and smtpd_tls_auth_only = yes",
               {{kMaster, "  -o smtpd_tls_security_level=encrypt\n", ""}},
               {{kMain, "compatibility_level", "smtpd_tls_auth_only = yes\ncompatibility_level"}}},
        Hazard{6,
               "security master.cf:1 auth-on-port-25",
               "set smtpd_sasl_auth_enable = no in main.cf",
               {{kMain, "compatibility_level", "smtpd_sasl_auth_enable = yes\ncompatibility_level"}},
               {{kMain, "smtpd_sasl_auth_enable = yes", "smtpd_sasl_auth_enable = no"}}},
        Hazard{7,
               "warning dovecot.conf:6 mechanism-without-scheme",
               "remove digest-md5 from auth_mechanisms",
               {{kDovecot, "plain login", "plain login digest-md5"}},
               {{kDovecot, " digest-md5", ""}}},
        Hazard{8,
               "notice dovecot.conf:6 mechanism-not-offered",
               "nothing",
               {{kUsers, "", "alice@example.test:{CRAM-MD5}00\nbob@example.test:{CRAM-MD5}00\n"}},
               {{kUsers, "", kWholeUsers}}},
        Hazard{9,
               "security dovecot.conf:6 mechanism-historic",
               "scram-sha-256",
               {{kDovecot, "plain login", "plain login digest-md5"}},
               {{kDovecot, "digest-md5", "scram-sha-256"}}},
        Hazard{9,
               "security dovecot.conf:20 password-scheme-weak",
               "store them as {ARGON2ID} or {SHA512-CRYPT}",
               {{kUsers, "", "alice@example.test:{CRAM-MD5}00\nbob@example.test:{CRAM-MD5}00\n"}},
               {{kUsers, "", "alice@example.test:{ARGON2ID}x\nbob@example.test:{SHA512-CRYPT}x\n"}}},
        Hazard{16,
               "security main.cf:6 mynetworks-public",
               "trust 127.0.0.0/8 only",
               {{kMain, "mynetworks = 127", "mynetworks = 192.0.2.10/32 127"}},
               {{kMain, "192.0.2.10/32 ", ""}}},
        Hazard{16,
               "security main.cf:6 mynetworks-by-name",
               "write addresses",
               {{kMain, "mynetworks = 127", "mynetworks = localhost 127"}},
               {{kMain, "localhost ", ""}}},
        Hazard{17,
               "security master.cf:6 submission-open-to-strangers",
               "add \"-o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\"",
               {{kMaster,
                 "wrappermode=yes\n  -o smtpd_sasl_auth_enable=yes\n"
                 "  -o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject\n",
                 "wrappermode=yes\n  -o smtpd_sasl_auth_enable=yes\n"}},
               {{kMaster, "wrappermode=yes\n",
                 "wrappermode=yes\n  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject\n"}}},
        Hazard{18,
               "warning main.cf:14 rule-before-login",
               "put permit_sasl_authenticated before it",
               {{kMain, "smtpd_client_restrictions =",
                 "smtpd_client_restrictions = permit_mynetworks, reject_invalid_hostname"}},
               {{kMain, "reject_invalid_hostname", "permit_sasl_authenticated, reject_invalid_helo_hostname"}}},
        Hazard{19,
               "security master.cf:2 sender-not-checked",
               "set smtpd_sender_login_maps, and reject_sender_login_mismatch before permit_sasl_authenticated",
               {{kMaster, "reject_sender_login_mismatch,", ""}},
               {{kMaster, "permit_sasl", "reject_sender_login_mismatch,permit_sasl"}}},
        Hazard{20,
               "security main.cf outbound-without-tls",
               "set smtp_tls_security_level = may",
               {{kMain, "smtp_tls_security_level = may\n", ""}},
               {{kMain, "compatibility_level", "smtp_tls_security_level = may\ncompatibility_level"}}},
        Hazard{21,
               "security main.cf:8 certificate-untrusted",
               "get a certificate for mail.example.test from an authority",
               {{"/etc/ssl/certs/mail.pem", "", kTestCertificate}, {"/etc/ssl/private/mail.key", "", kTestKey}},
               {{"/etc/ssl/certs/mail.pem", "", kSignedCertificate}, {"/etc/ssl/private/mail.key", "", kSignedKey}}},
        Hazard{21,
               "security dovecot.conf:4 certificate-untrusted",
               "get a certificate for mail.example.test",
               {{"/etc/ssl/certs/mail.pem", "", kTestCertificate}, {"/etc/ssl/private/mail.key", "", kTestKey}},
               {{"/etc/ssl/certs/mail.pem", "", kSignedCertificate}, {"/etc/ssl/private/mail.key", "", kSignedKey}}},
        Hazard{22,
               "security dovecot.conf:13 auth-socket-mode",
               "write mode = 0660, user = postfix, group = postfix",
               {{kDovecot, "mode = 0660", "mode = 0666"}},
               {{kDovecot, "mode = 0666", "mode = 0660"}}},
        Hazard{30,
               "notice main.cf:15 senders-believed",
               "reject_unknown_reverse_client_hostname",
               {{kMain, ", reject_unknown_reverse_client_hostname", ""}},
               {{kMain, "permit_mynetworks, permit_sasl_authenticated",
                 "permit_mynetworks, permit_sasl_authenticated, reject_non_fqdn_sender, "
                 "reject_unknown_reverse_client_hostname"}}},
        Hazard{30,
               "notice main.cf:28 mail-unsigned",
               "set relayhost to a server that signs",
               {{kMain, "relayhost = [relay.example.net]", "relayhost ="}},
               {{kMain, "relayhost =", "relayhost = relay.example.net"}}},
        Hazard{31,
               "notice main.cf:7 ipv4-only",
               "set inet_protocols = all",
               {{kMain, "smtpd_helo_required = yes", "inet_protocols = ipv4"}},
               {{kMain, "inet_protocols = ipv4", "inet_protocols = all"}}},
        Hazard{31,
               "notice main.cf:7 ipv4-only",
               "and add [::1]/128 to mynetworks",
               {{kMain, "smtpd_helo_required = yes", "inet_protocols = ipv4"}, {kMain, " [::1]/128", ""}},
               {{kMain, "inet_protocols = ipv4", "inet_protocols = all"},
                {kMain, "127.0.0.0/8", "127.0.0.0/8 [::1]/128"}}},
        Hazard{31,
               "notice dovecot.conf:2 ipv4-only",
               "write listen = *, ::",
               {{kDovecot, "listen = *, ::", "listen = *"}},
               {{kDovecot, "listen = *", "listen = *, ::"}}},
        Hazard{33,
               "warning users users-file-readable",
               "chmod 0640",
               {{kUsers, "", kWholeUsers, 0644}},
               {{kUsers, "", kWholeUsers, 0640}}}));

INSTANTIATE_TEST_SUITE_P(
    Delivery, Hazards,
    testing::Values(
        // Both rules without the domain: right by accident.
        Hazard{10,
               "warning main.cf:21 mailbox-path-by-accident",
               "put the domain into the users file and into the mailbox paths",
               {{kUsers, "", kBareUsers}, {kMailboxes, "", kBareMailboxes}, {kLogins, "", kBareLogins}},
               {{kUsers, "", kWholeUsers}, {kMailboxes, "", kWholeMailboxes}, {kLogins, "", kWholeLogins}}},
        // One half of the repair.
        Hazard{10,
               "error main.cf:21 mailbox-path-unread",
               "write \"alice@example.test example.test/alice/Maildir/\"",
               {{kMailboxes, "", kBareMailboxes}},
               {{kMailboxes, "", kWholeMailboxes}}},
        // The other half.
        Hazard{10,
               "error main.cf:21 mailbox-path-unread",
               "write \"alice@example.test alice/Maildir/\"",
               {{kUsers, "", kBareUsers}, {kLogins, "", kBareLogins}},
               {{kMailboxes, "", kBareMailboxes}}},
        Hazard{11,
               "error main.cf:21 mailbox-shared-between-domains",
               "put the domain into the path",
               {{kUsers, "", kBareUsers},
                {kLogins, "", kBareLogins},
                {kMain, "virtual_mailbox_domains = example.test", "virtual_mailbox_domains = example.test, other.test"},
                {kMailboxes, "", std::string(kBareMailboxes) + "alice@other.test alice/Maildir/\n"}},
               {{kUsers, "", std::string(kWholeUsers) + "alice@other.test:{SHA512-CRYPT}x\n"},
                {kMailboxes, "", std::string(kWholeMailboxes) + "alice@other.test other.test/alice/Maildir/\n"}}},
        // The same where one person reads both: the second address is an alias.
        Hazard{11,
               "error main.cf:21 mailbox-shared-between-domains",
               "make one address an alias",
               {{kMain, "virtual_mailbox_domains = example.test", "virtual_mailbox_domains = example.test, other.test"},
                {kMailboxes, "", std::string(kWholeMailboxes) + "alice@other.test example.test/alice/Maildir/\n"}},
               {{kMailboxes, "", kWholeMailboxes},
                {kAliases, "postmaster@example", "alice@other.test alice@example.test\npostmaster@example"}}},
        Hazard{12,
               "error main.cf:21 mailbox-path-unread",
               "add the user to the users file, remove the row",
               {{kMailboxes, "", std::string(kWholeMailboxes) + "carol@example.test example.test/carol/Maildir/\n"}},
               {{kUsers, "", std::string(kWholeUsers) + "carol@example.test:{SHA512-CRYPT}x\n"}}},
        Hazard{12,
               "warning main.cf:21 login-without-mailbox",
               "add a row for its address, or remove the user",
               {{kUsers, "", std::string(kWholeUsers) + "carol@example.test:{SHA512-CRYPT}x\n"}},
               {{kMailboxes, "", std::string(kWholeMailboxes) + "carol@example.test example.test/carol/Maildir/\n"}}},
        Hazard{13,
               "warning main.cf:19 postmaster-unreachable",
               "add postmaster@example.test to virtual_alias_maps",
               {{kAliases, "postmaster@example.test alice@example.test\n", ""}},
               {{kAliases, "abuse@example", "postmaster@example.test alice@example.test\nabuse@example"}}},
        Hazard{13,
               "notice main.cf:19 abuse-unreachable",
               "add abuse@example.test to virtual_alias_maps",
               {{kAliases, "abuse@example.test alice@example.test\n", ""}},
               {{kAliases, "root@example", "abuse@example.test alice@example.test\nroot@example"}}},
        Hazard{13,
               "notice main.cf:4 root-unreachable",
               "add root@example.test to virtual_alias_maps",
               {{kAliases, "root@example.test alice@example.test\n", ""}},
               {{kAliases, "abuse@example", "root@example.test alice@example.test\nabuse@example"}}},
        Hazard{13,
               "warning main.cf:29 alias-maps-dead",
               "put the aliases into virtual_alias_maps, with their domain",
               {{kMain, "alias_maps =\n", kAliasesFile}, {"/etc/aliases", "", "root: alice@example.test\n"}},
               {{kMain, kAliasesFile, "alias_maps =\n"}}},
        Hazard{14,
               "warning main.cf:2 myhostname-in-no-class",
               "set virtual_alias_domains = $virtual_alias_maps, $myhostname",
               {{kMain, "virtual_alias_domains = $virtual_alias_maps, $myhostname\n", ""},
                {kAliases, "postmaster@mail.example.test alice@example.test\n", ""}},
               {{kMain, "virtual_alias_maps =",
                 "virtual_alias_domains = $virtual_alias_maps, $myhostname\nvirtual_alias_maps ="}}},
        Hazard{28,
               "warning main.cf message-size-small",
               "set message_size_limit = 52428800",
               {{kMain, "message_size_limit = 52428800\n", ""}},
               {{kMain, "compatibility_level", "message_size_limit = 52428800\ncompatibility_level"}}}));

}  // namespace
}  // namespace postern::config
