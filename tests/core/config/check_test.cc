// The cross-file checks: each screw turned on a host that works gives its finding, and the working host gives none of
// them.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "tests/core/config/reference_host.h"

namespace postern::config {
namespace {

const Finding* FindId(const Loaded& loaded, std::string_view id) {
  for (const Finding& finding : loaded.findings) {
    if (finding.id == id) return &finding;
  }
  return nullptr;
}

void Append(MemoryFiles* files, const std::string& path, const std::string& text) {
  files->Add(path, *files->Read(path) + text);
}
void Replace(MemoryFiles* files, const std::string& path, const std::string& from, const std::string& to) {
  std::string text = *files->Read(path);
  const size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  files->Add(path, text.replace(at, from.size(), to));
}

const std::string kMain = "/etc/postfix/main.cf";
const std::string kMaster = "/etc/postfix/master.cf";
const std::string kDovecot = "/etc/dovecot/dovecot.conf";

struct Screw {
  std::string id;
  FindingSeverity severity;
  std::function<void(MemoryFiles*)> turn;
};

std::ostream& operator<<(std::ostream& out, const Screw& screw) { return out << screw.id; }

class Check : public testing::TestWithParam<Screw> {};

TEST_P(Check, TheTurnedScrewIsFoundAndWasNotThereBefore) {
  MemoryFiles files = ReferenceHost("working");
  EXPECT_EQ(FindId(Load(files, {}), GetParam().id), nullptr);
  GetParam().turn(&files);
  const Loaded loaded = Load(files, {});
  const Finding* finding = FindId(loaded, GetParam().id);
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->severity, GetParam().severity);
  EXPECT_EQ(loaded.config == nullptr, GetParam().severity == FindingSeverity::kError);
}

constexpr FindingSeverity kError = FindingSeverity::kError, kWarning = FindingSeverity::kWarning,
                          kNotice = FindingSeverity::kNotice;

INSTANTIATE_TEST_SUITE_P(
    Paths, Check,
    testing::Values(
        Screw{"mailbox-path-unread", kError,
              [](MemoryFiles* f) { f->Add("/etc/postfix/vmailbox", "alice@example.test alice/Maildir/\n"); }},
        Screw{"mailbox-path-unread", kError,
              [](MemoryFiles* f) {
                Append(f, "/etc/postfix/vmailbox", "carol@example.test example.test/carol/Maildir/\n");
              }},
        Screw{"mailbox-path-unread", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "auth_username_format = %Ln\n"); }},
        Screw{"mailbox-path-unread", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "mail_location = maildir:~/mail\n"); }},
        Screw{"mailbox-path-unread", kError,
              [](MemoryFiles* f) {
                f->Add("/etc/postfix/paths", "/^(.*)@(.*)$/ $1/Maildir/\n");
                Append(f, kMain, "virtual_mailbox_maps = pcre:/etc/postfix/paths\n");
              }},
        Screw{"mailbox-shared-between-domains", kError,
              [](MemoryFiles* f) {
                Append(f, kMain, "virtual_mailbox_domains = example.test other.test\n");
                Append(f, "/etc/postfix/vmailbox", "alice@other.test example.test/alice/Maildir/\n");
              }},
        Screw{"mailbox-shared", kNotice,
              [](MemoryFiles* f) {
                Append(f, "/etc/postfix/vmailbox", "al@example.test example.test/alice/Maildir/\n");
              }},
        Screw{"mailbox-not-maildir", kError,
              [](MemoryFiles* f) { Append(f, "/etc/postfix/vmailbox", "x@example.test example.test/x\n"); }},
        Screw{"mailbox-domain-not-ours", kWarning,
              [](MemoryFiles* f) { Append(f, "/etc/postfix/vmailbox", "alice@gone.test gone.test/alice/Maildir/\n"); }},
        Screw{"login-without-mailbox", kWarning,
              [](MemoryFiles* f) { Append(f, "/etc/dovecot/users", "carol@example.test:{SHA512-CRYPT}x\n"); }},
        Screw{"mailbox-owner-not-valid", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "first_valid_uid = 20000\n"); }},
        Screw{"mailbox-owner-differs", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "virtual_uid_maps = static:5000\n"); }},
        Screw{"mailbox-uid-below-minimum", kError,
              [](MemoryFiles* f) { Append(f, kMain, "virtual_uid_maps = static:50\n"); }},
        Screw{"postfix-mailbox-limit", kError,
              [](MemoryFiles* f) { Append(f, kMain, "virtual_mailbox_limit = 1000\n"); }}));

