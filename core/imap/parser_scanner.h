// Scanner walks the text of one command: the tokens of RFC 3501 section 9. Internal to the parser.
//
// Every Take* moves past what it took and returns true, or returns false with error() set, in Dovecot's words; the
// parser then gives up, so where it stands no longer matters. Skip* and Peek* never fail.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::imap {

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  std::string_view rest() const { return rest_; }
  const std::string& error() const { return error_; }
  // Always false, for `return Fail(...)`. The first error stays.
  bool Fail(std::string_view what);

  char Peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool PeekIs(char c) const { return !rest_.empty() && rest_.front() == c; }
  // Skips `c` if it is next.
  bool Skip(char c);
  // Skips `word`, in any case, if it is next and ends there: before a space, ')' or the end.
  bool SkipWord(std::string_view word);
  void SkipSpaces();
  // Whether nothing but spaces is left; skips those.
  bool AtEnd();

  // One space or more, with something after it.
  bool TakeSpace(std::string_view what_else = "Invalid arguments");
  bool TakeChar(char c, std::string_view what_else);
  bool TakeEnd(std::string_view what_else = "Invalid arguments");
  // '(' and the spaces after it; ')' and none. TakeListEnd takes the spaces before it.
  bool TakeListStart(std::string_view what_else = "Invalid arguments");
  // Within a list: whether another item follows (the spaces before it are skipped) or the ')' was taken.
  // Fails with "Missing ')'" at the end of the command.
  bool TakeNextInList(bool* more);

  // An atom as Dovecot takes it: printable ASCII but for ( ) { ".
  bool TakeAtom(std::string_view* atom);
  // The same in upper case.
  bool TakeWord(std::string* word);
  // RFC 3501 section 9 astring.
  bool TakeAString(std::string* text);
  // A quoted string or literal.
  bool TakeString(std::string* text);
  // nil or string.
  bool PeekNil() const;
  bool PeekString() const { return PeekIs('"') || PeekIs('{') || (PeekIs('~') && rest_.size() > 1 && rest_[1] == '{'); }

  // Unsigned numbers, digits only. At most `max`.
  bool TakeNumber(uint64_t max, uint64_t* number, std::string_view what_else);

  // The announcement of a literal that ends the text: APPEND's message.
  bool TakeLastLiteral(uint64_t* bytes, bool* binary);

 private:
  bool TakeQuoted(std::string* text);
  bool TakeLiteral(std::string* text);

  std::string_view rest_;
  std::string error_;
};

}  // namespace postern::imap
