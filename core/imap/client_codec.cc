#include "core/imap/client_codec.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/client_codec_grammar.h"
#include "core/imap/mailbox_name.h"
#include "core/imap/parser.h"
#include "core/imap/parser_scanner.h"

namespace postern::imap {
namespace {

constexpr std::string_view kConditions[] = {"OK", "NO", "BAD", "PREAUTH", "BYE"};

// RFC 3501 section 9 TEXT-CHAR: 7-bit, but CR and LF; no NUL.
bool IsTextChar(char c) { return c > '\0' && static_cast<uint8_t>(c) < 0x80 && c != '\r' && c != '\n'; }

// Whether the response that begins with `line` may hold literals: only data do, and text may end like an announcement.
bool MayHoldLiterals(std::string_view line) {
  if (line.substr(0, 2) != "* ") return false;
  const std::string word = UpperCase(line.substr(2, std::min(line.find_first_of(" \r\n", 2), line.size()) - 2));
  return std::find(std::begin(kConditions), std::end(kConditions), word) == std::end(kConditions);
}

// The size of the literal that the end of `line` (CRLF included) announces.
std::optional<uint64_t> AnnouncedBytes(std::string_view line) {
  if (line.size() < 5 || line.substr(line.size() - 3) != "}\r\n") return std::nullopt;
  line.remove_suffix(3);
  const size_t brace = line.rfind('{');
  if (brace == std::string_view::npos) return std::nullopt;
  uint64_t bytes = 0;
  const char* end = line.data() + line.size();
  const auto parsed = std::from_chars(line.data() + brace + 1, end, bytes);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return bytes;
}

}  // namespace

bool Value::SameMeaning(const Value& other) const {
  if (IsString() && other.IsString()) return text == other.text;
  return kind == other.kind && text == other.text && items.size() == other.items.size() &&
         std::equal(items.begin(), items.end(), other.items.begin(),
                    [](const Value& a, const Value& b) { return a.SameMeaning(b); });
}

const Value* Response::Attribute(std::string_view attribute) const {
  for (const FetchAttribute& candidate : fetch) {
    if (candidate.name == attribute) return &candidate.value;
  }
  return nullptr;
}

bool ResponseReader::Feed(std::string_view bytes, std::vector<Response>* out) {
  if (failed()) return false;
  buffer_.append(bytes);
  size_t begin = 0;  // of the response in buffer_
  const auto fail = [&](size_t at, std::string error) {
    offset_ += at - begin;
    error_ = std::move(error);
    std::string().swap(buffer_);
    return false;
  };
  while (true) {
    const size_t lf = buffer_.find('\n', scanned_bytes_);
    const size_t line_end = lf == std::string::npos ? buffer_.size() : lf + 1;
    if (line_end - std::min(line_end, scanned_bytes_) > limits_.line_bytes_max) return fail(begin, "line too long");
    if (lf == std::string::npos) break;
    const std::string_view response = std::string_view(buffer_).substr(begin, line_end - begin);
    const std::optional<uint64_t> literal =
        MayHoldLiterals(response) ? AnnouncedBytes(response) : std::optional<uint64_t>();
    if (literal) {
      if (*literal > limits_.literal_bytes_max) return fail(line_end, "literal too long");
      if (*literal > buffer_.size() - line_end) break;  // looked at again when there is more
      scanned_bytes_ = line_end + *literal;
      continue;
    }
    ResponseParse parsed = ParseResponse(response, greeting_, limits_.utf8_text);
    if (!parsed.response) return fail(begin + parsed.error_at, std::move(parsed.error));
    greeting_ = false;
    parsed.response->offset = offset_;
    offset_ += response.size();
    out->push_back(*std::move(parsed.response));
    begin = line_end;
    scanned_bytes_ = line_end;
  }
  buffer_.erase(0, begin);
  scanned_bytes_ -= begin;
  return true;
}

ResponseParse ParseResponse(std::string_view bytes, bool greeting, bool utf8_text) {
  ResponseParse result;
  Response response;
  ResponseGrammar grammar(bytes, utf8_text);
  if (grammar.TakeResponse(greeting, &response)) {
    response.raw = bytes;
    result.response = std::move(response);
  } else {
    result.error = grammar.error();
    result.error_at = std::min(grammar.at(), bytes.size());
  }
  return result;
}

bool ResponseGrammar::TakeResponse(bool greeting, Response* response) {
  if (Skip('+')) {
    response->kind = Response::Kind::kContinuation;
    if (greeting) return Fail("a greeting");
    return TakeSpace() && TakeText(response) && TakeLineEnd();
  }
  if (Skip('*')) return TakeSpace() && TakeUntagged(greeting, response) && TakeLineEnd();
  if (greeting) return Fail("a greeting");
  return TakeTagged(response) && TakeLineEnd();
}

bool ResponseGrammar::TakeTagged(Response* response) {
  response->kind = Response::Kind::kTagged;
  response->tag = TagOf(bytes_.substr(at_, std::min(bytes_.find(' ', at_), bytes_.size()) - at_));
  if (response->tag.empty()) return Fail("tag");
  at_ += response->tag.size();
  if (!TakeSpace()) return false;
  for (const std::string_view condition : {"OK", "NO", "BAD"}) {
    if (!SkipWord(condition)) continue;
    response->condition = condition;
    return TakeSpace() && TakeText(response);
  }
  return Fail("OK, NO or BAD");
}

bool ResponseGrammar::TakeUntagged(bool greeting, Response* response) {
  response->kind = greeting ? Response::Kind::kGreeting : Response::Kind::kUntagged;
  for (const std::string_view condition : kConditions) {
    if (!SkipWord(condition)) continue;
    // RFC 3501 section 9: greeting is OK, PREAUTH or BYE; PREAUTH is only that.
    if (greeting && (condition == "NO" || condition == "BAD")) return Fail("OK, PREAUTH or BYE");
    if (!greeting && condition == "PREAUTH") return Fail("a condition other than PREAUTH");
    response->condition = condition;
    return TakeSpace() && TakeText(response);
  }
  if (greeting) return Fail("OK, PREAUTH or BYE");
  if (Peek() >= '0' && Peek() <= '9') return TakeNumbered(response);
  return TakeData(response);
}

// RFC 3501 section 9: resp-text = ["[" resp-text-code "]" SP] text. A continuation may have no text at all (base64).
bool ResponseGrammar::TakeText(Response* response) {
  if (PeekIs('[') && (!TakeCode(&response->code) || !TakeSpace())) return false;
  const size_t begin = at_;
  while (at_ < bytes_.size() &&
         (IsTextChar(bytes_[at_]) || (utf8_text_ && static_cast<uint8_t>(bytes_[at_]) >= 0x80))) {
    ++at_;
  }
  response->text = bytes_.substr(begin, at_ - begin);
  const bool may_be_empty = response->kind == Response::Kind::kContinuation && response->code.name.empty();
  if (utf8_text_ && !MailboxNameFromUtf8(response->text)) return Fail("text in UTF-8");
  return !response->text.empty() || may_be_empty || Fail("text");
}

bool ResponseGrammar::TakeCode(ResponseCode* code) {
  if (!TakeChar('[') || !TakeAtom(&code->name)) return false;
  code->name = UpperCase(code->name);
  const size_t arguments = at_;
  if (!CheckCode(*code)) return false;
  if (at_ > arguments) code->arguments = bytes_.substr(arguments + 1, at_ - arguments - 1);
  return TakeChar(']');
}

// Reads the arguments of a code, strictly where its syntax is known.
bool ResponseGrammar::CheckCode(const ResponseCode& code) {
  const auto is = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), code.name) != names.end();
  };
  Value value;
  std::vector<Value> values;
  if (is({"ALERT",           "PARSE",       "READ-ONLY",   "READ-WRITE",           "TRYCREATE",
          "UIDNOTSTICKY",    "NOMODSEQ",    "CLOSED",      "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED",
          "PRIVACYREQUIRED", "UNAVAILABLE", "NONEXISTENT", "ALREADYEXISTS",        "OVERQUOTA",
          "CANNOT",          "LIMIT",       "TOOBIG",      "EXPUNGEISSUED",        "CLIENTBUG",
          "SERVERBUG",       "INUSE",       "NOPERM",      "CORRUPTION",           "EXPIRED",
          "CONTACTADMIN",    "UNKNOWN-CTE", "USEATTR"})) {
    return PeekIs(']') || Fail("']'");
  }
  if (is({"UIDNEXT", "UIDVALIDITY", "UNSEEN"})) return TakeSpace() && TakeNumber(1, UINT32_MAX, &value);
  if (is({"HIGHESTMODSEQ"})) return TakeSpace() && TakeNumber(1, INT64_MAX, &value);
  if (is({"CAPABILITY"})) return TakeCapabilities(&values);
  if (is({"PERMANENTFLAGS"})) return TakeSpace() && TakeFlags(false, true, &value);
  if (is({"MODIFIED"})) return TakeSpace() && TakeSet(&value);
  // RFC 4315 section 4.
  if (is({"APPENDUID"})) return TakeSpace() && TakeNumber(1, UINT32_MAX, &value) && TakeSpace() && TakeSet(&value);
  if (is({"COPYUID"})) {
    Value from, to;
    if (!TakeSpace() || !TakeNumber(1, UINT32_MAX, &value) || !TakeSpace() || !TakeSet(&from)) return false;
    return TakeSpace() && TakeSet(&to);
  }
  if (is({"BADCHARSET"})) {
    if (!SkipSpace()) return true;
    if (!TakeChar('(')) return false;
    do {
      if (!TakeAString(&value)) return false;
    } while (SkipSpace());
    return TakeChar(')');
  }
  if (!SkipSpace()) return true;
  const size_t begin = at_;
  while (at_ < bytes_.size() && IsTextChar(bytes_[at_]) && bytes_[at_] != ']') ++at_;
  return at_ > begin || Fail("a code's argument");
}

