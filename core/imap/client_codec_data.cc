// Mailbox data (RFC 3501 section 7.2) and the untagged responses of extensions.
#include "core/base/ascii.h"
#include "core/imap/client_codec_grammar.h"
#include "core/imap/parser_scanner.h"

namespace postern::imap {
namespace {

constexpr int kThreadDepthMax = 200;

}  // namespace

// mailbox-list, with RFC 5258's extended items.
bool ResponseGrammar::TakeMailboxList(std::vector<Value>* values) {
  values->resize(3);
  if (!TakeFlags(false, false, &values->at(0)) || !TakeSpace()) return false;
  if (!TakeQuotedChar(&values->at(1)) || !TakeSpace() || !TakeAString(&values->at(2))) return false;
  if (!SkipSpace()) return true;
  // RFC 5258 section 6: mbox-list-extended = "(" [item *(SP item)] ")"; item = tag SP value.
  Value& extended = values->emplace_back();
  extended.kind = Value::Kind::kList;
  if (!TakeChar('(')) return false;
  if (Skip(')')) return true;
  do {
    if (!TakeAString(&extended.items.emplace_back()) || !TakeSpace()) return false;
    if (!TakeBodyExtension(0, &extended.items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

// *(SP nz-number) [SP search-sort-mod-seq] (RFC 7162 section 7).
bool ResponseGrammar::TakeSearchNumbers(std::vector<Value>* values) {
  while (SkipSpace()) {
    Value& value = values->emplace_back();
    if (!Skip('(')) {
      if (!TakeNumber(1, UINT32_MAX, &value)) return false;
      continue;
    }
    value.kind = Value::Kind::kList;
    value.items.resize(2);
    if (!TakeAtomValue(&value.items[0])) return false;
    if (!EqualsIgnoringCase(value.items[0].text, "MODSEQ")) return Fail("MODSEQ");
    return TakeSpace() && TakeNumber(1, INT64_MAX, &value.items[1]) && TakeChar(')');
  }
  return true;
}

// RFC 4466 section 3: "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data).
bool ResponseGrammar::TakeESearch(std::vector<Value>* values) {
  if (!SkipSpace()) return true;
  if (Skip('(')) {
    Value& correlator = values->emplace_back();
    correlator.kind = Value::Kind::kList;
    correlator.items.resize(2);
    if (!TakeAtomValue(&correlator.items[0])) return false;
    if (!EqualsIgnoringCase(correlator.items[0].text, "TAG")) return Fail("TAG");
    if (!TakeSpace() || !TakeString(&correlator.items[1]) || !TakeChar(')')) return false;
    if (!SkipSpace()) return true;
  }
  do {
    std::string name;
    if (!TakeAtom(&name)) return false;
    Value& item = values->emplace_back();
    item.kind = Value::Kind::kAtom;
    item.text = name;
    if (EqualsIgnoringCase(name, "UID")) continue;
    if (!TakeSpace()) return false;
    Value& value = values->emplace_back();
    if (EqualsIgnoringCase(name, "MIN") || EqualsIgnoringCase(name, "MAX")) {
      if (!TakeNumber(1, UINT32_MAX, &value)) return false;
    } else if (EqualsIgnoringCase(name, "COUNT")) {
      if (!TakeNumber(0, UINT32_MAX, &value)) return false;
    } else if (EqualsIgnoringCase(name, "MODSEQ")) {
      if (!TakeNumber(1, INT64_MAX, &value)) return false;
    } else if (EqualsIgnoringCase(name, "ALL")) {
      if (!TakeSet(&value)) return false;
    } else if (EqualsIgnoringCase(name, "PARTIAL")) {
      // RFC 9394 section 4: "(" partial-range SP partial-results ")".
      value.kind = Value::Kind::kList;
      value.items.resize(2);
      if (!TakeChar('(') || !TakeAtomValue(&value.items[0]) || !TakeSpace()) return false;
      if (!SkipWord("NIL") && !TakeSet(&value.items[1])) return false;
      if (!TakeChar(')')) return false;
    } else {
      return Fail("a name of search-return-data");
    }
  } while (SkipSpace());
  return true;
}

// RFC 5256 section 5: thread-data = "THREAD" [SP 1*thread-list].
bool ResponseGrammar::TakeThreads(std::vector<Value>* values) {
  if (!SkipSpace()) return true;
  do {
    if (!TakeThread(0, &values->emplace_back())) return false;
  } while (PeekIs('('));
  return true;
}

// thread-list = "(" (thread-members / thread-nested) ")": numbers, and then either nothing or two or more lists.
bool ResponseGrammar::TakeThread(int depth, Value* value) {
  value->kind = Value::Kind::kList;
  if (depth > kThreadDepthMax) return Fail("a thread nested less deeply");
  if (!TakeChar('(')) return false;
  if (!PeekIs('(')) {
    do {
      if (PeekIs('(')) break;
      if (!TakeNumber(1, UINT32_MAX, &value->items.emplace_back())) return false;
    } while (SkipSpace());
  }
  size_t lists = 0;
  for (; PeekIs('('); ++lists) {
    if (!TakeThread(depth + 1, &value->items.emplace_back())) return false;
  }
  if (lists == 1) return Fail("another thread-list");
  return TakeChar(')');
}

bool ResponseGrammar::TakeStatus(std::vector<Value>* values) {
  values->resize(2);
  if (!TakeAString(&values->at(0)) || !TakeSpace() || !TakeChar('(')) return false;
  Value& items = values->at(1);
  items.kind = Value::Kind::kList;
  if (Skip(')')) return true;
  do {
    Value& name = items.items.emplace_back();
    if (!TakeAtomValue(&name) || !TakeSpace()) return false;
    const std::string item = name.text;
    Value& value = items.items.emplace_back();
    if (EqualsIgnoringCase(item, "MAILBOXID")) {
      value.kind = Value::Kind::kList;
      if (!TakeChar('(') || !TakeAtomValue(&value.items.emplace_back()) || !TakeChar(')')) return false;
    } else if (EqualsIgnoringCase(item, "APPENDLIMIT") && SkipWord("NIL")) {
      continue;
    } else {
      const bool wide = EqualsIgnoringCase(item, "HIGHESTMODSEQ") || EqualsIgnoringCase(item, "SIZE") ||
                        EqualsIgnoringCase(item, "DELETED-STORAGE");
      const bool above_zero = EqualsIgnoringCase(item, "UIDNEXT") || EqualsIgnoringCase(item, "UIDVALIDITY");
      if (!TakeNumber(above_zero ? 1 : 0, wide ? INT64_MAX : UINT32_MAX, &value)) return false;
    }
  } while (SkipSpace());
  return TakeChar(')');
}

// RFC 2342 section 6: three times nil or "(" 1*( "(" string SP delimiter *(extension) ")" ) ")".
bool ResponseGrammar::TakeNamespaces(std::vector<Value>* values) {
  for (int i = 0; i < 3; ++i) {
    if (!TakeSpace()) return false;
    Value& group = values->emplace_back();
    if (!Skip('(')) {
      if (!TakeNil(&group)) return false;
      continue;
    }
    group.kind = Value::Kind::kList;
    do {
      Value& item = group.items.emplace_back();
      item.kind = Value::Kind::kList;
      item.items.resize(2);
      if (!TakeChar('(') || !TakeString(&item.items[0]) || !TakeSpace() || !TakeQuotedChar(&item.items[1]))
        return false;
      while (SkipSpace()) {
        if (!TakeString(&item.items.emplace_back()) || !TakeSpace() || !TakeChar('(')) return false;
        Value& list = item.items.emplace_back();
        list.kind = Value::Kind::kList;
        do {
          if (!TakeString(&list.items.emplace_back())) return false;
        } while (SkipSpace());
        if (!TakeChar(')')) return false;
      }
      if (!TakeChar(')')) return false;
    } while (PeekIs('('));
    if (!TakeChar(')')) return false;
  }
  return true;
}

// RFC 2971 section 4: id_params_list = "(" *(string SP nstring) ")" / nil.
bool ResponseGrammar::TakeIdParameters(std::vector<Value>* values) {
  Value& list = values->emplace_back();
  if (!Skip('(')) return TakeNil(&list);
  list.kind = Value::Kind::kList;
  if (Skip(')')) return true;
  do {
    if (!TakeString(&list.items.emplace_back()) || !TakeSpace()) return false;
    if (!TakeNString(&list.items.emplace_back())) return false;
  } while (SkipSpace());
  return TakeChar(')');
}

// RFC 7162 section 7: expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids.
bool ResponseGrammar::TakeVanished(std::vector<Value>* values) {
  if (Skip('(')) {
    Value& earlier = values->emplace_back();
    earlier.kind = Value::Kind::kList;
    if (!TakeAtomValue(&earlier.items.emplace_back())) return false;
    if (!EqualsIgnoringCase(earlier.items[0].text, "EARLIER")) return Fail("EARLIER");
    if (!TakeChar(')') || !TakeSpace()) return false;
  }
  return TakeSet(&values->emplace_back());
}

// RFC 9208 section 7: quota-response.
bool ResponseGrammar::TakeQuota(std::vector<Value>* values) {
  values->resize(2);
  if (!TakeAString(&values->at(0)) || !TakeSpace() || !TakeChar('(')) return false;
  Value& list = values->at(1);
  list.kind = Value::Kind::kList;
  if (Skip(')')) return true;
  do {
    if (!TakeAtomValue(&list.items.emplace_back())) return false;
    for (int i = 0; i < 2; ++i) {
      if (!TakeSpace() || !TakeNumber(0, INT64_MAX, &list.items.emplace_back())) return false;
    }
  } while (SkipSpace());
  return TakeChar(')');
}

bool ResponseGrammar::TakeQuotaRoot(std::vector<Value>* values) {
  do {
    if (!TakeAString(&values->emplace_back())) return false;
  } while (SkipSpace());
  return true;
}

}  // namespace postern::imap
