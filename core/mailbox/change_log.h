// postern.changes: what Maildir's names can't say. An append-only log beside dovecot-uidlist, one record a line, each
// with a CRC32C of its own:
//
//   postern-changes 1 V<uidvalidity>
//   C <modseq> <crc>                    no MODSEQ above this one was ever shown (flushed before the first below it is)
//   F <uid> <modseq> <flags> <keywords> <crc>
//   X <uid> <modseq> <crc>              expunged
//   B <modseq> <crc>                    after a crash: every message that is there has at least this MODSEQ
//   M <next uid> <guid> <crc>           what dovecot-uidlist's header said, should that file get lost
//   H <modseq> <crc>                    every expunge after this MODSEQ is in the log (RFC 7162's VANISHED history)
//   K <index> <name> <crc>              a keyword that has no letter
//   E <modseq> <crc>                    the mailbox was closed in order; HIGHESTMODSEQ was this
//
// The names in cur/ stay the truth about flags: where they differ from the log when the mailbox is opened, somebody
// else changed them (or a power loss took an unflushed change), and the message gets a new MODSEQ. A log that does not
// end in E belonged to a process that died: then every message gets a new MODSEQ (B), because a change that was shown
// may be lost, and HIGHESTMODSEQ starts at the ceiling. Clients fetch flags again, never wrong ones (RFC 7162
// section 3.1).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/mailbox/flags.h"

namespace postern::mailbox {

struct LoggedMessage {
  uint64_t modseq = 0;
  Flags flags = 0;
  Keywords keywords = 0;
  uint32_t uid = 0;  // of ParseChangeLog's result
};

struct ChangeLog {
  uint32_t uidvalidity = 0;
  uint64_t ceiling = 0;
  uint64_t highest = 0;   // of the records
  uint32_t next_uid = 1;  // greater than any UID that a record names
  std::string guid;
  bool closed_in_order = false;
  std::vector<LoggedMessage> messages;  // ascending by UID: what the last record of each says, without the expunged
  std::vector<std::pair<uint32_t, uint64_t>> expunged;  // uid, modseq; in the order they went
  uint64_t expunged_since = 0;                          // all that went after this MODSEQ is in `expunged`
  std::map<int, std::string> keyword_names;
  uint64_t base_modseq = 0;  // of the last B record, and how many F and X records stand before it
  size_t base_count = 0;
  uint64_t parsed_bytes = 0;  // up to the last good record
  bool torn = false;          // something stands behind it
};

ChangeLog ParseChangeLog(std::string_view text);
// null: no record is about it, or it is expunged.
const LoggedMessage* FindLogged(const ChangeLog& log, uint32_t uid);

std::string ChangeLogHeader(uint32_t uidvalidity);
void AppendCeiling(uint64_t modseq, std::string* out);
void AppendFlags(uint32_t uid, const LoggedMessage& message, std::string* out);
void AppendExpunged(uint32_t uid, uint64_t modseq, std::string* out);
void AppendBase(uint64_t modseq, std::string* out);
void AppendHead(uint32_t next_uid, std::string_view guid, std::string* out);
void AppendHistory(uint64_t since_modseq, std::string* out);
void AppendKeyword(int index, std::string_view name, std::string* out);
void AppendClosed(uint64_t highest, std::string* out);

}  // namespace postern::mailbox
