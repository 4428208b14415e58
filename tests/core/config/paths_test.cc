// Delivery and reading meet, or the server does not start: cases of who logs in, where the row leads and what is found.
#include <gtest/gtest.h>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

const std::string kFormat = "args = scheme=SHA512-CRYPT username_format=%u /etc/dovecot/users";
const std::string kHash = "virtual_mailbox_maps = texthash:/etc/postfix/vmailbox";

struct Case {
  std::string name;
  std::string users, mailboxes;
  std::vector<Edit> edits;
  std::vector<std::string> found;  // of the findings about mailboxes and logins
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

class Paths : public testing::TestWithParam<Case> {};

TEST_P(Paths, AreJudged) {
  MemoryFiles files = SoundHost();
  Apply({{kUsers, "", GetParam().users}, {kMailboxes, "", GetParam().mailboxes}}, &files);
  Apply(GetParam().edits, &files);
  const Loaded loaded = Load(files, {});
  std::vector<std::string> found;
  bool errors = false;
  for (const Finding& finding : loaded.findings) {
    if (finding.id.starts_with("mailbox-") || finding.id == "login-without-mailbox") {
      found.push_back(Describe(finding));
      errors = errors || finding.severity == FindingSeverity::kError;
    } else {
      EXPECT_NE(finding.severity, FindingSeverity::kError) << finding.what;
    }
  }
  EXPECT_EQ(found, GetParam().found);
  EXPECT_EQ(loaded.config == nullptr, errors);
}

std::string User(const std::string& name, const std::string& rest = "") { return name + ":{SHA512-CRYPT}x" + rest + "\n"; }
const Edit kTwoDomains = {kMain, "virtual_mailbox_domains = example.test", "virtual_mailbox_domains = example.test, other.test"};

INSTANTIATE_TEST_SUITE_P(
    Names, Paths,
    testing::Values(
        Case{"whole names on both sides", kWholeUsers, kWholeMailboxes, {}, {}},
        Case{"bare names on both sides", kBareUsers, kBareMailboxes, {}, {"warning main.cf:21 mailbox-path-by-accident"}},
        Case{"only the users have the domain", kWholeUsers, kBareMailboxes, {},
             {"error main.cf:21 mailbox-path-unread", "error main.cf:21 mailbox-path-unread",
              "warning main.cf:21 login-without-mailbox", "warning main.cf:21 login-without-mailbox"}},
        Case{"only the mailboxes have the domain", kBareUsers, kWholeMailboxes, {},
             {"error main.cf:21 mailbox-path-unread", "error main.cf:21 mailbox-path-unread",
              "warning main.cf:21 login-without-mailbox", "warning main.cf:21 login-without-mailbox"}},
        Case{"the default realm adds the domain", kWholeUsers, kWholeMailboxes,
             {{kDovecot, "auth_mechanisms", "auth_default_realm = example.test\nauth_mechanisms"}}, {}},
        Case{"the domain is cut off a login", User("alice"), "alice@example.test alice/Maildir/\n",
             {{kDovecot, "auth_mechanisms", "auth_username_format = %Ln\nauth_mechanisms"}},
             {"warning main.cf:21 mailbox-path-by-accident"}},
        Case{"the users file is asked without the domain", User("alice"), "alice@example.test example.test/alice/Maildir/\n",
             {{kDovecot, kFormat, "args = username_format=%n /etc/dovecot/users"}},
             {"warning main.cf:21 login-without-mailbox"}},  // "alice" alone reads another folder
        Case{"the passdb gives the whole name", User("alice", "::::::user=alice@example.test"),
             "alice@example.test example.test/alice/Maildir/\n", {}, {}},
        Case{"nobody of that name", User("alice@example.test"), kWholeMailboxes, {}, {"error main.cf:21 mailbox-path-unread"}},
        Case{"an account that no address leads to", std::string(kWholeUsers) + User("carol@example.test"), kWholeMailboxes,
             {}, {"warning main.cf:21 login-without-mailbox"}},
        Case{"upper case in the users file is never found", User("Alice@example.test"),
             "alice@example.test example.test/alice/Maildir/\n", {}, {"error main.cf:21 mailbox-path-unread"}}));

INSTANTIATE_TEST_SUITE_P(
    Strangers, Paths,
    testing::Values(
        Case{"the mailbox of another", kWholeUsers,
             "alice@example.test example.test/bob/Maildir/\nbob@example.test example.test/bob/Maildir/\n", {},
             {"error main.cf:21 mailbox-read-by-another", "notice main.cf:21 mailbox-shared",
              "warning main.cf:21 login-without-mailbox"}},
        Case{"the mailbox of another, bare names", kBareUsers, "alice@example.test bob/Maildir/\nbob@example.test bob/Maildir/\n",
             {}, {"error main.cf:21 mailbox-read-by-another", "warning main.cf:21 mailbox-path-by-accident",
                  "notice main.cf:21 mailbox-shared", "warning main.cf:21 login-without-mailbox"}},
        Case{"crossed", kWholeUsers,
             "alice@example.test example.test/bob/Maildir/\nbob@example.test example.test/alice/Maildir/\n", {},
             {"error main.cf:21 mailbox-read-by-another", "error main.cf:21 mailbox-read-by-another"}},
        Case{"an address more for one reader", kWholeUsers,
             std::string(kWholeMailboxes) + "sales@example.test example.test/alice/Maildir/\n", {},
             {"notice main.cf:21 mailbox-shared"}},
        Case{"a second domain with an alice, one folder", kBareUsers,
             std::string(kBareMailboxes) + "alice@other.test alice/Maildir/\n", {kTwoDomains},
             {"warning main.cf:21 mailbox-path-by-accident", "error main.cf:21 mailbox-shared-between-domains"}},
        Case{"a second domain with an alice whom nobody is", kBareUsers,
             std::string(kBareMailboxes) + "alice@other.test other.test/alice/Maildir/\n", {kTwoDomains},
             {"error main.cf:21 mailbox-path-unread", "warning main.cf:21 mailbox-path-by-accident"}},
        Case{"a second domain with an alice of its own", std::string(kWholeUsers) + User("alice@other.test"),
             std::string(kWholeMailboxes) + "alice@other.test other.test/alice/Maildir/\n", {kTwoDomains}, {}},
        Case{"a second domain with an alice who logs in by a name of her own", std::string(kBareUsers) + User("al2"),
             std::string(kBareMailboxes) + "alice@other.test al2/Maildir/\n", {kTwoDomains},
             {"warning main.cf:21 mailbox-path-by-accident"}},
        Case{"a domain that is not ours", kWholeUsers,
             std::string(kWholeMailboxes) + "alice@gone.test gone.test/alice/Maildir/\n", {},
             {"warning main.cf:21 mailbox-domain-not-ours"}},
        Case{"all names of a domain go to one reader", kWholeUsers,
             std::string(kWholeMailboxes) + "@example.test example.test/alice/Maildir/\n", {},
             {"notice main.cf:21 mailbox-shared"}},
        Case{"all names of a domain go where nobody reads", kWholeUsers,
             std::string(kWholeMailboxes) + "@example.test example.test/rest/Maildir/\n", {},
             {"error main.cf:21 mailbox-path-unread"}},
        Case{"a mailbox whose mail an alias takes", kWholeUsers,
             std::string(kWholeMailboxes) + "old@example.test example.test/old/Maildir/\n",
             {{kAliases, "postmaster@example", "old@example.test alice@example.test\npostmaster@example"}},
             {"warning main.cf:18 mailbox-shadowed"}},
        Case{"an alias that keeps a copy", kWholeUsers,
             std::string(kWholeMailboxes) + "old@example.test example.test/old/Maildir/\n",
             {{kAliases, "postmaster@example", "old@example.test alice@example.test, old@example.test\npostmaster@example"}},
             {"error main.cf:21 mailbox-path-unread"}},
        Case{"an alias for the whole domain takes the mail of its mailboxes", kWholeUsers, kWholeMailboxes,
             {{kAliases, "postmaster@example", "@example.test bob@example.test\nbob@example.test bob@example.test\npostmaster@example"}},
             {"warning main.cf:18 mailbox-shadowed"}}));

INSTANTIATE_TEST_SUITE_P(
    Places, Paths,
    testing::Values(
        Case{"homes of the users file", "alice@example.test:{PLAIN}x:15000:15000::/srv/mail/a\n",
             "alice@example.test a/Maildir/\n",
             {{kMain, "virtual_mailbox_base = /home/vmail", "virtual_mailbox_base = /srv/mail"},
              {kDovecot, "maildir:/home/vmail/%d/%n/Maildir", "maildir:~/Maildir"},
              {kDovecot, "driver = static\n  args = uid=15000 gid=15000 home=/home/vmail/%d/%n",
               "driver = passwd-file\n  args = /etc/dovecot/users"}},
             {}},
        Case{"homes of the users file, another", "alice@example.test:{PLAIN}x:15000:15000::/srv/mail/b\n",
             "alice@example.test a/Maildir/\n",
             {{kMain, "virtual_mailbox_base = /home/vmail", "virtual_mailbox_base = /srv/mail"},
              {kDovecot, "maildir:/home/vmail/%d/%n/Maildir", "maildir:~/Maildir"},
              {kDovecot, "driver = static\n  args = uid=15000 gid=15000 home=/home/vmail/%d/%n",
               "driver = passwd-file\n  args = /etc/dovecot/users"}},
             {"error main.cf:21 mailbox-path-unread", "warning main.cf:21 login-without-mailbox"}},
        Case{"a place of one user's own", User("alice@example.test", "::::::userdb_mail=maildir:/home/vmail/special"),
             "alice@example.test special/\n", {{kDovecot, "driver = static", "driver = prefetch"},
                                               {kDovecot, "  args = uid=15000 gid=15000 home=/home/vmail/%d/%n\n",
                                                "  override_fields = uid=15000 gid=15000\n"}}, {}},
        Case{"INBOX= of the location", User("alice@example.test"), "alice@example.test inbox/alice/\n",
             {{kDovecot, "maildir:/home/vmail/%d/%n/Maildir", "maildir:/home/vmail/%d/%n:INBOX=/home/vmail/inbox/%n"}}, {}},
        Case{"the location of the namespace", User("alice@example.test"),
             "alice@example.test example.test/alice/Maildir/\n",
             {{kDovecot, "  inbox = yes\n", "  inbox = yes\n  location = maildir:/home/vmail/%d/%n/Maildir\n"}}, {}},
        Case{"no Maildir", User("alice@example.test"), "alice@example.test example.test/alice\n", {},
             {"error main.cf:21 mailbox-not-maildir", "warning main.cf:21 login-without-mailbox"}},
        Case{"an owner for none", kWholeUsers, kWholeMailboxes,
             {{kMain, "virtual_gid_maps = static:15000", "virtual_gid_maps ="}}, {"error main.cf:23 mailbox-without-uid"}},
        Case{"an owner for one", kWholeUsers, kWholeMailboxes,
             {{kMain, "virtual_uid_maps = static:15000", "virtual_uid_maps = inline:{ alice@example.test=15000 }"}},
             {"error main.cf:22 mailbox-without-uid"}},
        Case{"another owner", kWholeUsers, kWholeMailboxes,
             {{kMain, "virtual_uid_maps = static:15000", "virtual_uid_maps = inline:{ @example.test=5000 }"}},
             {"warning main.cf:22 mailbox-owner-differs"}},
        Case{"\"virtual:\" is virtual", User("alice@example.test"), kWholeMailboxes,
             {{kMain, "relayhost", "virtual_transport = virtual:\nrelayhost"}}, {"error main.cf:21 mailbox-path-unread"}}));

INSTANTIATE_TEST_SUITE_P(
    Patterns, Paths,
    testing::Values(
        Case{"a pattern for everybody", kWholeUsers, "",
             {{kMain, kHash, "virtual_mailbox_maps = pcre:{ {/^(.+)@(.+)$$/ $$2/$$1/Maildir/} }"}},
             {"error main.cf:21 mailbox-path-unread"}},
        Case{"a pattern that leads elsewhere", kWholeUsers, "",
             {{kMain, kHash, "virtual_mailbox_maps = pcre:{ {/^(alice|bob)@/ $$1/Maildir/} }"}},
             {"error main.cf:21 mailbox-path-unread", "error main.cf:21 mailbox-path-unread"}},
        Case{"a pattern for those who are there", kWholeUsers, "",
             {{kMain, kHash, "virtual_mailbox_maps = pcre:{ {/^(alice|bob)@(example.test)$$/ $$2/$$1/Maildir/} }"}}, {}},
        Case{"a pattern inside a union", kWholeUsers, kWholeMailboxes,
             {{kMain, kHash, "virtual_mailbox_maps = unionmap:{texthash:/etc/postfix/vmailbox, pcre:{ {/^nobody@/ n/} }}"}},
             {"error main.cf:21 mailbox-path-unread"}},
        Case{"everything to one reader", kWholeUsers, "",
             {{kMain, kHash, "virtual_mailbox_maps = inline:{ @example.test=example.test/alice/Maildir/ }"}},
             {"warning main.cf:21 login-without-mailbox"}}));

// Only what virtual(8) delivers has a path: the other rows only say that the address exists.
const std::string kMoved = std::string(kWholeMailboxes) + "carol@other.test other.test/carol/Maildir/\n";
const Edit kSecondDomain = {kMain, "virtual_mailbox_domains = example.test",
                            "virtual_mailbox_domains = example.test, other.test, sub.other.test"};
Edit TransportMaps(const std::string& table) {
  return {kMain, "relayhost", "transport_maps = " + table + "\nrelayhost"};
}
Edit VirtualTransport(const std::string& transport) {
  return {kMain, "relayhost", "virtual_transport = " + transport + "\nrelayhost"};
}
const std::string kUnread = "error main.cf:21 mailbox-path-unread";

INSTANTIATE_TEST_SUITE_P(
    Elsewhere, Paths,
    testing::Values(
        Case{"a second domain, read by nobody", kWholeUsers, kMoved, {kSecondDomain}, {kUnread}},
        Case{"the domain goes to another host",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ other.test=smtp:[192.0.2.1] }")},
             {}},
        Case{"the domain goes to another program",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ other.test=lmtp:[127.0.0.1]:2400 }")},
             {}},
        Case{"the domain is closed",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ {other.test=error:5.1.6 it has moved} }")},
             {}},
        Case{"the address goes to another host",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ carol@other.test=relay: }")},
             {}},
        Case{"another address goes to another host",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ dave@other.test=relay: }")},
             {kUnread}},
        Case{"another domain goes to another host",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ example.net=smtp: }")},
             {kUnread}},
        Case{"a next hop alone leaves the transport",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ other.test=:[192.0.2.1] }")},
             {kUnread}},
        Case{"the domain goes elsewhere, the address does not",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("inline:{ other.test=smtp:, carol@other.test=virtual: }")},
             {kUnread}},
        Case{"some of the address's extensions do not go elsewhere",
             kWholeUsers,
             kMoved,
             {kSecondDomain,
              {kMain, "relayhost", "recipient_delimiter = +\nrelayhost"},
              TransportMaps("inline:{ other.test=smtp:, carol+keep@other.test=virtual: }")},
             {kUnread}},
        Case{"what is below a domain is not that domain",
             kWholeUsers,
             std::string(kWholeMailboxes) + "carol@sub.other.test carol/\n",
             {kSecondDomain, TransportMaps("inline:{ other.test=smtp: }")},
             {kUnread}},
        Case{"what is below a domain",
             kWholeUsers,
             std::string(kWholeMailboxes) + "carol@sub.other.test carol/\n",
             {kSecondDomain, TransportMaps("inline:{ .other.test=smtp: }")},
             {}},
        Case{"a pattern names the address",
             kWholeUsers,
             kMoved,
             {kSecondDomain, TransportMaps("pcre:{ {/^carol@/ smtp:[192.0.2.1]} }")},
             {}},
        Case{"a path that is no path",
             kWholeUsers,
             std::string(kWholeMailboxes) + "carol@other.test OK\n",
             {kSecondDomain, TransportMaps("inline:{ other.test=smtp: }")},
             {}},
        Case{"one path for all, the values say nothing",
             kWholeUsers,
             std::string(kWholeMailboxes) + "carol@other.test x/\ndave@sub.other.test x/\n",
             {kSecondDomain, TransportMaps("inline:{ other.test=smtp:, sub.other.test=smtp: }")},
             {}},
        Case{"no uid for what goes elsewhere",
             kWholeUsers,
             kMoved,
             {kSecondDomain,
              TransportMaps("inline:{ other.test=smtp: }"),
              {kMain, "virtual_uid_maps = static:15000", "virtual_uid_maps = inline:{ @example.test=15000 }"}},
             {}},
        Case{"everything goes elsewhere, and its readers read nothing new",
             kWholeUsers,
             kWholeMailboxes,
             {TransportMaps("inline:{ *=smtp:[192.0.2.1] }")},
             {}},
        Case{"one of two readers' mail goes elsewhere",
             kWholeUsers,
             kWholeMailboxes,
             {TransportMaps("inline:{ bob@example.test=smtp:[192.0.2.1] }")},
             {"warning main.cf:21 login-without-mailbox"}},
        Case{"one of two readers' mail comes by LMTP",
             kWholeUsers,
             kWholeMailboxes,
             {TransportMaps("inline:{ bob@example.test=lmtp:unix:private/dovecot-lmtp }"),
              {kDovecot, "service auth {",
               "service lmtp {\n  unix_listener /var/spool/postfix/private/dovecot-lmtp {\n  }\n}\nservice auth {"},
              {kDovecot, "imap pop3", "imap pop3 lmtp"}},
             {}}));

