// SELECT, EXAMINE, CLOSE, UNSELECT, NOOP and CHECK (RFC 3501 sections 6.3.1, 6.3.2, 6.4.1, 6.4.2; RFC 3691; RFC 7162).
#include <algorithm>
#include <utility>

#include "core/imap/parser.h"
#include "core/imap/session_run.h"

namespace postern::imap {

NumberSet MissingUids(const NumberSet& asked, const mailbox::MailboxState& state) {
  NumberSet missing;
  for (const SequenceRange& range : asked.ranges()) {
    uint64_t next = range.first;
    for (size_t row = state.FirstRowFrom(range.first); row < state.count() && state.uids[row] <= range.last; ++row) {
      if (state.uids[row] > next) missing.Add(SequenceRange{static_cast<uint32_t>(next), state.uids[row] - 1});
      next = uint64_t{state.uids[row]} + 1;
    }
    if (next <= range.last) missing.Add(SequenceRange{static_cast<uint32_t>(next), range.last});
  }
  return missing;
}

namespace {

class SelectRun final : public CommandRun {
 public:
  SelectRun(ImapSession& session, SelectCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    const std::string_view name = command_.examine ? "EXAMINE" : "SELECT";
    if (command_.qresync && !session_.qresync()) {
      return session_.FinishBad(CommandErrorText(name, "QRESYNC not enabled"), context);
    }
    // RFC 3501 section 6.3.1: the old mailbox is left even where the new one can't be had.
    session_.Deselect(/*tell_closed=*/true, context);
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    const mailbox::Ticket ticket = session_.NextTicket();
    session_.account().Select(ticket, storage_name_, command_.examine, context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    auto* result = std::get_if<mailbox::SelectResult>(&completion.outcome);
    if (!completion.status.ok() || result == nullptr || result->state == nullptr) {
      session_.account().Unselect(session_.machine(), context);
      return session_.FinishFailed(completion.status, storage_name_, "", context);
    }
    session_.Select(std::make_unique<Selection>(result->state, result->recent_first_uid, result->read_only));
    if (command_.condstore || command_.qresync) session_.EnableCondstore(/*tell_highest=*/false, context);
    std::string out;
    session_.AppendFlagLines(&out);
    Selection& selected = *session_.selection();
    const mailbox::MailboxState& state = selected.view.state();
    AppendNumberLine(selected.view.count(), "EXISTS", &out);
    selected.told_recent = selected.RecentCount();
    AppendNumberLine(selected.told_recent, "RECENT", &out);
    for (size_t row = 0; row < state.count(); ++row) {
      if (state.flags[row] & mailbox::kSeen) continue;
      out += "* OK [UNSEEN " + std::to_string(row + 1) + "] First unseen.\r\n";
      break;
    }
    out += "* OK [UIDVALIDITY " + std::to_string(state.uidvalidity) + "] UIDs valid\r\n";
    out += "* OK [UIDNEXT " + std::to_string(state.uidnext) + "] Predicted next UID\r\n";
    out += "* OK [HIGHESTMODSEQ " + std::to_string(state.highestmodseq) + "] Highest\r\n";
    session_.Write(out, context);
    if (command_.qresync) Resynchronize(context);
    session_.Finish({.code = selected.read_only ? "READ-ONLY" : "READ-WRITE",
                     .text = command_.examine ? "Examine completed." : "Select completed.",
                     .tell = ImapSession::Answer::Tell::kNothing},
                    context);
  }

 private:
  // RFC 7162 section 3.2.5: what the client missed while it was away.
  void Resynchronize(Context& context) {
    const mailbox::View& view = session_.selection()->view;
    const mailbox::MailboxState& state = view.state();
    if (command_.qresync->uid_validity != state.uidvalidity) return;
    // Which UIDs went when is not kept for ever. Naming every UID that is not there, of those the client may know, is
    // always right (section 3.2.5.1), and costs one range for each gap.
    NumberSet vanished;
    if (command_.qresync->known_uids) {
      vanished = *command_.qresync->known_uids;
      vanished.Remove({.first = std::max<uint32_t>(state.uidnext, 1), .last = UINT32_MAX});
    } else if (state.uidnext > 1) {
      vanished.Add(SequenceRange{.first = 1, .last = state.uidnext - 1});
    }
    std::string out;
    const NumberSet gone = MissingUids(vanished, state);
    if (!gone.empty() && command_.qresync->mod_sequence < state.highestmodseq) {
      out += "* VANISHED (EARLIER) ";
      gone.Format(&out);
      out += "\r\n";
    }
    for (size_t row = 0; row < state.count(); ++row) {
      if (state.modseqs[row] <= command_.qresync->mod_sequence) continue;
      if (command_.qresync->known_uids && !command_.qresync->known_uids->Contains(state.uids[row])) continue;
      session_.AppendFlagChange(row, {.with_uid = true}, &out);
    }
    session_.Write(out, context);
  }

  SelectCommand command_;
  std::string storage_name_;
};

// CLOSE: expunges what is marked, tells nobody, and leaves.
class CloseRun final : public CommandRun {
 public:
  using CommandRun::CommandRun;