bool ResponseGrammar::TakeNumbered(Response* response) {
  Value number;
  if (!TakeNumber(0, UINT32_MAX, &number) || !TakeSpace()) return false;
  response->number = number.number;
  std::string name;
  if (!TakeAtom(&name)) return false;
  response->name = UpperCase(name);
  if (response->name == "EXISTS" || response->name == "RECENT") return true;
  // RFC 3501 section 9: message-data has an nz-number.
  if (number.number == 0) return Fail("number above zero");
  if (response->name == "EXPUNGE") return true;
  if (response->name == "FETCH") return TakeSpace() && TakeFetch(&response->fetch);
  return Fail("EXISTS, RECENT, EXPUNGE or FETCH");
}

bool ResponseGrammar::TakeData(Response* response) {
  std::string name;
  if (!TakeAtom(&name)) return false;
  response->name = UpperCase(name);
  std::vector<Value>* values = &response->values;
  const auto is = [&](std::string_view candidate) { return response->name == candidate; };
  if (is("CAPABILITY")) return TakeCapabilities(values);
  if (is("FLAGS")) return TakeSpace() && TakeFlags(false, false, &values->emplace_back());
  if (is("LIST") || is("LSUB") || is("XLIST")) return TakeSpace() && TakeMailboxList(values);
  if (is("SEARCH") || is("SORT")) return TakeSearchNumbers(values);
  if (is("ESEARCH")) return TakeESearch(values);
  if (is("THREAD")) return TakeThreads(values);
  if (is("STATUS")) return TakeSpace() && TakeStatus(values);
  if (is("NAMESPACE")) return TakeNamespaces(values);
  if (is("ID")) return TakeSpace() && TakeIdParameters(values);
  if (is("VANISHED")) return TakeSpace() && TakeVanished(values);
  if (is("QUOTA")) return TakeSpace() && TakeQuota(values);
  if (is("QUOTAROOT")) return TakeSpace() && TakeQuotaRoot(values);
  if (is("ENABLED")) {
    while (SkipSpace()) {
      if (!TakeAtomValue(&values->emplace_back())) return false;
    }
    return true;
  }
  return Fail("a response's name");
}

bool ResponseGrammar::TakeCapabilities(std::vector<Value>* values) {
  bool rev1 = false;
  while (SkipSpace()) {
    Value& value = values->emplace_back();
    if (!TakeAtomValue(&value)) return false;
    rev1 = rev1 || EqualsIgnoringCase(value.text, "IMAP4rev1") || EqualsIgnoringCase(value.text, "IMAP4rev2");
  }
  // RFC 3501 section 7.2.1: IMAP4rev1 MUST be among them.
  return rev1 || Fail("IMAP4rev1");
}

}  // namespace postern::imap