INSTANTIATE_TEST_SUITE_P(
    Addresses, Check,
    testing::Values(
        Screw{"domain-in-two-classes", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "relay_domains = example.test\n"); }},
        Screw{"postmaster-unreachable", kWarning,
              [](MemoryFiles* f) { f->Add("/etc/postfix/virtual", "abuse@example.test alice@example.test\n"); }},
        Screw{"alias-loop", kWarning,
              [](MemoryFiles* f) {
                Append(f, "/etc/postfix/virtual", "a@example.test b@example.test\nb@example.test a@example.test\n");
              }},
        Screw{"alias-catch-all", kNotice,
              [](MemoryFiles* f) { Append(f, "/etc/postfix/virtual", "@example.test alice@example.test\n"); }},
        Screw{"alias-forwards-outside", kNotice,
              [](MemoryFiles* f) { Append(f, "/etc/postfix/virtual", "x@example.test x@elsewhere.test\n"); }},
        Screw{"alias-maps-dead", kWarning,
              [](MemoryFiles* f) {
                f->Add("/etc/aliases", "root: alice\n");
                Append(f, kMain, "alias_maps = hash:/etc/aliases\n");
              }},
        Screw{"sender-login-without-address", kWarning,
              [](MemoryFiles* f) { f->Add("/etc/postfix/logins", "bob@example.test bob@example.test\n"); }},
        Screw{"transport-unsupported", kError,
              [](MemoryFiles* f) { Append(f, kMain, "virtual_transport = maildrop\n"); }}));

INSTANTIATE_TEST_SUITE_P(
    Access, Check,
    testing::Values(
        Screw{"open-relay", kError,
              [](MemoryFiles* f) {
                Append(f, kMain, "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = permit\n");
              }},
        Screw{"open-relay", kError, [](MemoryFiles* f) { Append(f, kMain, "mynetworks = 0.0.0.0/0\n"); }},
        Screw{"mynetworks-public", kWarning, [](MemoryFiles* f) { Append(f, kMain, "mynetworks = 192.0.2.0/24\n"); }},
        Screw{"mynetworks-private-range", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "mynetworks = 172.16.0.0/12\n"); }},
        Screw{"mynetworks-by-name", kWarning, [](MemoryFiles* f) { Append(f, kMain, "mynetworks = localhost\n"); }},
        Screw{"submission-open-to-strangers", kWarning,
              [](MemoryFiles* f) {
                Replace(f, kMaster,
                        "-o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject",
                        "-o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated");
              }},
        Screw{"submission-without-tls", kWarning,
              [](MemoryFiles* f) {
                Replace(f, kMaster, "-o smtpd_tls_security_level=encrypt\n", "-o smtpd_tls_security_level=may\n");
              }},
        Screw{"submission-without-auth", kWarning,
              [](MemoryFiles* f) {
                Replace(f, kMaster, "-o smtpd_sasl_auth_enable=yes", "-o smtpd_sasl_auth_enable=no");
              }},
        Screw{"auth-on-port-25", kWarning, [](MemoryFiles* f) { Append(f, kMain, "smtpd_sasl_auth_enable = yes\n"); }},
        Screw{"auth-in-clear", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtpd_sasl_auth_enable = yes\nsmtpd_tls_auth_only = no\n"); }},
        Screw{"sender-not-checked", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtpd_sasl_auth_enable = yes\n"); }},
        Screw{"relay-refused-after-login", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtpd_relay_restrictions = reject_unauth_destination\n"); }},
        Screw{"rule-before-login", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtpd_client_restrictions = reject_unknown_client_hostname\n"); }},
        Screw{"rules-never-reached", kWarning, [](MemoryFiles* f) {
                Append(f, kMain, "smtpd_sender_restrictions = permit, reject_unlisted_sender\n");
              }}));

INSTANTIATE_TEST_SUITE_P(
    Logins, Check,
    testing::Values(
        Screw{"mechanism-without-scheme", kWarning,
              [](MemoryFiles* f) { Append(f, kDovecot, "auth_mechanisms = plain cram-md5\n"); }},
        Screw{"mechanism-historic", kWarning,
              [](MemoryFiles* f) { Append(f, kDovecot, "auth_mechanisms = plain digest-md5\n"); }},
        Screw{"mechanism-login-missing", kNotice,
              [](MemoryFiles* f) { Append(f, kDovecot, "auth_mechanisms = plain\n"); }},
        Screw{"password-scheme-weak", kWarning,
              [](MemoryFiles* f) {
                f->Add("/etc/dovecot/users", "alice@example.test:{PLAIN}x\nbob@example.test:{PLAIN}y\n");
              }},
        Screw{"auth-socket-mode", kWarning,
              [](MemoryFiles* f) { Replace(f, "/etc/dovecot/conf.d/10-master.conf", "mode = 0660", "mode = 0666"); }},
        Screw{"auth-socket-missing", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtpd_sasl_path = private/other\n"); }},
        Screw{"sasl-type-unsupported", kError, [](MemoryFiles* f) { Append(f, kMain, "smtpd_sasl_type = cyrus\n"); }},
        Screw{"dovecot-driver-unsupported", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "passdb {\n driver = pam\n}\n"); }},
        Screw{"dovecot-mechanism-unknown", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "auth_mechanisms = plane\n"); }}));

