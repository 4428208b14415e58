// Goal: what a command did to many messages is a bounded number of records whose lists belong together. Method:
// RecordActs alone, its records taken apart again.
#include "core/mailbox/records.h"

#include <gtest/gtest.h>

#include "core/config/settings.h"

namespace postern::mailbox {
namespace {

std::string Field(const LogEvent& event, std::string_view name) {
  for (const auto& [key, value] : event.fields) {
    if (key == name) return value;
  }
  return "";
}

std::vector<LogEvent> Recorded(const Actor* actor, const MessageActs& acts) {
  const config::Config config;
  Entropy entropy(Entropy::Key{});
  Effects out;
  Context context{.now = {}, .entropy = entropy, .config = config, .out = out};
  RecordActs(actor, "alice", acts, context);
  std::vector<LogEvent> events;
  for (Effect& effect : out.Take()) events.push_back(std::get<Note>(effect).event);
  return events;
}

const Actor kActor{.protocol = "imap", .source_ip = "192.0.2.1", .session_id = "Xy", .pid = 17};

TEST(RecordActs, SaysWhoDidWhatToWhich) {
  const auto events = Recorded(&kActor, {.action = "mail.moved",
                                         .word = "move",
                                         .mailbox = "INBOX",
                                         .uids = {4, 5, 9},
                                         .files = {"a", "b", "c"},
                                         .target_mailbox = "Kept",
                                         .target_uids = {7, 8, 9},
                                         .target_files = {"d", "e", "f"},
                                         .flags = ""});
  ASSERT_EQ(events.size(), 1u);
  EXPECT_TRUE(events[0].record_only);
  EXPECT_EQ(events[0].text, "imap(alice)<17><Xy>: move: box=INBOX -> Kept, uid=4:5,9");
  EXPECT_EQ(Field(events[0], "file.name"), "a b c");
  EXPECT_EQ(Field(events[0], "file.target_name"), "d e f");
  EXPECT_EQ(Field(events[0], "mailbox.target_uid"), "7:9");
  EXPECT_EQ(Field(events[0], "source.ip"), "192.0.2.1");
  EXPECT_EQ(Field(events[0], "postern.session"), "Xy");
}

TEST(RecordActs, NothingDoneIsNoRecord) {
  EXPECT_TRUE(Recorded(&kActor, {.action = "mail.read", .word = "read", .mailbox = "INBOX"}).empty());
}

TEST(RecordActs, OfManyMessagesABoundedNumber) {
  MessageActs acts{.action = "mail.expunged", .word = "expunge", .mailbox = "INBOX"};
  for (uint32_t uid = 1; uid <= kCommandEntriesMax + 250; ++uid) {
    acts.uids.push_back(uid);
    acts.files.push_back("f" + std::to_string(uid));
  }
  const auto events = Recorded(nullptr, acts);
  ASSERT_EQ(events.size(), kCommandEntriesMax / kRecordEntriesMax + 1);
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const size_t first = i * kRecordEntriesMax + 1, last = first + kRecordEntriesMax - 1;
    EXPECT_EQ(Field(events[i], "mailbox.uid"), std::to_string(first) + ":" + std::to_string(last));
    EXPECT_TRUE(Field(events[i], "file.name").starts_with("f" + std::to_string(first) + " "));
    EXPECT_TRUE(Field(events[i], "file.name").ends_with(" f" + std::to_string(last)));
  }
  EXPECT_EQ(Field(events.back(), "postern.not_recorded"), "250");
  EXPECT_EQ(Field(events.back(), "file.name"), "");
  EXPECT_EQ(events.back().text, "storage(alice): expunge: box=INBOX, and 250 messages more, which are not recorded");
}

TEST(RecordedName, IsTheBaseAndKeepsListsWhole) {
  EXPECT_EQ(RecordedName("17.M1P2.host,S=10,W=11:2,S"), "17.M1P2.host");
  EXPECT_EQ(RecordedName("made by\thand:2,"), "made?by?hand");
}

}  // namespace
}  // namespace postern::mailbox
