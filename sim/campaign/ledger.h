// The ledger: what clients were told, against which the audit holds the disk and the answers of servers. Filled by the
// simulated clients from reply bytes alone; it knows nothing of the server's insides.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postern::sim {

// One attempt to submit one message. A client that saw no reply and tries again makes a new one.
struct Submission {
  std::string canary;                  // unique token in the body
  std::string body;                    // header and body as sent, CRLF, dots not stuffed
  std::set<std::string> local_users;   // whose RCPT was answered 250 and who have a Maildir
  std::set<std::string> refused_users;  // RCPT answered 4xx or 5xx
  size_t remote_recipients = 0;
  enum class Outcome : uint8_t { kNone, kSent, kAccepted, kRefused } outcome = Outcome::kNone;
  uint64_t crashes_at_end = 0;         // crash count when the final dot was sent
};

class Ledger {
 public:
  Submission& NewSubmission() { return submissions_.emplace_back(); }
  std::deque<Submission>& submissions() { return submissions_; }

  // A client asked that this message (by canary) go from this user's mailbox: from now on it may be gone.
  void MayBeGone(const std::string& user, const std::string& canary) { may_be_gone_.insert({user, canary}); }
  bool IsMaybeGone(const std::string& user, const std::string& canary) const { return may_be_gone_.contains({user, canary}); }
  // A client asked for a copy (COPY, APPEND repeated): more than one may be there.
  void MayBeCopied(const std::string& user, const std::string& canary) { ++copies_[{user, canary}]; }
  uint64_t CopiesAsked(const std::string& user, const std::string& canary) const {
    const auto found = copies_.find({user, canary});
    return found == copies_.end() ? 0 : found->second;
  }

  // What a client was shown: (user, mailbox, UIDVALIDITY, UID) names these bytes for ever (O6).
  struct UidKey {
    std::string user, mailbox;
    uint32_t uidvalidity = 0, uid = 0;
    auto operator<=>(const UidKey&) const = default;
  };
  // False where this UID was shown with another canary before.
  bool Shown(const UidKey& key, const std::string& canary) { return shown_.try_emplace(key, canary).first->second == canary; }
  // UIDNEXT and HIGHESTMODSEQ never go back (O5, O7). False where they did.
  bool UidNextSeen(const std::string& user, const std::string& mailbox, uint32_t uidvalidity, uint64_t uidnext) {
    return Grows(uidnext_[{user, mailbox, uidvalidity, 0}], uidnext);
  }
  bool ModseqSeen(const std::string& user, const std::string& mailbox, uint32_t uidvalidity, uint64_t modseq) {
    return Grows(modseq_[{user, mailbox, uidvalidity, 0}], modseq);
  }
  bool UidValiditySeen(const std::string& user, const std::string& mailbox, uint32_t value) {
    return Grows(uidvalidity_[{user, mailbox, 0, 0}], value);
  }

  // What broke a law while the run was on; the first one ends the seed.
  void Violated(std::string_view oracle, std::string what) { violations_.push_back(std::string(oracle) + ": " + what); }
  const std::vector<std::string>& violations() const { return violations_; }

  // One line a session, for the story of a failing seed.
  void Tell(std::string line) {
    if (story_.size() < kStoryLinesMax) story_.push_back(std::move(line));
  }
  const std::vector<std::string>& story() const { return story_; }

 private:
  static constexpr size_t kStoryLinesMax = 4000;
  static bool Grows(uint64_t& last, uint64_t now) {
    if (now < last) return false;
    last = now;
    return true;
  }

  std::deque<Submission> submissions_;
  std::set<std::pair<std::string, std::string>> may_be_gone_;
  std::map<std::pair<std::string, std::string>, uint64_t> copies_;
  std::map<UidKey, std::string> shown_;
  std::map<UidKey, uint64_t> uidnext_, modseq_, uidvalidity_;
  std::vector<std::string> violations_;
  std::vector<std::string> story_;
};

}  // namespace postern::sim
