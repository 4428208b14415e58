#include "core/config/postfix_lists.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr size_t kListDepthMax = 5;        // files that name files
constexpr size_t kClassDepthMax = 8;       // restriction classes inside each other: what sessions follow
constexpr size_t kRulesCountMax = 10'000;  // classes multiply: without a bound ten lines could fill the memory
constexpr size_t kPatternCountMax = 100'000;
constexpr size_t kActionsReportedMax = 5;  // of one table

// "hash:/path": a type name, a colon, and something. Not an IPv6 address.
bool IsTable(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) return false;
  if (IpAddress::Parse(text.substr(0, text.find('/')))) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(colon),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

// Digits, dots, slashes and colons only: meant as an address.
bool LooksLikeAddress(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789./:[]abcdefABCDEF") == std::string_view::npos &&
         (text.front() == '[' || text.find('/') != std::string_view::npos || IpAddress::Parse(text) ||
          text.find_first_not_of("0123456789.") == std::string_view::npos);
}

class ListBuilder {
 public:
  ListBuilder(const PostfixParameters& parameters, std::string_view name, ListKind kind)
      : parameters_(parameters), name_(name), kind_(kind) {}

  void Add(std::string_view text, size_t depth) {
    for (const std::string& element : SplitPostfixList(text)) {
      std::string_view rest = element;
      bool negated = false;
      while (rest.starts_with('!')) {
        negated = !negated;
        rest = Trim(rest.substr(1));
      }
      if (list_.patterns.size() >= kPatternCountMax || rest.empty()) continue;
      if (rest.starts_with('/')) {
        AddFile(std::string(rest), depth);
      } else {
        AddPattern(rest, negated);
      }
    }
  }
  MatchList Take() { return std::move(list_); }

 private:
  void AddFile(const std::string& path, size_t depth) {
    const auto text = parameters_.source().files->Read(path);
    if (!text.ok() || depth >= kListDepthMax) {
      parameters_.findings().Error("postfix-list-file", parameters_.PlaceOf(name_),
                                   std::string(name_) + " names the file " + path + ", which cannot be read",
                                   "create the file, or correct its name");
      return;
    }
    std::string joined;
    for (const LogicalLine& line : ReadLogicalLines(*text)) joined += line.text + " ";
    Add(joined, depth + 1);
  }

  void AddPattern(std::string_view text, bool negated) {
    MatchPattern pattern{.negated = negated, .text = LowerCase(text)};
    if (kind_ == ListKind::kClients && LooksLikeAddress(text)) {
      const auto network = Network::Parse(text);
      if (!network) {
        parameters_.findings().Error("postfix-bad-network", parameters_.PlaceOf(name_),
                                     "\"" + std::string(text) + "\" in " + std::string(name_) +
                                         " is no network: Postfix would stop at it (bits behind the prefix must be 0)",
                                     "write ADDRESS/BITS, IPv6 as [ADDRESS]/BITS");
        return;
      }
      pattern.kind = MatchPattern::Kind::kNetwork;
      pattern.network = *network;
    } else if (IsTable(text)) {
      pattern.kind = MatchPattern::Kind::kTable;
      pattern.text = std::string(text);
      pattern.table = parameters_.OpenTable(name_, text, TableFormat::kMap);
      if (pattern.table == nullptr) return;
    } else if (text.starts_with('.')) {
      pattern.kind = MatchPattern::Kind::kParentDomain;
    }
    list_.patterns.push_back(std::move(pattern));
  }

  const PostfixParameters& parameters_;
  const std::string_view name_;
  const ListKind kind_;
  MatchList list_;
};

class RestrictionBuilder {
 public:
  RestrictionBuilder(const PostfixParameters& parameters, std::string_view parameter)
      : parameters_(parameters), parameter_(parameter), classes_(parameters.List("smtpd_restriction_classes")) {}

  // The rules that `parameter`'s value lists.
  Restrictions Build(const std::string& parameter, size_t depth) {
    Restrictions rules;
    const std::vector<std::string> words = parameters_.List(parameter);
    bool warn_only = false;
    for (size_t i = 0; i < words.size() && rules_count_ < kRulesCountMax; ++i) {
      if (EqualsIgnoringCase(words[i], "warn_if_reject")) {
        warn_only = true;
        continue;
      }
      Restriction rule;
      rule.warn_only = std::exchange(warn_only, false);
      ++rules_count_;
      if (ParseRule(words, &i, depth, &rule)) rules.push_back(std::move(rule));
    }
    return rules;
  }

 private:
  bool ParseRule(const std::vector<std::string>& words, size_t* at, size_t depth, Restriction* rule) {
    const std::string word = words[*at];
    rule->name = LowerCase(word);
    if (std::find(classes_.begin(), classes_.end(), word) != classes_.end()) return ParseClass(word, depth, rule);
    if (IsTable(word)) {  // the old form: a table alone
      rule->name = AccessRuleOfList();
      return TakeTable(word, rule);
    }
    // "{ check_x_access type:table, option = value }" arrives as one word.
    if (const size_t blank = word.find(' '); blank != std::string::npos) {
      return ParseBraced(word, rule);
    }
    const RestrictionFacts* facts = FindRestriction(rule->name);
    if (facts == nullptr) return Unknown(word);
    if (!facts->supported) {
      if (facts->argument != RestrictionFacts::Argument::kNone && *at + 1 < words.size()) ++*at;
      return Unsupported(rule->name);
    }
    NoteOldName(*facts, rule);
    if (facts->argument == RestrictionFacts::Argument::kNone) return true;
    if (*at + 1 >= words.size()) return MissingArgument(rule->name);
    const std::string& argument = words[++*at];
    if (facts->argument == RestrictionFacts::Argument::kTable) return TakeTable(argument, rule);
    rule->argument = argument;
    return true;
  }

