#include "cmd/trace.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <optional>
#include <utility>
#include <vector>

#include "adapters/log/record_ring.h"
#include "adapters/log/trace_join.h"
#include "adapters/log/trace_places.h"
#include "core/boundary/log_event.h"

namespace postern::cmd {
namespace {

using log::MessagePlaces;
using log::TraceJoin;
using log::TraceRecord;

constexpr size_t kShownMax = 10'000;  // records of one message
constexpr int kPassesMax = 16;        // each follows one copy of a copy at least that was written before its source

struct Found {
  TraceRecord record;
  std::vector<size_t> entries;
  size_t number = 0;  // in the order of the files
};

struct Search {
  std::vector<Found> found;
  bool cut = false;
};

// Calls `take` with every line, the oldest first. What goes away meanwhile is left out.
template <typename Take>
void ForEachLine(const std::vector<std::string>& files, const Take& take) {
  std::string line;
  for (const std::string& path : files) {
    std::ifstream file(path, std::ios::binary);
    while (std::getline(file, line)) take(line);
  }
}

Search SearchRecords(const std::vector<std::string>& files, std::string_view wanted) {
  TraceJoin join(wanted);
  Search search;
  bool complete = false;
  for (int pass = 0; pass < kPassesMax && !complete; ++pass) {
    join.Grew();
    search.found.clear();
    search.cut = false;
    ForEachLine(files, [&](const std::string& line) {
      if (!join.MayMatch(line)) return;
      auto record = TraceRecord::Parse(line);
      if (!record) return;
      TraceJoin::Match match = join.Take(*record);
      if (!match.matches) return;
      if (search.found.size() == kShownMax) {
        search.cut = true;
        return;
      }
      search.found.push_back({*std::move(record), std::move(match.entries), search.found.size()});
    });
    complete = !join.Grew();
  }
  search.cut = search.cut || join.cut() || !complete;
  // Shards write their records when their turn ends: nearly in order.
  std::sort(search.found.begin(), search.found.end(), [](const Found& a, const Found& b) {
    return std::pair(a.record.Get("@timestamp"), a.number) < std::pair(b.record.Get("@timestamp"), b.number);
  });
  MessagePlaces places;
  std::erase_if(search.found, [&](const Found& each) { return !places.Take(each.record, each.entries); });
  return search;
}

// The id of the message that was taken last; empty where there is none.
std::string LastMessage(const std::vector<std::string>& files) {
  std::string last;
  for (auto file = files.rbegin(); file != files.rend() && last.empty(); ++file) {
    ForEachLine({*file}, [&last](const std::string& line) {
      if (line.find("\"message.accepted\"") == std::string::npos) return;
      const auto record = TraceRecord::Parse(line);
      if (record && record->Get("event.action") == "message.accepted") last = record->Get("email.local_id");
    });
  }
  return last;
}

// ---- for people ----------------------------------------------------------------------------------------------------

// Microseconds since the epoch of "2026-11-24T09:00:00.250000Z"; 0 where it is no such time.
int64_t MicrosecondsOf(std::string_view timestamp) {
  tm civil{};
  int microseconds = 0;
  if (std::sscanf(std::string(timestamp).c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &civil.tm_year, &civil.tm_mon,
                  &civil.tm_mday, &civil.tm_hour, &civil.tm_min, &civil.tm_sec, &microseconds) != 7) {
    return 0;
  }
  civil.tm_year -= 1900;
  civil.tm_mon -= 1;
  return int64_t{timegm(&civil)} * 1'000'000 + microseconds;
}

std::string LocalTime(int64_t us) {
  const auto seconds = static_cast<time_t>(us / 1'000'000);
  struct tm parts {};
  char text[48] = "";
  if (localtime_r(&seconds, &parts) != nullptr) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &parts);
  return text;
}

// "+0.012s", "+3m07s", "+2h05m", "+9d04h": three digits that matter.
std::string Since(int64_t us) {
  const int64_t seconds = us / 1'000'000;
  char text[32];
  if (seconds < 60) {
    std::snprintf(text, sizeof text, "+%lld.%03llds", static_cast<long long>(seconds),
                  static_cast<long long>(us / 1000 % 1000));
  } else if (seconds < 3600) {
    std::snprintf(text, sizeof text, "+%lldm%02llds", static_cast<long long>(seconds / 60),
                  static_cast<long long>(seconds % 60));
  } else if (seconds < 86400) {
    std::snprintf(text, sizeof text, "+%lldh%02lldm", static_cast<long long>(seconds / 3600),
                  static_cast<long long>(seconds / 60 % 60));
  } else {
    std::snprintf(text, sizeof text, "+%lldd%02lldh", static_cast<long long>(seconds / 86400),
                  static_cast<long long>(seconds / 3600 % 24));
  }
  return text;
}

// "smtpd", "qmgr", "imap": the last part of the tag, or the protocol where the tag is Dovecot's.
std::string_view WhoOf(const TraceRecord& record) {
  const std::string_view tag = record.Get("process.name");
  if (tag == "dovecot") return record.Get("network.protocol");
  return tag.substr(tag.rfind('/') + 1);
}

// What was done to the n-th message of a record: "alice moved it: INBOX uid 4 -> Kept uid 1, from 192.0.2.1".
std::string ActText(const TraceRecord& record, size_t entry) {
  const auto place = [&](std::string_view name, std::string_view uid) {
    std::string text(record.Get(name));
    if (const auto number = record.NumberOf(uid, entry)) text += " uid " + std::to_string(*number);
    return text;
  };
  const std::string_view action = record.Get("event.action");
  std::string what;
  if (action == "mail.flagged") {
    what = "set " + std::string(record.Get("mailbox.flags"));
  } else if (action == "mail.vanished") {
    what = "by another program gone";
  } else {
    what = std::string(action.substr(action.find('.') + 1)) + " it";
  }
  const bool known = action != "mail.vanished";
  std::string text =
      (known ? std::string(record.Get("user.name")) + " " : "") + what + ": " + place("mailbox.name", "mailbox.uid");
  if (!record.Get("mailbox.target_name").empty()) text += " -> " + place("mailbox.target_name", "mailbox.target_uid");
  if (known) text += ", from " + std::string(record.Get("source.ip"));
  return text;
}

// A line for each thing that it says about the message.
std::vector<std::string> TextsOf(const Found& found) {
  if (!found.record.Get("event.action").starts_with("mail.")) {
    std::string text(found.record.Get("message"));
    const std::string_view dir = found.record.Get("file.directory");
    if (!dir.empty()) text += ", file=" + std::string(dir) + "/" + std::string(found.record.Get("file.name"));
    return {EscapeForLog(text, 2000)};
  }
  std::vector<std::string> texts;
  for (const size_t entry : found.entries) texts.push_back(EscapeForLog(ActText(found.record, entry), 2000));
  return texts;
}

void AppendTimeline(const std::vector<Found>& found, std::string* out) {
  const int64_t began = MicrosecondsOf(found.front().record.Get("@timestamp"));
  *out += LocalTime(began) + "\n";
  for (const Found& each : found) {
    const int64_t at = MicrosecondsOf(each.record.Get("@timestamp"));
    char start[64];
    std::snprintf(start, sizeof start, "%9s  %-8.12s ", Since(std::max<int64_t>(at - began, 0)).c_str(),
                  std::string(WhoOf(each.record)).c_str());
    for (const std::string& text : TextsOf(each)) *out += start + text + "\n";
  }
}

}  // namespace

