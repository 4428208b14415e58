// SEARCH (RFC 3501 section 6.4.4, RFC 4731), SORT and THREAD (RFC 5256).
#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/parser_commands.h"

namespace postern::imap {
namespace {

using KeyKind = SearchKey::Kind;

enum class Argument : uint8_t { kNone, kDate, kText, kKeyword, kSize, kInterval, kUidSet, kHeader, kModSeq };

struct KeyName {
  std::string_view name;
  KeyKind kind;
  Argument argument = Argument::kNone;
  Flags flag = 0;
  bool negated = false;
  std::string_view header = {};
};

constexpr KeyName kKeyNames[] = {
    {"ALL", KeyKind::kAll},
    {"ANSWERED", KeyKind::kFlag, Argument::kNone, kAnswered},
    {"BCC", KeyKind::kHeader, Argument::kText, 0, false, "Bcc"},
    {"BEFORE", KeyKind::kBefore, Argument::kDate},
    {"BODY", KeyKind::kBody, Argument::kText},
    {"CC", KeyKind::kHeader, Argument::kText, 0, false, "Cc"},
    {"DELETED", KeyKind::kFlag, Argument::kNone, kDeleted},
    {"DRAFT", KeyKind::kFlag, Argument::kNone, kDraft},
    {"EMAILID", KeyKind::kEmailId, Argument::kText},
    {"FLAGGED", KeyKind::kFlag, Argument::kNone, kFlagged},
    {"FROM", KeyKind::kHeader, Argument::kText, 0, false, "From"},
    {"HEADER", KeyKind::kHeader, Argument::kHeader},
    {"KEYWORD", KeyKind::kKeyword, Argument::kKeyword},
    {"LARGER", KeyKind::kLarger, Argument::kSize},
    {"MODSEQ", KeyKind::kModSeq, Argument::kModSeq},
    {"OLD", KeyKind::kFlag, Argument::kNone, kRecent, true},
    {"OLDER", KeyKind::kOlder, Argument::kInterval},
    {"ON", KeyKind::kOn, Argument::kDate},
    {"RECENT", KeyKind::kFlag, Argument::kNone, kRecent},
    {"SAVEDATESUPPORTED", KeyKind::kSaveDateSupported},
    {"SAVEDBEFORE", KeyKind::kSavedBefore, Argument::kDate},
    {"SAVEDON", KeyKind::kSavedOn, Argument::kDate},
    {"SAVEDSINCE", KeyKind::kSavedSince, Argument::kDate},
    {"SEEN", KeyKind::kFlag, Argument::kNone, kSeen},
    {"SENTBEFORE", KeyKind::kSentBefore, Argument::kDate},
    {"SENTON", KeyKind::kSentOn, Argument::kDate},
    {"SENTSINCE", KeyKind::kSentSince, Argument::kDate},
    {"SINCE", KeyKind::kSince, Argument::kDate},
    {"SMALLER", KeyKind::kSmaller, Argument::kSize},
    {"SUBJECT", KeyKind::kHeader, Argument::kText, 0, false, "Subject"},
    {"TEXT", KeyKind::kText, Argument::kText},
    {"THREADID", KeyKind::kThreadId, Argument::kText},
    {"TO", KeyKind::kHeader, Argument::kText, 0, false, "To"},
    {"UID", KeyKind::kUid, Argument::kUidSet},
    {"UNANSWERED", KeyKind::kFlag, Argument::kNone, kAnswered, true},
    {"UNDELETED", KeyKind::kFlag, Argument::kNone, kDeleted, true},
    {"UNDRAFT", KeyKind::kFlag, Argument::kNone, kDraft, true},
    {"UNFLAGGED", KeyKind::kFlag, Argument::kNone, kFlagged, true},
    {"UNKEYWORD", KeyKind::kKeyword, Argument::kKeyword, 0, true},
    {"UNSEEN", KeyKind::kFlag, Argument::kNone, kSeen, true},
    {"YOUNGER", KeyKind::kYounger, Argument::kInterval},
};

// date-text: 1*2DIGIT "-" month "-" 4DIGIT. A day that its month lacks rolls over, as in Dovecot.
bool ParseSearchDate(std::string_view text, SearchDate* date) {
  constexpr std::string_view kMonths = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC";
  const auto digits = [&](size_t at_most, size_t* count) {
    int value = 0;
    for (*count = 0; *count < at_most && !text.empty() && text.front() >= '0' && text.front() <= '9'; ++*count) {
      value = value * 10 + (text.front() - '0');
      text.remove_prefix(1);
    }
    return value;
  };
  size_t count = 0;
  date->day = static_cast<int8_t>(digits(2, &count));
  if (count == 0 || date->day < 1 || date->day > 31 || text.size() < 5 || text[0] != '-' || text[4] != '-')
    return false;
  date->month = 0;
  for (int8_t month = 0; month < 12; ++month) {
    if (EqualsIgnoringCase(text.substr(1, 3), kMonths.substr(static_cast<size_t>(month) * 3, 3)))
      date->month = month + 1;
  }
  text.remove_prefix(5);
  date->year = static_cast<int16_t>(digits(4, &count));
  return date->month != 0 && count == 4 && text.empty();
}

// Puts `child` under a node of kind `kind`; nodes of the same kind become one.
void Adopt(SearchKey child, KeyKind kind, std::vector<SearchKey>* children) {
  if (child.kind != kind) {
    children->push_back(std::move(child));
    return;
  }
  std::move(child.children.begin(), child.children.end(), std::back_inserter(*children));
}

SearchKey Negated(SearchKey key) {
  if (key.kind == KeyKind::kNot) {
    SearchKey inner = std::move(key.children.front());
    return inner;
  }
  SearchKey negation;
  negation.kind = KeyKind::kNot;
  negation.children.push_back(std::move(key));
  return negation;
}

// RFC 3501 section 6.4.4: NEW is "(RECENT UNSEEN)".
SearchKey New() {
  SearchKey recent, seen, both;
  recent.kind = seen.kind = KeyKind::kFlag;
  recent.flag = kRecent;
  seen.flag = kSeen;
  both.kind = KeyKind::kAnd;
  both.children.push_back(std::move(recent));
  both.children.push_back(Negated(std::move(seen)));
  return both;
}

// One node of all `children`, of which there is at least one.
SearchKey Joined(KeyKind kind, std::vector<SearchKey> children) {
  if (children.size() == 1) return std::move(children.front());
  SearchKey node;
  node.kind = kind;
  node.children = std::move(children);
  return node;
}

class KeyReader {
 public:
  explicit KeyReader(Scanner* in) : in_(in) {}

