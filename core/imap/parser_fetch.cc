// FETCH and STORE (RFC 3501 sections 6.4.5 and 6.4.6) with the items of RFC 3516, 7162, 8474, 8514 and 8970.
#include <algorithm>
#include <string>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/parser_commands.h"

namespace postern::imap {
namespace {

// More than any client asks for; keeps the search for repeats short.
constexpr size_t kFetchItemCountMax = 1000;

using ItemKind = FetchItem::Kind;

struct ItemName {
  std::string_view name;
  ItemKind kind;
};
// What needs no section.
constexpr ItemName kItemNames[] = {
    {"FLAGS", ItemKind::kFlags},
    {"UID", ItemKind::kUid},
    {"INTERNALDATE", ItemKind::kInternalDate},
    {"ENVELOPE", ItemKind::kEnvelope},
    {"RFC822.SIZE", ItemKind::kRfc822Size},
    {"BODYSTRUCTURE", ItemKind::kBodyStructure},
    {"BODY", ItemKind::kBody},
    {"MODSEQ", ItemKind::kModSeq},
    {"RFC822", ItemKind::kRfc822},
    {"RFC822.HEADER", ItemKind::kRfc822Header},
    {"RFC822.TEXT", ItemKind::kRfc822Text},
    {"SAVEDATE", ItemKind::kSaveDate},
    {"EMAILID", ItemKind::kEmailId},
    {"THREADID", ItemKind::kThreadId},
    {"PREVIEW", ItemKind::kPreview},
};

struct SectionedName {
  std::string_view name;
  ItemKind kind;
  bool peek;
};
constexpr SectionedName kSectionedNames[] = {
    {"BODY", ItemKind::kBodySection, false},       {"BODY.PEEK", ItemKind::kBodySection, true},
    {"BINARY", ItemKind::kBinary, false},          {"BINARY.PEEK", ItemKind::kBinary, true},
    {"BINARY.SIZE", ItemKind::kBinarySize, false},
};

struct TextName {
  std::string_view name;
  Section::Text text;
};
constexpr TextName kTextNames[] = {
    {"HEADER", Section::Text::kHeader},
    {"HEADER.FIELDS", Section::Text::kHeaderFields},
    {"HEADER.FIELDS.NOT", Section::Text::kHeaderFieldsNot},
    {"TEXT", Section::Text::kText},
    {"MIME", Section::Text::kMime},
};

bool IsWordChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.';
}

// Letters, digits and dots.
std::string TakeDottedWord(Scanner* in) {
  std::string word;
  while (IsWordChar(in->Peek())) {
    word.push_back(UpperAscii(in->Peek()));
    in->Skip(in->Peek());
  }
  return word;
}

void Add(FetchItem item, std::vector<FetchItem>* items) {
  if (std::find(items->begin(), items->end(), item) == items->end()) items->push_back(std::move(item));
}

// Errors are Dovecot's: "Invalid BODY[..] section".
class SectionReader {
 public:
  SectionReader(Scanner* in, FetchItem* item)
      : in_(in), item_(item), what_(item->kind == ItemKind::kBodySection ? "Invalid BODY[..]" : "Invalid BINARY[..]") {}

  // RFC 3501 section 9: section ["<" number "." nz-number ">"].
  bool Take() {
    if (!in_->Skip('[')) return FailParameter("Missing '['");
    if (!TakePart() || !TakeText()) return false;
    if (!in_->Skip(']'))
      return in_->rest().find(']') == std::string_view::npos ? FailParameter("Missing ']'") : FailSection();
    if (in_->PeekIs('<') && !TakePartial()) return false;
    const char next = in_->Peek();
    if (in_->rest().empty() || next == ' ' || next == ')') return true;
    return FailParameter(item_->partial ? "Unexpected data after '>'" : "Unexpected data after ']'");
  }

 private:
  bool FailSection() { return in_->Fail(what_ + " section"); }
  bool FailParameter(std::string_view what) { return in_->Fail(what_.append(" parameter: ").append(what)); }

