// IDLE (RFC 2177): changes are told as they happen, until the client says DONE.
#include "core/base/ascii.h"
#include "core/imap/session_run.h"
#include "core/message/header.h"

namespace postern::imap {
namespace {

class IdleRun final : public CommandRun {
 public:
  using CommandRun::CommandRun;

  void Start(Context& context) override {
    session_.Write("+ idling\r\n", context);
    session_.ExpectLine();
    SetTimer(context);
    Look(context);
  }

  // A look at the mailbox ended: what it found came by OnMailboxChanged, or before the command began.
  void OnCompletion(mailbox::Completion&, Context& context) override {
    looking_ = false;
    Tell(context);
  }
  void OnMailboxChanged(Context& context) override { Tell(context); }
  void OnDrained(Context& context) override { Tell(context); }

  bool TakesInput() const override { return true; }
  void OnInput(const Framer::Step& step, Context& context) override {
    session_.CancelRunTimer(context);
    if (step.kind != Framer::Kind::kLine || !EqualsIgnoringCase(step.text, "DONE")) {
      return session_.FinishBad("Expected DONE.", context);
    }
    session_.Finish({.text = "Idle completed."}, context);
  }

  // Keeps the connection known to what lies between, and shows that we live. It counts as activity once it has left:
  // a client that is gone takes nothing and is found by the session's own timer.
  void OnTimer(Context& context) override {
    session_.Write("* OK Still here\r\n", context);
    session_.AwaitDrain(context);
    SetTimer(context);
    Look(context);
  }
  bool Abandon(Context& context) override {
    session_.CancelRunTimer(context);
    return false;
  }
  bool waits_for_client() const override { return true; }

 private:
  void SetTimer(Context& context) {
    const Duration interval = session_.config().imap.idle_notify_interval;
    if (interval.ns > 0) session_.SetRunTimer(context.now.mono + interval, context);
  }

  // Other programs may have changed the folder without telling us.
  void Look(Context& context) {
    if (session_.selection() == nullptr || looking_) return;
    looking_ = true;
    session_.account().Refresh(session_.NextTicket(), session_.selection()->view.state(), context);
  }

  void Tell(Context& context) {
    const Selection* selected = session_.selection();
    if (selected == nullptr) return;
    if (selected->view.state().deleted) {
      return session_.Bye("Selected mailbox was deleted, have to disconnect.", "Selected mailbox was deleted", context);
    }
    // A client that takes nothing is told again what is new then, not everything that happened meanwhile.
    if (session_.OutputFull()) return session_.AwaitDrain(context);
    session_.TellChanges(/*expunges=*/true, /*with_uid=*/false, context);
  }

  bool looking_ = false;
};

}  // namespace

std::unique_ptr<CommandRun> MakeIdle(ImapSession& session) { return std::make_unique<IdleRun>(session); }

}  // namespace postern::imap
