// THREAD and UID THREAD (RFC 5256).
#include <utility>

#include "core/imap/search_walk.h"
#include "core/imap/thread_tree.h"

namespace postern::imap {
namespace {

class ThreadRun final : public SearchWalk {
 public:
  ThreadRun(ImapSession& session, ThreadCommand command)
      : SearchWalk(session, std::move(command.key), std::move(command.charset)),
        uid_(command.uid),
        algorithm_(command.algorithm) {}

  void Start(Context& context) override { Search(context); }

 private:
  void Found(std::vector<uint32_t> places, Context& context) override {
    messages_.resize(places.size());
    for (size_t i = 0; i < places.size(); ++i) messages_[i].number = NumberAt(places[i], uid_);
    places_ = places;
    LookUp(std::move(places), {.dates = true, .headers = true}, context);
  }

  void OnHeader(size_t index, std::string_view header) override {
    ThreadMessage& message = messages_[index];
    message.facts = message::ThreadInputOf(header);
    if (message.facts.sent) {
      message.sent_seconds = message.facts.sent->unix_seconds;
      return;
    }
    const mailbox::MailboxState& state = session_.selection()->view.state();
    const size_t row = state.RowOf(UidAt(places_[index]));
    if (row < state.count() && state.internal_dates[row] != mailbox::kUnknownDate) {
      message.sent_seconds = state.internal_dates[row];
    }
  }

  void LookedUp(Context& context) override {
    std::string out = "* THREAD";
    if (!messages_.empty()) {
      out += ' ';
      AppendThreads(messages_, algorithm_, &out);
    }
    session_.Write(out + "\r\n", context);
    using Tell = ImapSession::Answer::Tell;
    session_.Finish({.text = "Thread completed.", .tell = uid_ ? Tell::kAll : Tell::kNoExpunges, .with_uid = uid_},
                    context);
  }

  bool uid_;
  ThreadCommand::Algorithm algorithm_;
  std::vector<uint32_t> places_;
  std::vector<ThreadMessage> messages_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeThread(ImapSession& session, ThreadCommand command) {
  return std::make_unique<ThreadRun>(session, std::move(command));
}

}  // namespace postern::imap
