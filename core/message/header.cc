#include "core/message/header.h"

#include <algorithm>
#include <cstring>

#include "core/base/ascii.h"

namespace postern::message {
namespace {

bool IsSpaceOrTab(char c) { return c == ' ' || c == '\t'; }

// The length of the line at the front of `text`, with its line end.
size_t LineBytes(std::string_view text) {
  const size_t lf = text.find('\n');
  return lf == std::string_view::npos ? text.size() : lf + 1;
}

// `line` without its line end.
std::string_view WithoutLineEnd(std::string_view line) {
  if (!line.empty() && line.back() == '\n') {
    line.remove_suffix(1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  }
  return line;
}

// Cuts `field->raw` at the first line's colon.
void Split(std::string_view first_line, Field* field) {
  const std::string_view content = WithoutLineEnd(field->raw);
  const std::string_view line = WithoutLineEnd(first_line);
  size_t name_bytes = line.find(':');
  const size_t colon = name_bytes;
  if (colon != std::string_view::npos) {
    while (name_bytes > 0 && IsSpaceOrTab(line[name_bytes - 1])) --name_bytes;
  }
  if (colon == std::string_view::npos || name_bytes > kFieldNameBytesMax) {
    field->name = field->middle = content.substr(0, 0);
    field->value = content;
    return;
  }
  size_t value_at = colon + 1;
  if (value_at < line.size() && IsSpaceOrTab(line[value_at])) ++value_at;
  field->name = content.substr(0, name_bytes);
  field->middle = content.substr(name_bytes, value_at - name_bytes);
  field->value = content.substr(value_at);
}

}  // namespace

bool Field::Is(std::string_view other_name) const { return EqualsIgnoringCase(name, other_name); }

bool HeaderReader::Next(Field* field) {
  if (ended_ || at_ >= bytes_.size()) return false;
  const std::string_view rest = bytes_.substr(at_);
  const size_t first_bytes = LineBytes(rest);
  if (WithoutLineEnd(rest.substr(0, first_bytes)).empty()) {
    ended_ = true;
    empty_line_bytes_ = first_bytes;
    at_ += first_bytes;
    ++line_count_;
    return false;
  }
  size_t bytes = first_bytes;
  uint32_t lines = rest[first_bytes - 1] == '\n' ? 1 : 0;
  while (bytes < rest.size() && rest[bytes - 1] == '\n' && IsSpaceOrTab(rest[bytes])) {
    bytes += LineBytes(rest.substr(bytes));
    if (rest[bytes - 1] == '\n') ++lines;
  }
  field->raw = rest.substr(0, bytes);
  field->line_count = lines;
  field->ended = field->raw.back() == '\n';
  Split(rest.substr(0, first_bytes), field);
  at_ += bytes;
  line_count_ += lines;
  return true;
}

std::string_view HeaderBlock(std::string_view message) {
  HeaderReader reader(message);
  for (Field field; reader.Next(&field);) {
  }
  return message.substr(0, reader.position());
}

std::string_view SkipInitialSpace(std::string_view value) {
  size_t at = 0;
  while (at < value.size() && IsSpaceOrTab(value[at])) ++at;
  // Nothing but white space on the first line: HeaderReader has dropped the first already, the rest is the value.
  const bool nothing_else =
      at == value.size() || value[at] == '\n' || (value[at] == '\r' && value.substr(at, 2) == "\r\n");
  return nothing_else ? value : value.substr(at);
}

void AppendUnfolded(std::string_view value, std::string* out) {
  value = SkipInitialSpace(value);
  while (!value.empty()) {
    const size_t bytes = LineBytes(value);
    out->append(WithoutLineEnd(value.substr(0, bytes)));
    value.remove_prefix(bytes);
  }
}

std::string Unfolded(std::string_view value) {
  std::string out;
  AppendUnfolded(value, &out);
  return out;
}

std::string_view FirstValue(std::string_view header, std::string_view name) {
  HeaderReader reader(header);
  for (Field field; reader.Next(&field);) {
    if (field.Is(name)) return field.value;
  }
  return {};
}

void AppendSelectedFields(std::string_view header, const FieldSelection& selection, std::string* out) {
  HeaderReader reader(header);
  bool line_ended = true;
  bool crlf = true;
  for (Field field; reader.Next(&field);) {
    const bool listed = std::any_of(selection.names.begin(), selection.names.end(),
                                    [&](std::string_view name) { return field.Is(name); });
    if (listed != selection.matching) continue;
    out->append(field.raw);
    line_ended = field.ended;
    if (line_ended) crlf = field.raw.ends_with("\r\n");
  }
  if (reader.saw_empty_line()) {
    out->append(header.substr(reader.position() - reader.empty_line_bytes(), reader.empty_line_bytes()));
  } else if (selection.add_missing_empty_line) {
    const std::string_view line_end = crlf ? "\r\n" : "\n";
    if (!line_ended) out->append(line_end);
    out->append(line_end);
  }
}

bool IsFieldName(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) { return c > 32 && c < 127 && c != ':'; });
}

}  // namespace postern::message
