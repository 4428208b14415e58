// What a session tells of changes in its mailbox: others' and its own (RFC 3501 sections 5.2, 7.3, 7.4.1; RFC 7162).
#include "core/imap/session.h"

namespace postern::imap {

void ImapSession::AppendFlagsOf(size_t row, std::string* out) {
  const Selection& selected = *selection();
  const mailbox::MailboxState& state = selected.view.state();
  Flags system = state.flags[row];
  if (selected.IsRecent(state.uids[row])) system |= kRecent;
  if (state.keywords[row] == 0) return AppendFlagList(system, {}, out);
  std::vector<std::string> keywords;
  for (size_t i = 0; i < state.keyword_names.size() && i < mailbox::kKeywordCountMax; ++i) {
    if (state.keywords[row] >> i & 1 && !state.keyword_names[i].empty()) keywords.push_back(state.keyword_names[i]);
  }
  AppendFlagList(system, keywords, out);
}

void ImapSession::AppendFlagLines(std::string* out) {
  const Selection& selected = *selection();
  FlagList all{.system = kAnswered | kFlagged | kDeleted | kSeen | kDraft};
  for (const std::string& name : selected.view.state().keyword_names) {
    if (!name.empty()) all.keywords.push_back(name);
  }
  *out += "* FLAGS ";
  AppendFlagList(all, out);
  *out += "\r\n* OK [";
  if (selected.read_only) {
    AppendPermanentFlags({}, /*star=*/false, out);
    *out += "] Read-only mailbox.\r\n";
  } else {
    AppendPermanentFlags(all, selected.view.state().keyword_names.size() < mailbox::kKeywordCountMax, out);
    *out += "] Flags permitted.\r\n";
  }
}

void ImapSession::TellChanges(bool expunges, bool with_uid, Context& context) {
  Selection& selected = *selection();
  const mailbox::MailboxState& state = selected.view.state();
  const mailbox::View::Changes changes = selected.view.Sync(expunges);
  std::string out;
  if (changes.keywords_grew) AppendFlagLines(&out);
  if (qresync_ && !changes.expunged_uids.empty()) {
    // RFC 7162 section 3.2.10
    NumberSet vanished;
    for (const uint32_t uid : changes.expunged_uids) vanished.Add(uid);
    out += "* VANISHED ";
    vanished.Format(&out);
    out += "\r\n";
  } else {
    for (const uint32_t number : changes.expunged_numbers) AppendNumberLine(number, "EXPUNGE", &out);
  }
  if (changes.exists_changed) AppendNumberLine(selected.view.count(), "EXISTS", &out);
  const uint32_t recent = selected.RecentCount();
  if (recent != selected.told_recent) {
    AppendNumberLine(recent, "RECENT", &out);
    selected.told_recent = recent;
  }
  for (const uint32_t uid : changes.changed_uids) {
    const size_t row = state.RowOf(uid);
    if (row == state.count()) continue;
    AppendFlagChange(row, {.with_uid = with_uid || qresync_}, &out);
    if (out.size() > kUnsentBytesMax / 4) {
      Write(out, context);
      out.clear();
    }
  }
  Write(out, context);
}

void ImapSession::AppendFlagChange(size_t row, FlagChange what, std::string* out) {
  const mailbox::View& view = selection()->view;
  const mailbox::MailboxState& state = view.state();
  *out += "* ";
  AppendNumber(view.NumberOf(state.uids[row]), out);
  *out += " FETCH (";
  const char* separator = "";
  if (what.with_uid) {
    *out += "UID ";
    AppendNumber(state.uids[row], out);
    separator = " ";
  }
  // RFC 7162 section 3.2.3: once CONDSTORE is on, every change of flags comes with its mod-sequence.
  if (condstore_) {
    *out += separator;
    *out += "MODSEQ (";
    AppendNumber(state.modseqs[row], out);
    *out += ')';
    separator = " ";
  }
  if (what.flags) {
    *out += separator;
    *out += "FLAGS ";
    AppendFlagsOf(row, out);
  }
  *out += ")\r\n";
}

}  // namespace postern::imap
