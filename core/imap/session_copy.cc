// COPY, MOVE and EXPUNGE, with and without UID (RFC 3501 sections 6.4.3 and 6.4.7; RFC 4315; RFC 6851).
#include <algorithm>
#include <utility>

#include "core/imap/session_run.h"

namespace postern::imap {
namespace {

using Tell = ImapSession::Answer::Tell;

class CopyRun final : public CommandRun {
 public:
  CopyRun(ImapSession& session, CopyCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    const std::string name = std::string(command_.uid ? "UID " : "") + (command_.move ? "MOVE" : "COPY");
    const auto ranges = session_.TakeSet(command_.set, command_.uid, name, context);
    if (!ranges) return;
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    std::vector<uint32_t> uids = session_.UidsOf(*ranges);
    if (uids.empty()) return session_.Finish({.text = "No messages found."}, context);
    if (command_.move && session_.selection()->read_only) {
      return session_.Finish({.condition = Condition::kNo, .code = "NOPERM", .text = "Mailbox is read-only"}, context);
    }
    // RFC 3501 section 6.4.7: all or nothing. A UID that is gone names nothing (section 6.4.8).
    const mailbox::MailboxState& state = session_.selection()->view.state();
    const auto gone = [&state](uint32_t uid) { return state.RowOf(uid) == state.count(); };
    if (!command_.uid && std::any_of(uids.begin(), uids.end(), gone)) {
      return session_.Finish({.condition = Condition::kNo,
                              .code = "EXPUNGEISSUED",
                              .text = "Some of the requested messages no longer exist."},
                             context);
    }
    session_.account().Copy(session_.NextTicket(), session_.selection()->view.state(), std::move(uids), storage_name_,
                            command_.move, context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    const auto* result = std::get_if<mailbox::CopyResult>(&completion.outcome);
    std::string copied;
    if (result != nullptr && !result->source_uids.empty()) {
      AppendCopyUid(result->uidvalidity, result->source_uids, result->target_uids, &copied);
    }
    if (!completion.status.ok()) {
      // What was copied before the failure exists: the client should know (RFC 6851 section 3.3).
      if (command_.move && !copied.empty()) session_.Write("* OK [" + copied + "] Moved UIDs.\r\n", context);
      return session_.FinishFailed(completion.status, storage_name_, "TRYCREATE", context);
    }
    if (!command_.move) {
      return session_.Finish({.code = copied, .text = "Copy completed.", .with_uid = command_.uid}, context);
    }
    // RFC 6851 section 4.3: COPYUID comes before the EXPUNGEs, so it can't be in the tagged answer.
    if (!copied.empty()) session_.Write("* OK [" + copied + "] Moved UIDs.\r\n", context);
    session_.counters().expunged += result != nullptr ? result->source_uids.size() : 0;
    std::string code;
    if (session_.qresync()) AppendCode("HIGHESTMODSEQ", session_.selection()->view.state().highestmodseq, &code);
    session_.Finish({.code = code, .text = "Move completed.", .with_uid = command_.uid}, context);
  }

 private:
  CopyCommand command_;
  std::string storage_name_;
};

class ExpungeRun final : public CommandRun {
 public:
  ExpungeRun(ImapSession& session, ExpungeCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    Selection& selected = *session_.selection();
    if (selected.read_only) return session_.Finish({.text = "Expunge completed."}, context);
    const mailbox::MailboxState& state = selected.view.state();
    std::vector<uint32_t> candidates;
    if (command_.uids) {
      candidates = session_.UidsOf(session_.ResolveSet(*command_.uids, /*uid=*/true));
    } else {
      candidates = selected.view.uids();
    }
    std::vector<uint32_t> uids;
    for (const uint32_t uid : candidates) {
      const size_t row = state.RowOf(uid);
      if (row < state.count() && state.flags[row] & mailbox::kDeleted) uids.push_back(uid);
    }
    if (uids.empty()) return session_.Finish({.text = "Expunge completed."}, context);
    session_.account().Expunge(session_.NextTicket(), selected.view.state(), std::move(uids), context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    const mailbox::MailboxState& state = session_.selection()->view.state();
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, state.name, "", context);
    if (const auto* result = std::get_if<mailbox::ExpungeResult>(&completion.outcome)) {
      session_.counters().expunged += result->uids.size();
    }
    // RFC 7162 section 3.2.7
    std::string code;
    if (session_.qresync()) AppendCode("HIGHESTMODSEQ", state.highestmodseq, &code);
    session_.Finish({.code = code, .text = "Expunge completed.", .with_uid = command_.uids.has_value()}, context);
  }

 private:
  ExpungeCommand command_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeCopy(ImapSession& session, CopyCommand command) {
  return std::make_unique<CopyRun>(session, std::move(command));
}
std::unique_ptr<CommandRun> MakeExpunge(ImapSession& session, ExpungeCommand command) {
  return std::make_unique<ExpungeRun>(session, std::move(command));
}

}  // namespace postern::imap
