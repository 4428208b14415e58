#include "sim/campaign/outbound_facts.h"

#include <algorithm>

#include "core/queue/journal.h"
#include "core/queue/queue_file.h"

namespace postern::sim {
namespace {

// The next line of `*text`, without its end.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// Of "Name: value", whatever the case of `name`; nullopt: another line.
std::optional<std::string_view> ValueOf(std::string_view line, std::string_view name) {
  if (line.size() <= name.size() || line[name.size()] != ':') return std::nullopt;
  for (size_t i = 0; i < name.size(); ++i) {
    if ((line[i] | 0x20) != (name[i] | 0x20)) return std::nullopt;
  }
  line.remove_prefix(name.size() + 1);
  while (line.starts_with(' ')) line.remove_prefix(1);
  return line;
}

}  // namespace

std::string CanaryOf(std::string_view message) {
  while (!message.empty()) {
    const auto subject = ValueOf(TakeLine(&message), "Subject");
    if (subject && subject->starts_with("canary-")) return std::string(*subject);
  }
  return "";
}

std::vector<ToldFailed> FailuresIn(std::string_view message, std::string_view to) {
  std::vector<ToldFailed> failures;
  const std::string canary = CanaryOf(message);
  std::string notice, recipient, about;
  while (!message.empty()) {
    const std::string_view line = TakeLine(&message);
    if (const auto id = ValueOf(line, "Message-Id"); id && notice.empty()) {
      notice = *id;
    } else if (const auto queue_id = ValueOf(line, "X-Postfix-Queue-ID")) {
      about = *queue_id;
    } else if (const auto final_recipient = ValueOf(line, "Final-Recipient")) {
      const size_t semicolon = final_recipient->find(';');
      recipient = semicolon == std::string_view::npos ? "" : final_recipient->substr(semicolon + 1);
      recipient.erase(0, recipient.find_first_not_of(' '));
    } else if (const auto action = ValueOf(line, "Action"); action && !recipient.empty()) {
      if (*action == "failed") {
        failures.push_back(
            {.notice = notice, .to = std::string(to), .canary = canary, .recipient = recipient, .about = about});
      }
      recipient.clear();
    }
  }
  return failures;
}

void FindWhatNoticesAreAbout(OutboundFacts* facts) {
  for (ToldFailed& told : facts->told) {
    if (!told.canary.empty()) continue;
    for (const Promised& promised : facts->promised) {
      // Messages that are copied for some of their recipients have ids that begin with the first one's.
      if (!promised.queue_id.empty() && told.about.starts_with(promised.queue_id)) told.canary = promised.canary;
    }
  }
  std::erase_if(facts->told, [](const ToldFailed& told) { return told.canary.empty(); });
}

void AddPromises(Ledger& ledger, OutboundFacts* facts) {
  using Outcome = Submission::Outcome;
  for (const Submission& submission : ledger.submissions()) {
    facts->promised.push_back(
        {.canary = submission.canary,
         .sender = submission.sender,
         .recipients = submission.remote_addresses,
         .silent = submission.silent_addresses,
         .of_this_host = submission.local_users,
         .queue_id = submission.queue_id,
         .from_stranger = submission.from_stranger,
         .no_reply = submission.outcome == Outcome::kSent,
         .refused = submission.outcome != Outcome::kSent && submission.outcome != Outcome::kAccepted});
  }
}

void AddBooks(const RemoteHost& host, OutboundFacts* facts) {
  for (const Taken& taken : host.taken()) {
    if (taken.sender.empty() && IsNotice(CanaryIn(*taken.message))) {
      const std::vector<ToldFailed> failures = FailuresIn(*taken.message, taken.recipient);
      facts->told.insert(facts->told.end(), failures.begin(), failures.end());
      continue;
    }
    facts->carried.push_back({.canary = CanaryOf(*taken.message),
                              .recipient = taken.recipient,
                              .at = taken.at,
                              .process = taken.process,
                              .reply_told = taken.reply_told});
  }
}

void AddSpool(const std::map<std::string, std::string>& files, OutboundFacts* facts) {
  std::set<std::string> seen;  // a rename that power cut leaves one message in two folders
  for (const auto& [path, bytes] : files) {
    const size_t slash = path.find('/');
    const std::string folder = path.substr(0, slash);
    if (folder != "incoming" && folder != "deferred" && folder != "hold") continue;
    auto file = queue::ParseQueueFile(bytes);
    if (!file.ok() || !seen.insert(file->envelope.id).second) continue;
    if (const auto journal = files.find("journal/" + file->envelope.id); journal != files.end()) {
      queue::ApplyJournal(journal->second, &file->envelope);
    }
    for (const queue::QueuedRecipient& recipient : file->envelope.recipients) {
      if (recipient.done) continue;
      if (file->envelope.null_sender && IsNotice(CanaryIn(file->message))) {
        const std::vector<ToldFailed> failures = FailuresIn(file->message, recipient.address.Key());
        facts->told.insert(facts->told.end(), failures.begin(), failures.end());
        continue;
      }
      facts->waiting.push_back({.canary = CanaryOf(file->message),
                                .recipient = recipient.address.Key(),
                                .arrived = {file->envelope.arrived_us},
                                .held = folder == "hold"});
    }
  }
}

std::optional<Tried> ReadTry(const LogEvent& event) {
  const std::string& text = event.text;
  const size_t colon = text.find(": to=<");
  if (colon == std::string::npos || text.find(' ') != colon + 1) return std::nullopt;
  const size_t begin = colon + 6, end = text.find(">, ", begin);
  const size_t status = text.find(", status=", begin);
  if (end == std::string::npos || status == std::string::npos) return std::nullopt;
  return Tried{.id = text.substr(0, colon),
               .recipient = text.substr(begin, end - begin),
               .deferred = text.compare(status + 9, 9, "deferred ") == 0};
}

void AddNoticeLine(const LogEvent& event, Instant at, uint64_t process, OutboundFacts* facts) {
  const std::string& text = event.text;
  const size_t colon = text.find(": ");
  if (colon == std::string::npos) return;
  if (text.ends_with(", status=expired, returned to sender")) facts->expired.insert(text.substr(0, colon));
  constexpr std::string_view kWritten = ": sender non-delivery notification: ";
  if (event.tag == "postfix/bounce" && text.compare(colon, kWritten.size(), kWritten) == 0) {
    facts->notices.try_emplace(text.substr(colon + kWritten.size()),
                               NoticeWritten{.about = text.substr(0, colon), .at = at, .process = process});
    return;
  }
  const auto notice = facts->notices.find(text.substr(0, colon));
  if (notice == facts->notices.end()) return;
  notice->second.lost |=
      text.find(", status=bounced (") != std::string::npos || text.find(", status=expired, ") != std::string::npos;
}

}  // namespace postern::sim
