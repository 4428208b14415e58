// APPEND (RFC 3501 section 6.3.11), MULTIAPPEND (RFC 3502). Messages go through a MessageWriter as they arrive: long
// ones into the mailbox's tmp/, so that memory stays bounded; all of them become messages in one operation at the end.
//
//   kAsking --there is such a mailbox--> kReceiving --end of a message--> kWriting --written--> kReceiving ...
//      |                                     |  what goes wrong is kept until the end: the rest of the command must
//      +--no: refused                        |  be read, or what follows would be taken for commands
//                                            +--end of the command--> kSaving --> answered
#include <utility>
#include <vector>

#include "core/boundary/planted.h"
#include "core/imap/parser.h"
#include "core/imap/session_run.h"
#include "core/mailbox/message_writer.h"
#include "core/message/header.h"

namespace postern::imap {
namespace {

// Of one APPEND, what is held in memory (short messages) and how many. A guess above what clients send.
constexpr uint64_t kHeldBytesMax = 16 << 20;
constexpr size_t kMessagesMax = 1000;
// Of a message's beginning, in which its Message-ID is looked for. Longer headers are those of lists and of spam.
constexpr size_t kHeadBytesMax = 16 << 10;

std::string MessageIdIn(std::string_view head) {
  std::string id = message::Unfolded(message::FirstValue(message::HeaderBlock(head), "Message-ID"));
  id.erase(id.find_last_not_of(" \t\r\n") + 1);  // npos + 1 is 0
  return id;
}

class AppendRun final : public CommandRun {
 public:
  AppendRun(ImapSession& session, AppendCommand command) : CommandRun(session), command_(std::move(command)) {}

