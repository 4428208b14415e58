// What lies on the disk between two lives of the server, file by file: dovecot-uidlist, dovecot-keywords,
// subscriptions, dovecot-uidvalidity, Maildir names, postern.changes, queue files and their journals. Other programs,
// administrators and power losses write into them, too. What is read must be read again from what is written; a file
// that was cut off says nothing that the whole one does not.
//
// Input: one character chooses the file, the rest is its text. Checksums are put in here, since no fuzzer guesses them.
#include <algorithm>
#include <cctype>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/mailbox/change_log.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/names.h"
#include "core/mailbox/subscriptions.h"
#include "core/mailbox/uidlist.h"
#include "core/queue/journal.h"
#include "core/queue/maildrop.h"
#include "core/queue/queue_file.h"
#include "fuzz/fuzz.h"

namespace postern::mailbox {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

void CheckUidList(std::string_view text) {
  (void)UidValidityIn(text);
  (void)NextUidIn(text);
  const auto list = ParseUidList(text);
  if (!list.ok()) return;
  Require(list->uidvalidity != 0, "a list has a UIDVALIDITY");
  Require(list->parsed_bytes <= text.size(), "no more was read than there is");
  for (size_t i = 1; i < list->records.size(); ++i)
    Require(list->records[i - 1].uid < list->records[i].uid, "UIDs ascend");
  Require(list->records.empty() || list->next_uid > list->records.back().uid, "the next UID is new");
  Require(NextUidIn(text) >= list->next_uid || list->next_uid == 1, "what is put aside keeps its UIDs");
  const std::string written = FormatUidList(*list);
  const auto again = ParseUidList(written);
  Require(again.ok(), "what is written is read again", written);
  RequireEqual(FormatUidList(*again), written, "what is written is read again");
  Require(again->records.size() == list->records.size() && again->next_uid == list->next_uid, "with all its records",
          written);
  const auto half = ParseUidList(text.substr(0, text.size() / 2));
  if (half.ok()) Require(half->records.size() <= list->records.size(), "half of a list has no more records");
  std::string_view value;
  for (const UidRecord& record : list->records) (void)UidItem(record.items, 'P', &value);
}

void CheckKeywords(std::string_view text) {
  const std::vector<std::string> names = ParseKeywords(text);
  Require(names.size() <= 26, "no more keywords than letters");
  const std::string written = FormatKeywords(names);
  RequireEqual(FormatKeywords(ParseKeywords(written)), written, "what is written is read again");
  for (const std::string& name : names)
    Require(FindKeyword(names, name) >= 0, "a keyword that is there is found", name);
}

void CheckSubscriptions(std::string_view text) {
  const Subscriptions found = ParseSubscriptions(text);
  const std::string written = FormatSubscriptions(found);
  const Subscriptions again = ParseSubscriptions(written);
  const bool another_version = text.starts_with("V\t") && !text.starts_with("V\t2");  // read as it can be
  if (another_version) return;
  // Version 1 has no escapes: a name like the header of version 2 can't stand in it.
  const auto like_header = [](const std::string& name) { return name.starts_with("V\t"); };
  if (found.version == 1 && std::any_of(found.names.begin(), found.names.end(), like_header)) return;
  Require(again.names == found.names, "what is written is read again", written);
  Require(again.version == found.version || found.names.empty(), "in the version that was found", written);
  Require(again.unreadable_lines == found.unreadable_lines, "and what can't be read is kept", written);
  for (const std::string& line : found.unreadable_lines) {
    Require(("\n" + std::string(text) + "\n").find("\n" + line + "\n") != std::string::npos,
            "a line that can't be read is kept whole", line);
  }
}

// Three names: their parts, and the order of discovery.
void CheckNames(fuzz::Input& input) {
  const std::string_view names[] = {input.Line(), input.Line(), input.Line()};
  for (const std::string_view name : names) {
    const NameParts parts = ParseName(name);
    const Flags flags = FlagsOf(parts.letters);
    const Keywords keywords = KeywordsOf(parts.letters);
    const std::string written = FormatName(parts.base, flags, keywords, parts.letters, parts.other);
    const NameParts again = ParseName(written);
    if (parts.base.find(':') != std::string_view::npos || parts.other.find(':') != std::string_view::npos) continue;
    RequireEqual(again.base, parts.base, "flags leave the base alone");
    RequireEqual(again.other, parts.other, "flags leave what stands behind them alone");
    Require(FlagsOf(again.letters) == flags && KeywordsOf(again.letters) == keywords, "flags come back", written);
    RequireEqual(FormatName(again.base, flags, keywords, again.letters, again.other), written, "one writing only");
  }
  const auto [a, b, c] = std::tuple(BaseOf(names[0]), BaseOf(names[1]), BaseOf(names[2]));
  Require(!NamedBefore(a, a), "nothing is before itself", a);
  Require(!(NamedBefore(a, b) && NamedBefore(b, a)), "one is before the other", a);
  Require(a == b || NamedBefore(a, b) || NamedBefore(b, a), "two names have an order", a);
  if (NamedBefore(a, b) && NamedBefore(b, c))
    Require(NamedBefore(a, c), "the order goes on", std::string(a) + "\n" + std::string(b) + "\n" + std::string(c));
}

uint32_t Crc32c(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

// The records of the input, each with its checksum; `bad` of them is left without.
std::string SealedLog(std::string_view records, size_t bad) {
  std::string text = ChangeLogHeader(9);
  for (size_t number = 0; !records.empty(); ++number) {
    const std::string_view line = records.substr(0, records.find('\n'));
    records.remove_prefix(std::min(records.size(), line.size() + 1));
    char crc[16];
    std::snprintf(crc, sizeof crc, " %x", number == bad ? 1 : Crc32c(line));
    text += std::string(line) + crc + "\n";
  }
  return text;
}

void CheckChangeLog(fuzz::Input& input) {
  const size_t bad = input.Choose(256);
  const std::string_view records = input.Rest();
  (void)ParseChangeLog(records);
  const std::string text = SealedLog(records, bad);
  const ChangeLog log = ParseChangeLog(text);
  Require(log.parsed_bytes <= text.size() && log.torn == (log.parsed_bytes != text.size()),
          "a torn log is known as one");
  for (size_t i = 0; i < log.messages.size(); ++i) {
    const LoggedMessage& message = log.messages[i];
    Require(i == 0 || log.messages[i - 1].uid < message.uid, "messages ascend by UID");
    Require(FindLogged(log, message.uid) == &message, "a message that is logged is found");
    Require(message.modseq <= log.highest, "no message above the highest MODSEQ");
    Require(message.uid < log.next_uid || message.uid == UINT32_MAX, "the next UID is new");
  }
  // Everything up to the last good record says the same.
  const ChangeLog good = ParseChangeLog(std::string_view(text).substr(0, log.parsed_bytes));
  Require(!good.torn && good.highest == log.highest && good.ceiling == log.ceiling && good.expunged == log.expunged &&
              good.messages.size() == log.messages.size() && good.next_uid == log.next_uid,
          "what is torn off counts for nothing", text);
  // Cut anywhere: no more than the whole says.
  const ChangeLog half = ParseChangeLog(std::string_view(text).substr(0, text.size() / 2));
  Require(half.highest <= log.highest && half.ceiling <= log.ceiling && half.next_uid <= log.next_uid,
          "half a log says no more");
}

}  // namespace
}  // namespace postern::mailbox

