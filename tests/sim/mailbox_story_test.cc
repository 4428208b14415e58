// Goal: whatever sessions, delivery agents, other Maildir programs, kills and power losses do in whatever order, mail
// stays, a UID keeps naming the same bytes, and a client that syncs by MODSEQ knows what one knows that reads
// everything anew. Method: random stories over a disk that forgets, against a model of what was promised.
#include <gtest/gtest.h>

#include <optional>
#include <set>

#include "tests/sim/mailbox_driver.h"

namespace postern::sim {
namespace {

using mailbox::Flags;
using mailbox::Keywords;
using mailbox::MailboxState;

// What one client believes, told by its session's view as IMAP would.
class ToldClient {
 public:
  explicit ToldClient(std::shared_ptr<MailboxState> state) : state_(std::move(state)), view_(state_) {
    for (size_t row = 0; row < state_->count(); ++row) Learn(state_->uids[row]);
  }
  void Sync(bool expunges) {
    const auto changes = view_.Sync(expunges);
    for (const uint32_t number : changes.expunged_numbers) {
      ASSERT_GE(number, 1u);
      ASSERT_LE(number, uids_.size());
      flags_.erase(uids_[number - 1]);
      uids_.erase(uids_.begin() + number - 1);
    }
    for (const uint32_t uid : changes.changed_uids) {
      ASSERT_NE(state_->RowOf(uid), state_->count());
      flags_[uid] = FlagsOf(uid);
    }
    if (changes.exists_changed) {
      for (size_t i = uids_.size(); i < view_.count(); ++i) Learn(view_.UidOf(static_cast<uint32_t>(i + 1)));
    }
    ASSERT_EQ(uids_, view_.uids());
    if (!expunges) return;
    ASSERT_EQ(uids_, state_->uids);
    for (const uint32_t uid : uids_) ASSERT_EQ(flags_[uid], FlagsOf(uid)) << "uid " << uid;
  }
  const std::vector<uint32_t>& uids() const { return uids_; }
  MailboxState& state() { return *state_; }

 private:
  std::pair<Flags, Keywords> FlagsOf(uint32_t uid) const {
    const size_t row = state_->RowOf(uid);
    return {state_->flags[row], state_->keywords[row]};
  }
  void Learn(uint32_t uid) {
    uids_.push_back(uid);
    flags_[uid] = FlagsOf(uid);
  }

  std::shared_ptr<MailboxState> state_;
  mailbox::View view_;
  std::vector<uint32_t> uids_;
  std::map<uint32_t, std::pair<Flags, Keywords>> flags_;
};

// A client that comes back later with what it kept (RFC 7162: CONDSTORE).
struct OfflineCopy {
  uint32_t uidvalidity = 0, uidnext = 0;
  uint64_t highestmodseq = 0;
  std::map<uint32_t, std::pair<Flags, Keywords>> flags;

  void Take(const MailboxState& state) {
    uidvalidity = state.uidvalidity;
    uidnext = state.uidnext;
    highestmodseq = state.highestmodseq;
    flags.clear();
    for (size_t row = 0; row < state.count(); ++row) flags[state.uids[row]] = {state.flags[row], state.keywords[row]};
  }
  void Check(const MailboxState& state, uint64_t seed) {
    ASSERT_EQ(state.uidvalidity, uidvalidity) << "seed " << seed;
    ASSERT_GE(state.highestmodseq, highestmodseq) << "seed " << seed;
    ASSERT_GE(state.uidnext, uidnext) << "seed " << seed;
    std::set<uint32_t> vanished;
    if (highestmodseq >= state.gone_since) {
      for (const auto& gone : state.gone) {
        if (gone.modseq > highestmodseq) vanished.insert(gone.uid);
      }
      for (const auto& [uid, known] : flags) {
        ASSERT_EQ(vanished.contains(uid), state.RowOf(uid) == state.count()) << "seed " << seed << " uid " << uid;
      }
    }
    for (size_t row = 0; row < state.count(); ++row) {
      const std::pair<Flags, Keywords> now{state.flags[row], state.keywords[row]};
      ASSERT_LE(state.modseqs[row], state.highestmodseq);
      if (state.modseqs[row] > highestmodseq) continue;  // it is told
      const auto known = flags.find(state.uids[row]);
      ASSERT_NE(known, flags.end()) << "seed " << seed << " uid " << state.uids[row] << " is never told";
      ASSERT_EQ(known->second, now) << "seed " << seed << " uid " << state.uids[row] << " changed and is not told";
    }
  }
};

class Story {
 public:
  explicit Story(uint64_t seed) : seed_(seed), driver_(seed), random_(seed, "story") {}

