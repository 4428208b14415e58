#include "core/queue/queue_file.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/boundary/planted.h"
#include "core/queue/fact_line.h"
#include "core/queue/queue_id.h"

namespace postern::queue {
namespace {

constexpr std::string_view kMagic = "POSTERN-QUEUE 1\n";
constexpr std::string_view kMessageMark = "message\n";
constexpr size_t kRecipientCountMax = 100000;

struct TextFact {
  std::string_view name;
  std::string Envelope::*field;
};
constexpr std::array<TextFact, 11> kTextFacts{{
    {"id", &Envelope::id},
    {"trace", &Envelope::trace_id},
    {"body", &Envelope::body},
    {"ret", &Envelope::ret},
    {"envid", &Envelope::envelope_id},
    {"client_name", &Envelope::client_name},
    {"client_address", &Envelope::client_address},
    {"helo", &Envelope::helo},
    {"protocol", &Envelope::protocol},
    {"sasl_method", &Envelope::sasl_method},
    {"sasl_username", &Envelope::sasl_username},
}};

bool ParseRecipient(std::string_view line, QueuedRecipient* recipient) {
  const auto address = Unword(TakeField(&line));
  const auto transport = Unword(TakeField(&line));
  const auto nexthop = Unword(TakeField(&line));
  const auto original = Unword(TakeField(&line));
  const auto original_recipient = Unword(TakeField(&line));
  unsigned notify = 0;
  if (!address || !transport || !nexthop || !original || !original_recipient) return false;
  if (!ParseNumber(line, &notify) || notify > 15) return false;
  const auto mailbox = routing::ParseMailbox(*address);
  if (!mailbox) return false;
  *recipient = {.address = *mailbox,
                .transport = *transport,
                .nexthop = *nexthop,
                .original = *original,
                .original_recipient = *original_recipient,
                .notify = static_cast<uint8_t>(notify)};
  return true;
}

Status ParseFact(std::string_view line, Envelope* envelope) {
  const std::string_view name = TakeField(&line);
  if (name == "recipient") {
    if (envelope->recipients.size() == kRecipientCountMax) return DataLoss("too many recipients");
    return ParseRecipient(line, &envelope->recipients.emplace_back()) ? OkStatus() : DataLoss("bad recipient");
  }
  if (name == "arrived") return ParseNumber(line, &envelope->arrived_us) ? OkStatus() : DataLoss("bad arrival time");
  if (name == "smtputf8") {
    envelope->smtputf8 = line == "1";
    return OkStatus();
  }
  const auto text = Unword(line);
  if (!text) return DataLoss("bad value of " + std::string(name));
  if (name == "sender") {
    envelope->null_sender = text->empty();
    if (envelope->null_sender) envelope->sender = {};  // a second such line counts alone
    if (text->empty()) return OkStatus();
    const auto mailbox = routing::ParseMailbox(*text);
    if (!mailbox) return DataLoss("bad sender");
    envelope->sender = *mailbox;
    return OkStatus();
  }
  for (const TextFact& fact : kTextFacts) {
    if (fact.name == name) {
      envelope->*fact.field = *text;
      return OkStatus();
    }
  }
  return DataLoss("unknown fact " + std::string(name.substr(0, 32)));
}

}  // namespace

std::string FormatEnvelope(const Envelope& envelope) {
  std::string text(kMagic);
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += name;
    text += ' ';
    text += value;
    text += '\n';
  };
  for (const TextFact& fact : kTextFacts) add(fact.name, Word(envelope.*fact.field));
  add("arrived", std::to_string(envelope.arrived_us));
  add("smtputf8", envelope.smtputf8 ? "1" : "0");
  add("sender", Word(envelope.null_sender ? "" : envelope.sender.Quoted()));
  for (const QueuedRecipient& recipient : envelope.recipients) {
    add("recipient", Word(recipient.address.Quoted()) + " " + Word(recipient.transport) + " " +
                         Word(recipient.nexthop) + " " + Word(recipient.original) + " " +
                         Word(recipient.original_recipient) + " " + std::to_string(recipient.notify));
  }
  return text.append(kMessageMark);
}

std::string FormatTrailer(uint64_t message_bytes, const Checksum& checksum) {
  std::string number = std::to_string(message_bytes);
  number.insert(0, 20 - number.size(), '0');
  std::string hex;
  for (int shift = 60; shift >= 0; shift -= 4) hex += "0123456789abcdef"[checksum.value() >> shift & 15];
  return "\nEND " + number + " " + hex + "\n";
}

StatusOr<SealedFile> ParseSealed(std::string_view text) {
  if (text.size() < kTrailerBytes) return DataLoss("cut off");
  const std::string_view trailer = text.substr(text.size() - kTrailerBytes);
  const std::string_view body = text.substr(0, text.size() - kTrailerBytes);
  uint64_t message_bytes = 0, sum = 0;
  if (trailer.substr(0, 5) != "\nEND " || !ParseNumber(trailer.substr(5, 20), &message_bytes) || trailer[25] != ' ' ||
      !ParseNumber(trailer.substr(26, 16), &sum, 16) || trailer.back() != '\n') {
    return DataLoss("cut off");
  }
  Checksum checksum;
  checksum.Add(body);
  if (checksum.value() != sum || message_bytes > body.size()) return DataLoss("wrong checksum");
  const size_t head_bytes = body.size() - message_bytes;
  return SealedFile{.head = body.substr(0, head_bytes), .message = body.substr(head_bytes)};
}