  // search-key. A run of ORs, however they nest, is read in a loop and becomes one node: clients look for hundreds of
  // message ids that way.
  bool TakeKey(int depth, SearchKey* key) {
    if (!in_->SkipWord("OR")) return TakeOperand(depth, key);
    std::vector<SearchKey> children;
    for (int needed = 2; needed > 0;) {
      if (!in_->TakeSpace("Missing argument")) return false;
      if (in_->SkipWord("OR")) {
        ++needed;
        continue;
      }
      SearchKey child;
      if (!TakeOperand(depth, &child)) return false;
      Adopt(std::move(child), KeyKind::kOr, &children);
      --needed;
    }
    *key = Joined(KeyKind::kOr, std::move(children));
    return true;
  }

  // 1*(SP search-key) to the end of the command; the first space is taken already.
  bool TakeProgram(SearchKey* key) {
    std::vector<SearchKey> children;
    if (in_->AtEnd()) return in_->Fail("Missing search parameters");
    do {
      SearchKey child;
      if (in_->PeekIs(')')) return in_->Fail("Unexpected ')'");
      if (!TakeKey(0, &child)) return false;
      Adopt(std::move(child), KeyKind::kAnd, &children);
      if (!in_->rest().empty() && !in_->PeekIs(' ') && !in_->PeekIs(')')) return in_->Fail("Invalid arguments");
    } while (!in_->AtEnd());
    *key = Joined(KeyKind::kAnd, std::move(children));
    return true;
  }

 private:
  bool TakeOperand(int depth, SearchKey* key) {
    if (depth > kSearchDepthMax) return in_->Fail("Too deeply nested search");
    if (in_->Skip('(')) return TakeList(depth, key);
    if (in_->SkipWord("NOT")) return TakeNot(depth, key);
    if (in_->SkipWord("FUZZY")) {
      key->kind = KeyKind::kFuzzy;
      return in_->TakeSpace("Missing argument") && TakeKey(depth + 1, &key->children.emplace_back());
    }
    return TakeLeaf(key);
  }

  bool TakeList(int depth, SearchKey* key) {
    std::vector<SearchKey> children;
    bool more = false;
    while (in_->TakeNextInList(&more) && more) {
      SearchKey child;
      if (!TakeKey(depth + 1, &child)) return false;
      Adopt(std::move(child), KeyKind::kAnd, &children);
    }
    if (!in_->error().empty()) return false;
    if (children.empty()) return in_->Fail("No search parameters inside list");
    *key = Joined(KeyKind::kAnd, std::move(children));
    return true;
  }

  bool TakeNot(int depth, SearchKey* key) {
    bool negated = true;
    if (!in_->TakeSpace("Missing argument")) return false;
    while (in_->SkipWord("NOT")) {
      negated = !negated;
      if (!in_->TakeSpace("Missing argument")) return false;
    }
    SearchKey inner;
    if (!TakeKey(depth + 1, &inner)) return false;
    *key = negated ? Negated(std::move(inner)) : std::move(inner);
    return true;
  }