  void Run() {
    ASSERT_TRUE(driver_.Create("Archive").status.ok());
    ASSERT_TRUE(driver_.Create("INBOX").status.code() == StatusCode::kAlreadyExists);
    Open();
    if (testing::Test::HasFatalFailure()) return;
    for (int chapter = 0; chapter < 60; ++chapter) {
      Act();
      if (random_.Chance(300)) driver_.Settle();
      for (uint64_t steps = random_.Below(30); steps > 0; --steps) driver_.Step();
      if (clients_.empty()) Open();
      for (ToldClient& client : clients_) client.Sync(random_.Chance(700));
      if (random_.Chance(100)) offline_.Take(clients_.front().state());
      if (random_.Chance(60)) Crash(random_.Chance(600));
      if (testing::Test::HasFatalFailure()) return;
    }
    Crash(random_.Chance(500));
    Crash(false);
  }

 private:
  void Open() {
    for (const uint64_t session : {1, 2}) {
      const auto state = driver_.Select("INBOX", session);
      ASSERT_NE(state, nullptr) << "seed " << seed_;
      clients_.emplace_back(state);
    }
    if (offline_.uidvalidity != 0) offline_.Check(clients_.front().state(), seed_);
    offline_.Take(clients_.front().state());
  }

  void Act() {
    MailboxState& state = clients_[random_.Below(2)].state();
    switch (random_.Below(9)) {
      case 0: {
        const std::string text =
            "message " + std::to_string(++texts_) + std::string(random_.Below(3) * 3000, 'x') + "\n";
        written_.insert(text);
        const bool flagged = random_.Chance(500);
        appends_[driver_.Ask([&](auto& account, auto ticket, auto& context) {
          account.AppendMessages(ticket, random_.Chance(700) ? "INBOX" : "Archive",
                                 {MailboxDriver::Text(text, flagged ? mailbox::kFlagged : Flags{0})}, context);
        })] = text;
        break;
      }
      case 1: {  // a delivery agent: durable, then it tells
        const std::string text = "delivered " + std::to_string(++texts_) + "\n";
        written_.insert(text);
        kept_.insert(text);
        driver_.Deliver(std::to_string(driver_.seconds()) + ".M" + std::to_string(texts_) + "P9.mx", text);
        Arrived();
        break;
      }
      case 2:
      case 3: {
        mailbox::StoreRequest request{.uids = Some(state.uids),
                                      .mode = static_cast<mailbox::StoreMode>(random_.Below(3))};
        request.flags = static_cast<Flags>(random_.Below(32)) & static_cast<Flags>(~mailbox::kDeleted);
        if (random_.Chance(300)) request.keywords = {"k" + std::to_string(random_.Below(40))};
        driver_.Ask([&](auto& account, auto ticket, auto& context) { account.Store(ticket, state, request, context); });
        break;
      }
      case 4:
        Remove(state);
        break;
      case 5:
      case 6: {
        const bool move = random_.Chance(500);
        driver_.Ask([&](auto& account, auto ticket, auto& context) {
          account.Copy(ticket, state, Some(state.uids), random_.Chance(500) ? "Archive" : "INBOX", move, context);
        });
        break;
      }
      case 7:
        RenameOutside();
        break;
      default:
        driver_.Ask([&](auto& account, auto ticket, auto& context) { account.Refresh(ticket, state, context); });
    }
  }

