#include "core/imap/framer.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/parser.h"

namespace postern::imap {
namespace {

// "~{18446744073709551615+}": a longer run of digits announces nothing.
constexpr size_t kAnnouncementBytesMax = 24;
constexpr std::string_view kLiteralTooLarge = "Literal size too large";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

struct Announcement {
  Framer::Literal literal;
  size_t at;  // where it begins in the line
};

// RFC 3501 section 9 literal, RFC 7888 section 7, RFC 3516 literal8: `{n}`, `{n+}`, `~{n}` at the end of `line`. Only
// what stands before the line end matters, so the last bytes of a line are enough.
std::optional<Announcement> FindAnnouncement(std::string_view line) {
  if (line.empty() || line.back() != '}') return std::nullopt;
  Announcement found{};
  size_t end = line.size() - 1;
  if (end > 0 && line[end - 1] == '+') {
    found.literal.synchronizing = false;
    --end;
  }
  size_t begin = end;
  while (begin > 0 && IsDigit(line[begin - 1])) --begin;
  if (begin == end || begin == 0 || line[begin - 1] != '{') return std::nullopt;
  for (const char c : line.substr(begin, end - begin)) {
    const auto digit = static_cast<uint64_t>(c - '0');
    const bool fits = found.literal.bytes <= (UINT64_MAX - digit) / 10;
    found.literal.bytes = fits ? found.literal.bytes * 10 + digit : UINT64_MAX;
    if (!fits) break;
  }
  found.at = begin - 1;
  if (found.at > 0 && line[found.at - 1] == '~') {
    found.literal.binary = true;
    --found.at;
  }
  if (line.size() - found.at > kAnnouncementBytesMax) return std::nullopt;
  return found;
}

// The command's name, for texts; "" where there is none worth repeating.
std::string NameOf(std::string_view text, std::string_view tag) {
  std::string name;
  text.remove_prefix(tag.size());
  if (tag.empty() || text.empty() || text.front() != ' ') return name;
  for (const char c : text.substr(1, 20)) {
    const char upper = UpperAscii(c);
    if (!(upper >= 'A' && upper <= 'Z')) break;
    name.push_back(upper);
  }
  return name;
}

}  // namespace

void Framer::Quoting::Scan(std::string_view text) {
  for (const char c : text) {
    if (inside) {
      if (escaped) {
        escaped = false;
      } else if (c == '\\') {
        escaped = true;
      } else if (c == '"') {
        inside = false;
      }
    } else if (c == '"') {
      inside = last == ' ' || last == '(';  // elsewhere it is no string, but an error the parser will find
    }
    last = c;
  }
}

Framer::Step Framer::Next(std::string_view input) {
  Release();
  if (state_ == State::kAwaitAnswer) AcceptLiteral();
  size_t consumed = 0;
  while (true) {
    Step step = NextOf(input.substr(consumed));
    consumed += step.consumed_bytes;
    if (step.kind != Kind::kNeedInput || consumed == input.size()) {
      step.consumed_bytes = consumed;
      return step;
    }
  }
}

// One state's share of `input`. kNeedInput: go on, with what is left.
Framer::Step Framer::NextOf(std::string_view input) {
  switch (state_) {
    case State::kLine:
      return NextLine(input);
    case State::kLiteral:
      return NextLiteral(input);
    case State::kMessage:
      return NextMessage(input);
    case State::kPlainLine:
      return NextPlainLine(input);
    case State::kSkipLine:
      return {Kind::kNeedInput, SkipLine(input), {}};
    case State::kSkipPlainLine:
      return {Kind::kNeedInput, SkipPlainLine(input), {}};
    case State::kSkipLiteral:
      return {Kind::kNeedInput, SkipLiteral(input), {}};
    case State::kGiveUp:
      error_text_ = CommandErrorText("", kLiteralTooLarge);
      error_tag_.clear();
      state_ = State::kDead;
      return {Kind::kFatal, 0, error_text_};
    case State::kAwaitAnswer:
    case State::kDead:
      break;
  }
  return {Kind::kNeedInput, input.size(), {}};
}

// Whether `line_bytes` more bytes exceed a limit: of the line (whole: without the CR before its LF) or of the command.
bool Framer::TooLong(std::string_view input, size_t line_bytes, bool whole) const {
  const char last = line_bytes > 0 ? input[line_bytes - 1] : buffer_.empty() ? '\0' : buffer_.back();
  const size_t line_end_bytes = whole && last != '\r' ? 0 : 1;
  const size_t total = buffer_.size() + line_bytes;
  if (state_ == State::kPlainLine) return total > plain_line_bytes_max_ + line_end_bytes;
  return total - line_start_ > limits_.line_bytes_max + line_end_bytes ||
         total > limits_.command_bytes_max + line_end_bytes;
}

// How many bytes more the current line may have before it is too long whatever follows: room for a CR included.
size_t Framer::RoomBytes() const {
  const size_t total = std::min(line_start_ + limits_.line_bytes_max, limits_.command_bytes_max) + 1;
  return total - std::min(total, buffer_.size());
}

// A line of a command: its first, or one after a literal.
Framer::Step Framer::NextLine(std::string_view input) {
  const size_t lf = input.find('\n');
  const bool whole = lf != std::string_view::npos;
  const size_t line_bytes = whole ? lf : input.size();
  if (TooLong(input, line_bytes, whole)) {
    // No more is looked at than makes it too long: the answer is the same in whatever pieces the line comes.
    const size_t seen_bytes = std::min(line_bytes, RoomBytes() + 1);
    std::string text = buffer_;
    text.append(input.substr(0, seen_bytes));
    std::string line = text.substr(line_start_);
    const Step step = Fail("Too long argument", std::string_view(text).substr(0, 200), seen_bytes, State::kSkipLine);
    quoting_ = {};
    buffer_ = std::move(line);
    ForgetSkipped();
    return step;
  }
  if (!whole) {
    Collect(input);
    return {Kind::kNeedInput, input.size(), {}};
  }
  const std::string_view text = buffer_.empty() ? input.substr(0, lf + 1) : Collect(input.substr(0, lf + 1));
  const size_t line_end_bytes = text.size() >= 2 && text[text.size() - 2] == '\r' ? 2 : 1;
  return LineEnded(text, line_end_bytes, lf + 1);
}

// `text` is the command so far with the line end.
Framer::Step Framer::LineEnded(std::string_view text, size_t line_end_bytes, size_t consumed_bytes) {
  const std::string_view stripped = text.substr(0, text.size() - line_end_bytes);
  const std::string_view line = stripped.substr(std::min(line_start_, stripped.size()));
  if (const std::optional<Announcement> found = FindAnnouncement(line)) {
    Quoting quoting;
    quoting.Scan(line.substr(0, found->at));
    if (!quoting.inside) {
      literal_ = found->literal;
      return Announced(text, line_end_bytes, consumed_bytes);
    }
  }
  const Kind kind = in_append_ ? Kind::kAppendEnd : Kind::kCommand;
  EndCommand();
  return {kind, consumed_bytes, stripped};
}

Framer::Step Framer::Announced(std::string_view text, size_t line_end_bytes, size_t consumed_bytes) {
  const std::string_view stripped = text.substr(0, text.size() - line_end_bytes);
  left_bytes_ = literal_.bytes;
  streaming_ = StreamsNow(stripped);
  if (streaming_) {
    in_append_ = true;
    handed_out_ = true;
    state_ = State::kAwaitAnswer;
    return {Kind::kAppendLiteral, consumed_bytes, stripped};
  }
  if (literal_.bytes > limits_.literal_bytes_max || literal_.bytes + text.size() > limits_.command_bytes_max) {
    const Literal literal = literal_;
    const Step step = Fail(kLiteralTooLarge, stripped, consumed_bytes, State::kLine);
    if (literal.synchronizing) return step;  // the client waits: it sends nothing more of this command
    SkipAnnounced(literal);
    return step;
  }
  if (buffer_.empty()) Collect(text);
  state_ = literal_.synchronizing ? State::kAwaitAnswer : State::kLiteral;
  if (!literal_.synchronizing) return {Kind::kNeedInput, consumed_bytes, {}};
  return {Kind::kContinue, consumed_bytes, std::string_view(buffer_).substr(0, buffer_.size() - line_end_bytes)};
}

// Whether the literal announced at the end of `text` is a message: that of an APPEND, unless it is the mailbox's name
// (RFC 3501 section 6.3.11) or a URL (RFC 4469 section 5).
bool Framer::StreamsNow(std::string_view text) const {
  if (!limits_.stream_append) return false;
  const std::string_view line = text.substr(std::min(line_start_, text.size()));
  const std::string_view before = line.substr(0, FindAnnouncement(line)->at);
  const auto ends_with_url = [&] {
    if (before.size() < 5) return false;
    std::string word;
    for (const char c : before.substr(before.size() - 5)) word.push_back(UpperAscii(c));
    return word == " URL " || word == "(URL ";
  };
  if (in_append_) return !ends_with_url();
  const std::string_view tag = TagOf(text);
  if (tag.empty() || NameOf(text, tag) != "APPEND") return false;
  constexpr std::string_view kName = " APPEND";
  if (line_start_ == 0) {
    const std::string_view arguments = before.substr(std::min(before.size(), tag.size() + kName.size()));
    if (arguments.find_first_not_of(' ') == std::string_view::npos) return false;  // the mailbox's name
  }
  return !ends_with_url();
}

Framer::Step Framer::NextLiteral(std::string_view input) {
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(left_bytes_, input.size()));
  Collect(input.substr(0, bytes));
  left_bytes_ -= bytes;
  if (left_bytes_ > 0) return {Kind::kNeedInput, bytes, {}};
  state_ = State::kLine;
  line_start_ = buffer_.size();
  return {Kind::kNeedInput, bytes, {}};
}

