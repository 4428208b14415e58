// The formal syntax of single responses, for client_codec.cc. Internal.
//
// Each Take* reads one production at the front of what is left and moves past it, or returns false with error() set;
// then the whole response is wrong, and at() is where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/client_codec.h"

namespace postern::imap {

class ResponseGrammar {
 public:
  ResponseGrammar(std::string_view bytes, bool utf8_text) : bytes_(bytes), utf8_text_(utf8_text) {}

  // A response with its line end and nothing after it.
  bool TakeResponse(bool greeting, Response* response);

  const std::string& error() const { return error_; }
  size_t at() const { return at_; }

 private:
  // client_codec.cc: lines
  bool TakeUntagged(bool greeting, Response* response);
  bool TakeTagged(Response* response);
  bool TakeText(Response* response);
  bool TakeCode(ResponseCode* code);
  bool CheckCode(const ResponseCode& code);
  bool TakeNumbered(Response* response);
  bool TakeData(Response* response);
  bool TakeCapabilities(std::vector<Value>* values);

  // client_codec_data.cc: mailbox data
  bool TakeMailboxList(std::vector<Value>* values);
  bool TakeSearchNumbers(std::vector<Value>* values);
  bool TakeESearch(std::vector<Value>* values);
  bool TakeThreads(std::vector<Value>* values);
  bool TakeThread(int depth, Value* value);
  bool TakeStatus(std::vector<Value>* values);
  bool TakeNamespaces(std::vector<Value>* values);
  bool TakeIdParameters(std::vector<Value>* values);
  bool TakeVanished(std::vector<Value>* values);
  bool TakeQuota(std::vector<Value>* values);
  bool TakeQuotaRoot(std::vector<Value>* values);

  // client_codec_fetch.cc
  bool TakeFetch(std::vector<FetchAttribute>* attributes);
  bool TakeAttribute(FetchAttribute* attribute);
  bool TakeSectionName(std::string* name);
  bool TakeSectionedValue(FetchAttribute* attribute);
  bool TakeEnvelope(Value* value);
  bool TakeAddresses(Value* value);
  bool TakeBody(bool extensible, int depth, Value* value);
  bool TakeSinglePart(bool extensible, int depth, Value* value);
  bool TakeMultiPart(bool extensible, int depth, Value* value);
  bool TakeBodyParameters(Value* value);
  bool TakeBodyDisposition(Value* value);
  bool TakeBodyLanguage(Value* value);
  // The fields after the first extension field, each behind a space, and to the closing parenthesis.
  bool TakeBodyExtensions(Value* value);
  bool TakeBodyExtension(int depth, Value* value);

  // client_codec_tokens.cc
  bool Fail(std::string_view expected);
  char Peek() const { return at_ < bytes_.size() ? bytes_[at_] : '\0'; }
  bool PeekIs(char c) const { return at_ < bytes_.size() && bytes_[at_] == c; }
  bool Skip(char c);
  // `word` in any case, followed by no character of an atom.
  bool SkipWord(std::string_view word);
  bool TakeChar(char c);
  bool TakeSpace() { return TakeChar(' '); }
  bool TakeLineEnd();
  // Before the line end: whether another item follows, whose space is taken.
  bool SkipSpace() { return Skip(' '); }
  bool TakeAtom(std::string* atom);
  bool TakeAtomValue(Value* value);
  bool TakeNumber(uint64_t least, uint64_t most, Value* value);
  bool TakeNil(Value* value);
  bool TakeString(Value* value);
  bool TakeNString(Value* value);
  bool TakeAString(Value* value);
  bool TakeLiteral(bool binary, Value* value);
  bool TakeQuotedChar(Value* value);  // DQUOTE QUOTED-CHAR DQUOTE / nil
  bool TakeDateTime(Value* value);
  bool TakeSet(Value* value);  // uid-set as an atom
  bool TakeFlag(bool recent_allowed, bool star_allowed, Value* value);
  bool TakeFlags(bool recent_allowed, bool star_allowed, Value* value);

  std::string_view bytes_;
  bool utf8_text_;
  size_t at_ = 0;
  std::string error_;
};

}  // namespace postern::imap
