#include "core/config/settings.h"

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// Does ".domain" (or "domain", where sub-domains count) cover `name`? `pattern` without its leading dot.
bool IsBelow(std::string_view name, std::string_view pattern) {
  return name.size() > pattern.size() + 1 && name.substr(name.size() - pattern.size()) == pattern &&
         name[name.size() - pattern.size() - 1] == '.';
}

bool TableHasName(const Table& table, const std::string& name, bool subdomains) {
  if (table.Find(name)) return true;
  if (table.is_pattern_table()) return false;
  // Parent domains: as "parent" where sub-domains are implied, as ".parent" else.
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    if (table.Find(std::string_view(name).substr(subdomains ? dot + 1 : dot))) return true;
  }
  return false;
}

}  // namespace

bool MatchList::MatchesName(std::string_view text, bool subdomains) const {
  const std::string name = LowerCase(text);
  for (const MatchPattern& pattern : patterns) {
    bool matches = false;
    switch (pattern.kind) {
      case MatchPattern::Kind::kName:
        matches = name == pattern.text || (subdomains && IsBelow(name, pattern.text));
        break;
      case MatchPattern::Kind::kParentDomain:
        matches = IsBelow(name, std::string_view(pattern.text).substr(pattern.text.starts_with('.') ? 1 : 0));
        break;
      case MatchPattern::Kind::kNetwork:
        break;
      case MatchPattern::Kind::kTable:
        matches = pattern.table && TableHasName(*pattern.table, name, subdomains);
        break;
    }
    if (matches) return !pattern.negated;
  }
  return false;
}

bool MatchList::MatchesClient(const IpAddress& address, std::string_view host_name) const {
  const std::string name = LowerCase(host_name);
  std::string address_text;
  for (const MatchPattern& pattern : patterns) {
    bool matches = false;
    switch (pattern.kind) {
      case MatchPattern::Kind::kName:
        matches = !name.empty() && (name == pattern.text || IsBelow(name, pattern.text));
        break;
      case MatchPattern::Kind::kParentDomain:
        matches = IsBelow(name, std::string_view(pattern.text).substr(pattern.text.starts_with('.') ? 1 : 0));
        break;
      case MatchPattern::Kind::kNetwork:
        matches = pattern.network.Contains(address);
        break;
      case MatchPattern::Kind::kTable:
        if (address_text.empty()) address_text = address.ToString();
        matches = pattern.table && (pattern.table->Find(address_text) || (!name.empty() && pattern.table->Find(name)));
        break;
    }
    if (matches) return !pattern.negated;
  }
  return false;
}

}  // namespace postern::config