Framer::Step Framer::NextMessage(std::string_view input) {
  if (left_bytes_ == 0) {
    state_ = State::kLine;
    return {Kind::kAppendLiteralEnd, 0, {}};
  }
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(left_bytes_, input.size()));
  left_bytes_ -= bytes;
  return {bytes > 0 ? Kind::kChunk : Kind::kNeedInput, bytes, input.substr(0, bytes)};
}

Framer::Step Framer::NextPlainLine(std::string_view input) {
  const size_t lf = input.find('\n');
  const bool whole = lf != std::string_view::npos;
  const size_t line_bytes = whole ? lf : input.size();
  if (TooLong(input, line_bytes, whole)) return Fail("Too long line", {}, 0, State::kSkipPlainLine);
  if (!whole) {
    Collect(input);
    return {Kind::kNeedInput, input.size(), {}};
  }
  std::string_view text = buffer_.empty() ? input.substr(0, lf) : Collect(input.substr(0, lf));
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  EndCommand();
  return {Kind::kLine, lf + 1, text};
}

size_t Framer::SkipPlainLine(std::string_view input) {
  const size_t lf = input.find('\n');
  if (lf == std::string_view::npos) return input.size();
  EndCommand();
  Release();
  return lf + 1;
}

size_t Framer::SkipLiteral(std::string_view input) {
  const auto bytes = static_cast<size_t>(std::min<uint64_t>(left_bytes_, input.size()));
  left_bytes_ -= bytes;
  if (left_bytes_ == 0) state_ = State::kSkipLine;
  return bytes;
}

