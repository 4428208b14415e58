#define PCRE2_CODE_UNIT_WIDTH 8
#include "core/config/pattern_table.h"

#include <pcre2.h>

#include <optional>
#include <vector>

#include "core/base/ascii.h"
#include "core/base/ip.h"
#include "core/config/postfix_syntax.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr uint32_t kMatchLimit = 1'000'000;  // PCRE2 steps of one match; backtracking beyond it counts as no match
constexpr uint32_t kHeapLimitKib = 8 * 1024;
constexpr size_t kSubjectBytesMax = 64 * 1024;

struct FreePattern {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

// A row of either kind of table.
struct Rule {
  enum class Kind : uint8_t { kMatch, kIf, kEndif } kind = Kind::kMatch;
  bool negated = false;
  std::shared_ptr<pcre2_code> pattern;
  Network network;
  std::string text;  // the pattern as written
  std::string value;
  uint32_t line = 0;
  size_t endif = 0;  // of kIf: the index of its kEndif, or the number of rules
};

void VisitRows(const std::vector<Rule>& rules, const std::string& file,
               const std::function<void(const TableRow&)>& visit) {
  for (const Rule& rule : rules) {
    if (rule.kind == Rule::Kind::kMatch) {
      visit({.file = file, .line = rule.line, .key = rule.text, .value = rule.value});
    }
  }
}

// Pairs if and endif.
void LinkBlocks(std::vector<Rule>* rules, const std::string& file, FindingList* findings) {
  std::vector<size_t> open;
  for (size_t i = 0; i < rules->size(); ++i) {
    Rule& rule = (*rules)[i];
    rule.endif = rules->size();
    if (rule.kind == Rule::Kind::kIf) open.push_back(i);
    if (rule.kind == Rule::Kind::kEndif && !open.empty()) {
      (*rules)[open.back()].endif = i;
      open.pop_back();
    }
  }
  if (!open.empty()) {
    findings->Warning("table-unclosed-if", {file, 0}, "an \"if\" has no \"endif\": it reaches to the end of the table",
                      "add the endif");
  }
}

// The capture groups of one match: offsets into the subject.
struct Captures {
  const PCRE2_SIZE* offsets = nullptr;
  uint32_t count = 0;
};

std::string Substitute(std::string_view value, std::string_view subject, const Captures& captures) {
  std::string out;
  for (size_t at = 0; at < value.size();) {
    if (value[at] != '$' || at + 1 == value.size()) {
      out += value[at++];
      continue;
    }
    if (value[at + 1] == '$') {
      out += '$';
      at += 2;
      continue;
    }
    size_t digits = at + 1;
    const char open = value[digits];
    const bool bracketed = open == '{' || open == '(';
    if (bracketed) ++digits;
    size_t end = digits;
    while (end < value.size() && value[end] >= '0' && value[end] <= '9') ++end;
    const auto group = ParseUnsigned(value.substr(digits, end - digits));
    if (!group) {
      out += value[at++];
      continue;
    }
    if (bracketed && end < value.size()) ++end;
    if (*group < captures.count && captures.offsets[2 * *group] != PCRE2_UNSET) {
      const size_t from = captures.offsets[2 * *group], to = captures.offsets[2 * *group + 1];
      if (from <= to && to <= subject.size()) out += subject.substr(from, to - from);
    }
    at = end;
  }
  return out;
}

class RegularExpressionTable : public Table {
 public:
  RegularExpressionTable(std::string name, std::string file, std::vector<Rule> rules)
      : Table(std::move(name)), file_(std::move(file)), rules_(std::move(rules)) {}

  bool is_pattern_table() const override { return true; }
  void ForEach(const std::function<void(std::string_view, std::string_view)>&) const override {}
  void ForEachValue(const std::function<void(std::string_view)>& visit) const override {
    for (const Rule& rule : rules_) {
      if (rule.kind == Rule::Kind::kMatch) visit(rule.value);
    }
  }
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override { VisitRows(rules_, file_, visit); }

