// CREATE, DELETE, RENAME, SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.3 to 6.3.7).
#include <algorithm>
#include <utility>

#include "core/imap/session_run.h"

namespace postern::imap {
namespace {

class CreateRun final : public CommandRun {
 public:
  CreateRun(ImapSession& session, CreateCommand command) : CommandRun(session), command_(std::move(command)) {}
  void Start(Context& context) override {
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    session_.account().Create(session_.NextTicket(), storage_name_, context);
  }
  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, storage_name_, "NONEXISTENT", context);
    session_.Finish({.text = "Create completed."}, context);
  }

 private:
  CreateCommand command_;
  std::string storage_name_;
};

class DeleteRun final : public CommandRun {
 public:
  DeleteRun(ImapSession& session, DeleteCommand command) : CommandRun(session), command_(std::move(command)) {}
  void Start(Context& context) override {
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    session_.account().Delete(session_.NextTicket(), storage_name_, context);
  }
  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, storage_name_, "NONEXISTENT", context);
    session_.Finish({.text = "Delete completed."}, context);
  }

 private:
  DeleteCommand command_;
  std::string storage_name_;
};

class RenameRun final : public CommandRun {
 public:
  RenameRun(ImapSession& session, RenameCommand command) : CommandRun(session), command_(std::move(command)) {}
  void Start(Context& context) override {
    auto from = session_.TakeMailboxName(command_.from, context);
    if (!from) return;
    auto to = session_.TakeMailboxName(command_.to, context);
    if (!to) return;
    from_ = *std::move(from);
    if (from_ == *to) {
      return session_.Finish(
          {.condition = Condition::kNo, .code = "ALREADYEXISTS", .text = "Can't rename mailbox to itself."}, context);
    }
    session_.account().Rename(session_.NextTicket(), from_, *to, context);
  }
  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, from_, "NONEXISTENT", context);
    session_.Finish({.text = "Rename completed."}, context);
  }

 private:
  RenameCommand command_;
  std::string from_;
};

class SubscribeRun final : public CommandRun {
 public:
  SubscribeRun(ImapSession& session, std::string mailbox, bool subscribed)
      : CommandRun(session), mailbox_(std::move(mailbox)), subscribed_(subscribed) {}
  void Start(Context& context) override {
    auto storage = session_.TakeMailboxName(mailbox_, context);
    if (!storage) return;
    storage_name_ = *std::move(storage);
    if (subscribed_) return session_.account().List(session_.NextTicket(), context);
    session_.account().Subscribe(session_.NextTicket(), storage_name_, false, context);
  }
  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (!completion.status.ok()) return session_.FinishFailed(completion.status, storage_name_, "", context);
    if (const auto* list = std::get_if<mailbox::ListResult>(&completion.outcome)) {
      // RFC 3501 section 6.3.6 lets a server refuse names that are not there, as Dovecot does.
      const bool exists = std::any_of(list->entries.begin(), list->entries.end(),
                                      [&](const auto& entry) { return entry.exists && entry.name == storage_name_; });
      if (!exists) return session_.FinishFailed(NotFound(""), storage_name_, "", context);
      return session_.account().Subscribe(session_.NextTicket(), storage_name_, true, context);
    }
    session_.Finish({.text = subscribed_ ? "Subscribe completed." : "Unsubscribe completed."}, context);
  }

 private:
  std::string mailbox_, storage_name_;
  bool subscribed_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeCreate(ImapSession& session, CreateCommand command) {
  return std::make_unique<CreateRun>(session, std::move(command));
}
std::unique_ptr<CommandRun> MakeDelete(ImapSession& session, DeleteCommand command) {
  return std::make_unique<DeleteRun>(session, std::move(command));
}
std::unique_ptr<CommandRun> MakeRename(ImapSession& session, RenameCommand command) {
  return std::make_unique<RenameRun>(session, std::move(command));
}
std::unique_ptr<CommandRun> MakeSubscribe(ImapSession& session, std::string mailbox, bool subscribed) {
  return std::make_unique<SubscribeRun>(session, std::move(mailbox), subscribed);
}

}  // namespace postern::imap
