// Reads a recorded session from a folder of them: NAME.jsonl, NAME.maildir.tgz where mailboxes matter, and
// config/postfix and config/dovecot, which all sessions share. The one part of replaying that touches real files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/config/settings.h"
#include "sim/replay/archive.h"
#include "sim/replay/session_recording.h"

namespace postern::sim {

// kNotFound where `path` is no file or cannot be read.
StatusOr<std::string> ReadWholeFile(const std::filesystem::path& path);

struct RecordedSession {
  SessionRecording recording;
  std::shared_ptr<const config::Config> config;
  std::vector<ArchivedFile> mail_root;  // empty without an archive
};

// `path` is the .jsonl file's. Errors: kNotFound, kInvalidArgument, kDataLoss, each naming the file.
StatusOr<RecordedSession> ReadRecordedSession(const std::string& path);

}  // namespace postern::sim
