// msg-att: the data items of FETCH (RFC 3501 sections 7.4.2 and 9).
#include <algorithm>

#include "core/base/ascii.h"
#include "core/imap/client_codec_grammar.h"
#include "core/imap/parser_scanner.h"

namespace postern::imap {
namespace {

constexpr int kBodyDepthMax = 200;

// In the name of an attribute or of its section.
bool IsAttributeChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
}

}  // namespace

bool ResponseGrammar::TakeFetch(std::vector<FetchAttribute>* attributes) {
  if (!TakeChar('(')) return false;
  do {
    if (!TakeAttribute(&attributes->emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

bool ResponseGrammar::TakeAttribute(FetchAttribute* attribute) {
  std::string& name = attribute->name;
  while (IsAttributeChar(Peek())) name.push_back(UpperAscii(bytes_[at_++]));
  Value* value = &attribute->value;
  if (PeekIs('[')) return TakeSectionedValue(attribute);
  if (!TakeSpace()) return false;
  if (name == "FLAGS") return TakeFlags(true, false, value);
  if (name == "UID") return TakeNumber(1, UINT32_MAX, value);
  if (name == "RFC822.SIZE") return TakeNumber(0, INT64_MAX, value);
  if (name == "INTERNALDATE") return TakeDateTime(value);
  if (name == "ENVELOPE") return TakeEnvelope(value);
  if (name == "BODY") return TakeBody(/*extensible=*/false, 0, value);
  if (name == "BODYSTRUCTURE") return TakeBody(/*extensible=*/true, 0, value);
  if (name == "RFC822" || name == "RFC822.HEADER" || name == "RFC822.TEXT" || name == "PREVIEW") {
    return TakeNString(value);
  }
  if (name == "SAVEDATE") return PeekIs('"') ? TakeDateTime(value) : TakeNil(value);
  if (name == "MODSEQ") {  // RFC 7162 section 7: "MODSEQ" SP "(" permsg-modsequence ")"
    value->kind = Value::Kind::kList;
    return TakeChar('(') && TakeNumber(1, INT64_MAX, &value->items.emplace_back()) && TakeChar(')');
  }
  if (name == "EMAILID" || name == "THREADID") {  // RFC 8474 section 7
    if (name == "THREADID" && !PeekIs('(')) return TakeNil(value);
    value->kind = Value::Kind::kList;
    return TakeChar('(') && TakeAtomValue(&value->items.emplace_back()) && TakeChar(')');
  }
  return Fail("a data item's name before this");
}

// BODY[...]<n>, BINARY[...]<n> (RFC 3516 section 7), BINARY.SIZE[...].
bool ResponseGrammar::TakeSectionedValue(FetchAttribute* attribute) {
  const std::string base = attribute->name;
  if (base != "BODY" && base != "BINARY" && base != "BINARY.SIZE") return Fail("a name that has a section before this");
  if (!TakeSectionName(&attribute->name)) return false;
  if (base != "BINARY.SIZE" && Skip('<')) {
    Value origin;
    if (!TakeNumber(0, INT64_MAX, &origin) || !TakeChar('>')) return false;
    attribute->name.append("<").append(origin.text).append(">");
  }
  if (!TakeSpace()) return false;
  if (base == "BINARY.SIZE") return TakeNumber(0, INT64_MAX, &attribute->value);
  if (base == "BINARY" && PeekIs('~')) return TakeLiteral(/*binary=*/true, &attribute->value);
  return TakeNString(&attribute->value);
}

// section = "[" [section-spec] "]"
bool ResponseGrammar::TakeSectionName(std::string* name) {
  const bool binary = *name != "BODY";
  if (!TakeChar('[')) return false;
  name->push_back('[');
  bool part = false;
  while (Peek() >= '0' && Peek() <= '9') {
    Value number;
    if (!TakeNumber(1, UINT32_MAX, &number)) return false;
    name->append(number.text);
    part = true;
    if (!Skip('.')) break;
    name->push_back('.');
    if (PeekIs(']')) return Fail("section-text");
  }
  std::string text;
  const bool text_follows = !part || name->back() == '.';
  while (text_follows && IsAttributeChar(Peek())) text.push_back(UpperAscii(bytes_[at_++]));
  name->append(text);
  const bool fields = text == "HEADER.FIELDS" || text == "HEADER.FIELDS.NOT";
  const bool known = text.empty() || fields || text == "HEADER" || text == "TEXT" || (text == "MIME" && part);
  if (!known || (binary && !text.empty())) return Fail("a section before this");
  if (fields) {
    if (!TakeSpace() || !TakeChar('(')) return false;
    name->append(" (");
    bool first = true;
    do {
      Value header;
      if (!TakeAString(&header)) return false;
      name->append(first ? "" : " ").append(header.text);
      first = false;
    } while (SkipSpace());
    if (!TakeChar(')')) return false;
    name->push_back(')');
  }
  name->push_back(']');
  return TakeChar(']');
}

bool ResponseGrammar::TakeEnvelope(Value* value) {
  value->kind = Value::Kind::kList;
  value->items.resize(10);
  if (!TakeChar('(')) return false;
  for (size_t i = 0; i < value->items.size(); ++i) {
    if (i > 0 && !TakeSpace()) return false;
    const bool addresses = i >= 2 && i <= 7;  // from, sender, reply-to, to, cc, bcc
    if (!(addresses ? TakeAddresses(&value->items[i]) : TakeNString(&value->items[i]))) return false;
  }
  return TakeChar(')');
}

// "(" 1*address ")" / nil
bool ResponseGrammar::TakeAddresses(Value* value) {
  if (!Skip('(')) return TakeNil(value);
  value->kind = Value::Kind::kList;
  do {
    Value& address = value->items.emplace_back();
    address.kind = Value::Kind::kList;
    address.items.resize(4);
    if (!TakeChar('(')) return false;
    for (size_t i = 0; i < address.items.size(); ++i) {
      if ((i > 0 && !TakeSpace()) || !TakeNString(&address.items[i])) return false;
    }
    if (!TakeChar(')')) return false;
  } while (PeekIs('('));
  return TakeChar(')');
}

bool ResponseGrammar::TakeBody(bool extensible, int depth, Value* value) {
  value->kind = Value::Kind::kList;
  if (depth > kBodyDepthMax) return Fail("a body nested less deeply");
  if (!TakeChar('(')) return false;
  return PeekIs('(') ? TakeMultiPart(extensible, depth, value) : TakeSinglePart(extensible, depth, value);
}

// body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
bool ResponseGrammar::TakeMultiPart(bool extensible, int depth, Value* value) {
  while (PeekIs('(')) {
    if (!TakeBody(extensible, depth + 1, &value->items.emplace_back())) return false;
  }
  if (!TakeSpace() || !TakeString(&value->items.emplace_back())) return false;
  // RFC 3501 section 9: no extension data in a BODY without STRUCTURE.
  if (!extensible || !SkipSpace()) return TakeChar(')');
  return TakeBodyParameters(&value->items.emplace_back()) && TakeBodyExtensions(value);
}

// body-type-1part = (body-type-basic / body-type-msg / body-type-text) [SP body-ext-1part]
bool ResponseGrammar::TakeSinglePart(bool extensible, int depth, Value* value) {
  const auto next = [&]() -> Value* { return &value->items.emplace_back(); };
  if (!TakeString(next()) || !TakeSpace() || !TakeString(next()) || !TakeSpace()) return false;
  const bool text = EqualsIgnoringCase(value->items[0].text, "TEXT");
  const bool message =
      EqualsIgnoringCase(value->items[0].text, "MESSAGE") && EqualsIgnoringCase(value->items[1].text, "RFC822");
  // body-fields = param SP id SP desc SP enc SP octets
  if (!TakeBodyParameters(next()) || !TakeSpace() || !TakeNString(next()) || !TakeSpace()) return false;
  if (!TakeNString(next()) || !TakeSpace() || !TakeString(next()) || !TakeSpace()) return false;
  if (!TakeNumber(0, UINT32_MAX, next())) return false;
  if (message) {
    if (!TakeSpace() || !TakeEnvelope(next()) || !TakeSpace()) return false;
    if (!TakeBody(extensible, depth + 1, next())) return false;
  }
  if ((message || text) && (!TakeSpace() || !TakeNumber(0, UINT32_MAX, next()))) return false;
  if (!extensible || !SkipSpace()) return TakeChar(')');
  return TakeNString(next()) && TakeBodyExtensions(value);
}

bool ResponseGrammar::TakeBodyExtensions(Value* value) {
  if (SkipSpace()) {
    if (!TakeBodyDisposition(&value->items.emplace_back())) return false;
    if (SkipSpace()) {
      if (!TakeBodyLanguage(&value->items.emplace_back())) return false;
      if (SkipSpace()) {
        if (!TakeNString(&value->items.emplace_back())) return false;
        while (SkipSpace()) {
          if (!TakeBodyExtension(0, &value->items.emplace_back())) return false;
        }
      }
    }
  }
  return TakeChar(')');
}

// body-fld-param = "(" string SP string *(SP string SP string) ")" / nil
bool ResponseGrammar::TakeBodyParameters(Value* value) {
  if (!Skip('(')) return TakeNil(value);
  value->kind = Value::Kind::kList;
  do {
    if (!TakeString(&value->items.emplace_back()) || !TakeSpace()) return false;
    if (!TakeString(&value->items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

// body-fld-dsp = "(" string SP body-fld-param ")" / nil
bool ResponseGrammar::TakeBodyDisposition(Value* value) {
  if (!Skip('(')) return TakeNil(value);
  value->kind = Value::Kind::kList;
  value->items.resize(2);
  return TakeString(&value->items[0]) && TakeSpace() && TakeBodyParameters(&value->items[1]) && TakeChar(')');
}

// body-fld-lang = nstring / "(" string *(SP string) ")"
bool ResponseGrammar::TakeBodyLanguage(Value* value) {
  if (!Skip('(')) return TakeNString(value);
  value->kind = Value::Kind::kList;
  do {
    if (!TakeString(&value->items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

// body-extension = nstring / number / "(" body-extension *(SP body-extension) ")"
bool ResponseGrammar::TakeBodyExtension(int depth, Value* value) {
  if (depth > kBodyDepthMax) return Fail("an extension nested less deeply");
  if (Peek() >= '0' && Peek() <= '9') return TakeNumber(0, INT64_MAX, value);
  if (!Skip('(')) return TakeNString(value);
  value->kind = Value::Kind::kList;
  do {
    if (!TakeBodyExtension(depth + 1, &value->items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

}  // namespace postern::imap
