#include "cmd/queue.h"

#include <algorithm>
#include <array>
#include <utility>

#include "cmd/queue_change.h"
#include "cmd/showq.h"
#include "core/base/ascii.h"
#include "core/boundary/log_event.h"
#include "core/queue/queue_id.h"
#include "core/routing/address.h"

namespace postern::cmd {
namespace {

struct Verb {
  std::string_view name;
  queue::RequestKind kind;
  std::string_view done;
};
constexpr std::array<Verb, 4> kChanges{{
    {"hold", queue::RequestKind::kHold, "held"},
    {"release", queue::RequestKind::kRelease, "released"},
    {"requeue", queue::RequestKind::kRequeue, "requeued"},
    {"delete", queue::RequestKind::kDelete, "deleted"},
}};

constexpr std::string_view kUnanswered = "postern: the server does not answer; it will see the request when it does\n";

std::string Line(const Status& status) { return "postern: " + std::string(Message(status)) + "\n"; }

int List(const Spool& spool, bool json, std::string* out, std::string* errors) {
  std::vector<Entry> entries;
  const Status status = spool.List(&entries);
  if (!status.ok()) *errors += Line(status);
  if (json) {
    for (const Entry& entry : entries) *out += FormatQueueJson(entry, true);
  } else if (status.ok() || !entries.empty()) {  // "empty" must not be said where it is not known
    *out += FormatQueue(entries);
  }
  return status.ok() ? 0 : 1;
}

void AddFact(std::string_view name, std::string_view value, std::string* out) {
  if (value.empty()) return;
  *out += std::string(name) + ": " + EscapeForLog(value) + "\n";
}

std::string Describe(const Entry& entry) {
  const queue::Envelope& envelope = entry.envelope;
  std::string out;
  AddFact("id", entry.id, &out);
  AddFact("folder", queue::FolderName(entry.folder), &out);
  AddFact("error", entry.error, &out);
  AddFact("size", std::to_string(entry.message_bytes), &out);
  AddFact("arrived", std::to_string(entry.arrived_seconds), &out);
  if (entry.error.empty()) AddFact("sender", envelope.null_sender ? "<>" : envelope.sender.Quoted(), &out);
  AddFact("trace id", envelope.trace_id, &out);
  AddFact("body", envelope.body, &out);
  AddFact("smtputf8", envelope.smtputf8 ? "yes" : "", &out);
  AddFact("ret", envelope.ret, &out);
  AddFact("envelope id", envelope.envelope_id, &out);
  AddFact("client", envelope.client_name.empty() ? "" : envelope.client_name + "[" + envelope.client_address + "]",
          &out);
  AddFact("protocol", envelope.protocol, &out);
  AddFact("helo", envelope.helo, &out);
  AddFact("login", envelope.sasl_username, &out);
  AddFact("delay told", envelope.delay_told ? "yes" : "", &out);
  for (const queue::QueuedRecipient& recipient : envelope.recipients) {
    std::string value = recipient.address.Quoted();
    if (!recipient.original.empty() && recipient.original != value) value += " (was " + recipient.original + ")";
    if (!recipient.transport.empty()) value += " by " + recipient.transport;
    if (recipient.done) value += ", done";
    if (!recipient.deferral.empty()) value += ", waits: " + recipient.deferral_status + " " + recipient.deferral;
    AddFact("recipient", value, &out);
  }
  return out;
}

int Show(const Spool& spool, const QueueOptions& options, std::string* out, std::string* errors) {
  std::vector<Entry> entries;
  int status = 0;
  if (const Status listed = spool.List(&entries); !listed.ok()) {
    *errors += Line(listed);
    status = 1;
  }
  for (const std::string& id : options.ids) {
    const auto entry = std::find_if(entries.begin(), entries.end(), [&id](const Entry& each) { return each.id == id; });
    if (entry == entries.end()) {
      *errors += "postern: no message " + id + " in the queue\n";
      status = 1;
    } else {
      if (!options.json && !out->empty()) *out += "\n";
      *out += options.json ? FormatQueueJson(*entry, true) : Describe(*entry);
    }
  }
  return status;
}

int Flush(const Spool& spool, const QueueOptions& options, std::string* out, std::string* errors) {
  std::vector<queue::Request> requests;
  for (const std::string& id : options.ids) {
    if (id != "ALL" && !spool.Where(id)) {
      *errors += "postern: no message " + id + " in the queue\n";
      return 1;
    }
    if (id == "ALL") {
      requests.push_back({.kind = queue::RequestKind::kFlushAll});
    } else {
      requests.push_back({.kind = queue::RequestKind::kFlushMessage, .id = id});
    }
  }
  if (!options.site.empty()) {
    requests.push_back({.kind = queue::RequestKind::kFlushSite, .site = LowerCase(options.site)});
  }
  if (requests.empty()) requests.push_back({.kind = queue::RequestKind::kFlushAll});
  const auto answer = spool.Ask(requests);
  if (!answer.ok()) return *errors += Line(answer.status()), 1;
  if (*answer == Spool::Answer::kNone) return *errors += kUnanswered, 1;
  const bool here = *answer == Spool::Answer::kHere;
  if (options.json) {
    *out += std::string("{\"server\": ") + (here ? "false" : "true") + "}\n";
  } else {
    *out += here ? "no server runs: tried when one is started\n" : "tried now\n";
  }
  return 0;
}

int Change(const Spool& spool, const Verb& verb, const QueueOptions& options, std::string* out, std::string* errors) {
  QueueChange change{.kind = verb.kind};
  for (const std::string& id : options.ids) {
    if (id == "ALL") {
      change.all = true;
    } else {
      change.ids.push_back(id);
    }
  }
  if (change.all && !change.ids.empty()) return *errors += "postern: ALL stands alone\n", 1;
  const auto result = ChangeQueue(spool, change);
  if (!result.ok()) return *errors += Line(result.status()), 1;
  int status = 0;
  for (const std::string& id : change.ids) {
    if (std::find(result->changed.begin(), result->changed.end(), id) != result->changed.end()) continue;
    *errors +=
        "postern: " + id + " was not " + std::string(verb.done) + ": no such message, or not where it could be\n";
    status = 1;
  }
  for (const std::string& id : result->changed) {
    *out += options.json ? "{\"queue_id\": \"" + id + "\", \"" + std::string(verb.done) + "\": true}\n"
                         : id + " " + std::string(verb.done) + "\n";
  }
  if (result->unanswered) return *errors += kUnanswered, 1;
  return status;
}

}  // namespace

int RunQueue(std::string_view verb, const QueueOptions& options, std::string* out, std::string* errors) {
  auto root = host::Root::Open(options.place.root);
  if (!root.ok()) return *errors += Line(root.status()), 66;  // EX_NOINPUT
  const auto settings = ReadSpoolSettings(*root, options.place.postfix_dir);
  if (!settings.ok()) return *errors += Line(settings.status()), 1;
  const Spool spool(&*root, settings->queue_directory);
  if (verb == "list") return List(spool, options.json, out, errors);
  if (verb == "show") return Show(spool, options, out, errors);
  if (verb == "flush") return Flush(spool, options, out, errors);
  for (const Verb& each : kChanges) {
    if (each.name == verb) return Change(spool, each, options, out, errors);
  }
  return 1;
}

}  // namespace postern::cmd
