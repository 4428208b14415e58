// Mail in the queue for commands and files that aliases name (routing/program_target.h). Each is run by the driver with
// the rights of default_privs alone; its end settles the recipient (program_run.h).
//
// A recipient is marked as done only after the end: where the process dies before, the command runs again, as with
// local(8).
#include <utility>

#include "core/outbound/program_run.h"
#include "core/outbound/queue_manager.h"

namespace postern::outbound {

void QueueManager::DeliverToProgram(const queue::Delivery& delivery, const routing::ProgramTarget& program,
                                    Context& context) {
  // Asked again: the alias may have been allowed when the message came, and be no more.
  if (!config_->routing.local.programs.Allows(program.target, program.in_list)) {
    const bool command = program.target.kind == config::AliasTarget::Kind::kCommand;
    const Settle settled = SettleTogether(delivery);
    for (const uint32_t index : delivery.group.recipients) {
      settled(index,
              {.fate = Fate::kFailed,
               .status = "5.7.1",
               .relay = "local",
               .text = command ? "mail to command is restricted" : "mail to file is restricted"},
              context);
    }
    return;
  }
  WithMessage(
      delivery,
      [this, delivery, program](SharedBytes message, Context& later) {
        RunFor(delivery, program, std::move(message), later);
      },
      context);
}

void QueueManager::RunFor(const queue::Delivery& delivery, const routing::ProgramTarget& program, SharedBytes message,
                          Context& context) {
  const queue::Envelope& envelope = active_.at(delivery.message).cargo->envelope;
  const Settle settled = SettleTogether(delivery);
  if (message == nullptr) {
    for (const uint32_t index : delivery.group.recipients) {
      settled(index,
              {.fate = Fate::kDeferred, .status = "4.3.0", .relay = "local", .text = "queue file cannot be read"},
              context);
    }
    return;
  }
  for (const uint32_t index : delivery.group.recipients) {
    const OpId op = Ask([settled, index, program](const Event& event, Context& later) {
      const auto* answer = std::get_if<Answer>(&event);
      const auto* ended = answer == nullptr ? nullptr : std::get_if<ProgramEnded>(&answer->reply);
      if (ended != nullptr) settled(index, DoneOf(*ended, program), later);
    });
    context.out.Put(postern::Ask{.op = op,
                                 .question = MakeProgramRun(envelope, envelope.recipients[index], program, message,
                                                            config_->routing, context.now)});
  }
}

}  // namespace postern::outbound
