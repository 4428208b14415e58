#include "core/queue/local_message.h"

#include <array>
#include <optional>
#include <utility>

#include "core/message/header.h"

namespace postern::queue {
namespace {

// A line of the body that is longer is passed on in pieces.
constexpr size_t kLinePieceBytes = 65536;

struct RecipientField {
  std::string_view name;
  bool resent = false;
  bool blind = false;
};
constexpr std::array<RecipientField, 6> kRecipientFields{{
    {.name = "To"},
    {.name = "Cc"},
    {.name = "Bcc", .blind = true},
    {.name = "Resent-To", .resent = true},
    {.name = "Resent-Cc", .resent = true},
    {.name = "Resent-Bcc", .resent = true, .blind = true},
}};

bool IsContinuation(std::string_view line) { return !line.empty() && (line.front() == ' ' || line.front() == '\t'); }

// "Name:" with blanks before the colon, which obsolete senders put there (RFC 5322 section 4.5).
bool IsFieldLine(std::string_view line) {
  std::string_view name = line.substr(0, line.find(':'));
  if (name.size() == line.size()) return false;
  while (!name.empty() && (name.back() == ' ' || name.back() == '\t')) name.remove_suffix(1);
  return message::IsFieldName(name);
}

// mbox: "From ", maybe quoted as ">From ".
bool IsFromLine(std::string_view line) {
  while (!line.empty() && line.front() == '>') line.remove_prefix(1);
  return line.substr(0, 5) == "From ";
}

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Cuts an address list (RFC 5322 section 3.4) into its addresses. The parser that IMAP's envelopes are made with
// forgives what it can't read; here that would be mail which goes nowhere and nobody is told of, so this one gives
// nothing up.
class ListCutter {
 public:
  explicit ListCutter(std::string_view list) : list_(list) {}

  // One address of the list without comments and names of groups; empty ones are left out. nullopt: the end.
  // `*open`: quotes, brackets or comments are never closed.
  std::optional<std::string> Next(bool* open) {
    std::string text;
    *open = false;
    while (at_ < list_.size()) {
      const char c = list_[at_];
      if (c == '(') {
        *open |= !SkipComment();
        text += ' ';
      } else if (c == '"') {
        *open |= !Copy('"', &text);
      } else if (c == '<') {
        *open |= !Copy('>', &text);
      } else if (c == '[') {
        *open |= !Copy(']', &text);
      } else if (c == ':') {
        text.clear();
        ++at_;
      } else if (c == ',' || c == ';') {
        ++at_;
        if (!Trimmed(text).empty() || *open) return std::string(Trimmed(text));
        text.clear();
      } else {
        text += IsBlank(c) ? ' ' : c;
        ++at_;
      }
    }
    if (Trimmed(text).empty() && !*open) return std::nullopt;
    return std::string(Trimmed(text));
  }

  static std::string_view Trimmed(std::string_view text) {
    while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
    while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
    return text;
  }

 private:
  // Section 3.2.2: comments nest. False: it never ends.
  bool SkipComment() {
    for (size_t depth = 0; at_ < list_.size();) {
      const char c = list_[at_++];
      if (c == '\\' && at_ < list_.size()) ++at_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return true;
    }
    return false;
  }

  // From the opening character up to `closing`; quotes inside angle brackets are passed over.
  bool Copy(char closing, std::string* text) {
    *text += list_[at_++];
    while (at_ < list_.size()) {
      if (list_[at_] == '"' && closing == '>') {
        if (!Copy('"', text)) return false;
        continue;
      }
      const char c = list_[at_++];
      *text += c;
      if (c == closing) return true;
      if (c == '\\' && closing != '>' && at_ < list_.size()) *text += list_[at_++];
    }
    return false;
  }

  std::string_view list_;
  size_t at_ = 0;
};

// "a @ b . c" of the obsolete syntax (section 4.4) has blanks that count for nothing.
std::string WithoutIdleBlanks(std::string_view text) {
  std::string packed;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"' && (i == 0 || text[i - 1] != '\\')) quoted = !quoted;
    if (quoted || !IsBlank(text[i])) {
      packed += text[i];
      continue;
    }
    size_t next = i;
    while (next < text.size() && IsBlank(text[next])) ++next;
    const auto joins = [](char c) { return c == '@' || c == '.'; };
    if (!packed.empty() && !joins(packed.back()) && next < text.size() && !joins(text[next])) packed += ' ';
    i = next - 1;
  }
  return packed;
}

std::optional<routing::Mailbox> ParseOne(std::string_view text) {
  bool quoted = false;
  size_t bracket = std::string_view::npos;
  for (size_t i = 0; i < text.size() && bracket == std::string_view::npos; ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (text[i] == '<' && !quoted) {
      bracket = i;
    }
  }
  if (bracket == std::string_view::npos) return routing::ParseMailbox(WithoutIdleBlanks(text));
  const std::string path = WithoutIdleBlanks(text.substr(bracket));
  std::string_view rest = path;
  auto parsed = routing::TakePath(&rest, routing::PathForm::kStrict);
  if (!parsed || parsed->null || !ListCutter::Trimmed(rest).empty()) return std::nullopt;
  return parsed->mailbox;
}

}  // namespace

