// Mail for other hosts: access tables that let strangers relay, and the word that taken mail goes no further for now.
#include <gtest/gtest.h>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

const std::string kTable = "/etc/postfix/access";

// The sound host with `rules` as its recipient rules and nothing else that keeps strangers from relaying.
MemoryFiles HostWith(const std::string& rules, const std::string& table) {
  MemoryFiles files = SoundHost();
  files.Add(kMain, *files.Read(kMain) + "smtpd_relay_restrictions =\nsmtpd_recipient_restrictions = " + rules + "\n");
  files.Add(kTable, table);
  return files;
}

// What is said of relaying, with its mend's first word.
std::vector<std::string> Relaying(MemoryFiles files) {
  std::vector<std::string> found;
  const Loaded loaded = Load(files, {});
  for (const Finding& finding : loaded.findings) {
    if (finding.id == "open-relay" || finding.id == "access-table-relays") found.push_back(Describe(finding));
    if (finding.id == "open-relay") EXPECT_EQ(loaded.config, nullptr);
  }
  return found;
}

struct Row {
  std::string rule, table, finding;  // no finding: ""
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.rule << " | " << row.table; }

class AccessTable : public testing::TestWithParam<Row> {};

TEST_P(AccessTable, BeforeTheRefusalIsFoundAndBehindItIsNot) {
  const Row& row = GetParam();
  const std::vector<std::string> expected = row.finding.empty() ? std::vector<std::string>{} : std::vector{row.finding};
  EXPECT_EQ(Relaying(HostWith(row.rule + ", reject_unauth_destination", row.table)), expected);
  EXPECT_EQ(Relaying(HostWith("reject_unauth_destination, " + row.rule, row.table)), std::vector<std::string>{});
}

const std::string kSender = "check_sender_access texthash:/etc/postfix/access";
const std::string kHelo = "check_helo_access texthash:/etc/postfix/access";
const std::string kClient = "check_client_access texthash:/etc/postfix/access";
const std::string kRecipient = "check_recipient_access texthash:/etc/postfix/access";
const std::string kOpen = "error access:2 open-relay", kSome = "security access:2 access-table-relays";

// The second row is the one in question, the first a harmless one.
INSTANTIATE_TEST_SUITE_P(
    WhatClientsClaim, AccessTable,
    testing::Values(Row{kSender, "bad.test REJECT\nfriend.test OK\n", kOpen},
                    Row{kSender, "bad.test REJECT\nboss@friend.test 1\n", kOpen},
                    Row{kSender, "bad.test REJECT\nfriend.test RELAY\n", kOpen},
                    Row{kSender, "bad.test REJECT\n<> permit\n", kOpen},
                    Row{kSender, "bad.test REJECT\nfriend.test reject_non_fqdn_sender, permit\n", kOpen},
                    Row{kSender, "bad.test REJECT\nfriend.test reject_unauth_destination, permit\n", ""},
                    Row{kSender, "bad.test REJECT\nfriend.test permit_mynetworks\n", ""},
                    Row{kSender, "bad.test REJECT\nfriend.test permit_auth_destination\n", ""},
                    Row{kSender, "bad.test REJECT\nfriend.test DUNNO\nnoisy.test WARN seen\nbad.other 550 no\n", ""},
                    Row{kSender, "bad.test REJECT\ntrap.test DISCARD\n", ""},
                    Row{kHelo, "bad.test REJECT\nmail.friend.test OK\n", kOpen},
                    Row{"check_sender_access pcre:/etc/postfix/access", "/@bad/ REJECT\n/@friend\\.test$/ OK\n", kOpen},
                    Row{"check_reverse_client_hostname_access texthash:/etc/postfix/access",
                        "bad.test REJECT\nfriend.test OK\n", kOpen}));