namespace postern::queue {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

// The facts, the message and the journal as parts; the first line and the end are put in here.
void CheckQueueFile(fuzz::Input& input) {
  const std::string facts = "POSTERN-QUEUE 1\n" + std::string(input.Part()) + "message\n";
  const std::string message(input.Part());
  Checksum checksum;
  checksum.Add(facts + message);
  const std::string text = facts + message + FormatTrailer(message.size(), checksum);
  const auto parsed = ParseQueueFile(text);
  const auto head = ParseQueueHead(text);
  if (!parsed.ok()) return;
  Require(head.ok(), "what is whole has a beginning", text);
  Require(head->envelope == parsed->envelope &&
              text.substr(head->message_at_bytes, parsed->message.size()) == parsed->message,
          "the beginning says what the whole says", text);
  RequireEqual(parsed->message, message, "the message is the message");
  const std::string written = FormatEnvelope(parsed->envelope);
  Checksum again_sum;
  again_sum.Add(written);
  again_sum.Add(message);
  const std::string again_text = written + message + FormatTrailer(message.size(), again_sum);
  const auto again = ParseQueueFile(again_text);
  Require(again.ok(), "what is written is read again", written);
  Require(again->envelope == parsed->envelope, "what is written is read again", written);
  // One byte less, or another byte: never believed.
  Require(!ParseQueueFile(std::string_view(text).substr(0, text.size() - 1)).ok(), "what is cut off is no queue file");
  std::string changed = text;
  changed[changed.size() / 2] ^= 1;
  Require(!ParseQueueFile(changed).ok(), "what is changed is no queue file");

  const std::string_view journal = input.Rest();
  Envelope once = parsed->envelope, twice = parsed->envelope;
  ApplyJournal(journal, &once);
  ApplyJournal(journal, &twice);
  ApplyJournal(journal, &twice);
  Require(once == twice, "a journal may be read twice");
  for (size_t i = 0; i < once.recipients.size(); ++i) {
    Require(!once.recipients[i].done || journal.find(FormatDone(i).substr(0, 5)) != std::string_view::npos,
            "nobody is done whom no line names");
  }
}

}  // namespace
}  // namespace postern::queue

namespace {

void Run(postern::fuzz::Input input) {
  using namespace postern;
  switch (input.Choose(8)) {
    case 0:
      return mailbox::CheckUidList(input.Rest());
    case 1:
      return mailbox::CheckKeywords(input.Rest());
    case 2:
      return mailbox::CheckSubscriptions(input.Rest());
    case 3:
      return mailbox::CheckNames(input);
    case 4:
      return mailbox::CheckChangeLog(input);
    case 5:
      return queue::CheckQueueFile(input);
    case 6: {
      const std::string_view text = input.Rest();
      fuzz::Require(mailbox::NextUidValidity(text, 1'700'000'000) != 0, "a UIDVALIDITY is not 0", text);
      return;
    }
    default: {
      const std::string_view text = input.Rest();
      (void)queue::ParseQueueFile(text);
      (void)queue::ParseQueueHead(text);
      (void)queue::ParseMaildropFile(text);
      (void)queue::ParseMaildropHead(text);
      return;
    }
  }
}

}  // namespace

POSTERN_FUZZ_TARGET(Run)
