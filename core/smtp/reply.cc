#include "core/smtp/reply.h"

namespace postern::smtp {
namespace {

void AppendSafe(std::string_view text, std::string* out) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    out->push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
}

}  // namespace

void AppendReply(const Reply& reply, std::string* out) {
  std::string_view rest = reply.text;
  for (;;) {
    const size_t end = rest.find('\n');
    const bool last = end == std::string_view::npos;
    *out += std::to_string(reply.code);
    *out += last ? ' ' : '-';
    if (!reply.enhanced.empty()) {
      *out += reply.enhanced;
      *out += ' ';
    }
    AppendSafe(rest.substr(0, end), out);
    *out += "\r\n";
    if (last) return;
    rest.remove_prefix(end + 1);
  }
}

std::string OneLine(const Reply& reply) {
  std::string line = std::to_string(reply.code) + " ";
  if (!reply.enhanced.empty()) line += reply.enhanced + " ";
  return line + reply.text;
}

}  // namespace postern::smtp
