// The laws of a tree of parts, for tests that feed arbitrary bytes.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "core/message/charset.h"
#include "core/message/decode.h"
#include "core/message/header.h"
#include "core/message/mime.h"
#include "core/message/search_text.h"
#include "core/message/structure.h"

namespace postern::message {

// "" or what is wrong with `part`, whose bytes must lie in [begin, end) of `message`.
inline std::string BrokenLaw(std::string_view message, const Part& part, uint64_t begin, uint64_t end, int depth) {
  const auto lines = [&](Range range) {
    const std::string_view bytes = message.substr(range.begin, range.size());
    return static_cast<uint64_t>(std::count(bytes.begin(), bytes.end(), '\n'));
  };
  if (depth > kPartDepthMax) return "too deep";
  if (part.header.begin > part.header.end || part.body.begin > part.body.end) return "a range ends before it begins";
  if (part.header.end != part.body.begin) return "a gap between header and body";
  if (part.header.begin < begin || part.body.end > end) return "outside of its parent";
  if (part.header_line_count != lines(part.header)) return "lines of the header";
  if (part.body_line_count != lines(part.body)) return "lines of the body";
  if (part.type.has_value() != part.subtype.has_value()) return "a type without a subtype";
  if (part.type && !part.is_mime) return "a type without MIME";
  if (part.kind == Part::Kind::kMessage && part.children.size() != 1) return "a message without a message";
  if (part.kind == Part::Kind::kMessage && !part.children[0].envelope) return "a message without an envelope";
  if ((part.kind == Part::Kind::kText || part.kind == Part::Kind::kOther) && !part.children.empty()) return "children";
  uint64_t at = part.body.begin;
  for (const Part& child : part.children) {
    const std::string broken = BrokenLaw(message, child, at, part.body.end, depth + 1);
    if (!broken.empty()) return broken;
    at = child.body.end;
  }
  return {};
}

// Whether parentheses, quotes and literals of IMAP text are balanced, as a client's tokenizer sees them.
inline bool IsBalanced(std::string_view text) {
  int depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '(') {
      ++depth;
    } else if (text[i] == ')') {
      if (--depth < 0) return false;
    } else if (text[i] == '"') {
      for (++i; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] == '\r' || text[i] == '\n' || static_cast<unsigned char>(text[i]) >= 128) return false;
        if (text[i] == '\\') ++i;
      }
    } else if (text[i] == '{') {
      const size_t close = text.find("}\r\n", i);
      if (close == std::string_view::npos) return false;
      i = close + 2 + std::stoul(std::string(text.substr(i + 1, close - i - 1)));
    }
  }
  return depth == 0;
}

// Everything this room can say of `message` (with CRLF line ends): "" or the law that is broken.
inline std::string BrokenLaw(std::string_view message) {
  const Part root = ParseMessage(message);
  if (root.header.begin != 0 || root.body.end != message.size()) return "the root is not the whole message";
  if (HeaderBlock(message).size() != root.header.end) return "the header's end";
  if (std::string broken = BrokenLaw(message, root, 0, message.size(), 1); !broken.empty()) return broken;
  std::string out;
  AppendEnvelope(*root.envelope, &out);
  if (!IsBalanced(out)) return "ENVELOPE is not balanced";
  for (const bool extended : {false, true}) {
    out.clear();
    AppendBodyStructure(root, extended, &out);
    if (!IsBalanced(out)) return "BODYSTRUCTURE is not balanced";
  }
  out.clear();
  AppendBinary(message, root, true, &out);
  const std::string_view header = message.substr(0, root.header.end);
  if (!IsValidUtf8(DecodedHeader(header))) return "decoded text is not UTF-8";
  if (!IsValidUtf8(SortSubject(header))) return "a sort key is not UTF-8";
  TextContains(message, root, Needle("\xC3\xA9 e"), SearchIn::kText);
  HeaderContains(header, "To", Needle("x"), HeaderForm::kAddresses);
  ThreadInputOf(header);
  return {};
}

}  // namespace postern::message
