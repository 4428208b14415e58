// dovecot-uidlist: which UID belongs to which file. Version 3 is an append-only log of records behind one header line:
//
//   3 V<uidvalidity> N<next uid> G<mailbox guid> [P<pop3 uidl format>] [other items]
//   <uid>[ <A-Z><value>]... :<base name>
//
// Version 1 ("1 <uidvalidity> <nextuid>", records "<uid> <name>") is read and written anew as version 3. N may lag
// behind the records: the next UID is max(N, last + 1). Reading needs no lock; writing is by whole-line appends or by a
// new file renamed over the old one. Verified against Dovecot 2.3.19.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/status.h"

namespace postern::mailbox {

struct UidRecord {
  uint32_t uid = 0;
  std::string base;   // file name up to the ':'
  std::string items;  // " S12 W34 Pxyz" between uid and name, as written, with the leading blank; empty mostly
};

struct UidList {
  uint32_t uidvalidity = 0;
  uint32_t next_uid = 1;           // settled: greater than every record's UID
  std::string guid;                // 32 hex digits; empty: must be made
  std::string other_items;         // of the header, unknown to us, with a leading blank
  std::vector<UidRecord> records;  // ascending
  uint64_t parsed_bytes = 0;       // whole lines only: a torn last line is not part of the list
  bool needs_rewrite = false;      // version 1, no GUID, or a torn end
};

// kDataLoss: the header or the order of UIDs is broken; the file is to be put aside, never used.
StatusOr<UidList> ParseUidList(std::string_view text);
// What a broken list says its UIDVALIDITY was; 0: nothing. The next one must be greater.
uint32_t UidValidityIn(std::string_view text);
// A UID greater than all that can be made out in a broken list.
uint32_t NextUidIn(std::string_view text);
std::string FormatUidList(const UidList& list);
void AppendUidRecord(const UidRecord& record, std::string* out);

// The value of item `key` ('P', 'O', 'G', 'S', 'W') in `items`; nullopt where it is absent.
bool UidItem(std::string_view items, char key, std::string_view* value);

// dovecot-uidvalidity holds the last UIDVALIDITY given out as eight hex digits. The next one; now, where it says
// nothing.
uint32_t NextUidValidity(std::string_view file_text, int64_t now_seconds);

}  // namespace postern::mailbox
