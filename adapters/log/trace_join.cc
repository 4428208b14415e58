#include "adapters/log/trace_join.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "adapters/log/trace_places.h"
#include "core/base/ascii.h"

namespace postern::log {
namespace {

// So many keys are looked for in a line as text; with more it is parsed at once.
constexpr size_t kNeedlesMax = 32;
// Of places: every record about whole mailboxes. There are few.
constexpr std::string_view kMailboxNeedle = "\"event.action\":\"mailbox.";

std::string_view WithoutBrackets(std::string_view id) {
  if (id.size() >= 2 && id.front() == '<' && id.back() == '>') return id.substr(1, id.size() - 2);
  return id;
}

// As the records have it, without the quotes.
std::string AsJson(std::string_view text) {
  const std::string quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace

std::string_view FileKey(std::string_view name) {
  name = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  return name.substr(0, name.find_first_of(",:"));
}

// ---- a record ------------------------------------------------------------------------------------------------------

std::optional<TraceRecord> TraceRecord::Parse(std::string line) {
  const auto object = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return std::nullopt;
  TraceRecord record;
  for (const auto& [name, value] : object.items()) {
    record.members_[name] = value.is_string() ? value.get<std::string>() : value.dump();
  }
  record.line_ = std::move(line);
  return record;
}

std::string_view TraceRecord::Get(std::string_view name) const {
  const auto found = members_.find(name);
  return found == members_.end() ? std::string_view() : std::string_view(found->second);
}

std::vector<std::string_view> TraceRecord::List(std::string_view name) const {
  std::vector<std::string_view> parts;
  std::string_view left = Get(name);
  while (!left.empty()) {
    const size_t end = std::min(left.find(' '), left.size());
    if (end > 0) parts.push_back(left.substr(0, end));
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return parts;
}

std::optional<uint32_t> TraceRecord::NumberOf(std::string_view name, size_t index) const {
  const auto number = [](std::string_view text) -> uint64_t {
    uint64_t value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || value > UINT32_MAX) return 0;
      value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    return value <= UINT32_MAX ? value : 0;
  };
  std::string_view left = Get(name);
  uint64_t passed = 0;
  while (!left.empty()) {
    const std::string_view range = left.substr(0, left.find(','));
    left.remove_prefix(std::min(range.size() + 1, left.size()));
    const size_t colon = range.find(':');
    const uint64_t first = number(range.substr(0, colon));
    const uint64_t last = colon == std::string_view::npos ? first : number(range.substr(colon + 1));
    if (first == 0 || last < first) return std::nullopt;
    if (index < passed + (last - first + 1)) return static_cast<uint32_t>(first + (index - passed));
    passed += last - first + 1;
  }
  return std::nullopt;
}

// ---- the join ------------------------------------------------------------------------------------------------------

TraceJoin::TraceJoin(std::string_view wanted) {
  if (wanted.empty()) return;
  Learn(Kind::kTrace, LowerCase(wanted));
  Learn(Kind::kQueue, UpperCase(wanted));
  Learn(Kind::kFile, FileKey(wanted));
  Learn(Kind::kMessageId, WithoutBrackets(wanted));
  Learn(Kind::kSession, wanted);
}

void TraceJoin::Learn(Kind kind, std::string_view key) {
  if (key.empty() || Knows(kind, key)) return;
  if (keys_.size() >= kKeysMax) {
    cut_ = true;
    return;
  }
  keys_.insert(std::string(1, static_cast<char>(kind)) += key);
  grew_ = true;
  std::string needle = kind == Kind::kPlace ? std::string(kMailboxNeedle) : AsJson(key);
  const bool is_new = std::find(needles_.begin(), needles_.end(), needle) == needles_.end();
  if (needles_.size() <= kNeedlesMax && is_new) needles_.push_back(std::move(needle));
}

bool TraceJoin::Knows(Kind kind, std::string_view key) const {
  return !key.empty() && keys_.contains(std::string(1, static_cast<char>(kind)) += key);
}

bool TraceJoin::Grew() { return std::exchange(grew_, false); }

bool TraceJoin::MayMatch(std::string_view line) const {
  if (needles_.size() > kNeedlesMax) return true;
  return std::any_of(needles_.begin(), needles_.end(),
                     [line](const std::string& needle) { return line.find(needle) != std::string_view::npos; });
}

// Deleted or renamed: is it a mailbox in which the message was once, or above such a one?
TraceJoin::Match TraceJoin::TakeMailbox(const TraceRecord& record) {
  const std::string from = PlaceKey(record.Get("user.name"), record.Get("mailbox.name"));
  const std::string key = std::string(1, static_cast<char>(Kind::kPlace)) + from;
  std::vector<std::string> renamed;
  Match match;
  for (auto at = keys_.lower_bound(key); at != keys_.end() && at->starts_with(key); ++at) {
    if (!IsPlaceIn(*at, key)) continue;
    match.matches = true;
    if (const std::string_view to = record.Get("mailbox.target_name"); !to.empty()) {
      renamed.push_back(PlaceKey(record.Get("user.name"), to) + at->substr(key.size()));
    }
  }
  for (const std::string& place : renamed) Learn(Kind::kPlace, place);
  if (match.matches) Learn(Kind::kSession, record.Get("postern.session"));
  return match;
}

TraceJoin::Match TraceJoin::Take(const TraceRecord& record) {
  if (record.Get("event.action").starts_with("mailbox.")) return TakeMailbox(record);
  const std::string_view session = record.Get("postern.session");
  // Outside of a message a session has a trace id of its own, by which it is known.
  const std::string_view trace_id = record.Get("trace.id") == session ? std::string_view() : record.Get("trace.id");
  const std::string_view queue_id = record.Get("email.local_id"), notice_id = record.Get("postern.notice_id");
  const std::vector<std::string_view> files = record.List("file.name"), targets = record.List("file.target_name");
  const bool whole = Knows(Kind::kTrace, trace_id) || Knows(Kind::kQueue, queue_id) || Knows(Kind::kQueue, notice_id) ||
                     Knows(Kind::kMessageId, WithoutBrackets(record.Get("email.message_id")));
  // Beside an id of a message all files are the message's; else each entry is of a message of its own.
  const bool of_one = !trace_id.empty() || !queue_id.empty() || !record.Get("email.message_id").empty();
  Match match{.matches = whole};
  for (size_t i = 0; i < std::max(files.size(), targets.size()); ++i) {
    const std::string_view file = i < files.size() ? FileKey(files[i]) : std::string_view();
    const std::string_view target = i < targets.size() ? FileKey(targets[i]) : std::string_view();
    const bool known = Knows(Kind::kFile, file) || Knows(Kind::kFile, target);
    if (!known && !(whole && of_one)) continue;
    match.matches = true;
    match.entries.push_back(i);
    Learn(Kind::kFile, file);
    Learn(Kind::kFile, target);
    for (const std::string_view name : {"mailbox.name", "mailbox.target_name"}) {
      if (const std::string_view mailbox = record.Get(name); !mailbox.empty()) {
        Learn(Kind::kPlace, PlaceKey(record.Get("user.name"), mailbox));
      }
    }
  }
  if (match.matches) {
    Learn(Kind::kTrace, trace_id);
    Learn(Kind::kQueue, queue_id);
    Learn(Kind::kQueue, notice_id);
    Learn(Kind::kSession, session);
    if (of_one) {
      for (const std::string_view file : files) Learn(Kind::kFile, FileKey(file));
    }
    return match;
  }
  match.matches = !of_one && files.empty() && targets.empty() && Knows(Kind::kSession, session);
  return match;
}

}  // namespace postern::log