  bool ParseBraced(const std::string& word, Restriction* rule) {
    const std::vector<std::string> inner = SplitPostfixList(word);
    size_t at = 0;
    if (inner.empty() || inner[0] == word || inner[0].find(' ') != std::string::npos) return Unknown(word);
    return ParseRule(inner, &at, kClassDepthMax, rule);
  }

  bool ParseClass(const std::string& word, size_t depth, Restriction* rule) {
    rule->name = word;
    if (depth >= kClassDepthMax) {
      Error("postfix-restriction-class-loop", "restriction class " + word + " contains itself",
            "remove it from its list");
      return false;
    }
    rule->restriction_class = Build(word, depth + 1);
    return !rule->restriction_class.empty();  // an empty class decides nothing
  }

  bool TakeTable(const std::string& specification, Restriction* rule) {
    rule->argument = specification;
    rule->table = parameters_.OpenTable(parameter_, specification, TableFormat::kMap);
    if (rule->table == nullptr) return false;
    size_t reported = 0;
    rule->table->ForEachValue([&](std::string_view value) {
      if (IsAccessAction(value) || ++reported > kActionsReportedMax) return;
      Error("access-table-action",
            specification + " answers \"" + std::string(value.substr(0, 80)) +
                "\", which is no action that can be taken: its "
                "clients would get a temporary error",
            "write REJECT, OK, DUNNO, a reply code with text, or another action of access(5) but FILTER");
    });
    return true;
  }

  // access(5): a value that sessions understand. What is no action is a list of rules without arguments.
  static bool IsAccessAction(std::string_view value) {
    static constexpr std::string_view kActions[] = {"REJECT",          "DEFER",           "DUNNO", "OK",   "RELAY",
                                                    "DEFER_IF_REJECT", "DEFER_IF_PERMIT", "WARN",  "INFO", "HOLD",
                                                    "DISCARD"};
    static constexpr std::string_view kWithArgument[] = {"PREPEND", "REDIRECT", "BCC"};
    const std::string_view word = value.substr(0, value.find_first_of(" \t"));
    const auto is = [word](std::string_view action) { return EqualsIgnoringCase(word, action); };
    if (std::any_of(std::begin(kActions), std::end(kActions), is)) return true;
    if (std::any_of(std::begin(kWithArgument), std::end(kWithArgument), is))
      return !Trim(value.substr(word.size())).empty();
    if (!word.empty() && word.find_first_not_of("0123456789") == std::string_view::npos)
      return true;  // a code, or "1": OK
    const std::vector<std::string> rules = SplitPostfixList(value);
    return !rules.empty() && std::all_of(rules.begin(), rules.end(), [](const std::string& rule) {
      const RestrictionFacts* facts = FindRestriction(LowerCase(rule));
      return facts != nullptr && facts->supported && facts->argument == RestrictionFacts::Argument::kNone &&
             facts->present_name.empty() && rule != "warn_if_reject";
    });
  }

  std::string AccessRuleOfList() const {
    for (const std::string_view stage : {"client", "helo", "sender", "recipient", "etrn"}) {
      if (parameter_.find(stage) != std::string_view::npos) return "check_" + std::string(stage) + "_access";
    }
    return "check_recipient_access";
  }

  void NoteOldName(const RestrictionFacts& facts, Restriction* rule) {
    if (facts.present_name.empty()) return;
    parameters_.findings().Notice("postfix-restriction-deprecated", parameters_.PlaceOf(parameter_),
                                  rule->name + " in " + std::string(parameter_) + " is an old name",
                                  "write " + std::string(facts.present_name));
    rule->name = facts.present_name;
  }

  bool Unknown(const std::string& word) {
    Error("postfix-restriction-unknown",
          "\"" + word + "\" in " + std::string(parameter_) +
              " is no access rule: Postfix would answer every client with a temporary error",
          "correct its name, or declare it in smtpd_restriction_classes");
    return false;
  }
  bool Unsupported(const std::string& name) {
    Error("postfix-restriction-unsupported",
          name + " in " + std::string(parameter_) + " cannot be judged: what it refuses would be let in",
          "remove it, or put a rule in its place that needs no other service");
    return false;
  }
  bool MissingArgument(const std::string& name) {
    Error("postfix-restriction-argument", name + " at the end of " + std::string(parameter_) + " has nothing after it",
          "add its table or domain");
    return false;
  }
  void Error(std::string_view id, std::string what, std::string mend) {
    parameters_.findings().Error(id, parameters_.PlaceOf(parameter_), std::move(what), std::move(mend));
  }

  const PostfixParameters& parameters_;
  const std::string_view parameter_;
  const std::vector<std::string> classes_;
  size_t rules_count_ = 0;  // of all classes together
};

}  // namespace

MatchList ParseMatchList(const PostfixParameters& parameters, std::string_view name, std::string_view text,
                         ListKind kind) {
  ListBuilder builder(parameters, name, kind);
  builder.Add(text, 0);
  return builder.Take();
}

MatchList BuildMatchList(const PostfixParameters& parameters, std::string_view name, ListKind kind) {
  return ParseMatchList(parameters, name, parameters.Text(name), kind);
}

Restrictions BuildRestrictions(const PostfixParameters& parameters, std::string_view name) {
  return RestrictionBuilder(parameters, name).Build(std::string(name), 0);
}

}  // namespace postern::config