  bool TakeLeaf(SearchKey* key) {
    const char first = in_->Peek();
    if ((first >= '0' && first <= '9') || first == '*' || first == '$') {
      key->kind = KeyKind::kSequence;
      return TakeSequenceSet(in_, "Invalid messageset", &key->set);
    }
    if (in_->PeekString()) {
      std::string text;
      return in_->TakeString(&text) && in_->Fail("Unexpected string as search key: " + text);
    }
    std::string word;
    if (!in_->TakeWord(&word)) return false;
    if (word == "NEW") {
      *key = New();
      return true;
    }
    const auto* known = std::lower_bound(std::begin(kKeyNames), std::end(kKeyNames), word,
                                         [](const KeyName& a, const std::string& b) { return a.name < b; });
    if (known == std::end(kKeyNames) || known->name != word) return in_->Fail("Unknown argument " + word);
    key->kind = known->kind;
    key->flag = known->flag;
    key->header = known->header;
    key->envelope = !known->header.empty();
    if (!TakeArgument(*known, key)) return false;
    if (known->negated) *key = Negated(std::move(*key));
    return true;
  }

  bool TakeArgument(const KeyName& name, SearchKey* key) {
    if (name.argument == Argument::kNone) return true;
    const std::string where = std::string(" (for search key: ").append(name.name).append(")");
    if (!in_->TakeSpace("Missing parameter for search key" + where)) return false;
    if (in_->PeekIs('(')) return in_->Fail("Unexpected (" + where);
    switch (name.argument) {
      case Argument::kNone:
        return true;
      case Argument::kText:
        return in_->TakeAString(&key->text);
      case Argument::kKeyword: {
        std::string_view atom;
        if (!in_->TakeAtom(&atom)) return false;
        key->text = atom;
        return true;
      }
      case Argument::kHeader:
        return in_->TakeAString(&key->header) && in_->TakeSpace("Missing parameter for search key" + where) &&
               in_->TakeAString(&key->text);
      case Argument::kDate: {
        std::string text;
        if (!in_->TakeAString(&text)) return false;
        return ParseSearchDate(text, &key->date) || in_->Fail("Invalid search date parameter");
      }
      case Argument::kSize:
        return in_->TakeNumber(INT64_MAX, &key->number, "Invalid search size parameter");
      case Argument::kInterval:
        // RFC 5032 section 3: nz-number.
        return in_->TakeNumber(UINT32_MAX, &key->number, "Invalid search interval parameter") &&
               (key->number > 0 || in_->Fail("Invalid search interval parameter"));
      case Argument::kUidSet:
        return TakeSequenceSet(in_, "Invalid UID messageset", &key->set);
      case Argument::kModSeq:
        return TakeModSeq(key);
    }
    return false;
  }

  // RFC 7162 section 7: search-modsequence = "MODSEQ" [search-modseq-ext] SP mod-sequence-valzer.
  bool TakeModSeq(SearchKey* key) {
    if (in_->PeekString()) {
      if (!in_->TakeString(&key->text) || !in_->TakeSpace("Invalid MODSEQ type")) return false;
      if (!in_->SkipWord("priv") && !in_->SkipWord("shared") && !in_->SkipWord("all")) {
        return in_->Fail("Invalid MODSEQ type");
      }
      if (!in_->TakeSpace("Invalid MODSEQ value")) return false;
    }
    return in_->TakeNumber(INT64_MAX, &key->number, "Invalid MODSEQ value");
  }