int RunTrace(const TraceOptions& options, std::string* out, std::string* errors) {
  const auto fail = [errors](std::string_view why, int status) {
    *errors += "postern: " + std::string(why) + "\n";
    return status;
  };
  if (options.last != options.id.empty()) return fail("trace wants an ID or --last, and not both", kTraceUsage);
  auto root = host::Root::Open(options.place.root);
  if (!root.ok()) return fail(Message(root.status()), kTraceNoRecords);
  const auto settings = ReadSpoolSettings(*root, options.place.postfix_dir);
  if (!settings.ok()) return fail(Message(settings.status()), kTraceNoConfiguration);
  const std::string dir = RecordsDir(*root, settings->queue_directory);
  const auto files = log::RecordRing::Files(dir);
  if (!files.ok()) return fail(Message(files.status()), kTraceNoRecords);
  if (files->empty())
    return fail("no records in " + dir + ": none were written yet, or postern_records_size is 0", kTraceNothing);
  const std::string wanted = options.last ? LastMessage(*files) : options.id;
  const Search search = SearchRecords(*files, wanted);
  if (search.found.empty()) {
    return fail(options.last ? "no message was taken in the time that the records cover"
                             : "nothing about " + EscapeForLog(wanted) + " in the records",
                kTraceNothing);
  }
  if (options.json) {
    for (const Found& each : search.found) *out += each.record.line() + "\n";
  } else {
    AppendTimeline(search.found, out);
  }
  if (search.cut) *errors += "postern: there is more about this message than is shown\n";
  return 0;
}

}  // namespace postern::cmd
