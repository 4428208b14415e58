// STATUS (RFC 3501 section 6.3.10; RFC 7162; RFC 8438).
#include "core/imap/session_status.h"

#include <utility>

#include "core/imap/parser.h"
#include "core/imap/session_run.h"

namespace postern::imap {

void AppendStatus(std::string_view client_name, StatusItems items, const mailbox::StatusResult& result,
                  std::string* out) {
  *out += "* STATUS ";
  AppendMailbox(client_name, out);
  *out += " (";
  const char* separator = "";
  const auto add = [&](StatusItem item, uint64_t value) {
    if (!(items & item)) return;
    *out += separator;
    *out += StatusItemName(item);
    *out += ' ';
    AppendNumber(value, out);
    separator = " ";
  };
  add(kStatusMessages, result.messages);
  add(kStatusRecent, result.recent);
  add(kStatusUidNext, result.uidnext);
  add(kStatusUidValidity, result.uidvalidity);
  add(kStatusUnseen, result.unseen);
  add(kStatusHighestModSeq, result.highestmodseq);
  add(kStatusSize, result.size_bytes);
  *out += ")\r\n";
}

std::string_view UnknownStatusItem(StatusItems items) {
  const auto unknown = static_cast<StatusItems>(items & ~kStatusItemsKnown);
  if (unknown == 0) return "";
  return StatusItemName(static_cast<StatusItem>(unknown & -unknown));
}

namespace {

class StatusRun final : public CommandRun {
 public:
  StatusRun(ImapSession& session, StatusCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    if (const std::string_view unknown = UnknownStatusItem(command_.items); !unknown.empty()) {
      return session_.FinishBad(CommandErrorText("STATUS", "Invalid status item " + std::string(unknown)), context);
    }
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    if (command_.items & kStatusHighestModSeq) session_.EnableCondstore(/*tell_highest=*/true, context);
    session_.account().GetStatus(session_.NextTicket(), storage_name_, command_.items & kStatusSize, context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    const auto* result = std::get_if<mailbox::StatusResult>(&completion.outcome);
    if (!completion.status.ok() || result == nullptr) {
      return session_.FinishFailed(completion.status, storage_name_, "", context);
    }
    std::string out;
    AppendStatus(session_.ShownMailboxName(storage_name_), command_.items, *result, &out);
    session_.Write(out, context);
    const Selection* selected = session_.selection();
    if (selected != nullptr && selected->view.state().name == storage_name_) {
      return session_.Finish({.code = "CLIENTBUG", .text = "Status on selected mailbox completed."}, context);
    }
    session_.Finish({.text = "Status completed."}, context);
  }

 private:
  StatusCommand command_;
  std::string storage_name_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeStatus(ImapSession& session, StatusCommand command) {
  return std::make_unique<StatusRun>(session, std::move(command));
}

}  // namespace postern::imap