  Scanner* in_;
};

// RFC 9394 section 4: partial-range = nz ":" nz, or both with a minus sign.
bool TakePartialRange(Scanner* in, SearchResultOptions* result) {
  constexpr std::string_view kBroken = "PARTIAL range broken";
  if (result->items & kReturnPartial) return in->Fail("PARTIAL can be used only once");
  if (!in->TakeSpace("PARTIAL range missing")) return false;
  result->partial_from_end = in->Skip('-');
  uint64_t first = 0, last = 0;
  if (!in->TakeNumber(UINT32_MAX, &first, kBroken) || !in->TakeChar(':', kBroken)) return false;
  if (result->partial_from_end && !in->TakeChar('-', kBroken)) return false;
  if (!in->TakeNumber(UINT32_MAX, &last, kBroken)) return false;
  if (first == 0 || last == 0) return in->Fail(kBroken);
  result->partial_first = static_cast<uint32_t>(std::min(first, last));
  result->partial_last = static_cast<uint32_t>(std::max(first, last));
  result->items |= kReturnPartial;
  return true;
}

// ["RETURN" SP "(" options ")" SP], if it is next.
bool TakeReturnOptions(Scanner* in, SearchResultOptions* result) {
  Scanner ahead = *in;
  if (!ahead.SkipWord("RETURN") || !ahead.Skip(' ')) return true;
  ahead.SkipSpaces();
  if (!ahead.Skip('(')) return true;  // the program will say that there is no such key
  *in = ahead;
  result->extended = true;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("SEARCH return options contain non-atoms");
    if (in->SkipWord("MIN")) {
      result->items |= kReturnMin;
    } else if (in->SkipWord("MAX")) {
      result->items |= kReturnMax;
    } else if (in->SkipWord("ALL")) {
      result->items |= kReturnAll;
    } else if (in->SkipWord("COUNT")) {
      result->items |= kReturnCount;
    } else if (in->SkipWord("SAVE")) {
      result->items |= kReturnSave;
    } else if (in->SkipWord("PARTIAL")) {
      if (!TakePartialRange(in, result)) return false;
    } else {
      return in->Fail("Unknown SEARCH return option");
    }
  }
  if (!in->error().empty()) return false;
  if ((result->items & kReturnAll) && (result->items & kReturnPartial)) return in->Fail("PARTIAL conflicts with ALL");
  // RFC 4731 section 3.1: an empty list is ALL.
  if (result->items == 0) result->items = kReturnAll;
  return in->TakeSpace("Missing search parameters");
}

bool TakeCharset(Scanner* in, std::string* charset) {
  return in->TakeAString(charset) && in->TakeSpace("Missing search parameters");
}

struct SortName {
  std::string_view name;
  SortCriterion::Kind kind;
};
constexpr SortName kSortNames[] = {
    {"ARRIVAL", SortCriterion::Kind::kArrival},
    {"CC", SortCriterion::Kind::kCc},
    {"DATE", SortCriterion::Kind::kDate},
    {"FROM", SortCriterion::Kind::kFrom},
    {"SIZE", SortCriterion::Kind::kSize},
    {"SUBJECT", SortCriterion::Kind::kSubject},
    {"TO", SortCriterion::Kind::kTo},
    {"DISPLAYFROM", SortCriterion::Kind::kDisplayFrom},
    {"DISPLAYTO", SortCriterion::Kind::kDisplayTo},
};

// RFC 5256 section 5: sort-criteria. One that repeats an earlier one orders nothing and is left out.
bool TakeSortCriteria(Scanner* in, std::vector<SortCriterion>* criteria) {
  if (!in->TakeListStart("Invalid sort argument")) return false;
  bool more = false;
  bool reverse = false;
  while (in->TakeNextInList(&more) && more) {
    std::string word;
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("Invalid sort list argument");
    if (!in->TakeWord(&word)) return false;
    if (word == "REVERSE") {
      reverse = true;
      continue;
    }
    const auto* known = std::find_if(std::begin(kSortNames), std::end(kSortNames),
                                     [&](const SortName& name) { return name.name == word; });
    if (known == std::end(kSortNames)) return in->Fail("Unknown sort argument: " + word);
    const bool repeated = std::any_of(criteria->begin(), criteria->end(),
                                      [&](const SortCriterion& criterion) { return criterion.kind == known->kind; });
    if (!repeated) criteria->push_back({known->kind, reverse});
    reverse = false;
  }
  if (!in->error().empty()) return false;
  if (reverse) return in->Fail("Sort list ends with REVERSE");
  return !criteria->empty() || in->Fail("Empty sort program");
}

}  // namespace

bool TakeSearchArguments(Scanner* in, SearchCommand* search) {
  if (!TakeReturnOptions(in, &search->result)) return false;
  if (in->SkipWord("CHARSET")) {
    if (!in->TakeSpace("Invalid charset argument") || !TakeCharset(in, &search->charset)) return false;
  }
  return KeyReader(in).TakeProgram(&search->key);
}

bool TakeSortArguments(Scanner* in, SortCommand* sort) {
  return TakeReturnOptions(in, &sort->result) && TakeSortCriteria(in, &sort->criteria) &&
         in->TakeSpace("Invalid charset argument") && TakeCharset(in, &sort->charset) &&
         KeyReader(in).TakeProgram(&sort->key);
}

bool TakeThreadArguments(Scanner* in, ThreadCommand* thread) {
  std::string word;
  if (!in->TakeWord(&word)) return false;
  if (word == "ORDEREDSUBJECT") {
    thread->algorithm = ThreadCommand::Algorithm::kOrderedSubject;
  } else if (word == "REFERENCES") {
    thread->algorithm = ThreadCommand::Algorithm::kReferences;
  } else if (word == "REFS") {
    thread->algorithm = ThreadCommand::Algorithm::kRefs;
  } else {
    return in->Fail("Unknown thread algorithm");
  }
  return in->TakeSpace() && TakeCharset(in, &thread->charset) && KeyReader(in).TakeProgram(&thread->key);
}

}  // namespace postern::imap
