// Mailbox names and message sets as commands give them, and failures of the account as the client is told them.
#include <algorithm>

#include "core/imap/mailbox_name.h"
#include "core/imap/parser.h"
#include "core/imap/session.h"
#include "core/mailbox/namespaces.h"

namespace postern::imap {

std::optional<std::string> ImapSession::TakeMailboxName(std::string_view name, Context& context) {
  if (!IsValidMailboxName(name)) {
    Finish({.condition = Condition::kNo, .text = kInvalidMailboxNameText}, context);
    return std::nullopt;
  }
  auto storage = mailbox::StorageName(name, space());
  if (!storage.ok()) {
    const std::string_view code = storage.status().code() == StatusCode::kNotFound ? "NONEXISTENT" : "CANNOT";
    Finish({.condition = Condition::kNo, .code = code, .text = Message(storage.status())}, context);
    return std::nullopt;
  }
  return *std::move(storage);
}

std::string ImapSession::ShownMailboxName(std::string_view storage_name) const {
  return mailbox::ClientName(storage_name, space());
}

std::string ImapSession::MissingMailboxText(std::string_view storage_name) const {
  const std::string name = ShownMailboxName(storage_name);
  return "Mailbox doesn't exist: " + MailboxNameToUtf8(name).value_or(name);
}

void ImapSession::FinishFailed(const Status& status, std::string_view storage_name, std::string_view code_if_missing,
                               Context& context, Answer::Tell tell) {
  Answer answer{.condition = Condition::kNo, .tell = tell};
  std::string text(Message(status));
  switch (status.code()) {
    case StatusCode::kNotFound:
      answer.code = code_if_missing;
      text = MissingMailboxText(storage_name);
      break;
    case StatusCode::kAlreadyExists:
      answer.code = "ALREADYEXISTS";
      break;
    case StatusCode::kInvalidArgument:
      answer.code = "CANNOT";
      break;
    case StatusCode::kFailedPrecondition:
      break;
    case StatusCode::kResourceExhausted:
      answer.code = "OVERQUOTA";  // RFC 5530: also a full disk
      break;
    case StatusCode::kOutOfRange:
      answer.code = "LIMIT";
      break;
    case StatusCode::kPermissionDenied:
      answer.code = "NOPERM";
      text = "Permission denied";
      break;
    default:
      Log("imap(" + EscapeForLog(user_) + ")<" + std::to_string(directory_.LogPid(conn_)) + "><" + session_id_ +
              ">: Error: Mailbox " + EscapeForLog(storage_name) + ": " + EscapeForLog(text),
          context, Severity::kError);
      answer.code = status.code() == StatusCode::kUnavailable ? "UNAVAILABLE" : "SERVERBUG";
      text = "Internal error occurred. Refer to server log for more information.";
  }
  answer.text = text;
  Finish(answer, context);
}

ImapSession::ViewRanges ImapSession::ResolveSet(const SequenceSet& set, bool uid) {
  const auto& uids = selection()->view.uids();
  if (set.is_saved_result()) return selection()->saved_uids.IndexesIn(uids);
  if (uid) return set.Resolve(uids.empty() ? 0 : uids.back()).IndexesIn(uids);
  ViewRanges ranges;
  const uint32_t count = selection()->view.count();
  const NumberSet numbers = set.Resolve(count);
  for (const SequenceRange& range : numbers.ranges()) {
    if (range.first > count) break;
    ranges.push_back({.first = range.first - 1, .last = std::min(range.last, count)});
  }
  return ranges;
}

std::optional<ImapSession::ViewRanges> ImapSession::TakeSet(const SequenceSet& set, bool uid,
                                                            std::string_view command_name, Context& context) {
  const uint32_t count = selection()->view.count();
  // Sequence numbers must exist (RFC 3501 section 9 seq-number); UIDs need not.
  if (!uid && !set.is_saved_result() && (set.MaxNumber() > count || (count == 0 && set.HasStar()))) {
    FinishBad(CommandErrorText(command_name, "Invalid messageset"), context);
    return std::nullopt;
  }
  return ResolveSet(set, uid);
}

std::vector<uint32_t> ImapSession::UidsOf(const ViewRanges& ranges) {
  const auto& all = selection()->view.uids();
  std::vector<uint32_t> uids;
  for (const NumberSet::IndexRange& range : ranges) {
    uids.insert(uids.end(), all.begin() + static_cast<ptrdiff_t>(range.first),
                all.begin() + static_cast<ptrdiff_t>(range.last));
  }
  return uids;
}

}  // namespace postern::imap
