// A small host in memory of which `postern check` has nothing to say: what tests break in one place at a time.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/core/config/reference_host.h"

namespace postern::config {

inline const std::string kMain = "/etc/postfix/main.cf";
inline const std::string kMaster = "/etc/postfix/master.cf";
inline const std::string kDovecot = "/etc/dovecot/dovecot.conf";
inline const std::string kUsers = "/etc/dovecot/users";
inline const std::string kMailboxes = "/etc/postfix/vmailbox";
inline const std::string kAliases = "/etc/postfix/virtual";
inline const std::string kLogins = "/etc/postfix/logins";

inline constexpr char kSoundMain[] = R"(compatibility_level = 3.6
myhostname = mail.example.test
mydomain = example.test
myorigin = $mydomain
mydestination =
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_helo_required = yes
smtpd_tls_cert_file = /etc/ssl/certs/mail.pem
smtpd_tls_key_file = /etc/ssl/private/mail.key
smtpd_tls_security_level = may
smtp_tls_security_level = may
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_client_restrictions =
smtpd_sender_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unknown_reverse_client_hostname
smtpd_sender_login_maps = texthash:/etc/postfix/logins
virtual_alias_domains = $virtual_alias_maps, $myhostname
virtual_alias_maps = texthash:/etc/postfix/virtual
virtual_mailbox_domains = example.test
virtual_mailbox_base = /home/vmail
virtual_mailbox_maps = texthash:/etc/postfix/vmailbox
virtual_uid_maps = static:15000
virtual_gid_maps = static:15000
virtual_mailbox_limit = 0
message_size_limit = 52428800
allow_percent_hack = no
swap_bangpath = no
relayhost = [relay.example.net]
alias_maps =
)";

inline constexpr char kSoundMaster[] = R"(smtp        inet n - n - - smtpd
submission  inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject
submissions inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject
)";

inline constexpr char kSoundDovecot[] = R"(protocols = imap pop3
listen = *, ::
ssl = required
ssl_cert = </etc/ssl/certs/mail.pem
ssl_key = </etc/ssl/private/mail.key
auth_mechanisms = plain login
mail_location = maildir:/home/vmail/%d/%n/Maildir
namespace inbox {
  inbox = yes
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
passdb {
  driver = passwd-file
  args = scheme=SHA512-CRYPT username_format=%u /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=15000 gid=15000 home=/home/vmail/%d/%n
}
)";

inline constexpr char kBareUsers[] = "alice:{SHA512-CRYPT}$6$x$y\nbob:{SHA512-CRYPT}$6$x$y\n";
inline constexpr char kWholeUsers[] =
    "alice@example.test:{SHA512-CRYPT}$6$x$y\nbob@example.test:{SHA512-CRYPT}$6$x$y\n";
inline constexpr char kBareMailboxes[] = "alice@example.test alice/Maildir/\nbob@example.test bob/Maildir/\n";
inline constexpr char kWholeMailboxes[] =
    "alice@example.test example.test/alice/Maildir/\nbob@example.test example.test/bob/Maildir/\n";
inline constexpr char kBareLogins[] = "alice@example.test alice\nbob@example.test bob\n";
inline constexpr char kWholeLogins[] = "alice@example.test alice@example.test\nbob@example.test bob@example.test\n";

inline MemoryFiles SoundHost() {
  MemoryFiles files = BareHost();
  files.Add("/etc/ssl/certs/mail.pem", kSignedCertificate);
  files.Add("/etc/ssl/private/mail.key", kSignedKey);
  files.Add(kMain, kSoundMain);
  files.Add(kMaster, kSoundMaster);
  files.Add(kDovecot, kSoundDovecot);
  files.Add(kUsers, MemoryFiles::File{.text = kWholeUsers, .mode = 0640});
  files.Add(kMailboxes, kWholeMailboxes);
  files.Add(kLogins, kWholeLogins);
  files.Add(kAliases,
            "postmaster@example.test alice@example.test\nabuse@example.test alice@example.test\n"
            "root@example.test alice@example.test\npostmaster@mail.example.test alice@example.test\n"
            "abuse@mail.example.test alice@example.test\n");
  return files;
}

// Puts `to` in the place of the first `from` of a file; without `from`, the whole file is `to`. A `mode` is given to
// the file.
struct Edit {
  std::string file, from, to;
  uint32_t mode = 0;
};

inline void Apply(const std::vector<Edit>& edits, MemoryFiles* files) {
  for (const Edit& edit : edits) {
    const auto text = files->Read(edit.file);
    const auto facts = files->Stat(edit.file);
    MemoryFiles::File file{.text = text.ok() ? *text : ""};
    if (facts.ok()) file.mode = facts->mode;
    if (edit.mode != 0) file.mode = edit.mode;
    const size_t at = file.text.find(edit.from);
    ASSERT_NE(at, std::string::npos) << edit.file << " has no " << edit.from;
    file.text.replace(at, edit.from.empty() ? file.text.size() : edit.from.size(), edit.to);
    files->Add(edit.file, file);
  }
}

// "error main.cf:3 id".
inline std::string Describe(const Finding& finding) {
  std::string text = finding.severity == FindingSeverity::kError     ? "error "
                     : finding.security                              ? "security "
                     : finding.severity == FindingSeverity::kWarning ? "warning "
                                                                     : "notice ";
  text += finding.file.substr(finding.file.rfind('/') + 1);
  if (finding.line > 0) text += ":" + std::to_string(finding.line);
  return text + " " + finding.id;
}

// All findings of a host, described.
inline std::vector<std::string> FindingsOf(MemoryFiles files) {
  std::vector<std::string> found;
  for (const Finding& finding : Load(files, {}).findings) found.push_back(Describe(finding));
  return found;
}

}  // namespace postern::config
