#include "core/message/content.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "core/base/ascii.h"

namespace postern::message {
namespace {

using Status = Lexer::Status;

// One `name*index*` of RFC 2231 section 3 and 4.1.
struct Segment {
  std::string name;
  uint32_t index = 0;
  bool extended = false;
  size_t order = 0;  // in the field
  std::string value;
};

// `attribute` cut into its pieces; false where it is an ordinary one.
bool ParseSegmentName(std::string_view attribute, Segment* segment) {
  const size_t star = attribute.find('*');
  if (star == std::string_view::npos) return false;
  std::string_view rest = attribute.substr(star + 1);
  segment->index = 0;
  if (rest.empty()) {  // `name*`: one extended value
    segment->extended = true;
  } else {
    while (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') {
      segment->index = segment->index * 10 + static_cast<uint32_t>(rest[0] - '0');
      rest.remove_prefix(1);
    }
    segment->extended = rest == "*";
    if (!rest.empty() && !segment->extended) return false;
  }
  segment->name = attribute.substr(0, star);
  return true;
}

void AppendPercentSafe(std::string_view value, std::string* out) {
  for (const char c : value) {
    if (c == '%') {
      out->append("%25");
    } else {
      out->push_back(c);
    }
  }
}

// Segments of one name, in order of their indexes.
void JoinSegments(const Segment* begin, const Segment* end, std::vector<Parameter>* out) {
  bool complete = true;
  bool extended = false;
  for (const Segment* at = begin; at != end; ++at) {
    complete = complete && at->index == static_cast<uint32_t>(at - begin);
    extended = extended || at->extended;
  }
  if (!complete) {
    for (const Segment* at = begin; at != end; ++at) {
      out->push_back({at->name + "*" + std::to_string(at->index) + (at->extended ? "*" : ""), at->value});
    }
    return;
  }
  Parameter joined = {.name = begin->name + (extended ? "*" : ""), .value = {}};
  // A value with extended segments needs charset and language in front; plain ones must be safe among them.
  if (extended && !begin->extended) joined.value = "''";
  for (const Segment* at = begin; at != end; ++at) {
    if (extended && !at->extended) {
      AppendPercentSafe(at->value, &joined.value);
    } else {
      joined.value += at->value;
    }
  }
  out->push_back(std::move(joined));
}

std::string WithoutNul(std::string_view value) {
  value = SkipInitialSpace(value);
  std::string text;
  text.reserve(value.size());
  for (const char c : value) {
    if (c == '\0') {
      text.append(kReplacementCharacter);
    } else {
      text.push_back(c);
    }
  }
  return text;
}

void ParseType(std::string_view value, Part* part) {
  Lexer lexer(value, kReplacementCharacter);
  lexer.SkipCfws();
  std::string type;
  const Status status = lexer.ReadContentType(&type);
  const size_t slash = type.find('/');
  part->type = type.substr(0, slash);
  part->subtype = slash == std::string::npos ? std::string() : type.substr(slash + 1);
  if (EqualsIgnoringCase(type, "message/rfc822")) {
    part->kind = Part::Kind::kMessage;
  } else if (EqualsIgnoringCase(*part->type, "text")) {
    part->kind = Part::Kind::kText;
  } else if (slash != std::string::npos && EqualsIgnoringCase(*part->type, "multipart")) {
    part->kind = Part::Kind::kMultipart;
    part->is_digest = EqualsIgnoringCase(*part->subtype, "digest");
  } else {
    part->kind = Part::Kind::kOther;
  }
  if (status != Status::kFailed) ParseParameters(&lexer, &part->parameters);
}

void ParseEncoding(std::string_view value, Part* part) {
  Lexer lexer(value);
  lexer.SkipCfws();
  std::string token;
  if (lexer.ReadToken(&token) == Status::kEnd && !token.empty()) part->encoding = std::move(token);
}

void ParseDisposition(std::string_view value, Part* part) {
  Lexer lexer(value, kReplacementCharacter);
  lexer.SkipCfws();
  std::string token;
  if (lexer.ReadToken(&token) == Status::kFailed) return;
  part->disposition = std::move(token);
  ParseParameters(&lexer, &part->disposition_parameters);
}

// RFC 3282 section 2: a list of tags.
void ParseLanguages(std::string_view value, Part* part) {
  Lexer lexer(value);
  lexer.SkipCfws();
  for (;;) {
    std::string language;
    if (lexer.ReadAtom(&language) == Status::kFailed) return;
    part->languages.push_back(std::move(language));
    if (lexer.peek() != ',') return;
    lexer.skip();
    lexer.SkipCfws();
  }
}

}  // namespace

void ParseContentField(const Field& field, Part* part) {
  if (!StartsWithIgnoringCase(field.name, "Content-")) return;
  const std::string_view name = field.name.substr(8);
  const auto text = [&](std::optional<std::string>* member) {
    if (!*member) *member = WithoutNul(field.value);
  };
  if (EqualsIgnoringCase(name, "Type")) {
    if (!part->type) ParseType(field.value, part);
  } else if (EqualsIgnoringCase(name, "Transfer-Encoding")) {
    if (!part->encoding) ParseEncoding(field.value, part);
  } else if (EqualsIgnoringCase(name, "Disposition")) {
    if (part->disposition_parameters.empty()) ParseDisposition(field.value, part);
  } else if (EqualsIgnoringCase(name, "Language")) {
    if (part->languages.empty()) ParseLanguages(field.value, part);
  } else if (EqualsIgnoringCase(name, "ID")) {
    text(&part->id);
  } else if (EqualsIgnoringCase(name, "Description")) {
    text(&part->description);
  } else if (EqualsIgnoringCase(name, "MD5")) {
    text(&part->md5);
  } else if (EqualsIgnoringCase(name, "Location")) {
    text(&part->location);
  }
}

void ForgetContentFields(Part* part) {
  part->type.reset();
  part->subtype.reset();
  part->parameters.clear();
  part->id.reset();
  part->description.reset();
  part->encoding.reset();
  part->md5.reset();
  part->disposition.reset();
  part->disposition_parameters.clear();
  part->languages.clear();
  part->location.reset();
}

void ParseParameters(Lexer* lexer, std::vector<Parameter>* out) {
  std::vector<Segment> segments;
  std::string attribute;
  std::string value;
  for (Status status; (status = lexer->ReadParameter(&attribute, &value)) != Status::kEnd;) {
    if (status == Status::kFailed) {
      if (lexer->done()) break;
      lexer->skip();  // and try again behind what is broken
      continue;
    }
    Segment segment;
    if (ParseSegmentName(attribute, &segment)) {
      segment.value = value;
      segment.order = segments.size();
      segments.push_back(std::move(segment));
    } else {
      out->push_back({attribute, value});
    }
  }
  std::sort(segments.begin(), segments.end(), [](const Segment& a, const Segment& b) {
    return std::tie(a.name, a.index, a.order) < std::tie(b.name, b.index, b.order);
  });
  for (size_t begin = 0; begin < segments.size();) {
    size_t end = begin;
    while (end < segments.size() && EqualsIgnoringCase(segments[end].name, segments[begin].name)) ++end;
    JoinSegments(segments.data() + begin, segments.data() + end, out);
    begin = end;
  }
}

}  // namespace postern::message
