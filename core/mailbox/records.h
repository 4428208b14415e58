// What sessions do to messages that are in mailboxes, as records for `postern trace` and the JSON log: no lines
// (LogEvent::record_only), since Dovecot has none without its mail_log plugin. Texts and the moments are that plugin's.
//
// A message is known by its file's base name: SMTP and LMTP tell it at delivery, copies name source and target.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/machine.h"
#include "core/mailbox/account.h"

namespace postern::mailbox {

// One command's effect on messages of one mailbox. The n-th entries of all lists are about the same message.
struct MessageActs {
  std::string_view action;          // event.action: "mail.expunged"
  std::string_view word;            // mail_log's: "expunge"
  std::string_view mailbox;         // storage name
  std::vector<uint32_t> uids;       // ascending
  std::vector<std::string> files;   // base names
  std::string_view target_mailbox;  // of copies; else empty, as the lists below
  std::vector<uint32_t> target_uids;
  std::vector<std::string> target_files;
  std::string message_id;  // of one that is new here; empty: not known
  std::string flags;       // what became of them: "+\\Seen"; empty: nothing
};

// Entries of one record, and of one command: beyond it, it is only said how many there were.
inline constexpr size_t kRecordEntriesMax = 100, kCommandEntriesMax = 10'000;

// `actor` null: nobody that is known (another program did it).
void RecordActs(const Actor* actor, std::string_view user, const MessageActs& acts, Context& context);
// The same of a whole mailbox: "mailbox.deleted", "mailbox.renamed" to `target`.
void RecordMailboxAct(const Actor* actor, std::string_view user, std::string_view action, std::string_view mailbox,
                      std::string_view target, Context& context);

// What a message's file is called in records: the base without sizes. No blank or control character is in it.
std::string RecordedName(std::string_view name);

}  // namespace postern::mailbox
