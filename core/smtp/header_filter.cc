#include "core/smtp/header_filter.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "core/base/ascii.h"
#include "core/message/date.h"
#include "core/message/header.h"
#include "core/routing/address.h"
#include "core/smtp/header_addresses.h"

namespace postern::smtp {
namespace {

constexpr std::string_view kCrlf = "\r\n";
// A name longer than this makes no field (message/header.h).
constexpr size_t kNameBytesMax = message::kFieldNameBytesMax;

struct Name {
  std::string_view name;
  size_t value_at = 0;  // behind the colon
};

// RFC 5322 section 3.6.8, and white space before the colon (section 4.5.8); an empty name: no field.
Name FieldName(std::string_view line) {
  size_t end = 0;
  while (end < line.size() && line[end] > 32 && line[end] < 127 && line[end] != ':') ++end;
  if (end == 0 || end > kNameBytesMax) return {};
  size_t colon = end;
  while (colon < line.size() && (line[colon] == ' ' || line[colon] == '\t')) ++colon;
  if (colon == line.size() || line[colon] != ':') return {};
  return {.name = line.substr(0, end), .value_at = colon + 1};
}

bool IsBlankStart(std::string_view line) { return !line.empty() && (line.front() == ' ' || line.front() == '\t'); }

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.pop_back();
  const size_t start = std::min(text.find_first_not_of(" \t"), text.size());
  return text.substr(start);
}

}  // namespace

void HeaderFilter::Feed(std::string_view in, std::string* out) {
  while (!in.empty() && !in_body_) in.remove_prefix(TakeHeaderBytes(in, out));
  out->append(in);
}

// Takes bytes up to the end of a line.
size_t HeaderFilter::TakeHeaderBytes(std::string_view in, std::string* out) {
  const size_t lf = in.find('\n');
  const size_t taken = lf == std::string_view::npos ? in.size() : lf + 1;
  const std::string_view piece = in.substr(0, taken);
  const size_t room = options_.field_bytes_max > field_.size() + line_.size()
                          ? options_.field_bytes_max - field_.size() - line_.size()
                          : 0;
  if (piece.size() > room && !line_cut_ && FieldName(line_).name.empty() && !IsBlankStart(line_) &&
      line_.size() > kNameBytesMax) {
    // No field, however it goes on: the body has begun.
    FlushField(out);
    EndHeader(out);
    *out += kCrlf;
    out->append(std::exchange(line_, {}));
    return 0;
  }
  line_.append(piece.substr(0, room));
  if (piece.size() > room) line_cut_ = true;
  if (lf != std::string_view::npos) EndLine(out);
  return taken;
}

// A line is complete, with its line end but where it was cut off.
void HeaderFilter::EndLine(std::string* out) {
  std::string line = std::exchange(line_, {});
  if (std::exchange(line_cut_, false)) {
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
    line += kCrlf;
  }
  const bool first = std::exchange(first_line_, false);
  if (first) {
    // A mailbox separator in front is no header (Postfix keeps it under this name).
    const size_t from = std::min(line.find_first_not_of('>'), line.size());
    if (std::string_view(line).substr(from).starts_with("From ")) line.insert(0, "X-Mailbox-Line: ");
  }
  if (IsBlankStart(line) && !field_.empty()) {
    field_ += line;
    return;
  }
  FlushField(out);
  if (line == kCrlf) {
    EndHeader(out);
    *out += kCrlf;
    return;
  }
  if (FieldName(line).name.empty()) {
    EndHeader(out);
    *out += kCrlf;  // the empty line that was missing
    *out += line;
    return;
  }
  field_ = std::move(line);
}

void HeaderFilter::FlushField(std::string* out) {
  if (field_.empty()) return;
  const std::string field = std::exchange(field_, {});
  const Name name = FieldName(field);
  const auto is = [&name](std::string_view other) { return EqualsIgnoringCase(name.name, other); };
  for (const std::string& dropped : options_.drop) {
    if (is(dropped)) return;
  }
  if (is("received")) ++received_count_;
  if (is("delivered-to") && delivered_to_.size() < kDeliveredToMax) {
    std::string value = message::Unfolded(std::string_view(field).substr(name.value_at));
    std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
    delivered_to_.push_back(LowerCase(Trimmed(std::move(value))));
  }
  if (is("date")) has_date_ = true;
  if (is("from")) has_from_ = true;
  if (is("message-id") && !has_message_id_) {
    has_message_id_ = true;
    std::string value = message::Unfolded(std::string_view(field).substr(name.value_at));
    std::erase_if(value, [](char c) { return c == '\r' || c == '\n'; });
    message_id_ = Trimmed(std::move(value));
  }
  out->append(name.name);
  *out += ':';
  const std::string_view value = std::string_view(field).substr(name.value_at);
  if (options_.completes != nullptr && HoldsAddresses(name.name)) {
    out->append(WithCompleteAddresses(value, options_.completes->routing));
  } else {
    out->append(value);
  }
}

void HeaderFilter::EndHeader(std::string* out) {
  in_body_ = true;
  if (!has_message_id_ && !options_.message_id.empty()) {
    message_id_ = options_.message_id;
    *out += "Message-Id: " + options_.message_id + "\r\n";
  }
  if (!has_date_ && !options_.date.empty()) *out += "Date: " + options_.date + "\r\n";
  if (!has_from_ && !options_.from.empty()) *out += "From: " + options_.from + "\r\n";
}

void HeaderFilter::Finish(std::string* out) {
  if (in_body_) return;
  if (!line_.empty()) {  // BDAT may end without a line end
    if (line_.back() == '\r') line_.pop_back();
    line_ += kCrlf;
    EndLine(out);
  }
  if (in_body_) return;
  FlushField(out);
  EndHeader(out);
  *out += kCrlf;
}

void AskForMissingFields(const config::Routing& routing, const std::string& queue_id, const Now& when, std::string from,
                         HeaderFilter::Options* options) {
  const message::CivilTime civil = message::ToCivilTime(when.wall.seconds());
  char stamp[48];
  std::snprintf(stamp, sizeof stamp, "%04d%02d%02d%02d%02d%02d", civil.year, civil.month, civil.day, civil.hour,
                civil.minute, civil.second);
  options->message_id = "<" + std::string(stamp) + "." + queue_id + "@" + routing.myhostname + ">";
  message::AppendTraceDate({.unix_seconds = when.wall.seconds(), .zone_minutes = when.utc_offset_seconds / 60}, "",
                           &options->date);
  options->from = std::move(from);
}

}  // namespace postern::smtp
