#include "core/message/search_text.h"

#include <cstring>

#include "core/base/ascii.h"
#include "core/message/base_subject.h"
#include "core/message/content.h"
#include "core/message/decode.h"
#include "core/message/header.h"
#include "core/message/lexer.h"

namespace postern::message {
namespace {

// How much of a body is decoded at a time.
constexpr size_t kBlockBytes = 64 * 1024;
// References behind this many bytes of a field, and message ids in odd forms behind so many, are not looked at: the
// odd forms may have to be read to the end of the field, each.
constexpr size_t kReferencesBytesMax = 256 * 1024;
constexpr int kOddMessageIdCountMax = 100;

bool Contains(std::string_view text, std::string_view key) {
  // memmem is linear whatever the two hold; std::string_view::find is not.
  return key.size() <= text.size() && ::memmem(text.data(), text.size(), key.data(), key.size()) != nullptr;
}

// A field's value on one line as SEARCH sees it: line ends go, a tab that began a line is a space.
void AppendOneLine(std::string_view value, std::string* out) {
  for (size_t begin = 0; begin < value.size();) {
    const size_t lf = value.find('\n', begin);
    size_t end = lf == std::string_view::npos ? value.size() : lf;
    const size_t next = lf == std::string_view::npos ? end : lf + 1;
    if (lf != std::string_view::npos && end > begin && value[end - 1] == '\r') --end;
    if (begin > 0 && begin < end && value[begin] == '\t') {
      out->push_back(' ');
      ++begin;
    }
    out->append(value.substr(begin, end - begin));
    begin = next;
  }
}

std::string PackedWhiteSpace(std::string_view text) {
  std::string packed;
  bool after_space = true;
  for (const char c : text) {
    const bool space = IsWhiteSpace(c);
    if (!space) {
      packed.push_back(c);
    } else if (!after_space) {
      packed.push_back(' ');
    }
    after_space = space;
  }
  return packed;
}

// Looks for a needle in a text that comes in pieces.
class Finder {
 public:
  explicit Finder(std::string_view key) : key_(key) {}

  // The text so far, to which folded text may be appended before Check().
  std::string* text() { return &text_; }
  // Whether it was there; forgets what cannot be part of a match any more.
  bool Check() {
    found_ = found_ || Contains(text_, key_);
    if (text_.size() >= key_.size()) text_.erase(0, text_.size() - (key_.size() - 1));
    return found_;
  }

 private:
  std::string_view key_;
  std::string text_;
  bool found_ = false;
};

// What the fields of a part say about its body, for searching.
struct BodyFacts {
  bool searchable = true;  // text/* or message/*
  std::string charset;
  TransferEncoding encoding = TransferEncoding::kIdentity;
  bool has_type = false;

  void Add(const Field& field) {
    if (field.Is("Content-Transfer-Encoding")) {
      encoding = ParseTransferEncoding(field.value);
    } else if (field.Is("Content-Type")) {
      AddType(field.value);
    }
  }

  void AddType(std::string_view value) {
    Lexer lexer(value, kReplacementCharacter);
    lexer.SkipCfws();
    std::string type;
    const bool good = lexer.ReadContentType(&type) != Lexer::Status::kFailed;
    searchable = StartsWithIgnoringCase(type, "text/") || StartsWithIgnoringCase(type, "message/");
    if (!has_type && good) {
      std::vector<Parameter> parameters;
      ParseParameters(&lexer, &parameters);
      for (const Parameter& parameter : parameters) {
        if (!EqualsIgnoringCase(parameter.name, "charset")) continue;
        charset = parameter.value;
        break;
      }
    }
    has_type = true;
  }
};

class TextSearch {
 public:
  TextSearch(std::string_view message, const Needle& needle, SearchIn where)
      : message_(message), needle_(needle), where_(where) {}

  // Recursion is bounded by kPartDepthMax.
  bool In(const Part& part) const {
    if (InPart(part)) return true;
    for (const Part& child : part.children) {
      if (In(child)) return true;
    }
    return false;
  }

 private:
  // Header and body are one text: a needle does not cross from one part to the next.
  bool InPart(const Part& part) const {
    Finder finder(needle_.folded());
    BodyFacts facts;
    HeaderReader reader(message_.substr(part.header.begin, part.header.size()));
    for (Field field; reader.Next(&field);) {
      facts.Add(field);
      if (where_ == SearchIn::kText && InField(field, &finder)) return true;
    }
    return part.children.empty() && facts.searchable &&
           InBody(message_.substr(part.body.begin, part.body.size()), facts, &finder);
  }

  static bool InField(const Field& field, Finder* finder) {
    std::string value;
    AppendOneLine(field.value, &value);
    AppendFolded(field.name, finder->text());
    finder->text()->append(field.middle);
    AppendFoldedHeader(value, finder->text());
    if (field.ended) finder->text()->append("\r\n");
    return finder->Check();
  }

  static bool InBody(std::string_view body, const BodyFacts& facts, Finder* finder) {
    if (facts.encoding == TransferEncoding::kUnknown) return false;
    finder->text()->append("\r\n");  // the empty line
    TransferDecoder decoder(facts.encoding);
    CharsetDecoder charset(facts.charset);
    std::string bytes;
    std::string text;
    for (;;) {
      const std::string_view block = body.substr(0, kBlockBytes);
      body.remove_prefix(block.size());
      bytes.clear();
      text.clear();
      decoder.Feed(block, &bytes);
      if (body.empty()) decoder.Finish(&bytes);
      charset.Feed(bytes, &text);
      if (body.empty()) charset.Finish(&text);
      AppendFolded(text, finder->text());
      if (finder->Check()) return true;
      if (body.empty()) return false;
    }
  }

