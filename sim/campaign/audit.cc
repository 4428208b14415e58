#include "sim/campaign/audit.h"

#include <algorithm>
#include <set>
#include <vector>

#include "core/mailbox/uidlist.h"
#include "core/queue/journal.h"
#include "core/queue/queue_file.h"
#include "sim/campaign/setting.h"

namespace postern::sim {
namespace {

struct StoredMessage {
  std::string path;
  std::string bytes;
  std::vector<std::string> twins;  // other names of the same file with the same base: halves of a rename that power cut
};
// canary -> the visible files of one user that hold it.
using Found = std::map<std::string, std::vector<StoredMessage>>;

bool IsVisible(std::string_view path) {
  return path.find("/cur/") != std::string_view::npos || path.find("/new/") != std::string_view::npos;
}

// The body as a Maildir file has it.
std::string OnDisk(std::string_view body) {
  std::string lf;
  lf.reserve(body.size());
  for (size_t end = body.find("\r\n"); end != std::string_view::npos; end = body.find("\r\n")) {
    lf.append(body.substr(0, end)) += '\n';
    body.remove_prefix(end + 2);
  }
  return lf.append(body);
}

std::map<std::string, Found> Collect(World& world, Ledger& ledger) {
  std::map<std::string, Found> found;
  for (const std::string& user : UserNames()) {
    // A power loss may leave one file under both names of a rename: that is one message, and shown as one.
    // (COPY makes names of one file, too, but each with a base of its own.)
    std::map<std::pair<uint64_t, std::string>, std::string> first_name;
    for (const auto& [path, bytes] : world.disk().Files(MaildirOf(user))) {
      const std::string name = path.substr(path.rfind('/') + 1);
      if (!IsVisible(path)) continue;
      const std::string canary = CanaryIn(bytes);
      const auto [known, is_new] =
          first_name.try_emplace({world.disk().StatPath(path).inode, name.substr(0, name.find(':'))}, path);
      if (!is_new) {
        auto& messages = found[user][canary];
        const auto twin = std::find_if(messages.begin(), messages.end(),
                                       [&](const StoredMessage& m) { return m.path == known->second; });
        if (twin != messages.end()) twin->twins.push_back(path);
        continue;
      }
      if (canary.empty()) {
        ledger.Violated("O4", "a visible file without a whole message: " + path);
        continue;
      }
      found[user][canary].push_back({.path = path, .bytes = bytes, .twins = {}});
    }
  }
  return found;
}

// Which recipients' messages wait in the queue: canary -> addresses. A Maildir that can't be written to sends them
// there.
std::map<std::string, std::set<std::string>> CollectQueue(World& world, Ledger& ledger) {
  std::map<std::string, std::set<std::string>> queued;
  for (const auto& [path, bytes] : world.disk().Files("/var/spool/postfix/postern")) {
    // What is in corrupt/ is for people: a name that a power loss brought back, of a file that is another's by then.
    if (path.find("/postern/tmp/") != std::string::npos || path.find("/postern/journal/") != std::string::npos ||
        path.find("/postern/corrupt/") != std::string::npos)
      continue;
    auto file = queue::ParseQueueFile(bytes);
    if (!file.ok()) {
      ledger.Violated("O4", "a queue file that can't be read: " + path);
      continue;
    }
    const auto journal = world.disk().ReadFile("/var/spool/postfix/postern/journal/" + file->envelope.id);
    if (journal.ok()) queue::ApplyJournal(*journal, &file->envelope);
    auto& recipients = queued[CanaryIn(file->message)];
    for (const queue::QueuedRecipient& recipient : file->envelope.recipients) {
      if (!recipient.done) recipients.insert(recipient.address.Key());
    }
  }
  return queued;
}

void AuditSubmission(const Submission& submission, const std::map<std::string, Found>& found,
                     const std::map<std::string, std::set<std::string>>& queued, World& world, Ledger& ledger) {
  const bool accepted = submission.outcome == Submission::Outcome::kAccepted;
  const bool unknown = submission.outcome == Submission::Outcome::kSent;  // no reply was seen
  for (const std::string& user : UserNames()) {
    const auto of_user = found.find(user);
    size_t copies = 0;
    bool all_in_cur = true;
    if (of_user != found.end()) {
      const auto files = of_user->second.find(submission.canary);
      if (files != of_user->second.end()) {
        copies = files->second.size();
        for (const StoredMessage& message : files->second) {
          all_in_cur &= message.path.find("/cur/") != std::string::npos;
          if (!submission.body.empty() && !message.bytes.ends_with(OnDisk(submission.body))) {
            ledger.Violated("O4", "altered or cut: " + message.path);
          }
        }
      }
    }
    const bool named = submission.local_users.contains(user);
    const bool may_be_gone = ledger.IsMaybeGone(user, submission.canary);
    const auto waiting = queued.find(submission.canary);
    if (waiting != queued.end() && waiting->second.contains(user)) ++copies;
    const bool told = ledger.IsToldAsFailed(user, submission.canary);
    if (accepted && named && copies == 0 && !may_be_gone && !told && !submission.may_end_unseen) {
      ledger.Violated("O1", submission.canary + " was answered 250 for " + user + " and is gone");
    }
    if (copies > 0 && !named)
      ledger.Violated("O17", submission.canary + " is in the mailbox of " + user + ", who was not named");
    // What failed at its last flush was in new/ for a moment: a session that took it to cur/ meanwhile keeps it. The
    // client was told 4xx and sends it again: twice, never lost.
    if (submission.outcome == Submission::Outcome::kDeferred && all_in_cur) continue;
    if (copies > 0 && !accepted && !unknown)
      ledger.Violated("O3", submission.canary + " was refused, and delivered to " + user);
    const uint64_t allowed =
        1 + ledger.CopiesAsked(user, submission.canary) + (world.crash_count() - submission.crashes_at_end);
    if (copies > allowed)
      ledger.Violated("O2", submission.canary + " is there " + std::to_string(copies) + " times for " + user);
  }
}

// What is for far away has laws of its own (far_away.h).
void AuditQueue(const std::map<std::string, std::set<std::string>>& queued, Ledger& ledger) {
  for (const Submission& submission : ledger.submissions()) {
    if ((submission.outcome == Submission::Outcome::kRefused || submission.outcome == Submission::Outcome::kDeferred) &&
        queued.contains(submission.canary)) {
      ledger.Violated("O3", submission.canary + " was refused, and queued");
    }
  }
}

void AuditAppends(const std::map<std::string, Found>& found, Ledger& ledger) {
  for (const auto& [key, append] : ledger.appends()) {
    const auto& [user, canary] = key;
    const auto of_user = found.find(user);
    const bool there = of_user != found.end() && of_user->second.contains(canary);
    if (append.acknowledged && !there && !ledger.IsMaybeGone(user, canary)) {
      ledger.Violated("O1", "APPEND of " + canary + " was answered OK and is gone");
    }
    if (!there) continue;
    for (const StoredMessage& message : of_user->second.at(canary)) {
      if (message.bytes != OnDisk(append.body)) ledger.Violated("O4", "altered or cut: " + message.path);
    }
  }
}

void AuditFlags(const std::map<std::string, Found>& found, World& world, Ledger& ledger) {
  for (const Ledger::Flag& flag : ledger.flags()) {
    if (flag.power_losses != world.power_loss_count() || ledger.IsMaybeGone(flag.key.user, flag.canary)) continue;
    if (ledger.CopiesAsked(flag.key.user, flag.canary) > 0) continue;
    const auto of_user = found.find(flag.key.user);
    if (of_user == found.end() || !of_user->second.contains(flag.canary)) continue;  // O1 tells
    const auto& files = of_user->second.at(flag.canary);
    const auto has_f = [](const std::string& path) {
      const size_t info = path.rfind(":2,");
      return info != std::string::npos && path.find('F', info) != std::string::npos;
    };
    const bool flagged = std::any_of(files.begin(), files.end(), [&](const StoredMessage& message) {
      return has_f(message.path) || std::any_of(message.twins.begin(), message.twins.end(), has_f);
    });
    if (!flagged) ledger.Violated("O7", "\\Flagged of " + flag.canary + " was answered OK and is gone");
  }
}

void AuditSightings(const std::map<std::string, Found>& found, Ledger& ledger, const Sightings& first,
                    const Sightings& second) {
  for (const auto& [user, seen] : first) {
    const auto again = second.find(user);
    if (again == second.end() || again->second != seen) {
      ledger.Violated("O21", "INBOX of " + user + " differs after a restart in which nothing happened");
    }
    std::multiset<std::string> shown, stored;
    for (const auto& [uid, canary] : seen.second) shown.insert(canary);
    if (const auto of_user = found.find(user); of_user != found.end()) {
      for (const auto& [canary, files] : of_user->second) {
        for (const StoredMessage& message : files) {
          if (message.path.find("/Maildir/.") == std::string::npos) stored.insert(canary);
        }
      }
    }
    if (shown != stored) {
      ledger.Violated("O8", "INBOX of " + user + " shows " + std::to_string(shown.size()) + " messages and holds " +
                                std::to_string(stored.size()));
    }
  }
}

std::string BaseOf(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.substr(0, name.find(':'));
}

// Dovecot knows only its own list: what it would show after the host is handed back is what we showed.
void AuditHandback(const std::map<std::string, Found>& found, World& world, Ledger& ledger, const Sightings& seen) {
  for (const auto& [user, inbox] : seen) {
    const auto& [uidvalidity, uids] = inbox;
    const auto text = world.disk().ReadFile(std::string(MaildirOf(user)) + "/dovecot-uidlist");
    const auto list = mailbox::ParseUidList(text.ok() ? *text : "");
    if (!list.ok() || list->uidvalidity != uidvalidity) {
      ledger.Violated("O5", "dovecot-uidlist of " + user + " is not of the mailbox that was shown");
      continue;
    }
    if (list->next_uid < ledger.UidNextShown(user, "INBOX", uidvalidity)) {
      ledger.Violated("O5", "dovecot-uidlist of " + user + " would give a UID again: its next one is " +
                                std::to_string(list->next_uid));
    }
    std::map<uint32_t, std::string> bases;
    for (const mailbox::UidRecord& record : list->records) bases[record.uid] = record.base;
    for (const auto& [uid, canary] : uids) {
      const auto of_user = found.find(user);
      if (of_user == found.end() || !of_user->second.contains(canary)) continue;  // O8 tells
      const auto& files = of_user->second.at(canary);
      if (std::none_of(files.begin(), files.end(),
                       [&](const StoredMessage& message) { return BaseOf(message.path) == bases[uid]; })) {
        ledger.Violated("O6",
                        "dovecot-uidlist of " + user + " has UID " + std::to_string(uid) + " for another message");
      }
    }
  }
}

void AuditSecrets(World& world, Ledger& ledger) {
  for (const LogLine& line : world.log()) {
    if (line.event.text.find("canary-secret-of-") != std::string::npos)
      ledger.Violated("O16", "a password in the log: " + line.event.text);
  }
  for (const auto& [path, bytes] : world.disk().Files("/")) {
    if (bytes.find("canary-secret-of-") != std::string::npos) ledger.Violated("O16", "a password in " + path);
  }
}

}  // namespace

void Audit(World& world, Ledger& ledger, const Sightings& first, const Sightings& second, bool queue_is_quiet) {
  const std::map<std::string, Found> found = Collect(world, ledger);
  const auto queued = CollectQueue(world, ledger);
  for (const Submission& submission : ledger.submissions()) AuditSubmission(submission, found, queued, world, ledger);
  AuditQueue(queued, ledger);
  AuditAppends(found, ledger);
  AuditFlags(found, world, ledger);
  if (queue_is_quiet) AuditSightings(found, ledger, first, second);
  AuditHandback(found, world, ledger, second);
  AuditSecrets(world, ledger);
}

}  // namespace postern::sim