  // section-part and the dot after it, if section-text follows.
  bool TakePart() {
    while (in_->Peek() >= '0' && in_->Peek() <= '9') {
      uint64_t number = 0;
      if (!in_->TakeNumber(UINT32_MAX, &number, what_ + " section")) return false;
      if (number == 0) return FailSection();
      item_->section.part.push_back(static_cast<uint32_t>(number));
      if (!in_->Skip('.')) return !IsWordChar(in_->Peek()) || FailSection();
      if (in_->PeekIs(']')) return FailSection();
    }
    return true;
  }

  bool TakeText() {
    const std::string word = TakeDottedWord(in_);
    if (word.empty()) return true;
    const auto* known = std::find_if(std::begin(kTextNames), std::end(kTextNames),
                                     [&](const TextName& name) { return name.name == word; });
    if (known == std::end(kTextNames) || item_->kind != ItemKind::kBodySection) return FailSection();
    // RFC 3501 section 6.4.5: MIME must have a part number.
    if (known->text == Section::Text::kMime && item_->section.part.empty()) return FailSection();
    item_->section.text = known->text;
    if (known->text != Section::Text::kHeaderFields && known->text != Section::Text::kHeaderFieldsNot) return true;
    return TakeHeaderList();
  }

  bool TakeHeaderList() {
    if (!in_->Skip(' ')) return FailSection();
    in_->SkipSpaces();
    if (!in_->Skip('(')) return FailSection();
    bool more = false;
    while (in_->TakeNextInList(&more) && more) {
      if (in_->PeekIs('(')) return FailParameter("Header list contains non-strings");
      std::string& name = item_->section.header_names.emplace_back();
      if (!in_->TakeAString(&name)) return false;
      name = UpperCase(name);
    }
    if (!in_->error().empty()) return false;
    return !item_->section.header_names.empty() || FailSection();
  }

  bool TakePartial() {
    if (item_->kind == ItemKind::kBinarySize) return FailParameter("Unexpected data after ']'");
    in_->Skip('<');
    const std::string missing = what_ + " parameter: Missing '>' in partial";
    Partial partial;
    if (!in_->TakeNumber(INT64_MAX, &partial.offset_bytes, missing) || !in_->TakeChar('.', missing)) return false;
    if (!in_->TakeNumber(INT64_MAX, &partial.length_bytes, missing) || !in_->TakeChar('>', missing)) return false;
    if (partial.length_bytes == 0) return FailParameter("Invalid partial length");
    item_->partial = partial;
    return true;
  }

  Scanner* in_;
  FetchItem* item_;
  std::string what_;
};

// RFC 8970 section 3.1: "PREVIEW" [SP "(" preview-mod *(SP preview-mod) ")"].
bool TakePreviewModifiers(Scanner* in, FetchItem* item) {
  Scanner ahead = *in;
  ahead.SkipSpaces();
  if (!ahead.Skip('(')) return true;
  *in = ahead;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (!in->SkipWord("LAZY")) return in->Fail("Invalid PREVIEW modifier");
    item->lazy = true;
  }
  return in->error().empty();
}

bool TakeItem(Scanner* in, bool in_list, std::vector<FetchItem>* items) {
  if (items->size() == kFetchItemCountMax) return in->Fail("Too many FETCH items");
  if (in->PeekString() || in->PeekIs('(')) {
    return in->Fail(in_list ? "FETCH list contains non-atoms" : "Invalid arguments");
  }
  const std::string word = TakeDottedWord(in);
  FetchItem item;
  const auto* sectioned = std::find_if(std::begin(kSectionedNames), std::end(kSectionedNames),
                                       [&](const SectionedName& name) { return name.name == word; });
  if (sectioned != std::end(kSectionedNames) && (in->PeekIs('[') || word != "BODY")) {
    item.kind = sectioned->kind;
    item.peek = sectioned->peek;
    if (!SectionReader(in, &item).Take()) return false;
    Add(std::move(item), items);
    return true;
  }
  const auto* known = std::find_if(std::begin(kItemNames), std::end(kItemNames),
                                   [&](const ItemName& name) { return name.name == word; });
  std::string_view more;  // of an atom that is no item's name
  if (!in->rest().empty() && !in->PeekIs(' ') && !in->PeekIs(')') && !in->TakeAtom(&more)) return false;
  if (known == std::end(kItemNames) || !more.empty()) {
    return in->Fail("Unknown parameter: " + word + std::string(more));
  }
  item.kind = known->kind;
  if (item.kind == ItemKind::kPreview && in_list && !TakePreviewModifiers(in, &item)) return false;
  Add(std::move(item), items);
  return true;
}

