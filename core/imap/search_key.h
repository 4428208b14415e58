// The SEARCH program as a tree, and its evaluation (RFC 3501 section 6.4.4; RFC 5032 WITHIN; RFC 7162 MODSEQ; RFC 8474;
// RFC 8514).
//
// Evaluation is in three values, because a message's header and body are not at hand when a search starts: a leaf whose
// data is missing says kUnknown, and a message is decided as soon as what is known decides it. A session evaluates
// first at Cost::kIndex for every message, and reads files only for those that stay unknown. No key is looked at that
// cannot change the outcome.
//
// Invariants: nesting is at most kSearchDepthMax (the parser sees to it), so recursion over a tree is bounded.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/imap/sequence_set.h"

namespace postern::imap {

// Deepest nesting of parentheses, NOT and FUZZY that is taken; runs of OR do not count, they become one node. A guess
// above what clients write, and far below what a stack holds.
inline constexpr int kSearchDepthMax = 100;

// What a leaf costs to decide, rising. Keys of equal cost keep the order in which they were written.
enum class Cost : uint8_t {
  kIndex,   // the index knows: numbers, flags, keywords, internal date, save date, mod-sequences
  kCached,  // computed once and kept: sizes, sent date, envelope fields, ids
  kHeader,  // the header must be read
  kBody,    // the whole message must be read and decoded
};

enum class Ternary : uint8_t { kFalse, kTrue, kUnknown };

// A day as the client wrote it, without a time zone (RFC 3501 section 6.4.4 disregards time and zone).
struct SearchDate {
  int16_t year = 0;
  int8_t month = 0;  // 1..12
  int8_t day = 0;    // 1..31, valid in its month
  // Days since 1970-01-01 of this civil date.
  int64_t DayNumber() const;
  bool operator==(const SearchDate&) const = default;
};

struct SearchKey {
  enum class Kind : uint8_t {
    kAll,
    // Nodes. kNot has one child; kAnd and kOr at least one.
    kAnd,
    kOr,
    kNot,
    // RFC 6203 section 3: one child that may match approximately.
    kFuzzy,
    // Flags: `flag` for kFlag, `text` for kKeyword. UNSEEN is kNot of kFlag; NEW is kAnd of \Recent and not \Seen.
    kFlag,
    kKeyword,
    // `set`
    kSequence,
    kUid,
    // `date`, of the internal date; kSaved*: RFC 8514
    kBefore,
    kOn,
    kSince,
    kSavedBefore,
    kSavedOn,
    kSavedSince,
    // RFC 8514 section 4.3: the mailbox keeps save dates
    kSaveDateSupported,
    // `number`: seconds (RFC 5032)
    kOlder,
    kYounger,
    // `number`: a mod-sequence; `text`: the entry name where one was given, which changes nothing (RFC 7162
    // section 3.1.5)
    kModSeq,
    // `number`: octets
    kLarger,
    kSmaller,
    // `date`, of the Date: field
    kSentBefore,
    kSentOn,
    kSentSince,
    // `header`: field name; `text`: the substring, "" matches any such field. `envelope`: asked for as FROM, TO, CC,
    // BCC or SUBJECT, whose place is the envelope
    kHeader,
    // `text`
    kBody,
    kText,
    // RFC 8474 section 5.3: `text`
    kEmailId,
    kThreadId,
  };

  Kind kind = Kind::kAll;
  bool envelope = false;
  uint8_t flag = 0;  // one system flag, or kRecent (command.h)
  SearchDate date;
  uint64_t number = 0;
  std::string header;  // field name, as written
  std::string text;    // in the program's charset
  SequenceSet set;
  std::vector<SearchKey> children;

  bool operator==(const SearchKey&) const = default;
};

// Cost of a leaf; for a node, that of its dearest child.
Cost CostOf(const SearchKey& key);

// Puts cheap children before dear ones in every node, keeping equals in order. The result means the same.
void OrderByCost(SearchKey* key);

// Whether a leaf of kind `kind` occurs. RFC 7162 section 3.1.5: a program with MODSEQ changes the response.
bool Mentions(const SearchKey& key, SearchKey::Kind kind);

// A sequence or UID set (kSequence or kUid, as asked) that every match must be in, when the program has one at its top:
// so that a search over `UID 5:9` does not walk a mailbox. nullptr without one.
const SequenceSet* RequiredSet(const SearchKey& key, SearchKey::Kind sequence_or_uid);

// Decides `key` for one message. `leaf(const SearchKey&) -> Ternary` decides a leaf; it is not asked about kAll, nor
// about leaves dearer than `limit`, which are unknown.
template <class Leaf>
Ternary Evaluate(const SearchKey& key, Cost limit, Leaf&& leaf) {
  switch (key.kind) {
    case SearchKey::Kind::kAll:
      return Ternary::kTrue;
    case SearchKey::Kind::kNot: {
      const Ternary inner = Evaluate(key.children.front(), limit, leaf);
      if (inner == Ternary::kUnknown) return inner;
      return inner == Ternary::kTrue ? Ternary::kFalse : Ternary::kTrue;
    }
    case SearchKey::Kind::kFuzzy:
      return Evaluate(key.children.front(), limit, leaf);
    case SearchKey::Kind::kAnd:
    case SearchKey::Kind::kOr: {
      const Ternary decisive = key.kind == SearchKey::Kind::kAnd ? Ternary::kFalse : Ternary::kTrue;
      bool unknown = false;
      for (const SearchKey& child : key.children) {
        const Ternary value = Evaluate(child, limit, leaf);
        if (value == decisive) return decisive;
        unknown = unknown || value == Ternary::kUnknown;
      }
      if (unknown) return Ternary::kUnknown;
      return decisive == Ternary::kFalse ? Ternary::kTrue : Ternary::kFalse;
    }
    default:  // a leaf
      return CostOf(key) <= limit ? leaf(key) : Ternary::kUnknown;
  }
}

// The program in the client's syntax, for tests and traces: Parse(Format(x)) == x. Appends.
void FormatSearchKey(const SearchKey& key, std::string* out);

}  // namespace postern::imap
