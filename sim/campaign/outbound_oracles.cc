#include "sim/campaign/outbound_oracles.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace postern::sim {
namespace {

using CanaryKey = std::pair<std::string, std::string>;  // canary, recipient

std::string Text(const CanaryKey& key) { return key.first + " for " + key.second; }
std::string Text(Duration duration) { return std::to_string(duration.ns / 1'000'000'000) + " s"; }

std::map<CanaryKey, std::vector<Carriage>> ByRecipient(const std::vector<Carriage>& carried) {
  std::map<CanaryKey, std::vector<Carriage>> sorted;
  for (const Carriage& one : carried) sorted[{one.canary, one.recipient}].push_back(one);
  for (auto& [key, all] : sorted) {
    std::sort(all.begin(), all.end(), [](const Carriage& a, const Carriage& b) { return a.at < b.at; });
  }
  return sorted;
}

const Promised* Find(const OutboundFacts& facts, const std::string& canary) {
  const auto found = std::find_if(facts.promised.begin(), facts.promised.end(),
                                  [&](const Promised& promised) { return promised.canary == canary; });
  return found == facts.promised.end() ? nullptr : &*found;
}

// The queue id in a notice's Message-ID, as far as the log knows it.
const NoticeWritten* FindNotice(const OutboundFacts& facts, const std::string& message_id) {
  const auto found = std::find_if(facts.notices.begin(), facts.notices.end(), [&](const auto& notice) {
    return message_id.find(notice.first) != std::string::npos;
  });
  return found == facts.notices.end() ? nullptr : &found->second;
}

// Was a notice about it written that did not reach anybody?
bool NoticeIsLost(const OutboundFacts& facts, const Promised& promised) {
  return std::any_of(facts.notices.begin(), facts.notices.end(), [&](const auto& notice) {
    return notice.second.about == promised.queue_id && notice.second.lost;
  });
}

// Of several notices about one recipient: does each have a reason in the one before?
bool MayRepeat(const OutboundFacts& facts, const std::set<std::string>& message_ids) {
  std::vector<const NoticeWritten*> written;
  for (const std::string& id : message_ids) {
    const NoticeWritten* const one = FindNotice(facts, id);
    if (one == nullptr) return false;
    written.push_back(one);
  }
  std::sort(written.begin(), written.end(), [](const auto* a, const auto* b) { return a->at < b->at; });
  for (size_t i = 0; i + 1 < written.size(); ++i) {
    if (!MayForget(facts, written[i]->process, written[i]->at, written[i + 1]->process)) return false;
  }
  return true;
}

// Was somebody told that a recipient failed, though it was known that it was taken, or the other way round?
bool ToldThoughTaken(const OutboundFacts& facts, const CanaryKey& key, const std::vector<Carriage>& times) {
  return std::any_of(facts.told.begin(), facts.told.end(), [&](const ToldFailed& told) {
    if (told.canary != key.first || told.recipient != key.second) return false;
    const NoticeWritten* const notice = FindNotice(facts, told.notice);
    return std::any_of(times.begin(), times.end(), [&](const Carriage& one) {
      if (!one.reply_told) return false;
      if (notice == nullptr) return one.process == facts.last_process;
      if (notice->at < one.at) return !MayForget(facts, notice->process, notice->at, one.process);
      return !MayForget(facts, one.process, one.at, notice->process);
    });
  });
}

}  // namespace

bool MayForget(const OutboundFacts& facts, uint64_t process, Instant at, uint64_t next) {
  if (process == next) return false;
  if (!facts.disk_kept_all) return true;
  for (auto end = facts.ends.find(process); end != facts.ends.end() && end->first < next; ++end) {
    if (end->second.power_lost) return true;
  }
  const auto end = facts.ends.find(process);
  return end == facts.ends.end() || end->second.at - at < facts.memory_delay;
}

bool MayEndUnseen(const OutboundFacts& facts, const Promised& promised) {
  // Copies for some of the recipients have ids that begin with the first one's, which the client knows.
  const auto has = [&promised](const std::set<std::string>& ids) {
    const auto first = ids.lower_bound(promised.queue_id);
    return !promised.queue_id.empty() && first != ids.end() && first->starts_with(promised.queue_id);
  };
  return has(facts.deleted) || NoticeIsLost(facts, promised) || (promised.sender.empty() && has(facts.expired));
}

Violations CheckOneEnd(const OutboundFacts& facts) {
  Violations violations;
  const auto carried = ByRecipient(facts.carried);
  std::set<CanaryKey> told, waiting;
  for (const ToldFailed& one : facts.told) told.insert({one.canary, one.recipient});
  for (const Waiting& one : facts.waiting) waiting.insert({one.canary, one.recipient});

  for (const Promised& promised : facts.promised) {
    if (promised.no_reply || promised.refused) continue;
    for (const std::string& recipient : promised.recipients) {
      const CanaryKey key{promised.canary, recipient};
      // The null sender's mail that fails ends without a word (RFC 5321 section 6.1).
      if (promised.sender.empty() || promised.silent.contains(recipient)) continue;
      if (!carried.contains(key) && !told.contains(key) && !waiting.contains(key) && !MayEndUnseen(facts, promised)) {
        violations.push_back("O11: " + Text(key) + " was promised and is gone: not taken, not told of, not waiting");
      }
    }
  }
  for (const auto& [key, times] : carried) {
    for (size_t i = 0; i + 1 < times.size(); ++i) {
      if (times[i].reply_told && !MayForget(facts, times[i].process, times[i].at, times[i + 1].process)) {
        violations.push_back("O2: " + Text(key) + " was sent again, though the reply was read");
      }
    }
    const bool surely = std::any_of(times.begin(), times.end(), [&](const Carriage& one) {
      return one.reply_told && one.process == facts.last_process;
    });
    if (ToldThoughTaken(facts, key, times))
      violations.push_back("O11: " + Text(key) + " was taken, and told of as failed");
    if (surely && waiting.contains(key)) violations.push_back("O11: " + Text(key) + " was taken, and waits still");
  }
  // A notice is durable before its recipient is settled: a crash may leave both, until the next try.
  return violations;
}

Violations CheckNotices(const OutboundFacts& facts) {
  Violations violations;
  std::map<CanaryKey, std::set<std::string>> notices;
  for (const ToldFailed& one : facts.told) {
    const CanaryKey key{one.canary, one.recipient};
    const Promised* promised = Find(facts, one.canary);
    if (promised == nullptr) {
      violations.push_back("O12: a notice about a message nobody sent: " + Text(key));
      continue;
    }
    if (promised->sender.empty()) {
      violations.push_back("O12: a notice to " + one.to + " about mail of the null sender: " + Text(key));
    } else if (promised->sender != one.to) {
      violations.push_back("O12: a notice to " + one.to + ", who did not send " + Text(key));
    }
    if (promised->refused) violations.push_back("O12: a notice about what was refused: " + Text(key));
    if (promised->silent.contains(one.recipient)) {
      violations.push_back("O12: a notice that NOTIFY forbids: " + Text(key));
    }
    if (!promised->recipients.contains(one.recipient) && !promised->of_this_host.contains(one.recipient)) {
      violations.push_back("O12: a notice about a recipient that was not accepted: " + Text(key));
    }
    notices[key].insert(one.notice);
  }
  for (const auto& [key, ids] : notices) {
    if (ids.size() > 1 && !MayRepeat(facts, ids))
      violations.push_back("O12: " + Text(key) + " has " + std::to_string(ids.size()) + " notices");
  }
  return violations;
}

Violations CheckRightlyFailed(const OutboundFacts& facts) {
  Violations violations;
  for (const ToldFailed& told : facts.told) {
    const Promised* const promised = Find(facts, told.canary);
    const auto is_of_message = [&](const std::string& id) {
      return id == told.about || (promised != nullptr && !promised->queue_id.empty() && id == promised->queue_id);
    };
    if (facts.refusable.contains(told.recipient)) continue;
    if (std::any_of(facts.expired.begin(), facts.expired.end(), is_of_message)) continue;
    violations.push_back("O11: " + Text(CanaryKey{told.canary, told.recipient}) +
                         " was told of as failed, though nobody refused it for good");
  }
  return violations;
}

Violations CheckNothingUnasked(const OutboundFacts& facts) {
  Violations violations;
  const auto judge = [&](const std::string& canary, const std::string& recipient, std::string_view what) {
    const CanaryKey key{canary, recipient};
    const Promised* promised = Find(facts, canary);
    if (promised == nullptr) {
      violations.push_back("O14: nobody sent " + Text(key) + ", which " + std::string(what));
    } else if (promised->refused) {
      violations.push_back("O3: " + Text(key) + " was refused, and " + std::string(what));
    } else if (promised->of_this_host.contains(recipient)) {
      return;
    } else if (!promised->recipients.contains(recipient)) {
      violations.push_back("O14: " + Text(key) + " was not accepted, and " + std::string(what));
    } else if (promised->from_stranger) {
      violations.push_back("O14: " + Text(key) + " came from a stranger, and " + std::string(what));
    }
  };
  for (const Carriage& one : facts.carried) judge(one.canary, one.recipient, "a host took it");
  for (const Waiting& one : facts.waiting) judge(one.canary, one.recipient, "waits");
  return violations;
}

Violations CheckLifetimes(const std::vector<Waiting>& waiting, const Limits& limits, WallTime now, Duration outage) {
  Violations violations;
  const int64_t most_us = (limits.queue_lifetime.ns + limits.maximal_backoff.ns + limits.slack.ns + outage.ns) / 1000;
  for (const Waiting& one : waiting) {
    if (!one.held && now.us - one.arrived.us > most_us) {
      violations.push_back("O11: " + Text(CanaryKey{one.canary, one.recipient}) + " waits beyond its lifetime");
    }
  }
  return violations;
}

Violations CheckBackoff(std::vector<Tried> tries, const Limits& limits, const std::vector<AskedByHand>& asked,
                        const OutboundFacts& facts) {
  Violations violations;
  const auto between = [&](const Tried& before, const Tried& after, bool holds) {
    return std::any_of(asked.begin(), asked.end(), [&](const AskedByHand& one) {
      return one.holds == holds && (one.id.empty() || one.id == before.id) && one.from <= after.at &&
             before.at <= one.to;
    });
  };
  std::sort(tries.begin(), tries.end(), [](const Tried& a, const Tried& b) {
    return std::tie(a.id, a.recipient, a.at) < std::tie(b.id, b.recipient, b.at);
  });
  for (size_t i = 0; i + 1 < tries.size(); ++i) {
    const Tried &before = tries[i], &after = tries[i + 1];
    if (before.id != after.id || before.recipient != after.recipient || !before.deferred) continue;
    const bool at_once = between(before, after, /*holds=*/false);
    if (before.process != after.process) {
      const auto put_off = facts.put_off.find({before.id, before.process});
      if (facts.clock_jumps || put_off == facts.put_off.end() || put_off->second < before.at) continue;
      if (MayForget(facts, before.process, put_off->second, after.process)) continue;
      if (after.at + Seconds(1) < before.at + limits.minimal_backoff && !at_once) {
        violations.push_back("O13: " + before.id + " to " + before.recipient + " was tried again after " +
                             Text(after.at - before.at) + ", too early, by the next process");
      }
      continue;
    }
    const Duration waited = after.at - before.at;
    const std::string what = before.id + " to " + before.recipient + " was tried again after " + Text(waited);
    if (waited < limits.minimal_backoff && !at_once) violations.push_back("O13: " + what + ", too early");
    const bool held = between(before, after, /*holds=*/true);
    if (waited.ns > limits.maximal_backoff.ns + limits.slack.ns && !held)
      violations.push_back("O13: " + what + ", too late");
  }
  return violations;
}

Violations CheckConcurrency(const std::string& destination, uint32_t most, uint32_t limit) {
  if (most <= limit) return {};
  return {"O13: " + destination + " had " + std::to_string(most) + " connections at once, " + std::to_string(limit) +
          " are allowed"};
}

Violations CheckNoLeak(const std::set<std::string>& spool, bool all_settled) {
  Violations violations;
  for (const std::string& name : spool) {
    const size_t slash = name.find('/');
    const std::string folder = name.substr(0, slash);
    const std::string id = slash == std::string::npos ? "" : name.substr(slash + 1);
    // A file that is kept for the next message is nobody's (Retire of core/boundary/file_plan.h).
    if (folder == "hold" || folder == "corrupt" || folder == "maildrop" || folder == "requests" || folder == "lock" ||
        folder == "spare")
      continue;
    // A held message keeps its journal: people may let it go on.
    const bool waits = spool.contains("incoming/" + id) || spool.contains("deferred/" + id);
    const bool kept = spool.contains("hold/" + id) || spool.contains("corrupt/" + id);
    if (folder == "journal" && (kept || (waits && !all_settled))) continue;
    if (folder == "journal") {
      violations.push_back("O18: " + name + " has no message any more");
    } else if (all_settled) {
      violations.push_back("O18: " + name + " is left, though all is settled");
    }
  }
  return violations;
}

}  // namespace postern::sim
