#include "cmd/showq.h"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/boundary/log_event.h"

namespace postern::cmd {
namespace {

constexpr size_t kReasonColumns = 76;

std::string SenderOf(const Entry& entry) {
  return entry.envelope.null_sender ? "MAILER-DAEMON" : entry.envelope.sender.Key();
}

// What Postfix calls the folder; what lies in incoming is being delivered, or will be at once.
std::string_view QueueName(queue::Folder folder) {
  return folder == queue::Folder::kIncoming ? "active" : queue::FolderName(folder);
}

char MarkOf(queue::Folder folder) {
  if (folder == queue::Folder::kIncoming) return '*';
  return folder == queue::Folder::kHold ? '!' : ' ';
}

// As asctime(3) has it, cut off before the year: Postfix's column ends in a blank.
std::string ArrivalTime(int64_t seconds) {
  const auto when = static_cast<time_t>(seconds);
  struct tm parts {};
  char time[32] = "";
  if (localtime_r(&when, &parts) != nullptr) std::strftime(time, sizeof time, "%a %b %e %H:%M:%S ", &parts);
  return time;
}

void AppendRecipients(const Entry& entry, std::string* text) {
  std::string last_reason;
  for (const queue::QueuedRecipient& recipient : entry.envelope.recipients) {
    if (recipient.done) continue;
    const std::string reason = EscapeForLog(recipient.deferral);
    if (!reason.empty() && reason != last_reason) {
      *text += std::string(kReasonColumns - std::min(reason.size(), kReasonColumns), ' ') + "(" + reason + ")\n";
      last_reason = reason;
    }
    *text += std::string(41, ' ') + EscapeForLog(recipient.address.Key()) + "\n";
  }
}

// nlohmann writes no blank after ':' and ','; Postfix does, and there are scripts that grep.
std::string Json(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string FormatQueue(const std::vector<Entry>& entries) {
  if (entries.empty()) return "Mail queue is empty\n";
  std::string text = "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n";
  uint64_t bytes = 0;
  for (const Entry& entry : entries) {
    bytes += entry.message_bytes;
    std::string id = entry.id;
    if (MarkOf(entry.folder) != ' ') id += MarkOf(entry.folder);
    char line[160];
    std::snprintf(line, sizeof line, "%-11s %7llu %20.20s ", id.c_str(),
                  static_cast<unsigned long long>(entry.message_bytes), ArrivalTime(entry.arrived_seconds).c_str());
    text += line;
    text += entry.error.empty() ? EscapeForLog(SenderOf(entry)) : "(unreadable: " + EscapeForLog(entry.error) + ")";
    text += '\n';
    AppendRecipients(entry, &text);
    text += '\n';
  }
  return text + "-- " + std::to_string(bytes / 1024) + " Kbytes in " + std::to_string(entries.size()) + " Request" +
         (entries.size() == 1 ? "" : "s") + ".\n";
}

std::string FormatQueueJson(const Entry& entry, bool own) {
  std::string text = "{\"queue_name\": " + Json(std::string(QueueName(entry.folder))) +
                     ", \"queue_id\": " + Json(entry.id) +
                     ", \"arrival_time\": " + std::to_string(entry.arrived_seconds) +
                     ", \"message_size\": " + std::to_string(entry.message_bytes) +
                     ", \"forced_expire\": false, \"sender\": " + Json(entry.error.empty() ? SenderOf(entry) : "") +
                     ", \"recipients\": [";
  bool comma = false;
  for (const queue::QueuedRecipient& recipient : entry.envelope.recipients) {
    if (recipient.done) continue;
    text += std::exchange(comma, true) ? ", {" : "{";
    if (!recipient.original.empty() && recipient.original != recipient.address.Quoted()) {
      text += "\"orig_address\": " + Json(recipient.original) + ", ";
    }
    text += "\"address\": " + Json(recipient.address.Key());
    if (!recipient.deferral.empty()) text += ", \"delay_reason\": " + Json(recipient.deferral);
    if (own && !recipient.deferral_status.empty()) text += ", \"delay_status\": " + Json(recipient.deferral_status);
    if (own) text += ", \"transport\": " + Json(recipient.transport);
    text += "}";
  }
  text += "]";
  if (own && !entry.envelope.trace_id.empty()) text += ", \"trace_id\": " + Json(entry.envelope.trace_id);
  if (own && !entry.error.empty()) text += ", \"error\": " + Json(entry.error);
  return text + "}\n";
}

}  // namespace postern::cmd
