#include "core/queue/journal.h"

#include <cstdint>
#include <utility>

#include "core/queue/fact_line.h"

namespace postern::queue {
namespace {

void ApplyLine(std::string_view line, Envelope* envelope) {
  if (line == "delay-told") {
    envelope->delay_told = true;
    return;
  }
  const std::string_view name = TakeField(&line);
  if (name != "done" && name != "deferred") return;
  size_t index = 0;
  if (!ParseNumber(name == "done" ? line : TakeField(&line), &index) || index >= envelope->recipients.size()) return;
  QueuedRecipient& recipient = envelope->recipients[index];
  if (name == "done") {
    recipient.done = true;
    recipient.deferral_status.clear();
    recipient.deferral.clear();
  } else if (!recipient.done) {
    auto status = Unword(TakeField(&line));
    auto text = Unword(line);
    if (!status || !text) return;
    recipient.deferral_status = *std::move(status);
    recipient.deferral = *std::move(text);
  }
}

}  // namespace

std::string FormatDone(size_t index) { return "done " + std::to_string(index) + "\n"; }

std::string FormatDeferred(size_t index, std::string_view status, std::string_view text) {
  return "deferred " + std::to_string(index) + " " + Word(status.substr(0, kDeferralBytesMax)) + " " +
         Word(text.substr(0, kDeferralBytesMax)) + "\n";
}

std::string FormatDelayTold() { return "delay-told\n"; }

void ApplyJournal(std::string_view journal, Envelope* envelope) {
  for (size_t end = journal.find('\n'); end != std::string_view::npos; end = journal.find('\n')) {
    ApplyLine(journal.substr(0, end), envelope);
    journal.remove_prefix(end + 1);
  }
}

}  // namespace postern::queue
