#include "core/imap/session_secrets.h"

#include <utility>

#include "core/base/ascii.h"
#include "core/message/header.h"

namespace postern::imap {
namespace {

constexpr size_t kWordBytesMax = 64;
constexpr uint8_t kUnknownResponses = 255;
// A longer literal is no user name: the server may refuse it, and then what looks like its bytes are commands.
constexpr uint64_t kUserLiteralBytesMax = 1024;

// How many responses a client of the mechanism sends at most, the initial one among them.
uint8_t ResponsesOf(std::string_view mechanism) {
  for (const std::string_view one : {"PLAIN", "EXTERNAL", "ANONYMOUS", "CRAM-MD5"}) {
    if (EqualsIgnoringCase(mechanism, one)) return 1;
  }
  return EqualsIgnoringCase(mechanism, "LOGIN") ? 2 : kUnknownResponses;
}

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

// The mechanism is known.
void SecretFinder::BeginExchange() {
  responses_left_ = ResponsesOf(word_);
  word_.clear();
}

SecretFinder::State SecretFinder::EndOfLine() {
  const bool response = state_ == State::kResponse || (state_ == State::kWords && word_count_ == 0);
  if (response && responses_left_ > 0 && responses_left_ != kUnknownResponses) --responses_left_;
  word_.clear();
  word_count_ = 0;
  argument_ = 0;
  in_atom_ = false;
  return State::kWords;
}

// A character of an argument without quotes. What only looked like a literal comes here as well.
SecretFinder::State SecretFinder::BeginAtom(bool* secret) {
  in_atom_ = true;
  *secret = IsSecret();
  return State::kArgument;
}

SecretFinder::State SecretFinder::Take(char c, bool* secret) {
  const bool line_end = c == '\n';
  switch (state_) {
    case State::kWords:
      if (line_end) return EndOfLine();
      if (c == ' ') {
        if (word_.empty()) return State::kWords;
        const std::string word = std::exchange(word_, {});
        if (word_count_ == 0) responses_left_ = 0;  // a line of more than one word is no response
        if (word_count_++ == 0) return State::kWords;
        if (EqualsIgnoringCase(word, "LOGIN")) {
          argument_ = 1;
          return State::kArgument;
        }
        return EqualsIgnoringCase(word, "AUTHENTICATE") ? State::kMechanism : State::kPlain;
      }
      if (responses_left_ > 0 && word_count_ == 0 && c != '\r') *secret = true;
      if (word_.size() < kWordBytesMax) word_ += c;
      return State::kWords;
    case State::kPlain:
      return line_end ? EndOfLine() : State::kPlain;
    case State::kArgument:
      if (line_end) return EndOfLine();
      if (c == ' ') {
        if (in_atom_) ++argument_;
        in_atom_ = false;
        return argument_ > 2 ? State::kResponse : State::kArgument;  // a password with a space that was not quoted
      }
      if (c == '\r') return State::kArgument;
      if (!in_atom_ && c == '"') return State::kQuoted;
      if (!in_atom_ && c == '{') {
        literal_bytes_ = 0;
        return State::kLiteralSize;
      }
      return BeginAtom(secret);
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
      if (c >= '0' && c <= '9') {
        literal_bytes_ = literal_bytes_ < (1u << 24) ? literal_bytes_ * 10 + (c - '0') : literal_bytes_;
      }
      if ((c >= '0' && c <= '9') || c == '+') return State::kLiteralSize;
      if (c == '}') return State::kLiteralCrLf;
      return BeginAtom(secret);
    case State::kLiteralCrLf:
      if (c == '\r') return State::kLiteralCrLf;
      if (!line_end) return BeginAtom(secret);
      in_atom_ = true;
      hides_literal_ = IsSecret() || literal_bytes_ > kUserLiteralBytesMax;
      return literal_bytes_ == 0 ? State::kArgument : State::kLiteral;
    case State::kLiteral:
      *secret = hides_literal_;
      return --literal_bytes_ == 0 ? State::kArgument : State::kLiteral;
    case State::kMechanism:
      if (c == '\r') return State::kMechanism;
      if (c == ' ' && word_.empty()) return State::kMechanism;
      if (line_end || c == ' ') BeginExchange();
      if (line_end) return EndOfLine();
      if (c == ' ') return State::kResponse;
      if (word_.size() < kWordBytesMax) word_ += c;
      return State::kMechanism;
    case State::kResponse:
      if (line_end) return EndOfLine();
      *secret = c != '\r' && c != ' ';
      return State::kResponse;
  }
  return State::kPlain;
}

}  // namespace postern::imap
