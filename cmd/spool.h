// The queue on disk as the commands for people see it: what waits, and how the queue is asked for something. It works
// while no server runs, and with a main.cf alone: mail has to be seen and got rid of when nothing else is right.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/host/root.h"
#include "core/base/status.h"
#include "core/queue/queue_file.h"
#include "core/queue/request.h"

namespace postern::cmd {

// Where a command finds the host's mail.
struct MailPlace {
  std::string root;                          // --root
  std::string postfix_dir = "/etc/postfix";  // --postfix, -C, -c
};

struct SpoolSettings {
  std::string queue_directory;
  uint64_t message_size_limit = 0;  // 0: none
};
// Of main.cf alone. Errors: kNotFound, kPermissionDenied for main.cf, kInvalidArgument for what is written in it.
StatusOr<SpoolSettings> ReadSpoolSettings(const host::Root& root, const std::string& postfix_dir);

// A message that waits.
struct Entry {
  queue::Folder folder = queue::Folder::kIncoming;
  std::string id;
  queue::Envelope envelope;  // with its journal
  uint64_t message_bytes = 0;
  int64_t arrived_seconds = 0;
  std::string error;  // why it can't be read
};

class Spool {
 public:
  // `root` outlives the object.
  Spool(const host::Root* root, std::string queue_directory)
      : root_(root), queue_directory_(std::move(queue_directory)) {}

  // Appends the messages of every folder in which messages wait, the oldest first. Only beginnings of files are read:
  // their checksums are not looked at. What goes away meanwhile is left out; the first error is returned, and the rest
  // read.
  Status List(std::vector<Entry>* entries) const;
  // The ids of one folder, sorted.
  StatusOr<std::vector<std::string>> Ids(queue::Folder folder) const;
  // nullopt: nowhere.
  std::optional<queue::Folder> Where(const std::string& id) const;

  enum class Answer : uint8_t {
    kServer,  // the server carried it out
    kHere,    // no server runs: it was done here
    kNone,    // the server does not answer; it finds the requests when it does again
  };
  // Has the queue asked for all of it, and waits for the server at most ten seconds. kPermissionDenied: not for this
  // user.
  StatusOr<Answer> Ask(const std::vector<queue::Request>& requests) const;

  const host::Root& root() const { return *root_; }
  const std::string& queue_directory() const { return queue_directory_; }

 private:
  // False: the file has gone in the meantime.
  bool ReadEntry(Entry* entry) const;
  Status CarryOut(const queue::Request& request) const;
  Status CarryOutOn(const queue::Request& request, queue::Folder folder, const std::string& id) const;
  StatusOr<bool> WaitsFor(queue::Folder folder, const std::string& id, const std::string& site) const;

  const host::Root* root_;
  std::string queue_directory_;
};

// Runs `plan` now, all of it or up to the first failure. The process's umask is 0 meanwhile.
Status RunPlan(const host::Root& root, const FilePlan& plan);

// Where the records of what happened to messages are (adapters/log/record_ring.h), as the operating system sees it.
std::string RecordsDir(const host::Root& root, std::string_view queue_directory);

// The lock that says that somebody works on the queue: the server as long as it runs, a command for a moment.
// kNotFound: there is no spool yet; kUnavailable: another has it.
StatusOr<host::UniqueFd> LockSpool(const host::Root& root, std::string_view queue_directory);

}  // namespace postern::cmd