  std::optional<std::string> Find(std::string_view key) const override {
    if (key.size() > kSubjectBytesMax) return std::nullopt;
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(100, nullptr));
    const std::unique_ptr<pcre2_match_context, FreeContext> context(pcre2_match_context_create(nullptr));
    if (match == nullptr || context == nullptr) return std::nullopt;
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    for (size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.kind == Rule::Kind::kEndif) continue;
      const int count = pcre2_match(rule.pattern.get(), reinterpret_cast<PCRE2_SPTR>(key.data()), key.size(), 0, 0,
                                    match.get(), context.get());
      if ((count >= 0) == rule.negated) {
        if (rule.kind == Rule::Kind::kIf) i = rule.endif;
        continue;
      }
      if (rule.kind == Rule::Kind::kIf) continue;
      Captures captures;
      if (!rule.negated) {
        captures = {pcre2_get_ovector_pointer(match.get()), static_cast<uint32_t>(count)};
      }
      return Substitute(rule.value, key, captures);
    }
    return std::nullopt;
  }

 private:
  const std::string file_;
  const std::vector<Rule> rules_;
};

class CidrTable : public Table {
 public:
  CidrTable(std::string name, std::string file, std::vector<Rule> rules)
      : Table(std::move(name)), file_(std::move(file)), rules_(std::move(rules)) {}

  bool is_pattern_table() const override { return true; }
  void ForEach(const std::function<void(std::string_view, std::string_view)>&) const override {}
  void ForEachValue(const std::function<void(std::string_view)>& visit) const override {
    for (const Rule& rule : rules_) {
      if (rule.kind == Rule::Kind::kMatch) visit(rule.value);
    }
  }
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override { VisitRows(rules_, file_, visit); }

  std::optional<std::string> Find(std::string_view key) const override {
    const auto address = IpAddress::Parse(key);
    if (!address) return std::nullopt;
    for (size_t i = 0; i < rules_.size(); ++i) {
      const Rule& rule = rules_[i];
      if (rule.kind == Rule::Kind::kEndif) continue;
      // A pattern of the other family matches nothing, negated or not.
      const bool holds = rule.network.address.v6 == address->v6 && rule.network.Contains(*address) != rule.negated;
      if (rule.kind == Rule::Kind::kIf) {
        if (!holds) i = rule.endif;
      } else if (holds) {
        return rule.value;
      }
    }
    return std::nullopt;
  }

 private:
  const std::string file_;
  const std::vector<Rule> rules_;
};

