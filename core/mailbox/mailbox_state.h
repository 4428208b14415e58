// The columns of one mailbox, shared by all sessions that have it selected: sorted by UID, a message is an index (row).
// Written by its Account only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/mailbox/flags.h"
#include "core/mailbox/name_column.h"

namespace postern::mailbox {

inline constexpr uint64_t kUnknownSize = UINT64_MAX;
inline constexpr int64_t kUnknownDate = INT64_MIN;

class MailboxState {
 public:
  // ---- of the mailbox ----
  std::string name;  // storage name
  std::string dir;   // its Maildir folder
  uint32_t uidvalidity = 0;
  uint32_t uidnext = 1;
  uint64_t highestmodseq = 1;              // of the last change; grows with every change
  std::string guid;                        // 32 hex digits
  std::vector<std::string> keyword_names;  // index -> name; an empty name: letter without a name
  bool deleted = false;                    // the mailbox is gone: sessions that have it selected lose it

  // ---- of its messages, ascending by UID ----
  std::vector<uint32_t> uids;
  std::vector<Flags> flags;
  std::vector<Keywords> keywords;
  std::vector<uint64_t> modseqs;
  std::vector<uint64_t> crlf_sizes;     // RFC822.SIZE; kUnknownSize until LoadFacts
  std::vector<int64_t> internal_dates;  // seconds; kUnknownDate until LoadFacts

  size_t count() const { return uids.size(); }
  // The row of `uid`; count() where there is none.
  size_t RowOf(uint32_t uid) const;
  // The first row whose UID is at least `uid`.
  size_t FirstRowFrom(uint32_t uid) const;

  // POP3: the `P` value of dovecot-uidlist for `uid`, and the base file name (%f); empty: none.
  std::string Pop3UidlOf(uint32_t uid) const;
  // The `O` value: where the message stands in POP3's list, before those that have none (0).
  uint32_t Pop3OrderOf(uint32_t uid) const;
  std::string BaseNameOf(uint32_t uid) const;
  std::string GuidOf(uint32_t uid) const;

  // Expunged UIDs with the modseq of their going, oldest first: what views have still to tell, and VANISHED. The
  // history is bounded: `gone_since` says from where on it is whole, `gone_dropped` how many were forgotten at its
  // front.
  struct Gone {
    uint64_t modseq;
    uint32_t uid;
  };
  std::vector<Gone> gone;
  uint64_t gone_since = 0;  // each expunge with a greater MODSEQ is in `gone`
  size_t gone_dropped = 0;

 private:
  friend class Mailbox;                    // mailbox.h: the files behind the columns
  NameColumn names_;                       // the current file name: base, info part
  std::vector<uint8_t> in_new_;            // 1: in new/, 0: in cur/
  std::map<uint32_t, std::string> items_;  // of the uidlist record, for the few UIDs that have any
};

}  // namespace postern::mailbox
