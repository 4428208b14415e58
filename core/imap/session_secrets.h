// SecretFinder watches what a client sends before login and says which bytes are passwords, so that recordings can hide
// them (the Redact effect). It sees the bytes when they arrive, which may be before the command they belong to is whole
// or taken; so it reads just enough of the grammar: LOGIN's second argument, AUTHENTICATE's initial response, and lines
// that can only be SASL responses. What it says of a byte depends on the bytes before it, not on how they were cut.
// Owner: one session, until its login. Errs on the side of hiding.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap {

class SecretFinder {
 public:
  struct Span {
    uint64_t offset_bytes = 0;  // into what was fed
    uint64_t length_bytes = 0;
    bool operator==(const Span&) const = default;
  };
  // The secret parts of `bytes`, in order.
  std::vector<Span> Feed(std::string_view bytes);

 private:
  enum class State : uint8_t {
    kWords,     // tag and command name, kept in word_
    kPlain,     // nothing of interest up to the line end
    kArgument,  // before or in an argument of LOGIN: atom or start of a string
    kQuoted,
    kEscape,  // behind a backslash in a quoted string
    kLiteralSize,
    kLiteralCrLf,
    kLiteral,
    kMechanism,  // AUTHENTICATE's, kept in word_
    kResponse,   // an initial response, or what follows LOGIN's arguments
  };

  bool IsSecret() const { return state_ == State::kResponse || argument_ == 2; }
  State Take(char c, bool* secret);
  State EndOfLine();
  State BeginAtom(bool* secret);
  void BeginExchange();

  State state_ = State::kWords;
  std::string word_;  // bounded by kWordBytesMax
  uint8_t word_count_ = 0;
  uint8_t argument_ = 0;  // of LOGIN: 1 user, 2 password
  bool in_atom_ = false;
  // AUTHENTICATE was seen: so many lines of one word are responses still. kUnknownResponses: as long as there are such.
  uint8_t responses_left_ = 0;
  uint64_t literal_bytes_ = 0;
  bool hides_literal_ = false;
};

}  // namespace postern::imap
