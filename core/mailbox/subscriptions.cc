#include "core/mailbox/subscriptions.h"

#include <algorithm>

namespace postern::mailbox {
namespace {

// Dovecot's tab escaping: \001 followed by 0, 1, t, r or n.
std::string Escape(std::string_view level) {
  std::string text;
  for (const char c : level) {
    switch (c) {
      case '\0':
        text += "\0010";
        break;
      case '\001':
        text += "\0011";
        break;
      case '\t':
        text += "\001t";
        break;
      case '\r':
        text += "\001r";
        break;
      case '\n':
        text += "\001n";
        break;
      default:
        text += c;
    }
  }
  return text;
}

bool Unescape(std::string_view text, std::string* level) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\001') {
      *level += text[i];
      continue;
    }
    if (++i == text.size()) return false;
    switch (text[i]) {
      case '0':
        *level += '\0';
        break;
      case '1':
        *level += '\001';
        break;
      case 't':
        *level += '\t';
        break;
      case 'r':
        *level += '\r';
        break;
      case 'n':
        *level += '\n';
        break;
      default:
        return false;
    }
  }
  return true;
}

}  // namespace

Subscriptions ParseSubscriptions(std::string_view text) {
  Subscriptions found;
  found.version = text.empty() || text.starts_with("V\t2") ? 2 : 1;
  if (text.starts_with("V\t")) {  // the header and the empty line behind it
    const size_t end = text.find("\n\n");
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 2);
  }
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty()) continue;
    if (found.version == 1) {
      found.names.emplace(line);
      continue;
    }
    std::string name;
    bool good = true;
    std::string_view levels = line;
    for (bool first = true; good; first = false) {
      const size_t tab = levels.find('\t');
      if (!first) name += '.';
      good = Unescape(levels.substr(0, tab), &name);
      if (tab == std::string_view::npos) break;
      levels.remove_prefix(tab + 1);
    }
    if (good) {
      found.names.insert(std::move(name));
    } else {
      found.unreadable_lines.emplace_back(line);
    }
  }
  return found;
}

std::string FormatSubscriptions(const Subscriptions& subscriptions) {
  std::string text = subscriptions.version == 2 ? "V\t2\n\n" : "";
  for (const std::string& name : subscriptions.names) {
    if (subscriptions.version == 1) {
      text += name;
    } else {
      size_t at = 0;
      while (true) {
        const size_t dot = name.find('.', at);
        text += Escape(std::string_view(name).substr(at, dot == std::string::npos ? dot : dot - at));
        if (dot == std::string::npos) break;
        text += '\t';
        at = dot + 1;
      }
    }
    text += '\n';
  }
  for (const std::string& line : subscriptions.unreadable_lines) text += line + "\n";
  return text;
}

}  // namespace postern::mailbox
