// Laws of the mailbox room's texts: what is written is read back, rubbish is never believed nor fatal.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

#include "core/mailbox/change_log.h"
#include "core/mailbox/keywords.h"
#include "core/mailbox/mailbox_files.h"
#include "core/mailbox/message_writer.h"
#include "core/mailbox/names.h"
#include "core/mailbox/namespaces.h"
#include "core/mailbox/subscriptions.h"
#include "core/mailbox/uidlist.h"

namespace postern::mailbox {
namespace {

// Text of these characters only: rubbish that gets far.
rc::Gen<std::string> TextOf(std::string alphabet) {
  return rc::gen::container<std::string>(rc::gen::elementOf(std::move(alphabet)));
}

RC_GTEST_PROP(Names, FlagsChangeAndNothingElseDoes, ()) {
  const std::string letters = *TextOf("DFRSTabzPQX"), rest = *TextOf(",:=x");
  const std::string name = "1.M1P1.h,S=5:2," + letters + "," + (rest.find(':') == std::string::npos ? rest : "");
  const Flags flags = *rc::gen::inRange<Flags>(0, 32);
  const Keywords keywords = *rc::gen::arbitrary<Keywords>() & ((Keywords{1} << 26) - 1);
  const NameParts before = ParseName(name);
  const std::string changed = FormatName(before.base, flags, keywords, before.letters, before.other);
  const NameParts after = ParseName(changed);
  RC_ASSERT(after.base == before.base);
  RC_ASSERT(after.other == before.other);
  RC_ASSERT(FlagsOf(after.letters) == flags);
  RC_ASSERT(KeywordsOf(after.letters) == keywords);
  RC_ASSERT(std::is_sorted(after.letters.begin(), after.letters.end()));
  for (const char c : {'P', 'Q', 'X'})
    RC_ASSERT((letters.find(c) == std::string::npos) == (after.letters.find(c) == std::string_view::npos));
  RC_ASSERT(FormatName(after.base, flags, keywords, after.letters, after.other) == changed);
}

RC_GTEST_PROP(Names, AgeIsAStrictOrder, ()) {
  const auto name = TextOf("0123456789.MPV");
  const std::string a = *name, b = *name, c = *name;
  RC_ASSERT(!(NamedBefore(a, b) && NamedBefore(b, a)));
  RC_ASSERT(a == b || NamedBefore(a, b) || NamedBefore(b, a));
  if (NamedBefore(a, b) && NamedBefore(b, c)) RC_ASSERT(NamedBefore(a, c));
}

RC_GTEST_PROP(UidListText, ComesBack, ()) {
  UidList list{.uidvalidity = *rc::gen::inRange(1u, UINT32_MAX), .guid = std::string(32, 'a')};
  uint32_t uid = 0;
  for (const std::string& base :
       *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(TextOf("abc.,=19 ")))) {
    uid += *rc::gen::inRange(1u, 1000u);
    list.records.push_back({.uid = uid, .base = base, .items = *rc::gen::element<std::string>("", " W12", " Px Zy")});
  }
  list.next_uid = uid + 1;
  const std::string text = FormatUidList(list);
  const auto read = ParseUidList(text);
  RC_ASSERT(read.ok());
  RC_ASSERT(FormatUidList(*read) == text);
  RC_ASSERT(!read->needs_rewrite);
  // Cut anywhere: a prefix of the records, and a next UID that none of them has.
  const size_t cut = *rc::gen::inRange<size_t>(0, text.size() + 1);
  const auto part = ParseUidList(std::string_view(text).substr(0, cut));
  if (part.ok()) {
    RC_ASSERT(part->records.size() <= list.records.size());
    for (size_t i = 0; i < part->records.size(); ++i) RC_ASSERT(part->records[i].uid == list.records[i].uid);
    RC_ASSERT(
        (part->records.empty() || part->next_uid > part->records.back().uid));  // both sides of a bare || would run
  }
}

RC_GTEST_PROP(ChangeLogText, IsAPrefixOfWhatWasWritten, ()) {
  std::string text = ChangeLogHeader(9);
  std::vector<std::pair<uint32_t, uint64_t>> expunged;
  uint64_t modseq = 0;
  for (const auto& [uid, flags] : *rc::gen::arbitrary<std::vector<std::pair<uint32_t, uint8_t>>>()) {
    if (uid == 0 || uid == UINT32_MAX) continue;
    if (flags % 4 == 0) {
      AppendExpunged(uid, ++modseq, &text);
      expunged.emplace_back(uid, modseq);
    } else {
      AppendFlags(uid, {++modseq, static_cast<Flags>(flags & 31), flags}, &text);
    }
  }
  const ChangeLog whole = ParseChangeLog(text);
  RC_ASSERT(!whole.torn);
  RC_ASSERT(whole.highest == modseq);
  RC_ASSERT(whole.expunged == expunged);
  const size_t cut = *rc::gen::inRange<size_t>(0, text.size() + 1);
  std::string damaged = text.substr(0, cut) + *TextOf(std::string("FXE 0123456789abcdef\n\0", 22));
  const ChangeLog part = ParseChangeLog(damaged);
  RC_ASSERT(part.parsed_bytes <= damaged.size());
  RC_ASSERT(part.expunged.size() <= expunged.size());
  RC_ASSERT(std::equal(part.expunged.begin(), part.expunged.end(), expunged.begin()));
}

RC_GTEST_PROP(Subscriptions, ComeBack, ()) {
  Subscriptions subscriptions;
  for (const std::string& name :
       *rc::gen::container<std::vector<std::string>>(rc::gen::nonEmpty(rc::gen::arbitrary<std::string>()))) {
    if (name.find('\0') == std::string::npos || true) subscriptions.names.insert(name);
  }
  RC_ASSERT(ParseSubscriptions(FormatSubscriptions(subscriptions)).names == subscriptions.names);
}

RC_GTEST_PROP(Rubbish, IsNeverFatal, ()) {
  const std::string text = *TextOf(std::string("0123456789 :GVNWPFXEKCBMH\n\t\1,.S=abc\0", 36));
  (void)ParseUidList("3 V1 N1 G1\n" + text);
  (void)ParseUidList(text);
  (void)NextUidIn(text);
  (void)ParseChangeLog("postern-changes 1 V1\n" + text);
  (void)ParseKeywords(text);
  (void)FormatSubscriptions(ParseSubscriptions(text));
  (void)ParseName(text);
  const config::Namespace space;
  if (const auto name = StorageName(text, space); name.ok())
    RC_ASSERT(*StorageName(ClientName(*name, space), space) == *name);
}

RC_GTEST_PROP(MessageWriter, IsTheSameForEveryCutAndReadsBack, ()) {
  const std::string sent = *TextOf(std::string("\r\n\nab\0", 6));
  MessageWriter whole({}, {}), pieces({}, {});
  whole.Add(sent);
  whole.End();
  for (size_t at = 0; at < sent.size();) {
    const size_t length = *rc::gen::inRange<size_t>(1, 5);
    pieces.Add(std::string_view(sent).substr(at, length));
    at += length;
  }
  pieces.End();
  RC_ASSERT(*pieces.bytes() == *whole.bytes());
  std::string read, expected;
  const std::string& file = *whole.bytes();
  for (size_t i = 0; i < file.size(); ++i) {
    if (file[i] == '\n' && (i == 0 || file[i - 1] != '\r')) read += '\r';
    read += file[i];
  }
  for (size_t i = 0; i < sent.size(); ++i) {
    if (sent[i] == '\n' && (i == 0 || sent[i - 1] != '\r')) expected += '\r';
    expected += sent[i];
  }
  RC_ASSERT(read == expected);
  RC_ASSERT(whole.crlf_bytes() == read.size());
  RC_ASSERT(whole.file_bytes() == file.size());
  RC_ASSERT(pieces.crlf_bytes() == read.size());
}

RC_GTEST_PROP(SortFiles, NeitherLosesNorDoublesAFile, ()) {
  const auto names = rc::gen::container<std::vector<std::string>>(TextOf("ab:2,S."));
  std::vector<DirEntry> cur, fresh;
  for (auto& name : *names) cur.push_back({name});
  for (auto& name : *names) fresh.push_back({name});
  const SortedFiles sorted = SortFiles(cur, fresh);
  size_t visible = 0;
  for (const auto* entries : {&cur, &fresh}) {
    for (const DirEntry& entry : *entries) visible += !entry.name.empty() && entry.name[0] != '.';
  }
  RC_ASSERT(sorted.files.size() + sorted.duplicates.size() + sorted.misnamed.size() == visible);
  std::set<std::string_view> bases;
  for (const MailFile& file : sorted.files) RC_ASSERT(bases.insert(BaseOf(file.name)).second);
}

}  // namespace
}  // namespace postern::mailbox
