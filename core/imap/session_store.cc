// STORE and UID STORE (RFC 3501 section 6.4.6), UNCHANGEDSINCE (RFC 7162 section 3.1.3).
#include <algorithm>
#include <utility>

#include "core/imap/session_run.h"

namespace postern::imap {
namespace {

class StoreRun final : public CommandRun {
 public:
  StoreRun(ImapSession& session, StoreCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    const auto ranges = session_.TakeSet(command_.set, command_.uid, command_.uid ? "UID STORE" : "STORE", context);
    if (!ranges) return;
    Selection& selected = *session_.selection();
    if (command_.unchanged_since) session_.EnableCondstore(/*tell_highest=*/true, context);
    if (selected.read_only) return Done("", "Store ignored with read-only mailbox.", context);
    for (const std::string& keyword : command_.flags.keywords) {
      if (const std::string_view fault = session_.KeywordFault(keyword); !fault.empty()) {
        return session_.Finish({.condition = Condition::kNo, .code = "CANNOT", .text = fault}, context);
      }
    }
    std::vector<uint32_t> uids = session_.UidsOf(*ranges);
    if (uids.empty()) return Done("", "Store completed.", context);
    mailbox::StoreRequest request{.uids = std::move(uids),
                                  .flags = command_.flags.system,
                                  .keywords = command_.flags.keywords,
                                  .unchanged_since = command_.unchanged_since};
    switch (command_.mode) {
      case StoreCommand::Mode::kReplace:
        request.mode = mailbox::StoreMode::kReplace;
        break;
      case StoreCommand::Mode::kAdd:
        request.mode = mailbox::StoreMode::kAdd;
        break;
      case StoreCommand::Mode::kRemove:
        request.mode = mailbox::StoreMode::kRemove;
        break;
    }
    if (request.flags & mailbox::kDeleted && command_.mode != StoreCommand::Mode::kRemove) {
      session_.counters().deleted += request.uids.size();
    }
    session_.account().Store(session_.NextTicket(), selected.view.state(), std::move(request), context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    const auto* result = std::get_if<mailbox::StoreResult>(&completion.outcome);
    if (!completion.status.ok() || result == nullptr) {
      return session_.FinishFailed(
          completion.status, session_.selection()->view.state().name, "", context,
          command_.uid ? ImapSession::Answer::Tell::kAll : ImapSession::Answer::Tell::kNoExpunges);
    }
    if (command_.silent) HideOwnChanges(*result, context);
    if (result->modified_uids.empty()) return Done("", "Store completed.", context);
    // RFC 7162 section 3.1.3: which messages were left alone.
    NumberSet modified;
    for (const uint32_t uid : result->modified_uids) {
      const uint32_t number = command_.uid ? uid : session_.selection()->view.NumberOf(uid);
      if (number != 0) modified.Add(number);
    }
    std::string code = "MODIFIED ";
    modified.Format(&code);
    Done(code, "Conditional store failed.", context);
  }

 private:
  // .SILENT: the client knows what it asked for, but not the new mod-sequence (RFC 7162 section 3.1.3). What another
  // client changed in the message just before is told all the same: with it goes our own.
  void HideOwnChanges(const mailbox::StoreResult& result, Context& context) {
    Selection& selected = *session_.selection();
    const mailbox::MailboxState& state = selected.view.state();
    std::string out;
    for (const auto& [uid, modseq_before, modseq] : result.messages) {
      const size_t row = state.RowOf(uid);
      if (row == state.count() || modseq == modseq_before || !selected.view.Knows(uid, modseq_before)) continue;
      selected.view.Told(uid, modseq);
      if (session_.condstore() && selected.view.NumberOf(uid) != 0) {
        session_.AppendFlagChange(row, {.with_uid = command_.uid || session_.qresync(), .flags = false}, &out);
      }
    }
    session_.Write(out, context);
  }

  void Done(std::string_view code, std::string_view text, Context& context) {
    session_.Finish({.code = code,
                     .text = text,
                     .tell = command_.uid ? ImapSession::Answer::Tell::kAll : ImapSession::Answer::Tell::kNoExpunges,
                     .with_uid = command_.uid},
                    context);
  }

  StoreCommand command_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeStore(ImapSession& session, StoreCommand command) {
  return std::make_unique<StoreRun>(session, std::move(command));
}

}  // namespace postern::imap