INSTANTIATE_TEST_SUITE_P(
    Clients, AccessTable,
    testing::Values(Row{kClient, "192.0.2.1 REJECT\n192.0.2.7 OK\n", kSome},
                    Row{kClient, "192.0.2.1 REJECT\nrelay.friend.test OK\n", kSome},
                    Row{kClient, "192.0.2.1 REJECT\ntest OK\n", kOpen},
                    Row{kClient, "192.0.2.1 REJECT\n127 OK\nlocalhost OK\nunknown OK\n", ""},
                    Row{"check_client_access cidr:/etc/postfix/access", "192.0.2.1 REJECT\n192.0.2.0/24 OK\n", kSome},
                    Row{"check_client_access cidr:/etc/postfix/access", "192.0.2.1 REJECT\n127.0.0.0/8 OK\n", ""},
                    Row{"check_client_access cidr:/etc/postfix/access", "192.0.2.1 REJECT\n0.0.0.0/0 OK\n", kOpen},
                    Row{"check_client_access regexp:/etc/postfix/access", "/dsl/ REJECT\n/./ OK\n", kOpen},
                    Row{"check_client_access regexp:/etc/postfix/access", "/friend/ OK\n/./ OK\n",
                        "error main.cf:31 open-relay"},
                    Row{"check_client_access static:OK", "", "error main.cf:31 open-relay"}));

INSTANTIATE_TEST_SUITE_P(Recipients, AccessTable,
                         testing::Values(Row{kRecipient,
                                             "gone@example.test REJECT\nalice@example.test OK\nexample.test OK\n", ""},
                                         Row{kRecipient, "gone@example.test REJECT\nfriend.test OK\n", kSome},
                                         Row{kRecipient, "gone@example.test REJECT\npostmaster@ OK\n", kOpen},
                                         Row{kRecipient, "gone@example.test REJECT\ntest OK\n", kOpen},
                                         Row{"check_recipient_access pcre:/etc/postfix/access",
                                             "/^gone@/ REJECT\n/^postmaster@/ OK\n", kOpen},
                                         Row{"check_recipient_access pcre:/etc/postfix/access",
                                             "/^gone@/ REJECT\n/^postmaster@example\\.test$/ OK\n", ""}));

TEST(AccessTable, NeedsAWayThroughEveryList) {
  MemoryFiles files = HostWith(kSender + ", reject_unauth_destination", "friend.test OK\n");
  files.Add(kMain, *files.Read(kMain) + "smtpd_relay_restrictions = permit_mynetworks, defer_unauth_destination\n");
  EXPECT_EQ(Relaying(files), std::vector<std::string>{});
  files.Add(kMain, *files.Read(kMain) + "smtpd_relay_restrictions = " + kHelo + ", defer_unauth_destination\n");
  EXPECT_EQ(Relaying(files), (std::vector<std::string>{"error access:1 open-relay", "error access:1 open-relay"}));
}

TEST(AccessTable, InAClassOrInTheServiceIsFoundToo) {
  MemoryFiles files = HostWith("friends, reject_unauth_destination", "friend.test OK\n");
  files.Add(kMain, *files.Read(kMain) + "smtpd_restriction_classes = friends\nfriends = " + kSender + "\n");
  EXPECT_EQ(Relaying(files), std::vector<std::string>{"error access:1 open-relay"});
  MemoryFiles master = SoundHost();
  master.Add(kMaster,
             *master.Read(kMaster) +
                 "2525 inet n - n - - smtpd\n  -o smtpd_relay_restrictions=\n"
                 "  -o { smtpd_recipient_restrictions = check_sender_access static:OK, reject_unauth_destination }\n");
  EXPECT_EQ(Relaying(master), std::vector<std::string>{"error master.cf:12 open-relay"});
}

TEST(AccessTable, TheMendNamesBothRules) {
  MemoryFiles files = HostWith(kSender + ", reject_unauth_destination", "friend.test OK\n");
  for (const Finding& finding : Load(files, {}).findings) {
    if (finding.id != "open-relay") continue;
    EXPECT_EQ(finding.mend, "write DUNNO, or put reject_unauth_destination before check_sender_access");
    EXPECT_NE(finding.what.find("\"friend.test\" with \"OK\" before reject_unauth_destination"), std::string::npos)
        << finding.what;
  }
}

}  // namespace
}  // namespace postern::config
