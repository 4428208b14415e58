// A message for a command or file that an alias names: what is to be run, as local(8) of Postfix 3.7 runs it, and what
// its end means for the recipient. Pure: the driver runs it (RunProgram, core/boundary/effect.h).
//
//   exit 0 --> sent          a signal, no start --> deferred 4.3.0          over time --> bounced 5.3.0
//   exit, with "D.S.N words" as output --> as that says; else as sysexits.h names the status: 75 and 71 wait, others
//   bounce
#pragma once

#include "core/base/time.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"
#include "core/config/settings.h"
#include "core/outbound/client_action.h"
#include "core/queue/queue_file.h"
#include "core/routing/program_target.h"

namespace postern::outbound {

// `message`: the queued one, whose Delivered-To fields its way has given it (smtp::QueueCopy).
RunProgram MakeProgramRun(const queue::Envelope& envelope, const queue::QueuedRecipient& recipient,
                          const routing::ProgramTarget& program, const SharedBytes& message,
                          const config::Routing& routing, const Now& now);

RecipientDone DoneOf(const ProgramEnded& ended, const routing::ProgramTarget& program);

}  // namespace postern::outbound