INSTANTIATE_TEST_SUITE_P(
    Tls, Check,
    testing::Values(
        Screw{"smtp-without-tls", kWarning, [](MemoryFiles* f) { Append(f, kMain, "smtpd_tls_security_level =\n"); }},
        Screw{"outbound-without-tls", kWarning,
              [](MemoryFiles* f) { Append(f, kMain, "smtp_tls_security_level =\n"); }},
        Screw{"login-in-clear", kWarning,
              [](MemoryFiles* f) {
                Append(
                    f, kDovecot,
                    "disable_plaintext_auth = no\nservice imap-login {\n inet_listener imap {\n port = 143\n }\n}\n");
              }},
        Screw{"dovecot-cert-without-less-than", kError,
              [](MemoryFiles* f) { Append(f, kDovecot, "ssl_cert = /etc/x.pem\n"); }},
        Screw{"tls-certificate-broken", kError,
              [](MemoryFiles* f) { f->Add("/etc/ssl/certs/ssl-cert-snakeoil.pem", "nonsense"); }},
        Screw{"tls-no-certificate", kError, [](MemoryFiles* f) { Append(f, kMain, "smtpd_tls_cert_file =\n"); }}));

INSTANTIATE_TEST_SUITE_P(
    Habits, Check,
    testing::Values(Screw{"legacy-routing-syntax", kNotice,
                          [](MemoryFiles* f) { Append(f, kMain, "swap_bangpath = yes\n"); }},
                    Screw{"message-size-small", kWarning,
                          [](MemoryFiles* f) { Append(f, kMain, "message_size_limit = 10240000\n"); }},
                    Screw{"postfix-mynetworks-style-masked", kWarning,
                          [](MemoryFiles* f) { Append(f, kMain, "mynetworks_style = host, localhost\n"); }},
                    Screw{"rule-without-effect", kNotice, [](MemoryFiles* f) {
                            Append(f, kMain, "smtpd_client_restrictions = permit_mynetworks, permit\n");
                          }}));

TEST(CheckTexts, AnUnreadMailboxNamesBothPathsAndTheMend) {
  MemoryFiles files = ReferenceHost("working");
  files.Add("/etc/postfix/vmailbox", "alice@example.test alice/Maildir/\nbob@example.test example.test/bob/Maildir/\n");
  const Loaded loaded = Load(files, {});
  const Finding* finding = FindId(loaded, "mailbox-path-unread");
  ASSERT_NE(finding, nullptr);
  EXPECT_EQ(finding->file, "/etc/postfix/main.cf");
  EXPECT_NE(finding->what.find("/home/vmail/alice/Maildir, and \"alice@example.test\" reads "
                               "/home/vmail/example.test/alice/Maildir"),
            std::string::npos)
      << finding->what;
  EXPECT_EQ(finding->mend, "write \"alice@example.test example.test/alice/Maildir/\"");
}

TEST(CheckTexts, PublicChecksCanBeLeftOut) {
  MemoryFiles files = ReferenceHost("working");
  files.Add("/etc/ssl/certs/ssl-cert-snakeoil.pem", "not a certificate at all");
  EXPECT_NE(Load(files, {.public_checks = false}).config, nullptr);
}

TEST(CheckTexts, AnAliasOfItselfIsNoLoop) {
  MemoryFiles files = ReferenceHost("working");
  Append(&files, "/etc/postfix/virtual", "alice@example.test alice@example.test, bob@example.test\n");
  EXPECT_EQ(FindId(Load(files, {}), "alias-loop"), nullptr);
}

}  // namespace
}  // namespace postern::config