StatusOr<QueueFile> ParseQueueFile(std::string_view text) {
  if (text.substr(0, kMagic.size()) != kMagic) return DataLoss("no queue file of version 1");
  const auto sealed = ParseSealed(text);
  if (!sealed.ok()) return sealed.status();
  auto parsed = ParseQueueHead(sealed->head);
  if (!parsed.ok()) return DataLoss(Message(parsed.status()));
  if (parsed->message_at_bytes != sealed->head.size()) return DataLoss("wrong length");
  return QueueFile{.envelope = std::move(parsed->envelope), .message = sealed->message};
}

StatusOr<QueueHead> ParseQueueHead(std::string_view text) {
  const std::string_view start = text.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) return DataLoss("no queue file of version 1");
  QueueHead head;
  for (size_t at = start.size();;) {
    const size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return NotFound("no message");
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (line == kMessageMark.substr(0, kMessageMark.size() - 1)) {
      head.message_at_bytes = at;
      break;
    }
    POSTERN_RETURN_IF_ERROR(ParseFact(line, &head.envelope));
  }
  if (!IsQueueId(head.envelope.id)) return DataLoss("no queue id");
  return head;
}

std::string_view FolderName(Folder folder) {
  switch (folder) {
    case Folder::kTmp:
      return "tmp";
    case Folder::kIncoming:
      return "incoming";
    case Folder::kDeferred:
      return "deferred";
    case Folder::kHold:
      return "hold";
    case Folder::kCorrupt:
      return "corrupt";
    case Folder::kJournal:
      return "journal";
    case Folder::kMaildrop:
      return "maildrop";
    case Folder::kRequests:
      return "requests";
    case Folder::kSpare:
      return "spare";
  }
  return "corrupt";
}

Path SpoolDir(std::string_view queue_directory) { return std::string(queue_directory) + "/postern"; }
Path FolderPath(std::string_view queue_directory, Folder folder) {
  return SpoolDir(queue_directory) + "/" + std::string(FolderName(folder));
}
Path FilePath(std::string_view queue_directory, Folder folder, std::string_view id) {
  return FolderPath(queue_directory, folder) + "/" + std::string(id);
}

FilePlan PlanEnqueue(EnqueueRequest request) {
  FilePlan plan;
  if (request.make_folders) plan = PlanFolders(request.queue_directory);
  if (request.spilled) {
    plan.stages.push_back({Append{
        .path = request.tmp_path, .at_bytes = request.spilled_bytes, .bytes = Chain(std::move(request.trailer))}});
  } else {
    Chain chain(std::move(request.envelope));
    for (SharedBytes& piece : request.message) chain.Append(std::move(piece));
    chain.Append(std::move(request.trailer));
    plan.stages.push_back({Create{.path = request.tmp_path,
                                  .bytes = std::move(chain),
                                  .spares = FolderPath(request.queue_directory, Folder::kSpare)}});
  }
  plan.stages.push_back({SyncFile{request.tmp_path}});
  plan.stages.push_back(
      {Rename{.from = request.tmp_path, .to = FilePath(request.queue_directory, request.folder, request.id)}});
  if (!PLANTED("spool_rename_without_sync_dir")) {
    plan.stages.push_back({SyncDir{FolderPath(request.queue_directory, request.folder)}});
  }
  return plan;
}

FilePlan PlanDequeue(std::string_view queue_directory, Folder folder, std::string_view id, std::string_view tmp_path) {
  FilePlan plan;
  Stage unlink{Unlink{FilePath(queue_directory, folder, id)}, Unlink{FilePath(queue_directory, Folder::kJournal, id)}};
  if (!tmp_path.empty()) unlink.push_back(Unlink{Path(tmp_path)});
  plan.stages = {std::move(unlink), {SyncDir{FolderPath(queue_directory, folder)}}};
  return plan;
}

FilePlan PlanFolders(std::string_view queue_directory) {
  FilePlan plan{.stages = {{}, {}, {}}};
  // Everybody may leave mail in maildrop (like /tmp, but unreadable), and so may go through the spool's own folder.
  plan.stages[0].push_back(MakeDir{.path = SpoolDir(queue_directory), .mode = 0755});
  for (const Folder folder : {Folder::kTmp, Folder::kIncoming, Folder::kDeferred, Folder::kHold, Folder::kCorrupt,
                              Folder::kJournal, Folder::kRequests, Folder::kSpare}) {
    plan.stages[1].push_back(MakeDir{FolderPath(queue_directory, folder)});
  }
  plan.stages[1].push_back(MakeDir{.path = FolderPath(queue_directory, Folder::kMaildrop), .mode = 01733});
  AddSyncOfPath(SpoolDir(queue_directory), &plan.stages[2]);
  return plan;
}

}  // namespace postern::queue
