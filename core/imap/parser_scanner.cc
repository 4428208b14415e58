#include "core/imap/parser_scanner.h"

#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"

namespace postern::imap {
namespace {

bool IsControl(char c) { return static_cast<uint8_t>(c) < 0x20 || c == 0x7f; }

// What ends an atom without being wrong.
bool EndsAtom(char c) { return c == ' ' || c == ')'; }

}  // namespace

bool Scanner::Fail(std::string_view what) {
  if (error_.empty()) error_ = what;
  return false;
}

bool Scanner::Skip(char c) {
  if (!PeekIs(c)) return false;
  rest_.remove_prefix(1);
  return true;
}

bool Scanner::SkipWord(std::string_view word) {
  if (!EqualsIgnoringCase(rest_.substr(0, word.size()), word)) return false;
  if (rest_.size() > word.size() && !EndsAtom(rest_[word.size()])) return false;
  rest_.remove_prefix(word.size());
  return true;
}

void Scanner::SkipSpaces() {
  while (Skip(' ')) {
  }
}

bool Scanner::AtEnd() {
  SkipSpaces();
  return rest_.empty();
}

bool Scanner::TakeSpace(std::string_view what_else) {
  if (!Skip(' ') || AtEnd()) return Fail(what_else);
  return true;
}

bool Scanner::TakeChar(char c, std::string_view what_else) { return Skip(c) || Fail(what_else); }

bool Scanner::TakeEnd(std::string_view what_else) {
  if (PeekIs(')')) return Fail("Unexpected ')'");
  return AtEnd() || Fail(what_else);
}

bool Scanner::TakeListStart(std::string_view what_else) { return Skip('(') || Fail(what_else); }

bool Scanner::TakeNextInList(bool* more) {
  SkipSpaces();
  if (rest_.empty()) return Fail("Missing ')'");
  *more = !Skip(')');
  return true;
}

bool Scanner::TakeAtom(std::string_view* atom) {
  size_t length = 0;
  for (; length < rest_.size() && !EndsAtom(rest_[length]); ++length) {
    const char c = rest_[length];
    if (static_cast<uint8_t>(c) >= 0x80) return Fail("8bit data in atom");
    if (IsControl(c) || c == '(' || c == '{' || c == '"') return Fail("Invalid characters in atom");
  }
  if (length == 0) return Fail("Invalid arguments");
  *atom = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return true;
}

bool Scanner::TakeWord(std::string* word) {
  std::string_view atom;
  if (!TakeAtom(&atom)) return false;
  word->assign(atom);
  *word = UpperCase(*word);
  return true;
}

bool Scanner::TakeAString(std::string* text) {
  if (PeekString()) return TakeString(text);
  std::string_view atom;
  if (PeekIs('(')) return Fail("Invalid arguments");
  if (!TakeAtom(&atom)) return false;
  text->assign(atom);
  return true;
}

bool Scanner::TakeString(std::string* text) {
  if (PeekIs('"')) return TakeQuoted(text);
  if (!PeekString()) return Fail("Invalid arguments");
  return TakeLiteral(text);
}

bool Scanner::PeekNil() const {
  return EqualsIgnoringCase(rest_.substr(0, 3), "NIL") && (rest_.size() == 3 || EndsAtom(rest_[3]));
}

bool Scanner::TakeQuoted(std::string* text) {
  text->clear();
  size_t at = 1;
  while (true) {
    const size_t run = rest_.find_first_of(std::string_view("\"\\\r\n\0", 5), at);
    if (run == std::string_view::npos) return Fail("Missing '\"'");
    text->append(rest_.substr(at, run - at));
    at = run;
    if (rest_[at] == '"') break;
    // RFC 3501 section 9: only '"' and '\' may be escaped; Dovecot takes any.
    if (rest_[at] == '\\') ++at;
    if (at == rest_.size() || rest_[at] == '\r' || rest_[at] == '\n') return Fail("Missing '\"'");
    if (rest_[at] == '\0') return Fail("NUL in quoted string");
    text->push_back(rest_[at]);
    ++at;
  }
  rest_.remove_prefix(at + 1);
  if (!rest_.empty() && !EndsAtom(rest_.front())) return Fail("Invalid arguments");
  return true;
}

bool Scanner::TakeLiteral(std::string* text) {
  const bool binary = Skip('~');
  Skip('{');
  uint64_t bytes = 0;
  if (!TakeNumber(UINT64_MAX, &bytes, "Invalid literal size")) return false;
  Skip('+');
  if (!Skip('}')) return Fail("Invalid literal size");
  Skip('\r');
  if (!Skip('\n')) return Fail("Missing LF after literal size");
  if (bytes > rest_.size()) return Fail("Invalid literal size");
  text->assign(rest_.substr(0, bytes));
  rest_.remove_prefix(bytes);
  // RFC 3501 section 9 literal: CHAR8 is never NUL.
  if (!binary && text->find('\0') != std::string::npos) return Fail("NUL in literal");
  if (!rest_.empty() && !EndsAtom(rest_.front())) return Fail("Invalid arguments");
  return true;
}

bool Scanner::TakeNumber(uint64_t max, uint64_t* number, std::string_view what_else) {
  const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), *number);
  if (error != std::errc() || *number > max) return Fail(what_else);
  rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
  return true;
}

bool Scanner::TakeLastLiteral(uint64_t* bytes, bool* binary) {
  *binary = Skip('~');
  if (!Skip('{')) return Fail("Invalid arguments");
  if (!TakeNumber(UINT64_MAX, bytes, "Invalid literal size")) return false;
  Skip('+');
  if (!Skip('}') || !rest_.empty()) return Fail("Invalid literal size");
  return true;
}

}  // namespace postern::imap