  std::string_view message_;
  const Needle& needle_;
  SearchIn where_;
};

// The first field called `name` as text for addresses and ids: NULs replaced.
std::optional<std::string> FirstText(std::string_view header, std::string_view name) {
  const std::string_view value = FirstValue(header, name);
  if (value.data() == nullptr) return std::nullopt;
  std::string text;
  for (const char c : value) {
    if (c == '\0') {
      text.append(kReplacementCharacter);
    } else {
      text.push_back(c);
    }
  }
  return text;
}

std::optional<Address> FirstAddress(std::string_view header, std::string_view name) {
  const auto text = FirstText(header, name);
  if (!text) return std::nullopt;
  const auto addresses = ParseAddressList(*text, {.fill_missing = true, .count_max = 1});
  if (addresses.empty()) return std::nullopt;
  return addresses.front();
}

// A message id in a form that must be read token by token: `<"quoted"@host>`, `<a (comment) @host>`.
bool ReadOddMessageId(std::string_view text, size_t* at, std::string* id) {
  Lexer lexer(text);
  lexer.set_position(*at);
  lexer.SkipCfws();
  id->clear();
  const auto status = lexer.peek() == '"' ? lexer.ReadQuotedString(id) : lexer.ReadDotAtom(id);
  if (status != Lexer::Status::kMore || lexer.peek() != '@') return false;
  id->push_back('@');
  lexer.skip();
  lexer.SkipCfws();
  if (lexer.ReadDotAtom(id) != Lexer::Status::kMore || lexer.peek() != '>') return false;
  *at = lexer.position() + 1;
  return true;
}

}  // namespace

bool Needle::In(std::string_view folded_text) const { return empty_ || Contains(folded_text, folded_); }

bool HeaderContains(std::string_view header, std::string_view name, const Needle& needle, HeaderForm form) {
  HeaderReader reader(header);
  for (Field field; reader.Next(&field);) {
    if (!field.Is(name)) continue;
    if (needle.matches_all()) return true;
    std::string value;
    AppendOneLine(field.value, &value);
    if (form == HeaderForm::kAddresses) {
      const auto addresses = ParseAddressList(value, {.fill_missing = true});
      value.clear();
      AppendAddressList(addresses, &value);
    } else if (form == HeaderForm::kPacked) {
      value = PackedWhiteSpace(value);
    }
    std::string folded;
    AppendFoldedHeader(value, &folded);
    if (needle.In(folded)) return true;
  }
  return false;
}

bool TextContains(std::string_view message, const Part& root, const Needle& needle, SearchIn where) {
  if (needle.matches_all()) return true;
  if (needle.folded().empty()) return false;
  return TextSearch(message, needle, where).In(root);
}

std::optional<DateTime> SentDate(std::string_view header) {
  const std::string_view value = FirstValue(header, "Date");
  return value.empty() ? std::nullopt : ParseDate(value);
}

std::string SortSubject(std::string_view header) { return BaseSubjectOf(FirstValue(header, "Subject")).text; }

std::string SortMailbox(std::string_view header, std::string_view name) {
  const auto address = FirstAddress(header, name);
  return address && address->mailbox ? Folded(*address->mailbox) : std::string();
}

std::string SortDisplayName(std::string_view header, std::string_view name) {
  const auto address = FirstAddress(header, name);
  if (!address) return {};
  std::string text;
  if (address->name) AppendDecodedHeader(*address->name, &text);
  if (text.empty() && address->mailbox) {
    text = *address->mailbox;
    if (address->host) text.append("@").append(*address->host);
  }
  return Folded(text);
}

ThreadInput ThreadInputOf(std::string_view header) {
  ThreadInput input;
  size_t at = 0;
  if (const auto text = FirstText(header, "Message-ID")) input.message_id = NextMessageId(*text, &at).value_or("");
  if (const auto text = FirstText(header, "References")) {
    at = 0;
    const auto bounded = std::string_view(*text).substr(0, kReferencesBytesMax);
    while (auto id = NextMessageId(bounded, &at)) input.references.push_back(std::move(*id));
  }
  if (input.references.empty()) {
    at = 0;
    if (const auto text = FirstText(header, "In-Reply-To")) {
      if (auto id = NextMessageId(*text, &at)) input.references.push_back(std::move(*id));
    }
  }
  BaseSubject subject = BaseSubjectOf(FirstValue(header, "Subject"));
  input.base_subject = std::move(subject.text);
  input.is_reply_or_forward = subject.is_reply_or_forward;
  input.sent = SentDate(header);
  return input;
}

std::optional<std::string> NextMessageId(std::string_view text, size_t* at) {
  for (int odd = 0; odd < kOddMessageIdCountMax;) {
    const size_t open = text.find('<', *at);
    if (open == std::string_view::npos) break;
    const size_t begin = open + 1;
    const size_t stop = text.find_first_of(">\"([", begin);
    if (stop == std::string_view::npos) break;
    *at = begin;
    if (text[stop] == '>') {
      *at = stop + 1;
      std::string id(text.substr(begin, stop - begin));
      if (id.find('@') == std::string::npos) continue;
      std::erase_if(id, IsWhiteSpace);
      return id;
    }
    ++odd;
    std::string id;
    if (ReadOddMessageId(text, at, &id)) return id;
  }
  *at = text.size();
  return std::nullopt;
}

}  // namespace postern::message
