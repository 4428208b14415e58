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

#include "core/base/time.h"

namespace postern::sim {

// The token in the Subject of `message`, by which it is known everywhere; empty: none. A notice (RFC 3464), which
// returns another's header, is known as "notice " and its Message-ID.
inline std::string CanaryIn(std::string_view message) {
  std::string id;
  bool report = false;
  while (true) {
    const size_t end = message.find('\n');
    std::string_view line = message.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (end == std::string_view::npos || line.empty()) break;
    message.remove_prefix(end + 1);
    if (line.starts_with("Subject: canary-")) return std::string(line.substr(9));
    if (line.starts_with("Message-Id: ")) id = line.substr(12);
    report |= line.starts_with("Content-Type: multipart/report");
  }
  return report && !id.empty() ? "notice " + id : "";
}
inline bool IsNotice(std::string_view canary) { return canary.starts_with("notice "); }

// One attempt to submit one message. A client that saw no reply and tries again makes a new one.
struct Submission {
  std::string canary;                   // unique token in the body
  std::string body;                     // header and body as sent, CRLF, dots not stuffed
  std::set<std::string> local_users;    // whose RCPT was answered 250 and who have a Maildir
  std::set<std::string> refused_users;  // RCPT answered 4xx or 5xx
  size_t remote_recipients = 0;
  std::set<std::string> remote_addresses;  // theirs
  std::set<std::string> silent_addresses;  // of these, whose NOTIFY leaves FAILURE out
  std::string queue_id;                    // as the reply to its end names it; empty: none was seen
  std::string sender;                      // of MAIL
  bool from_stranger = false;              // neither logged in nor of mynetworks
  bool aliased = false;                    // some recipient is an alias: it may be anybody's
  bool may_end_unseen = false;             // out of the queue: it need not arrive (outbound_oracles.h)
  enum class Outcome : uint8_t {
    kNone,
    kSent,
    kAccepted,
    kDeferred,
    kRefused
  } outcome = Outcome::kNone;   // deferred: 4xx at its end
  uint64_t crashes_at_end = 0;  // crash count when the final dot was sent
};

class Ledger {
 public:
  Submission& NewSubmission() { return submissions_.emplace_back(); }
  std::deque<Submission>& submissions() { return submissions_; }

  // A client asked that this message (by canary) go from this user's mailbox: from now on it may be gone.
  void MayBeGone(const std::string& user, const std::string& canary) { may_be_gone_.insert({user, canary}); }
  bool IsMaybeGone(const std::string& user, const std::string& canary) const {
    return may_be_gone_.contains({user, canary});
  }
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
  bool Shown(const UidKey& key, const std::string& canary) {
    return shown_.try_emplace(key, canary).first->second == canary;
  }
  // UIDNEXT and HIGHESTMODSEQ never go back (O5, O7). False where they did.
  bool UidNextSeen(const std::string& user, const std::string& mailbox, uint32_t uidvalidity, uint64_t uidnext) {
    return Grows(uidnext_[{user, mailbox, uidvalidity, 0}], uidnext);
  }
  uint64_t UidNextShown(const std::string& user, const std::string& mailbox, uint32_t uidvalidity) const {
    const auto found = uidnext_.find({user, mailbox, uidvalidity, 0});
    return found == uidnext_.end() ? 0 : found->second;
  }
  bool ModseqSeen(const std::string& user, const std::string& mailbox, uint32_t uidvalidity, uint64_t modseq) {
    return Grows(modseq_[{user, mailbox, uidvalidity, 0}], modseq);
  }
  bool UidValiditySeen(const std::string& user, const std::string& mailbox, uint32_t value) {
    return Grows(uidvalidity_[{user, mailbox, 0, 0}], value);
  }

  // Whose message this is, by everything that was sent or appended. Unknown tokens belong to nobody.
  // Whose a notice is says the law of notices (outbound_oracles.h).
  bool BelongsTo(const std::string& canary, const std::string& user) const {
    if (IsNotice(canary)) return true;
    if (appends_.contains({user, canary})) return true;
    for (const Submission& submission : submissions_) {
      if (submission.canary == canary) return submission.local_users.contains(user) || submission.aliased;
    }
    return false;
  }

  // A notice that a client read: it may be gone from the mailbox since. By canary: whose mailbox, and its text.
  void SawNotice(const std::string& user, const std::string& canary, std::string text) {
    notices_seen_.try_emplace(canary, user, std::move(text));
  }
  const std::map<std::string, std::pair<std::string, std::string>>& notices_seen() const { return notices_seen_; }

  // The sender was told that this recipient does not get the message: then it need not be there.
  void ToldAsFailed(const std::string& user, const std::string& canary) { told_failed_.insert({user, canary}); }
  bool IsToldAsFailed(const std::string& user, const std::string& canary) const {
    return told_failed_.contains({user, canary});
  }

  // APPEND: sent, and answered OK.
  struct Append {
    std::string body;
    bool acknowledged = false;
  };
  void MayAppend(const std::string& user, const std::string& canary, std::string body) {
    appends_[{user, canary}].body = std::move(body);
  }
  void Appended(const std::string& user, const std::string& canary) { appends_[{user, canary}].acknowledged = true; }
  const std::map<std::pair<std::string, std::string>, Append>& appends() const { return appends_; }

  // \Flagged is only ever set: once acknowledged it stays, but for a power loss after it (mail_fsync = optimized).
  struct Flag {
    UidKey key;
    std::string canary;
    uint64_t power_losses = 0;
  };
  void MayFlag(const std::string& user, const std::string& canary) { may_be_flagged_.insert({user, canary}); }
  bool MayBeFlagged(const std::string& user, const std::string& canary) const {
    return may_be_flagged_.contains({user, canary});
  }
  void Flagged(const std::string& user, const std::string& mailbox, uint32_t uidvalidity, uint32_t uid,
               const std::string& canary, uint64_t power_losses) {
    flags_.push_back({{user, mailbox, uidvalidity, uid}, canary, power_losses});
  }
  const std::vector<Flag>& flags() const { return flags_; }

  // ETRN was sent: what waits for that domain may be tried at once.
  void AskedForSite(Instant at) { asked_for_sites_.push_back(at); }
  const std::vector<Instant>& asked_for_sites() const { return asked_for_sites_; }

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
  std::map<std::string, std::pair<std::string, std::string>> notices_seen_;
  std::set<std::pair<std::string, std::string>> may_be_gone_, told_failed_;
  std::map<std::pair<std::string, std::string>, uint64_t> copies_;
  std::map<std::pair<std::string, std::string>, Append> appends_;
  std::set<std::pair<std::string, std::string>> may_be_flagged_;
  std::vector<Flag> flags_;
  std::vector<Instant> asked_for_sites_;
  std::map<UidKey, std::string> shown_;
  std::map<UidKey, uint64_t> uidnext_, modseq_, uidvalidity_;
  std::vector<std::string> violations_;
  std::vector<std::string> story_;
};

}  // namespace postern::sim