Status AppendRecipients(std::string_view list, std::vector<routing::Mailbox>* recipients) {
  ListCutter cutter(list);
  bool open = false;
  while (const auto text = cutter.Next(&open)) {
    auto mailbox = open ? std::nullopt : ParseOne(*text);
    if (!mailbox) return InvalidArgument("no address: " + text->substr(0, routing::kAddressBytesMax));
    if (recipients->size() == LocalMessage::kRecipientsMax) return ResourceExhausted("too many recipients");
    recipients->push_back(*std::move(mailbox));
  }
  return OkStatus();
}

void LocalMessage::Feed(std::string_view bytes, std::string* out) {
  while (!bytes.empty() && !ended_) {
    const size_t end = bytes.find('\n');
    line_ += bytes.substr(0, end);
    if (end == std::string_view::npos) {
      if (line_.size() > kLinePieceBytes) PassLongLine(out);
      return;
    }
    bytes.remove_prefix(end + 1);
    EndLine(true, out);
  }
}

void LocalMessage::Finish(std::string* out) {
  if (!ended_ && (!line_.empty() || line_began_)) EndLine(false, out);
  FlushField(out);
  ended_ = true;
}

// Only a body has such lines, or a header that is none: fields are bounded by their own limit.
void LocalMessage::PassLongLine(std::string* out) {
  if (part_ == Part::kHeader && options_.extract_recipients && (IsContinuation(line_) || IsFieldLine(line_))) {
    if (field_.size() + line_.size() > kFieldBytesMax) {
      status_ = InvalidArgument("a header field is too long");
      ended_ = true;
    }
    return;
  }
  if (part_ == Part::kStart && (IsFromLine(line_) || (options_.extract_recipients && IsFieldLine(line_)))) {
    if (line_.size() <= kFieldBytesMax) return;
    status_ = InvalidArgument("a header field is too long");
    ended_ = true;
    return;
  }
  // Its last bytes may be CRs that belong to the line's end.
  size_t keep = 0;
  while (keep < line_.size() && line_[line_.size() - 1 - keep] == '\r') ++keep;
  if (keep == line_.size()) return;
  if (part_ != Part::kBody) {
    FlushField(out);
    part_ = Part::kBody;
  }
  out->append(line_, 0, line_.size() - keep);
  line_.erase(0, line_.size() - keep);
  line_began_ = true;
}

void LocalMessage::EndLine(bool terminated, std::string* out) {
  std::string line = std::exchange(line_, {});
  if (std::exchange(first_line_, false)) {
    const bool has_cr = !line.empty() && line.back() == '\r';
    strip_cr_ = options_.line_ends == LineEnds::kAlways || (options_.line_ends == LineEnds::kStrict && has_cr);
  }
  if (strip_cr_) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
  }
  if (std::exchange(line_began_, false)) {
    *out += line;
    *out += '\n';
    return;
  }
  if (options_.dot_ends && line == ".") {
    ended_ = true;
    FlushField(out);
    return;
  }
  if (part_ == Part::kStart && terminated && IsFromLine(line)) return;
  AddLine(line, out);
}

void LocalMessage::AddLine(std::string_view line, std::string* out) {
  const bool of_header =
      part_ != Part::kBody && (IsFieldLine(line) || (part_ == Part::kHeader && IsContinuation(line)));
  if (!of_header) FlushField(out);
  part_ = of_header ? Part::kHeader : Part::kBody;
  if (!of_header || !options_.extract_recipients) {
    *out += line;
    *out += '\n';
    return;
  }
  if (!IsContinuation(line)) FlushField(out);
  if (field_.size() + line.size() > kFieldBytesMax) {
    status_ = InvalidArgument("a header field is too long");
    ended_ = true;
    return;
  }
  field_ += line;
  field_ += '\n';
}

void LocalMessage::FlushField(std::string* out) {
  const std::string text = std::exchange(field_, {});
  if (text.empty()) return;
  message::HeaderReader reader(text);
  message::Field field;
  const bool read = reader.Next(&field);
  for (const RecipientField& known : kRecipientFields) {
    if (!read || !field.Is(known.name)) continue;
    resent_ |= known.resent;
    const Status status =
        AppendRecipients(message::Unfolded(field.value), known.resent ? &resent_recipients_ : &recipients_);
    if (!status.ok() && status_.ok()) {
      status_ = Error(status.code(), std::string(known.name) + ": " + std::string(Message(status)));
    }
    if (known.blind) return;
    break;
  }
  *out += text;
}

}  // namespace postern::queue
