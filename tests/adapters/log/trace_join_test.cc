// Goal: from any key of a message its records are found, and no other message's. Method: small lives by hand.
#include "adapters/log/trace_join.h"

#include <gtest/gtest.h>

#include "adapters/log/trace_places.h"

namespace postern::log {
namespace {

// Which of the records are found, by their numbers.
std::vector<size_t> Found(std::string_view wanted, const std::vector<std::string>& records) {
  TraceJoin join(wanted);
  std::vector<size_t> found;
  for (bool grew = true; grew;) {
    join.Grew();
    found.clear();
    for (size_t i = 0; i < records.size(); ++i) {
      const auto record = TraceRecord::Parse(records[i]);
      if (!record) continue;
      const bool matches = join.Take(*record).matches;
      EXPECT_TRUE(!matches || join.MayMatch(records[i])) << records[i];
      if (matches) found.push_back(i);
    }
    grew = join.Grew();
  }
  return found;
}
using Numbers = std::vector<size_t>;

const std::vector<std::string> kLife = {
    /* 0 */ R"({"message":"connect","trace.id":"5e55","postern.session":"5e55"})",
    /* 1 */ R"({"message":"client=","trace.id":"aa01","postern.session":"5e55","email.local_id":"4A1"})",
    /* 2 */
    R"({"message":"message-id","trace.id":"aa01","postern.session":"5e55","email.message_id":"<one@example.net>"})",
    /* 3 */
    R"({"message":"sent","trace.id":"aa01","email.local_id":"4A1","file.name":"17.M1P2.host","postern.session":"5e55"})",
    /* 4 */ R"({"message":"client=","trace.id":"aa02","postern.session":"5e55","email.local_id":"4A2"})",
    /* 5 */
    R"({"message":"message-id","trace.id":"aa02","email.message_id":"<two@example.net>","postern.session":"5e55"})",
    /* 6 */ R"({"message":"sent","email.local_id":"4A2","file.name":"18.M1P2.host"})",
    /* 7 */ R"({"message":"login","postern.session":"Xy/+","user.name":"alice"})",
    /* 8 */
    R"({"event.action":"mail.moved","postern.session":"Xy/+","file.name":"17.M1P2.host 18.M1P2.host","file.target_name":"20.Q.host 21.Q.host","mailbox.uid":"4,9"})",
    /* 9 */
    R"({"event.action":"mail.expunged","postern.session":"Zz","file.name":"19.M.host 20.Q.host","mailbox.uid":"1:2"})",
    /* 10 */ R"({"message":"login","postern.session":"Zz","user.name":"bob"})",
    /* 11 */ R"({"event.action":"mail.expunged","postern.session":"Other","file.name":"21.Q.host"})",
    /* 12 */ R"({"message":"login","postern.session":"Other"})",
    /* 13 */ R"({"message":"bounce","trace.id":"aa02","email.local_id":"4A2","postern.notice_id":"4B7"})",
    /* 14 */ R"({"message":"sent","email.local_id":"4B7","file.name":"30.M.host"})",
    /* 15 */ R"({"message":"expunged", torn)",
};

TEST(TraceJoin, FromEveryKeyTheWholeLife) {
  const Numbers first{0, 1, 2, 3, 7, 8, 9, 10}, second{0, 4, 5, 6, 7, 8, 11, 12, 13, 14};
  for (const char* const key :
       {"aa01", "AA01", "4a1", "4A1", "one@example.net", "<one@example.net>", "17.M1P2.host", "20.Q.host",
        "20.Q.host,S=120,W=124:2,S", "/home/vmail/alice/Maildir/.Archive/cur/20.Q.host:2,"}) {
    EXPECT_EQ(Found(key, kLife), first) << key;
  }
  for (const char* const key : {"aa02", "4A2", "two@example.net", "18.M1P2.host", "21.Q.host", "4B7", "30.M.host"}) {
    EXPECT_EQ(Found(key, kLife), second) << key;
  }
}

TEST(TraceJoin, WhatIsNotThereIsNotFound) {
  for (const char* const key : {"", "<>", "zz", "host", "example.net", "/", "17.M1P2"})
    EXPECT_EQ(Found(key, kLife), Numbers{}) << key;
}

TEST(TraceJoin, ASessionIsFoundByItself) { EXPECT_EQ(Found("5e55", kLife), Numbers{0}); }

TEST(TraceJoin, AMessageIdJoinsNothing) {
  const std::vector<std::string> records = {
      R"({"trace.id":"aa01","email.message_id":"<same@example.net>"})",
      R"({"trace.id":"aa02","email.message_id":"<same@example.net>"})",
  };
  EXPECT_EQ(Found("aa01", records), Numbers{0});
  EXPECT_EQ(Found("same@example.net", records), (Numbers{0, 1}));
}

TEST(TraceJoin, AMessageIdLeadsToWhatWasAppended) {
  const std::vector<std::string> records = {
      R"({"trace.id":"aa01","email.message_id":"<same@example.net>"})",
      R"({"event.action":"mail.appended","email.message_id":"<same@example.net>","file.name":"a","postern.session":"s"})",
      R"({"event.action":"mail.expunged","file.name":"a b"})",
      R"({"message":"login","postern.session":"s"})",
  };
  EXPECT_EQ(Found("same@example.net", records), (Numbers{0, 1, 2, 3}));
  EXPECT_EQ(Found("a", records), (Numbers{1, 2, 3}));
  EXPECT_EQ(Found("aa01", records), Numbers{0});
}

TEST(TraceJoin, SaysWhichEntriesAreTheMessages) {
  TraceJoin join("18.M1P2.host");
  const auto record = TraceRecord::Parse(kLife[8]);
  EXPECT_EQ(join.Take(*record).entries, (std::vector<size_t>{1}));
  EXPECT_EQ(record->NumberOf("mailbox.uid", 0), 4u);
  EXPECT_EQ(record->NumberOf("mailbox.uid", 1), 9u);
  EXPECT_EQ(record->NumberOf("mailbox.uid", 2), std::nullopt);
}

TEST(TraceJoin, NumbersOfASet) {
  const auto record = TraceRecord::Parse(R"({"u":"1:500,700","broken":"7:3","far":"1:4294967295","words":"x"})");
  EXPECT_EQ(record->NumberOf("u", 0), 1u);
  EXPECT_EQ(record->NumberOf("u", 499), 500u);
  EXPECT_EQ(record->NumberOf("u", 500), 700u);
  EXPECT_EQ(record->NumberOf("u", 501), std::nullopt);
  EXPECT_EQ(record->NumberOf("broken", 0), std::nullopt);
  EXPECT_EQ(record->NumberOf("far", 4'294'967'294), 4'294'967'295u);
  EXPECT_EQ(record->NumberOf("words", 0), std::nullopt);
  EXPECT_EQ(record->NumberOf("none", 0), std::nullopt);
}

// What of whole mailboxes is told of the message in file a, after TraceJoin and MessagePlaces.
std::vector<size_t> ToldOfMailboxes(const std::vector<std::string>& records) {
  TraceJoin join("a");
  do {
    join.Grew();
    for (const std::string& line : records) {
      if (join.MayMatch(line)) join.Take(*TraceRecord::Parse(line));
    }
  } while (join.Grew());
  MessagePlaces places;
  std::vector<size_t> told;
  for (size_t i = 0; i < records.size(); ++i) {
    if (!join.MayMatch(records[i])) continue;
    const auto record = TraceRecord::Parse(records[i]);
    const auto match = join.Take(*record);
    if (match.matches && places.Take(*record, match.entries) && match.entries.empty()) told.push_back(i);
  }
  return told;
}

std::string Mailbox(const char* act, const char* user, const char* mailbox, const char* target = "") {
  return std::string(R"({"event.action":"mailbox.)") + act + R"(","user.name":")" + user + R"(","mailbox.name":")" +
         mailbox + (*target == '\0' ? "" : std::string(R"(","mailbox.target_name":")") + target) + "\"}";
}
std::string Mail(const char* act, const char* user, const char* file, const char* mailbox, const char* target_file = "",
                 const char* target = "") {
  return std::string(R"({"event.action":"mail.)") + act + R"(","user.name":")" + user + R"(","file.name":")" + file +
         R"(","mailbox.name":")" + mailbox +
         (*target == '\0'
              ? ""
              : std::string(R"(","file.target_name":")") + target_file + R"(","mailbox.target_name":")" + target) +
         "\"}";
}

TEST(TraceJoin, TellsWhatHappenedToTheMailboxItWasIn) {
  EXPECT_EQ(ToldOfMailboxes({Mailbox("deleted", "alice", "Old"),  // another one of the name, before
                             Mail("moved", "alice", "a", "INBOX", "b", "Old"), Mailbox("deleted", "bob", "Old"),
                             Mailbox("deleted", "alice", "Ol"), Mailbox("renamed", "alice", "Old", "New"),
                             Mailbox("renamed", "alice", "Ne", "X"), Mailbox("deleted", "alice", "Old"),
                             Mailbox("renamed", "alice", "New", "Deep.New"),
                             Mailbox("renamed", "alice", "Deep", "Far"),  // with what is below
                             Mailbox("deleted", "alice", "Far"),          // without
                             Mailbox("deleted", "alice", "Far.New"), Mailbox("deleted", "alice", "Far.New")}),
            (Numbers{4, 7, 8, 10}));
  // It had gone already, or there was a copy.
  EXPECT_EQ(ToldOfMailboxes({Mail("appended", "alice", "a", "Old"), Mail("moved", "alice", "a", "Old", "b", "INBOX"),
                             Mailbox("deleted", "alice", "Old")}),
            Numbers{});
  EXPECT_EQ(ToldOfMailboxes({Mail("appended", "alice", "a", "Old"), Mail("expunged", "alice", "a", "Old"),
                             Mailbox("deleted", "alice", "Old")}),
            Numbers{});
  EXPECT_EQ(ToldOfMailboxes({Mail("appended", "alice", "a", "Old"), Mail("copied", "alice", "a", "Old", "b", "INBOX"),
                             Mailbox("deleted", "alice", "Old")}),
            Numbers{2});
}

TEST(TraceJoin, IsBounded) {
  TraceJoin join("aa01");
  for (size_t i = 0; i < 2 * TraceJoin::kKeysMax; ++i) {
    join.Take(*TraceRecord::Parse(R"({"trace.id":"aa01","file.name":"f)" + std::to_string(i) + "\"}"));
  }
  EXPECT_TRUE(join.cut());
}

}  // namespace
}  // namespace postern::log
