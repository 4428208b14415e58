// The lexical tokens of RFC 5322 section 3.2 and RFC 2045 section 5.1: atoms, dot-atoms, quoted strings, phrases,
// domains, tokens and parameters, with comments and folding white space between them.
//
// It reads one field's value (with its folds) from left to right and never backs up by itself; a caller may save and
// restore position(). Each reading says whether it failed, and whether bytes remain: grammars written with it can thus
// recover where Dovecot recovers. Bytes above 127 count as atom text (RFC 6532).
// Bounded: each call consumes or fails; nothing recurses (comments are counted, not descended into).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::message {

// RFC 5322 section 2.2.2 and what folds it.
constexpr bool IsWhiteSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

class Lexer {
 public:
  enum class Status : uint8_t {
    kFailed,  // not what was asked for
    kEnd,     // read, and nothing is left
    kMore,    // read, and bytes are left
  };

  // `nul_as`: what a NUL inside quoted strings, comments and domain literals becomes; "" keeps it.
  explicit Lexer(std::string_view text, std::string_view nul_as = {}) : text_(text), nul_as_(nul_as) {}

  bool done() const { return at_ >= text_.size(); }
  // The next byte; 0 when done().
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() { ++at_; }
  size_t position() const { return at_; }
  void set_position(size_t at) { at_ = at; }

  // RFC 5322 section 3.2.2: comments and white space.
  Status SkipCfws();
  // Section 3.2.3.
  Status ReadAtom(std::string* out);
  // The same with white space and comments around the dots (section 4.4).
  Status ReadDotAtom(std::string* out);
  // Section 3.2.4; peek() is '"'. Quotes and backslashes are undone, folds removed.
  Status ReadQuotedString(std::string* out);
  // Section 3.2.5 and 4.1: words with one space between them; dots are allowed.
  Status ReadPhrase(std::string* out);
  // Section 3.4.1: peek() is '@', which is skipped.
  Status ReadDomain(std::string* out);

  // RFC 2045 section 5.1.
  Status ReadToken(std::string* out);  // may be empty
  // `type/subtype`. On failure nothing is appended, but for a type that is all there is.
  Status ReadContentType(std::string* out);
  // `; attribute=value`. kEnd: no bytes are left, so there is none.
  Status ReadParameter(std::string* attribute, std::string* value);

  // The text of the last comment that SkipCfws() met, its parentheses and backslashes undone; needs collect_comments.
  void set_collect_comments(bool on) { collect_comments_ = on; }
  const std::string& last_comment() const { return last_comment_; }
  void clear_last_comment() { last_comment_.clear(); }

  static bool IsAtomText(unsigned char c);
  static bool IsTokenText(unsigned char c);

 private:
  Status Here() const { return done() ? Status::kEnd : Status::kMore; }
  bool SkipComment();
  Status ReadAtomOrDots(std::string* out);
  Status ReadDomainLiteral(std::string* out);
  void AppendNul(std::string* out) const;

  std::string_view text_;
  std::string_view nul_as_;
  size_t at_ = 0;
  bool collect_comments_ = false;
  std::string last_comment_;
};

// What Dovecot puts for a NUL where text must not hold one: U+FFFD.
inline constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";

}  // namespace postern::message