INSTANTIATE_TEST_SUITE_P(
    AllNamesElsewhere, Paths,
    testing::Values(Case{"all names of a domain go elsewhere",
                         kWholeUsers,
                         std::string(kWholeMailboxes) + "@other.test rest/\n",
                         {kSecondDomain, TransportMaps("inline:{ other.test=smtp: }")},
                         {}},
                    Case{"all names of a domain but one",
                         kWholeUsers,
                         std::string(kWholeMailboxes) + "@other.test rest/\n",
                         {kSecondDomain, TransportMaps("inline:{ other.test=smtp:, carol@other.test=virtual: }")},
                         {kUnread}},
                    Case{"all names of a domain but those of a pattern",
                         kWholeUsers,
                         std::string(kWholeMailboxes) + "@other.test rest/\n",
                         {kSecondDomain, TransportMaps("pcre:{ {/^c/ virtual:} }, inline:{ other.test=smtp: }")},
                         {kUnread}},
                    Case{"a pattern for everybody, and everybody goes elsewhere",
                         kWholeUsers,
                         "",
                         {{kMain, kHash, "virtual_mailbox_maps = pcre:{ {/^(.+)@(.+)$$/ $$2/$$1/} }"},
                          TransportMaps("inline:{ example.test=smtp: }")},
                         {}}));

INSTANTIATE_TEST_SUITE_P(
    ElsewhereByClass, Paths,
    testing::Values(
        Case{"the class goes elsewhere",
             kWholeUsers,
             kMoved,
             {kSecondDomain, VirtualTransport("lmtp:[192.0.2.1]:24")},
             {}},
        Case{"the class goes elsewhere, a domain of it does not",
             kWholeUsers,
             kMoved,
             {kSecondDomain, VirtualTransport("lmtp:[192.0.2.1]:24"), TransportMaps("inline:{ other.test=virtual: }")},
             {kUnread, "warning main.cf:21 login-without-mailbox", "warning main.cf:21 login-without-mailbox"}},
        Case{"a transport of another name is virtual(8), too",
             User("alice@example.test"),
             kWholeMailboxes,
             {VirtualTransport("vmail:"),
              {kMaster, "smtp        inet", "vmail unix - n n - - virtual\nsmtp        inet"}},
             {kUnread}},
        Case{"a domain of another class goes to virtual(8)",
             kWholeUsers,
             kMoved,
             {{kMain, "relayhost", "relay_domains = other.test\nrelayhost"},
              TransportMaps("inline:{ other.test=virtual: }")},
             {kUnread}}));

}  // namespace
}  // namespace postern::config
