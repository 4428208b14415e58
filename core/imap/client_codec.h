// A client's side of IMAP: what a server sends, read strictly by the formal syntax of RFC 3501 section 9 and the
// extensions Postern offers. For the simulator's oracle "every server byte parses", the comparison of replays, and
// tests; never used by the server.
//
// ResponseReader takes bytes in any pieces and gives whole responses. The first violation ends it: offset() and error()
// say where and what.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/imap/sequence_set.h"

namespace postern::imap {

// A value in a response, as generic as the syntax allows.
struct Value {
  enum class Kind : uint8_t { kNil, kAtom, kNumber, kQuoted, kLiteral, kList };
  Kind kind = Kind::kNil;
  std::string text;     // of an atom, a number, a string (its meaning, not its spelling)
  uint64_t number = 0;  // of kNumber
  std::vector<Value> items;

  bool IsString() const { return kind == Kind::kQuoted || kind == Kind::kLiteral; }
  // Equal in meaning: a quoted string equals a literal of the same bytes.
  bool SameMeaning(const Value& other) const;
};

struct FetchAttribute {
  std::string name;  // upper case but for header names: "BODY[HEADER.FIELDS (Subject)]<0>"
  Value value;
};

struct ResponseCode {
  std::string name;       // upper case; "" when there is none
  std::string arguments;  // as sent, without the space before
};

struct Response {
  enum class Kind : uint8_t { kGreeting, kContinuation, kUntagged, kTagged };
  Kind kind = Kind::kUntagged;
  std::string tag;        // of kTagged
  std::string condition;  // OK, NO, BAD, PREAUTH, BYE; "" for data
  ResponseCode code;      // of conditions and continuations
  std::string text;       // of conditions and continuations
  // Data: `* 12 EXISTS` is name EXISTS with number 12; `* LIST () "." x` is name LIST with three values.
  std::string name;
  std::optional<uint64_t> number;
  std::vector<Value> values;
  std::vector<FetchAttribute> fetch;  // of FETCH, in order
  uint64_t offset = 0;                // of its first byte in the stream
  std::string raw;                    // the bytes, line end included

  // The FETCH attribute called `name`, nullptr without one.
  const Value* Attribute(std::string_view name) const;
};

class ResponseReader {
 public:
  struct Limits {
    size_t line_bytes_max = 1 << 20;
    uint64_t literal_bytes_max = uint64_t{1} << 31;
    // Whether text may be UTF-8, as RFC 9051 section 9 has it, and not US-ASCII only (RFC 3501).
    bool utf8_text = false;
  };
  // `expect_greeting`: the stream begins with a connection.
  explicit ResponseReader(bool expect_greeting = true) : ResponseReader(expect_greeting, Limits{}) {}
  ResponseReader(bool expect_greeting, const Limits& limits) : limits_(limits), greeting_(expect_greeting) {}

  // Takes `bytes` and appends the responses that are now whole to `*out`. False once the stream is invalid: then
  // nothing more is taken.
  bool Feed(std::string_view bytes, std::vector<Response>* out);

  bool failed() const { return !error_.empty(); }
  const std::string& error() const { return error_; }  // "expected SP at \"...\""
  uint64_t offset() const { return offset_; }          // of the response being read; after a failure, of the fault
  // Whether bytes of an unfinished response are held.
  bool pending() const { return !buffer_.empty(); }

 private:
  Limits limits_;
  bool greeting_;
  std::string buffer_;
  size_t scanned_bytes_ = 0;  // of buffer_: lines and literals known to be whole
  uint64_t offset_ = 0;
  std::string error_;
};

// One whole response (with its line end) by itself.
struct ResponseParse {
  std::optional<Response> response;
  std::string error;    // when there is none
  size_t error_at = 0;  // byte of `bytes`
};
ResponseParse ParseResponse(std::string_view bytes, bool greeting, bool utf8_text = false);

}  // namespace postern::imap