// Swallows up to the end of a line at most.
size_t Framer::SkipLine(std::string_view input) {
  const size_t lf = input.find('\n');
  if (lf == std::string_view::npos) {
    buffer_.append(input);
    ForgetSkipped();
    return input.size();
  }
  buffer_.append(input.substr(0, lf));
  if (!buffer_.empty() && buffer_.back() == '\r') buffer_.pop_back();
  const std::optional<Announcement> found = FindAnnouncement(buffer_);
  if (found) quoting_.Scan(std::string_view(buffer_).substr(0, found->at));
  const bool announced = found && !quoting_.inside;
  EndCommand();
  Release();
  // RFC 7888 section 4: the client sends it, whatever we think of its command. For a synchronizing one it waits in
  // vain.
  if (announced && !found->literal.synchronizing) SkipAnnounced(found->literal);
  return lf + 1;
}

// Of a line being swallowed, keeps the last bytes: those that may announce a literal. Of the others only the quotes
// count.
void Framer::ForgetSkipped() {
  constexpr size_t kKept = kAnnouncementBytesMax + 2;  // with a CR, and one more digit than there may be
  if (buffer_.size() <= kKept) return;
  const size_t gone = buffer_.size() - kKept;
  quoting_.Scan(std::string_view(buffer_).substr(0, gone));
  buffer_ = buffer_.substr(gone);
}