  void Start(Context& context) override {
    Selection& selected = *session_.selection();
    const mailbox::MailboxState& state = selected.view.state();
    std::vector<uint32_t> uids;
    for (size_t row = 0; !selected.read_only && row < state.count(); ++row) {
      // RFC 3501 section 6.4.2 means those the client knows of.
      if (state.flags[row] & mailbox::kDeleted && selected.view.NumberOf(state.uids[row]) != 0) {
        uids.push_back(state.uids[row]);
      }
    }
    if (uids.empty()) return Leave(false, context);
    session_.account().Expunge(session_.NextTicket(), selected.view.state(), std::move(uids), context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, "", "", context);
    const auto* result = std::get_if<mailbox::ExpungeResult>(&completion.outcome);
    const size_t count = result != nullptr ? result->uids.size() : 0;
    session_.counters().expunged += count;
    Leave(count > 0, context);
  }

 private:
  void Leave(bool expunged, Context& context) {
    // RFC 7162 section 3.2.8
    std::string code;
    if (expunged && session_.qresync())
      AppendCode("HIGHESTMODSEQ", session_.selection()->view.state().highestmodseq, &code);
    session_.Deselect(/*tell_closed=*/false, context);
    session_.Finish({.code = code, .text = "Close completed."}, context);
  }
};

// NOOP and CHECK: looks for what others did to the mailbox, and tells.
class RefreshRun final : public CommandRun {
 public:
  RefreshRun(ImapSession& session, std::string_view done_text) : CommandRun(session), done_text_(done_text) {}

  void Start(Context& context) override {
    session_.account().Refresh(session_.NextTicket(), session_.selection()->view.state(), context);
  }
  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok() && !session_.selection()->view.state().deleted) {
      return session_.FinishFailed(completion.status, session_.selection()->view.state().name, "", context);
    }
    session_.Finish({.text = done_text_}, context);
  }

 private:
  const std::string_view done_text_;  // a literal
};

}  // namespace

void ImapSession::HandleUnselect(Context& context) {
  Deselect(/*tell_closed=*/false, context);
  Finish({.text = "Unselect completed."}, context);
}

std::unique_ptr<CommandRun> MakeSelect(ImapSession& session, SelectCommand command) {
  return std::make_unique<SelectRun>(session, std::move(command));
}
std::unique_ptr<CommandRun> MakeClose(ImapSession& session) { return std::make_unique<CloseRun>(session); }
std::unique_ptr<CommandRun> MakeRefresh(ImapSession& session, std::string_view done_text) {
  return std::make_unique<RefreshRun>(session, done_text);
}

}  // namespace postern::imap
