// Writes what one shard saw: every event it was stepped with, the time, and what it did, one line each, with secrets
// taken out (redaction.h). The file is DIR/shard-N.rec; the configuration it ran with is DIR/host-GENERATION.rec
// (recording_files.h).
//
//   postern-record 1
//   shard ID COUNT KEY HOST-NAME PID START-COUNTER STAND-IN GENERATION
//   S MONOTONIC-NS WALL-US UTC-OFFSET EVENT...     one for each step
//   A MECHANISM STEPS-BACK                          so many steps ago a challenge was answered, and rightly
//   (redaction.h) E EFFECT...                                     one for each effect, in order
//
// Both files are made for the owner alone: they hold the mail that came and went meanwhile.
// Owner: the shard's loop, on its thread. What is recorded is written at least every tenth of a second of activity and
// at the end; a failing disk ends the recording, told once, never the service.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "adapters/host/unique_fd.h"
#include "adapters/loop/shard_loop.h"
#include "core/shard/shard.h"

namespace postern::record {

class Recorder final : public loop::Observer {
 public:
  // Errors: kAlreadyExists where `dir` holds a recording already, kPermissionDenied, kUnavailable.
  static StatusOr<std::unique_ptr<Recorder>> Open(const std::string& dir, const ShardOptions& shard);
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void OnStep(Now now, const Event& event, const std::vector<Effect>& effects) override;

 private:
  explicit Recorder(host::UniqueFd fd) : fd_(std::move(fd)) {}
  void AddReceived(const Received& event, const std::vector<Effect>& effects);
  void NotePrompts(const Event& event, const std::vector<Effect>& effects);
  void Flush();

  host::UniqueFd fd_;
  std::string buffer_;
  Instant flushed_;
  // The last line sent on a connection, where it asks for a SASL response.
  std::map<ConnId, std::string> prompts_;
  // Answers to challenges that the core has not judged yet: their line end is still to come.
  struct Unjudged {
    std::string mechanism;
    uint64_t step = 0;
  };
  std::map<ConnId, Unjudged> unjudged_;
  uint64_t step_count_ = 0;
};

// A file for the owner alone, which must not be there yet.
Status WriteNewFile(const std::string& path, std::string_view bytes);

}  // namespace postern::record
