#include "core/message/structure.h"

#include <charconv>

#include "core/base/ascii.h"
#include "core/message/envelope.h"
#include "core/message/header.h"

namespace postern::message {
namespace {

void AppendNumber(uint64_t number, std::string* out) {
  char digits[20];
  out->append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

// `default_charset`: RFC 2045 section 5.2 says what text without a charset is in.
void AppendParameters(const std::vector<Parameter>& parameters, bool default_charset, std::string* out) {
  if (parameters.empty() && !default_charset) {
    out->append("NIL");
    return;
  }
  out->push_back('(');
  bool has_charset = !default_charset;
  for (const Parameter& parameter : parameters) {
    if (out->back() != '(') out->push_back(' ');
    AppendImapString(parameter.name, out);
    out->push_back(' ');
    AppendImapString(parameter.value, out);
    has_charset = has_charset || EqualsIgnoringCase(parameter.name, "charset");
  }
  if (!has_charset) {
    if (!parameters.empty()) out->push_back(' ');
    out->append("\"charset\" \"us-ascii\"");
  }
  out->push_back(')');
}

// Disposition, language and location, each with a space before.
void AppendCommonExtension(const Part& part, std::string* out) {
  if (part.disposition) {
    out->append(" (");
    AppendImapString(*part.disposition, out);
    out->push_back(' ');
    AppendParameters(part.disposition_parameters, false, out);
    out->push_back(')');
  } else {
    out->append(" NIL");
  }
  if (part.languages.empty()) {
    out->append(" NIL");
  } else {
    char before = '(';
    out->push_back(' ');
    for (const std::string& language : part.languages) {
      out->push_back(before);
      AppendImapString(language, out);
      before = ' ';
    }
    out->push_back(')');
  }
  out->push_back(' ');
  AppendImapNString(part.location, out);
}

void AppendPart(const Part& part, bool extended, std::string* out);

// What every message without MIME is, however it says so: Dovecot answers those without regard to what was written.
bool IsPlainSevenBit(const Part& part) {
  if (part.kind != Part::Kind::kText || part.truncated || part.parameters.size() > 1) return false;
  if (part.subtype && !EqualsIgnoringCase(*part.subtype, "plain")) return false;
  for (const Parameter& parameter : part.parameters) {
    if (!EqualsIgnoringCase(parameter.name, "charset") || !EqualsIgnoringCase(parameter.value, "us-ascii")) {
      return false;
    }
  }
  if (part.encoding && !EqualsIgnoringCase(*part.encoding, "7bit")) return false;
  return !part.id && !part.description && !part.md5 && !part.disposition && part.languages.empty() && !part.location;
}

void AppendMultipart(const Part& part, bool extended, std::string* out) {
  for (const Part& child : part.children) AppendPart(child, extended, out);
  if (part.children.empty()) {
    // The grammar wants at least one part.
    out->append("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
    out->append(extended ? " NIL NIL NIL NIL)" : ")");
  }
  out->push_back(' ');
  AppendImapString(*part.subtype, out);
  if (!extended) return;
  out->push_back(' ');
  AppendParameters(part.parameters, false, out);
  AppendCommonExtension(part, out);
}

void AppendTypes(const Part& part, std::string* out) {
  if (part.truncated) {
    out->append("\"application\" \"octet-stream\"");
  } else if (part.kind == Part::Kind::kMessage) {
    out->append("\"message\" \"rfc822\"");
  } else if (!part.type) {
    out->append("\"text\" \"plain\"");
  } else {
    AppendImapString(*part.type, out);
    out->push_back(' ');
    AppendImapString(*part.subtype, out);
  }
}

void AppendLeaf(const Part& part, bool extended, std::string* out) {
  AppendTypes(part, out);
  out->push_back(' ');
  AppendParameters(part.parameters, part.kind == Part::Kind::kText, out);
  out->push_back(' ');
  AppendImapNString(part.id, out);
  out->push_back(' ');
  AppendImapNString(part.description, out);
  out->push_back(' ');
  AppendImapString(part.encoding ? std::string_view(*part.encoding) : "7bit", out);
  out->push_back(' ');
  AppendNumber(part.body.size(), out);
  if (part.kind == Part::Kind::kMessage) {
    const Part& inside = part.children.front();
    out->push_back(' ');
    AppendEnvelope(*inside.envelope, out);
    out->push_back(' ');
    AppendPart(inside, extended, out);
  }
  if (part.kind == Part::Kind::kMessage || part.kind == Part::Kind::kText) {
    out->push_back(' ');
    AppendNumber(part.body_line_count, out);
  }
  if (!extended) return;
  out->push_back(' ');
  AppendImapNString(part.md5, out);
  AppendCommonExtension(part, out);
}

void AppendPart(const Part& part, bool extended, std::string* out) {
  out->push_back('(');
  if (part.kind == Part::Kind::kMultipart) {
    AppendMultipart(part, extended, out);
  } else {
    AppendLeaf(part, extended, out);
  }
  out->push_back(')');
}

}  // namespace

void AppendBodyStructure(const Part& root, bool extended, std::string* out) {
  if (!IsPlainSevenBit(root)) {
    AppendPart(root, extended, out);
    return;
  }
  out->append("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" ");
  AppendNumber(root.body.size(), out);
  out->push_back(' ');
  AppendNumber(root.body_line_count, out);
  out->append(extended ? " NIL NIL NIL NIL)" : ")");
}

}  // namespace postern::message
