#include "core/config/postfix_expand.h"

#include <algorithm>
#include <array>

#include "core/config/value.h"

namespace postern::config {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// The position after the bracket that closes the one at `at`; npos where none does.
size_t SkipBalanced(std::string_view text, size_t at) {
  const char open = text[at];
  const char close = open == '{' ? '}' : ')';
  int depth = 0;
  for (; at < text.size(); ++at) {
    if (text[at] == open) ++depth;
    if (text[at] == close && --depth == 0) return at + 1;
  }
  return std::string_view::npos;
}

size_t SkipSpace(std::string_view text, size_t at) {
  while (at < text.size() && IsSpace(text[at])) ++at;
  return at;
}

// What stands between "${" and "}", taken apart.
struct Reference {
  bool comparison = false;
  std::string_view name;               // of a parameter
  std::string_view left, op, right;    // of a comparison
  char selector = '\0';                // '?', ':' or none
  std::string_view chosen, otherwise;  // the texts after ? and after the second : (or after a first :)
  bool has_otherwise = false;
  std::string problem;
};

// "{text}" at `at` (white space before it skipped): its inside, and the position after it.
bool TakeBraced(std::string_view text, size_t* at, std::string_view* inside) {
  const size_t start = SkipSpace(text, *at);
  if (start >= text.size() || text[start] != '{') return false;
  const size_t end = SkipBalanced(text, start);
  if (end == std::string_view::npos) return false;
  *inside = Trim(text.substr(start + 1, end - start - 2));
  *at = end;
  return true;
}

std::string_view TakeOperator(std::string_view text, size_t* at) {
  static constexpr std::array<std::string_view, 12> kOperators = {
      "==level", "!=level", "<=level", ">=level", "<level", ">level", "==", "!=", "<=", ">=", "<", ">"};
  *at = SkipSpace(text, *at);
  for (const std::string_view op : kOperators) {
    if (text.substr(*at, op.size()) == op) {
      *at += op.size();
      return op;
    }
  }
  return {};
}

void TakeChoices(std::string_view inside, size_t at, Reference* reference) {
  at = SkipSpace(inside, at);
  if (at >= inside.size()) return;
  reference->selector = inside[at];
  if (reference->selector != '?' && reference->selector != ':') {
    reference->problem = "\"" + std::string(inside) + "\" has \"" + inside[at] + "\" where ? or : belongs";
    return;
  }
  ++at;
  const size_t text_start = at;
  if (!TakeBraced(inside, &at, &reference->chosen)) {
    reference->chosen = inside.substr(text_start);  // the old form: everything up to the closing brace
    return;
  }
  at = SkipSpace(inside, at);
  if (at >= inside.size()) return;
  if (reference->selector == '?' && inside[at] == ':') {
    ++at;
    reference->has_otherwise = true;
    if (TakeBraced(inside, &at, &reference->otherwise) && SkipSpace(inside, at) >= inside.size()) return;
  }
  reference->problem =
      "\"" + std::string(inside) + "\" goes wrong after its first {text}: \":{text}\" or the end belongs there";
}

Reference TakeApart(std::string_view inside) {
  Reference reference;
  size_t at = SkipSpace(inside, 0);
  if (at < inside.size() && inside[at] == '{') {
    reference.comparison = true;
    bool good = TakeBraced(inside, &at, &reference.left);
    reference.op = good ? TakeOperator(inside, &at) : std::string_view();
    good = good && !reference.op.empty() && TakeBraced(inside, &at, &reference.right);
    if (!good) {
      reference.problem = "\"" + std::string(inside) + "\" is no comparison {x} op {y}";
      return reference;
    }
  } else {
    const size_t start = at;
    while (at < inside.size() && IsNameCharacter(inside[at])) ++at;
    reference.name = inside.substr(start, at - start);
    if (reference.name.empty()) {
      reference.problem = "\"${" + std::string(inside) + "}\" names no parameter";
      return reference;
    }
  }
  TakeChoices(inside, at, &reference);
  return reference;
}

bool Compare(std::string_view a, std::string_view op, std::string_view b, std::vector<std::string>* problems) {
  int order = 0;
  if (op.size() > 5 && op.substr(op.size() - 5) == "level") {
    op.remove_suffix(5);
    const auto levels = CompareLevels(a, b);
    if (!levels)
      problems->push_back("\"" + std::string(a) + "\" or \"" + std::string(b) + "\" is no compatibility level");
    order = levels.value_or(0);
  } else if (const auto x = ParseUnsigned(a), y = ParseUnsigned(b); x && y) {
    order = *x < *y ? -1 : *x > *y ? 1 : 0;
  } else {
    order = a.compare(b);
  }
  if (op == "==") return order == 0;
  if (op == "!=") return order != 0;
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

constexpr size_t kReferenceWork = 16;  // a reference costs about as much as this many bytes of text

class Expander {
 public:
  Expander(const ParameterLookup& lookup, Expansion* result) : lookup_(lookup), result_(result) {}

  void Expand(std::string_view text, size_t depth, std::string* out) {
    if (depth > kExpandDepthMax) return Stop("too many names inside each other");
    for (size_t at = 0; at < text.size() && !stopped_;) {
      if (text[at] != '$') {
        const size_t next = std::min(text.find('$', at), text.size());
        Append(text.substr(at, next - at), out);
        at = next;
      } else if (at + 1 < text.size() && text[at + 1] == '$') {
        Append("$", out);
        at += 2;
      } else {
        at = ExpandReference(text, at + 1, depth, out);
      }
    }
  }

 private:
  // A reference whose "$" is before `at`; returns the position after it.
  size_t ExpandReference(std::string_view text, size_t at, size_t depth, std::string* out) {
    if (at < text.size() && (text[at] == '{' || text[at] == '(')) {
      const size_t end = SkipBalanced(text, at);
      if (end == std::string_view::npos) {
        Problem("\"$" + std::string(text.substr(at, 40)) + "\" is never closed");
        return text.size();
      }
      const Reference reference = TakeApart(text.substr(at + 1, end - at - 2));
      if (!reference.problem.empty()) {
        Problem(reference.problem);
      } else {
        Resolve(reference, depth, out);
      }
      return end;
    }
    const size_t start = at;
    while (at < text.size() && IsNameCharacter(text[at])) ++at;
    if (at == start) {
      Problem("a \"$\" names no parameter; a dollar itself is written \"$$\"");
      return at;
    }
    Resolve(Reference{.name = text.substr(start, at - start)}, depth, out);
    return at;
  }

  void Resolve(const Reference& reference, size_t depth, std::string* out) {
    std::string value;
    bool holds = false;
    if (reference.comparison) {
      std::string left, right;
      Expand(reference.left, depth + 1, &left);
      Expand(reference.right, depth + 1, &right);
      holds = Compare(left, reference.op, right, &result_->problems);
      if (reference.selector == '\0') value = holds ? "true" : "";
    } else {
      Value(reference.name, depth, reference.selector == '\0', &value);
      holds = !value.empty();
    }
    if (reference.selector == '\0') {
      Append(value, out);
    } else if (holds == (reference.selector == '?')) {
      Expand(reference.chosen, depth + 1, out);
    } else if (reference.has_otherwise) {
      Expand(reference.otherwise, depth + 1, out);
    }
  }

  void Value(std::string_view name, size_t depth, bool must_exist, std::string* out) {
    if (stopped_) return;
    if (std::find(open_.begin(), open_.end(), name) != open_.end()) {
      return Problem("$" + std::string(name) + " refers to itself");
    }
    const std::optional<std::string> raw = lookup_(name);
    if (!raw) {
      auto& undefined = result_->undefined;
      if (must_exist && std::find(undefined.begin(), undefined.end(), name) == undefined.end()) {
        undefined.emplace_back(name);
      }
      return;
    }
    // Values that come out empty write nothing: their reading counts, too.
    work_done_ += raw->size() + kReferenceWork;
    if (work_done_ > kExpandWorkMax) return Stop("the names it refers to repeat each other without end");
    open_.emplace_back(name);
    Expand(*raw, depth + 1, out);
    open_.pop_back();
  }

  void Append(std::string_view text, std::string* out) {
    if (stopped_) return;
    if (written_bytes_ + text.size() > kExpandedBytesMax) {
      return Stop("its value, with all it refers to, grows beyond " + std::to_string(kExpandedBytesMax) + " bytes");
    }
    written_bytes_ += text.size();
    *out += text;
  }

  // A bound is reached: nothing more is read or written, so that what is left of the text costs nothing.
  void Stop(std::string text) {
    if (!stopped_) Problem(std::move(text));
    stopped_ = true;
  }

  void Problem(std::string text) {
    auto& problems = result_->problems;
    if (problems.size() < 8 && std::find(problems.begin(), problems.end(), text) == problems.end()) {
      problems.push_back(std::move(text));
    }
  }

  const ParameterLookup& lookup_;
  Expansion* result_;
  std::vector<std::string> open_;  // the names being expanded, outermost first
  size_t written_bytes_ = 0;       // over all intermediate texts
  size_t work_done_ = 0;           // values read so far, in bytes and kReferenceWork
  bool stopped_ = false;           // a bound was reached
};

void CollectReferences(std::string_view text, size_t depth, std::vector<std::string>* names) {
  if (depth > kExpandDepthMax) return;
  for (size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at)) {
    ++at;
    if (at >= text.size()) return;
    if (text[at] == '$') {
      ++at;
    } else if (text[at] == '{' || text[at] == '(') {
      const size_t end = SkipBalanced(text, at);
      if (end == std::string_view::npos) return;
      const Reference reference = TakeApart(text.substr(at + 1, end - at - 2));
      if (!reference.name.empty()) names->emplace_back(reference.name);
      for (const std::string_view part : {reference.left, reference.right, reference.chosen, reference.otherwise}) {
        CollectReferences(part, depth + 1, names);
      }
      at = end;
    } else {
      const size_t start = at;
      while (at < text.size() && IsNameCharacter(text[at])) ++at;
      if (at > start) names->emplace_back(text.substr(start, at - start));
    }
  }
}

}  // namespace

Expansion ExpandParameters(std::string_view text, const ParameterLookup& lookup) {
  Expansion result;
  std::string out;
  Expander(lookup, &result).Expand(text, 0, &out);
  result.text = std::move(out);
  return result;
}

std::vector<std::string> ReferencedParameters(std::string_view text) {
  std::vector<std::string> names;
  CollectReferences(text, 0, &names);
  return names;
}

std::optional<int> CompareLevels(std::string_view a, std::string_view b) {
  std::array<std::array<uint64_t, 3>, 2> levels{};
  std::string_view texts[] = {Trim(a), Trim(b)};
  for (size_t i = 0; i < 2; ++i) {
    for (size_t part = 0; !texts[i].empty() || part == 0; ++part) {
      if (part == 3) return std::nullopt;
      const size_t dot = texts[i].find('.');
      const auto number = ParseUnsigned(texts[i].substr(0, dot));
      if (!number) return std::nullopt;
      levels[i][part] = *number;
      if (dot == std::string_view::npos) break;
      texts[i].remove_prefix(dot + 1);
      if (texts[i].empty()) return std::nullopt;
    }
  }
  return levels[0] < levels[1] ? -1 : levels[0] > levels[1] ? 1 : 0;
}

}  // namespace postern::config
