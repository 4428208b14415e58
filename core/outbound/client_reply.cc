#include "core/outbound/client_reply.h"

#include <algorithm>
#include <utility>

namespace postern::outbound {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Postfix's printable(): UTF-8 stays, everything else that is not printable ASCII becomes '?'. Tabs, too.
void MakePrintable(std::string* line) {
  const auto byte = [line](size_t i) { return i < line->size() ? static_cast<unsigned char>((*line)[i]) : 0; };
  for (size_t i = 0; i < line->size(); ++i) {
    const unsigned char c = byte(i);
    if (c >= 0x20 && c < 0x7f) continue;
    if (c >= 0xc2 && c <= 0xf4 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xc0) {
      while (byte(i + 1) >= 0x80 && byte(i + 1) < 0xc0) ++i;
      continue;
    }
    (*line)[i] = '?';
  }
}

// RFC 3463 section 2 at the front of `text`, followed by a space or nothing: its length, else 0.
size_t EnhancedStatusBytes(std::string_view text) {
  if (text.size() < 5 || text[1] != '.') return 0;
  size_t at = 2;
  for (int part = 0; part < 2; ++part) {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    if (at == begin || at - begin > 3) return 0;
    if (part == 0 && (at >= text.size() || text[at++] != '.')) return 0;
  }
  return at == text.size() || text[at] == ' ' ? at : 0;
}

std::string StatusOf(std::string_view line) {
  const char c = line.front();
  if (c != '2' && c != '4' && c != '5') return "5.5.0";
  std::string_view rest = line.substr(std::min<size_t>(4, line.size()));
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  const size_t length = EnhancedStatusBytes(rest);
  // RFC 2034 section 4: the first digits agree. Where they don't, the code counts.
  if (length > 0 && rest.front() == c) return std::string(rest.substr(0, length));
  return std::string(1, c) + ".0.0";
}

}  // namespace

std::string ServerReply::OneLine() const {
  std::string line = text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

ReplyReader::Result ReplyReader::Read(std::string_view* in, ServerReply* out) {
  while (!in->empty()) {
    const size_t end = in->find('\n');
    const std::string_view piece = in->substr(0, end);
    line_.append(piece.substr(0, kReplyLineBytesMax - std::min(line_.size(), kReplyLineBytesMax)));
    bytes_read_ += piece.size();
    if (bytes_read_ > kReplyBytesMax) return Result::kTooLong;
    if (end == std::string_view::npos) {
      *in = {};
      return Result::kMore;
    }
    in->remove_prefix(end + 1);
    if (EndLine(out)) return Result::kReply;
    if (line_count_ >= kReplyLinesMax) return Result::kTooLong;
  }
  return Result::kMore;
}

// One line of a reply is complete. True: so is the reply.
bool ReplyReader::EndLine(ServerReply* out) {
  std::string line = std::exchange(line_, {});
  while (!line.empty() && line.back() == '\r') line.pop_back();
  MakePrintable(&line);
  ++line_count_;
  if (text_.size() < kReplyLineBytesMax) {
    if (!text_.empty()) text_ += '\n';
    text_ += line;
  }
  const size_t digits = std::find_if_not(line.begin(), line.end(), IsDigit) - line.begin();
  if (digits == 3 && line.size() > 3 && line[3] == '-') return false;
  if (digits != 3 || (line.size() > 3 && line[3] != ' ')) {
    if (!std::exchange(saw_garbage_, true) || garbage_.empty()) garbage_ = line.substr(0, 100);
    return false;
  }
  out->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
  out->status = StatusOf(line);
  out->text = std::exchange(text_, {});
  line_count_ = 0;
  bytes_read_ = 0;
  return true;
}

std::string ReplyReader::TakeGarbage() { return std::exchange(garbage_, {}); }

void ReplyReader::Reset() {
  line_.clear();
  text_.clear();
  line_count_ = 0;
  bytes_read_ = 0;
}

bool BeginsReply(std::string_view bytes) {
  while (!bytes.empty()) {
    if (IsDigit(bytes.front())) return true;
    bytes.remove_prefix(std::min(bytes.find('\n'), bytes.size() - 1) + 1);
  }
  return false;
}

}  // namespace postern::outbound
