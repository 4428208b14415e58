// Tokens of RFC 3501 section 9, as a server may write them.
#include <algorithm>
#include <charconv>

#include "core/base/ascii.h"
#include "core/imap/client_codec_grammar.h"
#include "core/imap/parser.h"
#include "core/imap/parser_scanner.h"

namespace postern::imap {
namespace {

bool IsAtomChar(char c) {
  return c > ' ' && c < 0x7f && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
}

}  // namespace

bool ResponseGrammar::Fail(std::string_view expected) {
  if (error_.empty()) {
    error_ = "expected ";
    error_.append(expected).append(" at \"");
    for (const char c : bytes_.substr(std::min(at_, bytes_.size()), 40))
      error_.push_back(c >= ' ' && c < 0x7f ? c : '?');
    error_.push_back('"');
  }
  return false;
}

bool ResponseGrammar::Skip(char c) {
  if (!PeekIs(c)) return false;
  ++at_;
  return true;
}

bool ResponseGrammar::SkipWord(std::string_view word) {
  const std::string_view rest = bytes_.substr(at_);
  if (!EqualsIgnoringCase(rest.substr(0, word.size()), word)) return false;
  if (rest.size() > word.size() && IsAtomChar(rest[word.size()])) return false;
  at_ += word.size();
  return true;
}

bool ResponseGrammar::TakeChar(char c) {
  if (Skip(c)) return true;
  const char expected[] = {'\'', c, '\'', '\0'};
  return Fail(expected);
}

bool ResponseGrammar::TakeLineEnd() {
  if (bytes_.substr(at_) != "\r\n") return Fail("line end");
  at_ += 2;
  return true;
}

bool ResponseGrammar::TakeAtom(std::string* atom) {
  const size_t begin = at_;
  while (at_ < bytes_.size() && IsAtomChar(bytes_[at_])) ++at_;
  if (at_ == begin) return Fail("atom");
  atom->assign(bytes_.substr(begin, at_ - begin));
  return true;
}

bool ResponseGrammar::TakeAtomValue(Value* value) {
  value->kind = Value::Kind::kAtom;
  return TakeAtom(&value->text);
}

// RFC 3501 section 9 number; digits alone, no sign.
bool ResponseGrammar::TakeNumber(uint64_t least, uint64_t most, Value* value) {
  const char* begin = bytes_.data() + at_;
  const auto [end, error] = std::from_chars(begin, bytes_.data() + bytes_.size(), value->number);
  if (error != std::errc() || value->number < least || value->number > most) {
    return Fail(least > 0 ? "number above zero" : "number");
  }
  value->kind = Value::Kind::kNumber;
  value->text.assign(begin, end);
  at_ += value->text.size();
  return true;
}

bool ResponseGrammar::TakeNil(Value* value) {
  value->kind = Value::Kind::kNil;
  return SkipWord("NIL") || Fail("NIL");
}

bool ResponseGrammar::TakeString(Value* value) {
  if (PeekIs('{')) return TakeLiteral(/*binary=*/false, value);
  if (!Skip('"')) return Fail("string");
  value->kind = Value::Kind::kQuoted;
  while (at_ < bytes_.size()) {
    const char c = bytes_[at_];
    if (c == '"') {
      ++at_;
      return true;
    }
    if (c == '\r' || c == '\n' || c == '\0' || static_cast<uint8_t>(c) >= 0x80) return Fail("QUOTED-CHAR");
    ++at_;
    if (c == '\\' && !PeekIs('"') && !PeekIs('\\')) return Fail("quoted-specials");
    value->text.push_back(c == '\\' ? bytes_[at_++] : c);
  }
  return Fail("'\"'");
}

bool ResponseGrammar::TakeNString(Value* value) {
  if (PeekIs('"') || PeekIs('{')) return TakeString(value);
  return TakeNil(value);
}

bool ResponseGrammar::TakeAString(Value* value) {
  if (PeekIs('"') || PeekIs('{')) return TakeString(value);
  const size_t begin = at_;
  while (at_ < bytes_.size() && (IsAtomChar(bytes_[at_]) || bytes_[at_] == ']')) ++at_;
  if (at_ == begin) return Fail("astring");
  value->kind = Value::Kind::kAtom;
  value->text.assign(bytes_.substr(begin, at_ - begin));
  return true;
}

bool ResponseGrammar::TakeLiteral(bool binary, Value* value) {
  if (binary && !TakeChar('~')) return false;
  Value size;
  if (!TakeChar('{') || !TakeNumber(0, UINT64_MAX, &size) || !TakeChar('}') || !TakeChar('\r') || !TakeChar('\n')) {
    return false;
  }
  if (size.number > bytes_.size() - at_) return Fail("the literal's bytes");
  value->kind = Value::Kind::kLiteral;
  value->text.assign(bytes_.substr(at_, size.number));
  // RFC 3501 section 9 literal: CHAR8 is never NUL.
  if (!binary && value->text.find('\0') != std::string::npos) return Fail("a literal without NUL");
  at_ += size.number;
  return true;
}

bool ResponseGrammar::TakeQuotedChar(Value* value) {
  if (!PeekIs('"')) return TakeNil(value);
  return TakeString(value) && (value->text.size() == 1 || Fail("one QUOTED-CHAR"));
}

// RFC 3501 section 9 date-time: 26 characters, the day in two places.
bool ResponseGrammar::TakeDateTime(Value* value) {
  if (!PeekIs('"') || !TakeString(value)) return Fail("date-time");
  const std::string_view text = value->text;
  const bool fixed = text.size() == 26 && (text[0] == ' ' ? text[1] != '0' : text[0] >= '0' && text[0] <= '9');
  return (fixed && ParseDateTime(text)) || Fail("date-time");
}

bool ResponseGrammar::TakeSet(Value* value) {
  return TakeAtomValue(value) && (NumberSet::Parse(value->text) || Fail("uid-set"));
}

bool ResponseGrammar::TakeFlag(bool recent_allowed, bool star_allowed, Value* value) {
  value->kind = Value::Kind::kAtom;
  if (!Skip('\\')) return TakeAtom(&value->text);
  if (star_allowed && Skip('*')) {
    value->text = "\\*";
    return true;
  }
  std::string name;
  if (!TakeAtom(&name)) return false;
  // RFC 3501 section 9: flag does not include "\Recent", flag-fetch does.
  if (!recent_allowed && EqualsIgnoringCase(name, "Recent")) return Fail("a flag other than \\Recent");
  value->text = "\\" + name;
  return true;
}

bool ResponseGrammar::TakeFlags(bool recent_allowed, bool star_allowed, Value* value) {
  value->kind = Value::Kind::kList;
  if (!TakeChar('(')) return false;
  if (Skip(')')) return true;
  do {
    if (!TakeFlag(recent_allowed, star_allowed, &value->items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

}  // namespace postern::imap