  void Start(Context& context) override {
    auto storage = session_.TakeMailboxName(command_.mailbox, context);
    if (!storage) return session_.RefuseAppendLiteral();
    storage_name_ = *std::move(storage);
    next_ = command_.first;
    if (!Check(next_)) {
      session_.RefuseAppendLiteral();
      return FinishFailure(context);
    }
    // A client that waits before it sends is told at once that there is no such mailbox.
    if (session_.literal().synchronizing && storage_name_ != "INBOX") {
      return session_.account().List(session_.NextTicket(), context);
    }
    Accept(context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    if (state_ == State::kAsking) {
      const auto* list = std::get_if<mailbox::ListResult>(&completion.outcome);
      if (completion.status.ok() && list != nullptr) {
        for (const mailbox::MailboxEntry& entry : list->entries) {
          if (entry.exists && entry.name == storage_name_) return Accept(context);
        }
        completion.status = NotFound("");
      }
      session_.RefuseAppendLiteral();
      return session_.FinishFailed(completion.status, storage_name_, "TRYCREATE", context);
    }
    const auto* result = std::get_if<mailbox::AppendResult>(&completion.outcome);
    if (!completion.status.ok() || result == nullptr) {
      RemoveFiles(context);
      return session_.FinishFailed(completion.status, storage_name_, "TRYCREATE", context);
    }
    session_.counters().appended += result->uids.size();
    NumberSet uids;
    for (const uint32_t uid : result->uids) uids.Add(uid);
    std::string code;
    AppendAppendUid(result->uidvalidity, uids, &code);
    session_.Finish({.code = code, .text = "Append completed."}, context);
  }

  bool TakesInput() const override {
    return state_ == State::kReceiving && (writer_ == nullptr || !writer_->must_wait());
  }

  void OnInput(const Framer::Step& step, Context& context) override {
    switch (step.kind) {
      case Framer::Kind::kChunk:
        if (writer_ == nullptr) return;
        writer_->Add(step.text);
        if (head_.size() < kHeadBytesMax) head_ += step.text.substr(0, kHeadBytesMax - head_.size());
        return Write(context);
      case Framer::Kind::kAppendLiteralEnd:
        if (writer_ == nullptr) return;
        writer_->End();
        state_ = State::kWriting;
        return Write(context);
      case Framer::Kind::kAppendLiteral:
        return TakeNext(step.text, context);
      case Framer::Kind::kAppendEnd:
        if (!IsAppendEnd(step.text, next_)) bad_ = true;
        return Save(context);
      case Framer::Kind::kError:
        bad_ = true;
        return FinishFailure(context);
      default:
        return;
    }
  }

  void OnPlanDone(const PlanDone& done, Context& context) override {
    if (writer_ == nullptr || !writer_->plan_open()) return;
    writer_->OnPlanDone(done.result);
    if (abandoned_) {
      RemoveFiles(context);
      return session_.Finish({}, context);
    }
    Write(context);
  }

  void OnMailboxChanged(Context&) override {
    // Told at the end of the command, like everything else.
    if (PLANTED("exists_lost_mid_literal") && session_.selection() != nullptr) session_.selection()->view.Sync(true);
  }

  bool Abandon(Context& context) override {
    if (state_ == State::kSaving) return false;  // the account's now: what it has begun it ends
    abandoned_ = true;
    if (writer_ != nullptr && writer_->plan_open()) return true;
    RemoveFiles(context);
    return false;
  }

 private:
  enum class State : uint8_t { kAsking, kReceiving, kWriting, kSaving };

  // Whether a message may come; what is wrong with it otherwise is kept as the command's failure.
  bool Check(const AppendMessage& message) {
    if (message.literal_bytes == 0) {
      Fail("", "Can't save a zero byte message");
    } else if (messages_.size() >= kMessagesMax || held_bytes_ > kHeldBytesMax) {
      Fail("LIMIT", "Too many messages in one APPEND");
    }
    for (const std::string& keyword : message.flags.keywords) {
      if (const std::string_view fault = session_.KeywordFault(keyword); !fault.empty()) Fail("CANNOT", fault);
    }
    return failure_text_.empty();
  }

  void Fail(std::string_view code, std::string_view text) {
    if (!failure_text_.empty()) return;
    failure_code_ = code;
    failure_text_ = text;
  }

  void Accept(Context& context) {
    state_ = State::kReceiving;
    session_.AcceptAppendLiteral(context);
    writer_.reset();
    head_.clear();
    if (!failure_text_.empty() || bad_) return;  // read, and thrown away
    const Path dir = session_.account().MailboxDir(storage_name_);
    writer_ = std::make_unique<mailbox::MessageWriter>(
        std::vector<mailbox::MessageWriter::Target>{{.tmp_path = dir + "/tmp/" + session_.UniqueName(context)}},
        session_.account().facts().owner);
  }

  void TakeNext(std::string_view text, Context& context) {
    const auto parsed = ParseAppendMessage(text, next_);
    if (!parsed) {
      bad_ = true;
    } else {
      next_ = *parsed;
      Check(next_);
    }
    if (session_.literal().synchronizing && (bad_ || !failure_text_.empty())) {
      session_.RefuseAppendLiteral();
      return FinishFailure(context);
    }
    Accept(context);
  }

  void Write(Context& context) {
    if (auto plan = writer_->TakePlan()) {
      context.out.Put(Commit{.op = session_.NextOperation(), .plan = *std::move(plan)});
    }
    if (!writer_->status().ok() && !writer_->plan_open()) {
      write_status_ = writer_->status();
      Drop(context);
      state_ = State::kReceiving;
      return;
    }
    if (state_ != State::kWriting || !writer_->complete()) return;
    mailbox::NewMessage message{.file_bytes = writer_->file_bytes(),
                                .crlf_bytes = writer_->crlf_bytes(),
                                .flags = next_.flags.system,
                                .keywords = std::move(next_.flags.keywords),
                                .message_id = MessageIdIn(head_)};
    if (writer_->spilled()) {
      message.tmp_path = writer_->targets().front().tmp_path;
    } else {
      message.bytes = writer_->bytes();
      held_bytes_ += message.file_bytes;
    }
    if (next_.date_time) message.internal_date_seconds = next_.date_time->unix_seconds;
    messages_.push_back(std::move(message));
    writer_.reset();
    state_ = State::kReceiving;
  }

  // The writer failed: what is left of its message is read and thrown away.
  void Drop(Context& context) {
    FilePlan plan = writer_->AbortPlan();
    if (!plan.stages.empty()) context.out.Put(Commit{.op = session_.NextOperation(), .plan = std::move(plan)});
    writer_.reset();
    if (failure_text_.empty()) failure_text_ = "write";
  }

  void Save(Context& context) {
    if (bad_ || !failure_text_.empty()) return FinishFailure(context);
    state_ = State::kSaving;
    session_.account().AppendMessages(session_.NextTicket(), storage_name_, messages_, context);
  }

  void FinishFailure(Context& context) {
    RemoveFiles(context);
    if (bad_) return session_.FinishBad(AppendError(), context);
    if (!write_status_.ok()) return session_.FinishFailed(write_status_, storage_name_, "TRYCREATE", context);
    session_.Finish({.condition = Condition::kNo, .code = failure_code_, .text = failure_text_}, context);
  }

  // The files of messages that will not be.
  void RemoveFiles(Context& context) {
    FilePlan plan{.stages = {{}}, .owner = {}};
    if (writer_ != nullptr && writer_->spilled()) {
      for (const auto& target : writer_->targets()) plan.stages[0].push_back(Unlink{target.tmp_path});
    }
    for (const mailbox::NewMessage& message : messages_) {
      if (!message.tmp_path.empty()) plan.stages[0].push_back(Unlink{message.tmp_path});
    }
    messages_.clear();
    if (!plan.stages[0].empty()) context.out.Put(Commit{.op = session_.NextOperation(), .plan = std::move(plan)});
  }

  AppendCommand command_;
  std::string storage_name_;
  State state_ = State::kAsking;
  AppendMessage next_;  // the one being received
  std::unique_ptr<mailbox::MessageWriter> writer_;
  std::string head_;  // of its message, at most kHeadBytesMax
  std::vector<mailbox::NewMessage> messages_;
  uint64_t held_bytes_ = 0;
  std::string failure_code_, failure_text_;  // NO
  Status write_status_;
  bool bad_ = false;  // BAD
  bool abandoned_ = false;
};

}  // namespace

std::string_view ImapSession::KeywordFault(std::string_view keyword) const {
  if (keyword.size() > config_->storage.mail_max_keyword_length) return "Keyword length too long";
  // RFC 3501 section 9: a flag-keyword is an atom. Another could not be sent back.
  if (keyword.find_first_of("(){%*\"\\] ") != std::string_view::npos) return "Invalid characters in keyword";
  return "";
}

// For files in tmp/: by the Maildir rules the time and what is unique on this host.
std::string ImapSession::UniqueName(Context& context) {
  return std::to_string(context.now.wall.seconds()) + ".A" + directory_.NextQueueId(context) + "." +
         directory_.node().host_name;
}

std::unique_ptr<CommandRun> MakeAppend(ImapSession& session, AppendCommand command) {
  return std::make_unique<AppendRun>(session, std::move(command));
}

}  // namespace postern::imap