void Framer::SkipAnnounced(const Literal& literal) {
  quoting_ = {};
  left_bytes_ = literal.bytes;
  state_ = literal.bytes > limits_.skipped_bytes_max ? State::kGiveUp
           : literal.bytes > 0                       ? State::kSkipLiteral
                                                     : State::kSkipLine;
}

Framer::Step Framer::Fail(std::string_view what, std::string_view text, size_t consumed_bytes, State next) {
  std::string tag(in_append_ ? std::string_view() : TagOf(text));
  std::string error = CommandErrorText(in_append_ ? "APPEND" : NameOf(text, tag), what);
  EndCommand();
  Release();
  error_tag_ = std::move(tag);
  error_text_ = std::move(error);
  state_ = next;
  return {Kind::kError, consumed_bytes, error_text_};
}

void Framer::AcceptLiteral() {
  if (handed_out_) Release();
  if (state_ != State::kAwaitAnswer && state_ != State::kLiteral) return;
  state_ = streaming_ ? State::kMessage : State::kLiteral;
}

void Framer::RefuseLiteral() {
  if (state_ != State::kAwaitAnswer) return;
  EndCommand();
  Release();
  if (!literal_.synchronizing) SkipAnnounced(literal_);
}

void Framer::ExpectLine(size_t line_bytes_max) {
  plain_line_bytes_max_ = line_bytes_max;
  if (state_ == State::kLine && !InCommand()) state_ = State::kPlainLine;
}

void Framer::Release() {
  if (!error_text_.empty()) {
    std::string().swap(error_text_);
    std::string().swap(error_tag_);
  }
  if (!handed_out_) return;
  handed_out_ = false;
  std::string().swap(buffer_);
  line_start_ = 0;
}

bool Framer::InCommand() const { return state_ != State::kLine || in_append_ || (!buffer_.empty() && !handed_out_); }

size_t Framer::held_bytes() const {
  constexpr size_t kInside = 15;  // what std::string keeps within itself
  size_t bytes = 0;
  for (const std::string* text : {&buffer_, &error_tag_, &error_text_}) {
    if (text->capacity() > kInside) bytes += text->capacity();
  }
  return bytes;
}

// Adds to what is held; returns all of it.
std::string_view Framer::Collect(std::string_view bytes) {
  buffer_.append(bytes);
  return buffer_;
}

// The next line begins a command. What buffer_ holds stays until the next call.
void Framer::EndCommand() {
  state_ = State::kLine;
  in_append_ = false;
  streaming_ = false;
  handed_out_ = true;
  line_start_ = 0;
}

}  // namespace postern::imap
