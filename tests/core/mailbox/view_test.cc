// Goal: numbers shift only when expunges may be told, and every change is told once.
#include "core/mailbox/view.h"

#include <gtest/gtest.h>

namespace postern::mailbox {
namespace {

struct Box {
  std::shared_ptr<MailboxState> state = std::make_shared<MailboxState>();
  void Add(uint32_t uid) {
    state->uids.push_back(uid);
    state->flags.push_back(0);
    state->keywords.push_back(0);
    state->modseqs.push_back(++state->highestmodseq);
  }
  void Touch(uint32_t uid) { state->modseqs[state->RowOf(uid)] = ++state->highestmodseq; }
  void Expunge(uint32_t uid) {
    const auto row = static_cast<ptrdiff_t>(state->RowOf(uid));
    state->uids.erase(state->uids.begin() + row);
    state->flags.erase(state->flags.begin() + row);
    state->keywords.erase(state->keywords.begin() + row);
    state->modseqs.erase(state->modseqs.begin() + row);
    state->gone.push_back({++state->highestmodseq, uid});
  }
};

TEST(View, TellsExpungesFromTheLastToTheFirst) {
  Box box;
  for (const uint32_t uid : {10, 20, 30, 40}) box.Add(uid);
  View view(box.state);
  box.Expunge(20);
  box.Expunge(40);
  box.Add(50);
  View::Changes changes = view.Sync(/*expunges=*/false);
  EXPECT_TRUE(changes.expunged_numbers.empty());
  EXPECT_TRUE(changes.exists_changed);
  EXPECT_EQ(view.count(), 5u);
  EXPECT_EQ(view.NumberOf(20), 2u);
  changes = view.Sync(true);
  EXPECT_EQ(changes.expunged_numbers, (std::vector<uint32_t>{4, 2}));
  EXPECT_EQ(changes.expunged_uids, (std::vector<uint32_t>{20, 40}));
  EXPECT_FALSE(changes.exists_changed);
  EXPECT_EQ(view.uids(), (std::vector<uint32_t>{10, 30, 50}));
  EXPECT_EQ(view.NumberOf(20), 0u);
  EXPECT_TRUE(view.Sync(true).expunged_numbers.empty());
}

TEST(View, TellsChangesOnceAndNotOnesOwn) {
  Box box;
  for (const uint32_t uid : {1, 2, 3}) box.Add(uid);
  View view(box.state);
  box.Touch(3);
  view.Told(3, box.state->highestmodseq);
  box.Touch(1);
  view.Told(1, box.state->highestmodseq);
  box.Touch(2);
  EXPECT_EQ(view.Sync(false).changed_uids, std::vector<uint32_t>{2});
  EXPECT_TRUE(view.Sync(false).changed_uids.empty());
  box.Touch(1);
  view.Told(1, box.state->highestmodseq);
  box.Touch(1);  // another session, after ours
  EXPECT_EQ(view.Sync(false).changed_uids, std::vector<uint32_t>{1});
}

TEST(View, TellsWhenKeywordsGetNames) {
  Box box;
  box.state->keyword_names = {"", "b"};  // a letter without a name
  View view(box.state);
  EXPECT_FALSE(view.Sync(false).keywords_grew);
  box.state->keyword_names[0] = "a";
  EXPECT_TRUE(view.Sync(false).keywords_grew);
  EXPECT_FALSE(view.Sync(false).keywords_grew);
}

TEST(View, KnowsWhatWentAlsoWhenTheHistoryWasCut) {
  Box box;
  for (const uint32_t uid : {1, 2, 3, 4}) box.Add(uid);
  View view(box.state);
  box.Expunge(1);
  box.Expunge(3);
  box.state->gone.erase(box.state->gone.begin());
  box.state->gone_dropped = 1;
  EXPECT_EQ(view.Sync(true).expunged_numbers, (std::vector<uint32_t>{3, 1}));
  EXPECT_EQ(view.uids(), (std::vector<uint32_t>{2, 4}));
  box.Expunge(4);
  EXPECT_EQ(view.Sync(true).expunged_numbers, std::vector<uint32_t>{2});
}

}  // namespace
}  // namespace postern::mailbox
