// A message that waits: its envelope and its bytes in one file, complete and checked as a whole or not there at all.
//
//   POSTERN-QUEUE 1                       the format's version
//   id 4A1B2C3D4E5F                       then one fact a line, texts as xtext (RFC 3461 section 4)
//   arrived 1795499624123456              microseconds since 1970
//   sender a@b.example                    empty: the null reverse-path
//   ...
//   recipient u1@example.test virtual - u1@example.test - 0
//   message
//   <the message's bytes as a Maildir would hold them: LF line ends>
//   END 00000000000000001234 89abcdef01234567     length of the message, FNV-1a 64 of all before this line
//
// The length stands at the end, so that a long message can be written as it comes. The file never changes afterwards:
// what becomes of each recipient is appended to a journal beside it (journal.h). Unknown fact names are an error of
// this version: a newer one counts up.
//
// Folders below <queue_directory>/postern: tmp (being written), incoming (accepted, and while it is delivered),
// deferred (to be tried again, its mtime says when), hold (released by hand), corrupt (unreadable, kept for people),
// journal (by id), maildrop (what `sendmail` left, maildrop.h), requests (what people ask of the queue, request.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/boundary/file_plan.h"
#include "core/routing/address.h"

namespace postern::queue {

struct QueuedRecipient {
  routing::Mailbox address;        // after rewriting and aliases
  std::string transport;           // "smtp", "relay", "local", "virtual"; a program's word (routing/program_target.h)
  std::string nexthop;             // empty: by the address
  std::string original;            // as the client named it: X-Original-To, orig_to=
  std::string original_recipient;  // ORCPT, decoded; empty: none
  uint8_t notify = 0;              // smtp::Notify bits
  bool done = false;               // these three of the journal: it is settled
  std::string deferral_status;     // RFC 3463 status of the last attempt that failed for now; empty: none did
  std::string deferral;            // and why, as remote hosts put it
  bool operator==(const QueuedRecipient&) const = default;
};

struct Envelope {
  std::string id;
  int64_t arrived_us = 0;
  bool null_sender = false;
  routing::Mailbox sender;
  std::string trace_id;
  std::string body;  // "", "7BIT", "8BITMIME"
  bool smtputf8 = false;
  std::string ret;                                                                      // "", "FULL", "HDRS"
  std::string envelope_id;                                                              // ENVID
  std::string client_name, client_address, helo, protocol, sasl_method, sasl_username;  // for logs and policies
  std::vector<QueuedRecipient> recipients;
  bool delay_told = false;  // of the journal: the sender was warned
  bool operator==(const Envelope&) const = default;
};

struct QueueFile {
  Envelope envelope;
  std::string_view message;  // into the text that was parsed
};

// FNV-1a over pieces: the same however they are cut.
class Checksum {
 public:
  void Add(std::string_view bytes) {
    for (const char c : bytes) value_ = (value_ ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;
};

// All up to the message's first byte.
std::string FormatEnvelope(const Envelope& envelope);
// What follows the message. `checksum` went over FormatEnvelope's text and the message.
std::string FormatTrailer(uint64_t message_bytes, const Checksum& checksum);

// A file that ends in FormatTrailer's line, found whole.
struct SealedFile {
  std::string_view head;     // all before the message
  std::string_view message;  // both into the text
};
// kDataLoss: torn or changed.
StatusOr<SealedFile> ParseSealed(std::string_view text);

// kDataLoss: torn, changed, or of another version; the message says what.
StatusOr<QueueFile> ParseQueueFile(std::string_view text);

// The same of a file's beginning alone, for those who only ask what waits: nothing is checked against the trailer.
struct QueueHead {
  Envelope envelope;
  uint64_t message_at_bytes = 0;  // where the message begins
};
// kNotFound: `text` ends before the message begins. kDataLoss as above.
StatusOr<QueueHead> ParseQueueHead(std::string_view text);
// What follows the message is so long.
inline constexpr uint64_t kTrailerBytes = 1 + 4 + 20 + 1 + 16 + 1;  // "\nEND " number " " checksum "\n"

// ---- places and plans -----------------------------------------------------------------------------------------------

enum class Folder : uint8_t { kTmp, kIncoming, kDeferred, kHold, kCorrupt, kJournal, kMaildrop, kRequests, kSpare };
std::string_view FolderName(Folder folder);
Path SpoolDir(std::string_view queue_directory);
Path FolderPath(std::string_view queue_directory, Folder folder);
Path FilePath(std::string_view queue_directory, Folder folder, std::string_view id);

struct EnqueueRequest {
  std::string queue_directory;
  Folder folder = Folder::kIncoming;
  std::string id;
  Path tmp_path;                     // in kTmp, unlike that of any other attempt
  std::string envelope;              // FormatEnvelope
  std::vector<SharedBytes> message;  // what follows it, in pieces; empty where it is spilled
  bool spilled = false;              // `tmp_path` holds envelope and message already
  uint64_t spilled_bytes = 0;        // its length
  std::string trailer;               // FormatTrailer
  bool make_folders = false;         // a second try after kNotFound
};
// Written, flushed, named, its name flushed: after PlanDone the message survives power loss.
FilePlan PlanEnqueue(EnqueueRequest request);
// Takes it back, whatever of it was done.
FilePlan PlanDequeue(std::string_view queue_directory, Folder folder, std::string_view id, std::string_view tmp_path);
// The folders, with their names flushed.
FilePlan PlanFolders(std::string_view queue_directory);

}  // namespace postern::queue