// RFC 3501 section 6.4.5: the macros, which stand alone.
bool SkipMacro(Scanner* in, std::vector<FetchItem>* items) {
  const auto add = [&](ItemKind kind) { items->emplace_back().kind = kind; };
  const bool full = in->SkipWord("FULL");
  const bool all = full || in->SkipWord("ALL");
  if (!all && !in->SkipWord("FAST")) return false;
  add(ItemKind::kFlags);
  add(ItemKind::kInternalDate);
  add(ItemKind::kRfc822Size);
  if (all) add(ItemKind::kEnvelope);
  if (full) add(ItemKind::kBody);
  return true;
}

bool TakeItems(Scanner* in, std::vector<FetchItem>* items) {
  if (SkipMacro(in, items)) return true;
  if (!in->Skip('(')) return TakeItem(in, /*in_list=*/false, items);
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (!TakeItem(in, /*in_list=*/true, items)) return false;
  }
  if (!in->error().empty()) return false;
  return !items->empty() || in->Fail("FETCH list is empty");
}

// RFC 4466 section 2.4 fetch-modifiers, RFC 7162 sections 3.1.4.1 and 3.2.6.
bool TakeFetchModifiers(Scanner* in, FetchCommand* fetch) {
  if (!in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("FETCH modifiers contain non-atoms");
    if (in->SkipWord("CHANGEDSINCE")) {
      constexpr std::string_view kInvalid = "Invalid CHANGEDSINCE modseq";
      if (!in->TakeSpace(kInvalid) || !in->TakeNumber(INT64_MAX, &fetch->changed_since.emplace(), kInvalid)) {
        return false;
      }
    } else if (in->SkipWord("VANISHED")) {
      fetch->vanished = true;
    } else {
      return in->Fail("Unknown FETCH modifier");
    }
  }
  if (!in->error().empty()) return false;
  if (fetch->vanished && !fetch->changed_since) return in->Fail("VANISHED used without CHANGEDSINCE");
  return true;
}

// RFC 7162 section 3.1.3.
bool TakeStoreModifiers(Scanner* in, StoreCommand* store) {
  in->Skip('(');
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (!in->SkipWord("UNCHANGEDSINCE")) return in->Fail("Unknown STORE modifier");
    if (!in->TakeSpace("Invalid STORE modifiers") ||
        !in->TakeNumber(INT64_MAX, &store->unchanged_since.emplace(), "Invalid modseq")) {
      return false;
    }
  }
  return in->error().empty();
}

}  // namespace

bool TakeFetchArguments(Scanner* in, FetchCommand* fetch) {
  if (!TakeSequenceSet(in, fetch->uid ? "Invalid uidset" : "Invalid messageset", &fetch->set)) return false;
  if (!in->TakeSpace() || !TakeItems(in, &fetch->items)) return false;
  if (in->PeekIs(' ') && !in->AtEnd() && !TakeFetchModifiers(in, fetch)) return false;
  return in->TakeEnd();
}

bool TakeStoreArguments(Scanner* in, StoreCommand* store) {
  if (!TakeSequenceSet(in, store->uid ? "Invalid uidset" : "Invalid messageset", &store->set)) return false;
  if (!in->TakeSpace()) return false;
  if (in->PeekIs('(') && (!TakeStoreModifiers(in, store) || !in->TakeSpace())) return false;
  if (in->Skip('+')) {
    store->mode = StoreCommand::Mode::kAdd;
  } else if (in->Skip('-')) {
    store->mode = StoreCommand::Mode::kRemove;
  }
  store->silent = in->SkipWord("FLAGS.SILENT");
  if (!store->silent && !in->SkipWord("FLAGS")) return in->Fail("Invalid arguments");
  if (!in->TakeSpace("Missing arguments")) return false;
  if (in->PeekIs('(')) {
    if (!TakeFlagList(in, &store->flags)) return false;
    return in->TakeEnd();
  }
  do {
    if (!TakeFlag(in, &store->flags)) return false;
  } while (!in->AtEnd() && !in->PeekIs(')'));
  return in->TakeEnd();
}

}  // namespace postern::imap
