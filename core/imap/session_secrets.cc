#include "core/imap/session_secrets.h"

#include "core/message/header.h"

namespace postern::imap {
namespace {

constexpr size_t kWordBytesMax = 64;

}  // namespace

std::vector<SecretFinder::Span> SecretFinder::Feed(std::string_view bytes) {
  std::vector<Span> spans;
  for (size_t i = 0; i < bytes.size(); ++i) {
    bool secret = false;
    state_ = Take(bytes[i], &secret);
    if (!secret) continue;
    if (!spans.empty() && spans.back().offset_bytes + spans.back().length_bytes == i) {
      ++spans.back().length_bytes;
    } else {
      spans.push_back({i, 1});
    }
  }
  return spans;
}

SecretFinder::State SecretFinder::EndOfLine() {
  word_.clear();
  word_count_ = 0;
  argument_ = 0;
  in_atom_ = false;
  return State::kWords;
}

SecretFinder::State SecretFinder::Take(char c, bool* secret) {
  const bool line_end = c == '\n';
  switch (state_) {
    case State::kWords:
      if (line_end) return EndOfLine();
      if (c == ' ') {
        if (word_.empty()) return State::kWords;
        const std::string word = std::exchange(word_, {});
        exchange_ = exchange_ && word_count_ != 0;  // a line of more than one word is no response
        if (word_count_++ == 0) return State::kWords;
        if (message::EqualsIgnoringCase(word, "LOGIN")) {
          argument_ = 1;
          return State::kArgument;
        }
        return message::EqualsIgnoringCase(word, "AUTHENTICATE") ? State::kMechanism : State::kPlain;
      }
      if (exchange_ && word_count_ == 0 && c != '\r') *secret = true;
      if (word_.size() < kWordBytesMax) word_ += c;
      return State::kWords;
    case State::kPlain:
      return line_end ? EndOfLine() : State::kPlain;
    case State::kArgument:
      if (line_end) return EndOfLine();
      if (c == ' ') {
        if (in_atom_) ++argument_;
        in_atom_ = false;
        return argument_ > 2 ? State::kPlain : State::kArgument;
      }
      if (c == '\r') return State::kArgument;
      if (!in_atom_ && c == '"') return State::kQuoted;
      if (!in_atom_ && c == '{') {
        literal_bytes_ = 0;
        return State::kLiteralSize;
      }
      in_atom_ = true;
      *secret = IsSecret();
      return State::kArgument;
    case State::kQuoted:
      if (line_end) return EndOfLine();
      if (c == '"') {
        in_atom_ = true;  // the argument ends at the next space
        return State::kArgument;
      }
      *secret = IsSecret();
      return c == '\\' ? State::kEscape : State::kQuoted;
    case State::kEscape:
      if (line_end) return EndOfLine();
      *secret = IsSecret();
      return State::kQuoted;
    case State::kLiteralSize:
      if (line_end) return EndOfLine();
      if (c >= '0' && c <= '9')
        literal_bytes_ = literal_bytes_ < (1u << 24) ? literal_bytes_ * 10 + (c - '0') : literal_bytes_;
      return c == '}' ? State::kLiteralCrLf : State::kLiteralSize;
    case State::kLiteralCrLf:
      if (!line_end) return State::kLiteralCrLf;
      in_atom_ = true;
      return literal_bytes_ == 0 ? State::kArgument : State::kLiteral;
    case State::kLiteral:
      *secret = IsSecret();
      return --literal_bytes_ == 0 ? State::kArgument : State::kLiteral;
    case State::kMechanism:
      exchange_ = true;
      if (line_end) return EndOfLine();
      return c == ' ' ? State::kResponse : State::kMechanism;
    case State::kResponse:
      if (line_end) return EndOfLine();
      *secret = c != '\r' && c != ' ';
      return State::kResponse;
  }
  return State::kPlain;
}

}  // namespace postern::imap