  void Arrived() {
    if (random_.Chance(700)) {
      driver_.Ask([&](auto& account, auto, auto& context) { account.Arrived(MailboxDriver::kMaildir, context); });
    } else {
      driver_.Hint();
    }
  }

  void Remove(MailboxState& state) {
    const std::vector<uint32_t> uids = Some(state.uids);
    driver_.Settle();
    for (const uint32_t uid : uids) {
      if (state.RowOf(uid) == state.count()) continue;
      const std::string body = driver_.Body(state, uid);
      kept_.erase(body);
      removed_.insert(body);
    }
    driver_.Ask([&](auto& account, auto ticket, auto& context) { account.Remove(ticket, state, uids, context); });
  }

  // A mail program that works on the files.
  void RenameOutside() {
    const std::vector<std::string> names = driver_.Names("/cur");
    if (names.empty()) return;
    const std::string from = names[random_.Below(names.size())];
    const std::string to = from.substr(0, from.find(":2,")) + ":2," + (random_.Chance(500) ? "FS" : "RS");
    if (from != to) (void)driver_.RenameOutside("/cur/" + from, "/cur/" + to);
    if (random_.Chance(500)) driver_.Hint();
  }

  std::vector<uint32_t> Some(const std::vector<uint32_t>& uids) {
    std::vector<uint32_t> some;
    for (const uint32_t uid : uids) {
      if (random_.Chance(250)) some.push_back(uid);
    }
    return some;
  }

  void Crash(bool power) {
    if (random_.Chance(500) && !clients_.empty()) offline_.Take(clients_.front().state());
    for (const auto& [tag, text] : appends_) {
      const mailbox::Completion* answer = driver_.Answer(tag);
      if (answer != nullptr && answer->status.ok() && !removed_.contains(text)) kept_.insert(text);
    }
    appends_.clear();
    clients_.clear();
    const bool in_order = random_.Chance(300);  // everything ends, and the mailbox is closed
    if (in_order) {
      for (const uint64_t session : {1, 2}) driver_.Unselect(session);
    }
    if (power) driver_.disk().LosePower();
    driver_.Restart();
    Audit();
    if (!testing::Test::HasFatalFailure()) Open();
  }

  void Audit() {
    std::multiset<std::string> found;
    for (const std::string name : {"Archive", "INBOX"}) {
      const auto state = driver_.Select(name, 3);
      ASSERT_NE(state, nullptr) << "seed " << seed_;
      std::set<std::string> bases;
      for (const uint32_t uid : state->uids) {
        const std::string body = driver_.Body(*state, uid);
        found.insert(body);
        EXPECT_TRUE(written_.contains(body))
            << "seed " << seed_ << ": neither whole nor absent: " << body.substr(0, 40);
        const auto key = std::make_pair(name + std::to_string(state->uidvalidity), uid);
        ASSERT_EQ(shown_.try_emplace(key, body).first->second, body)
            << "seed " << seed_ << " " << name << " uid " << uid;
        EXPECT_TRUE(bases.insert(state->BaseNameOf(uid)).second) << "seed " << seed_ << ": one file twice";
      }
      driver_.Unselect(3);
    }
    for (const std::string& text : kept_)
      EXPECT_TRUE(found.contains(text)) << "seed " << seed_ << ": lost: " << text.substr(0, 40);
  }

  uint64_t seed_;
  MailboxDriver driver_;
  Random random_;
  std::vector<ToldClient> clients_;
  OfflineCopy offline_;
  int texts_ = 0;
  std::set<std::string> written_, kept_, removed_;
  std::map<uint64_t, std::string> appends_;
  std::map<std::pair<std::string, uint32_t>, std::string> shown_;
};

TEST(MailboxStory, HoldsWhateverHappens) {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Story(seed).Run();
    ASSERT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace postern::sim