// Flags after the closing delimiter. Both kinds ignore case and let "." match a newline unless told otherwise.
std::optional<uint32_t> ParseFlags(std::string_view flags, bool pcre) {
  uint32_t options = PCRE2_CASELESS | (pcre ? PCRE2_DOTALL : 0);
  for (const char c : flags) {
    if (c == 'i') {
      options ^= PCRE2_CASELESS;
    } else if (c == 'm') {
      options ^= PCRE2_MULTILINE;
    } else if (c == 'x' && pcre) {
      options ^= PCRE2_EXTENDED;
    } else if (c == 'x') {
      continue;  // extended expressions are the only kind
    } else if (c == 's' && pcre) {
      options ^= PCRE2_DOTALL;
    } else if (c == 'A' && pcre) {
      options ^= PCRE2_ANCHORED;
    } else if (c == 'E' && pcre) {
      options ^= PCRE2_DOLLAR_ENDONLY;
    } else if (c == 'U' && pcre) {
      options ^= PCRE2_UNGREEDY;
    } else if (c == 'X' && pcre) {
      continue;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

// "/pattern/flags" at the start of *text, which is moved behind it. Null: *problem says why.
std::shared_ptr<pcre2_code> TakePattern(std::string_view* text, bool pcre, std::string* problem) {
  const char delimiter = text->empty() ? '\0' : text->front();
  if (delimiter == '\0' || IsSpace(delimiter) || (delimiter >= '0' && delimiter <= '9') ||
      (delimiter >= 'a' && delimiter <= 'z') || (delimiter >= 'A' && delimiter <= 'Z')) {
    *problem = "a pattern starts with a delimiter such as \"/\"";
    return nullptr;
  }
  size_t end = 1;
  while (end < text->size() && (*text)[end] != delimiter) end += (*text)[end] == '\\' ? 2 : 1;
  if (end >= text->size()) {
    *problem = "the pattern's closing delimiter is missing";
    return nullptr;
  }
  const std::string_view pattern = text->substr(1, end - 1);
  size_t flags_end = end + 1;
  while (flags_end < text->size() && !IsSpace((*text)[flags_end])) ++flags_end;
  const auto options = ParseFlags(text->substr(end + 1, flags_end - end - 1), pcre);
  *text = Trim(text->substr(flags_end));
  if (!options) {
    *problem = "unknown flag after the pattern";
    return nullptr;
  }
  int error = 0;
  PCRE2_SIZE error_at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), *options, &error, &error_at, nullptr);
  if (code == nullptr) {
    PCRE2_UCHAR message[160] = {};
    pcre2_get_error_message(error, message, sizeof message);
    *problem =
        "in the pattern at character " + std::to_string(error_at) + ": " + reinterpret_cast<const char*>(message);
    return nullptr;
  }
  return std::shared_ptr<pcre2_code>(code, FreePattern());
}

// "if" and "endif" at the start of a row; the rest stays in *text.
void TakeKeyword(std::string_view* text, Rule* rule) {
  const size_t word = std::min(text->find_first_of(" \t/!"), text->size());
  if (EqualsIgnoringCase(text->substr(0, word), "endif")) {
    rule->kind = Rule::Kind::kEndif;
  } else if (EqualsIgnoringCase(text->substr(0, word), "if")) {
    rule->kind = Rule::Kind::kIf;
    *text = Trim(text->substr(word));
  }
  if (rule->kind != Rule::Kind::kEndif && text->starts_with('!')) {
    rule->negated = true;
    *text = Trim(text->substr(1));
  }
}

void RowError(const std::string& file, uint32_t line, const std::string& problem, FindingList* findings) {
  findings->Error("table-row", {file, line}, problem + ": the row would be skipped, and what it decides with it",
                  "correct the row");
}

}  // namespace

TablePtr MakeRegularExpressionTable(std::string name, bool pcre, std::string_view text, const std::string& file,
                                    FindingList* findings) {
  std::vector<Rule> rules;
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    std::string_view rest = Trim(line.text);
    Rule rule{.line = line.number};
    TakeKeyword(&rest, &rule);
    if (rule.kind != Rule::Kind::kEndif) {
      std::string problem;
      const std::string_view whole = rest;
      rule.pattern = TakePattern(&rest, pcre, &problem);
      rule.text = std::string(Trim(whole.substr(0, whole.size() - rest.size())));
      if (rule.pattern == nullptr) {
        RowError(file, line.number, problem, findings);
        continue;
      }
      if (rule.kind == Rule::Kind::kMatch && rest.empty()) {
        findings->Warning("table-row-without-value", {file, line.number}, "the row has no value after its pattern",
                          "add the value");
      }
      rule.value = std::string(rest);
    }
    rules.push_back(std::move(rule));
  }
  LinkBlocks(&rules, file, findings);
  return std::make_shared<RegularExpressionTable>(std::move(name), file, std::move(rules));
}

TablePtr MakeCidrTable(std::string name, std::string_view text, const std::string& file, FindingList* findings) {
  std::vector<Rule> rules;
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    std::string_view rest = Trim(line.text);
    Rule rule{.line = line.number};
    TakeKeyword(&rest, &rule);
    if (rule.kind != Rule::Kind::kEndif) {
      const size_t blank = std::min(rest.find_first_of(" \t"), rest.size());
      const auto network = Network::Parse(rest.substr(0, blank));
      rule.text = std::string(rest.substr(0, blank));
      rule.value = std::string(Trim(rest.substr(blank)));
      if (!network) {
        RowError(file, line.number, "\"" + std::string(rest.substr(0, blank)) + "\" is no network address/bits",
                 findings);
        continue;
      }
      rule.network = *network;
    }
    rules.push_back(std::move(rule));
  }
  LinkBlocks(&rules, file, findings);
  return std::make_shared<CidrTable>(std::move(name), file, std::move(rules));
}

}  // namespace postern::config
