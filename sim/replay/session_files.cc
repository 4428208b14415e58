#include "sim/replay/session_files.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "core/config/memory_files.h"
#include "sim/replay/stand_in_certificate.h"

extern char** environ;

namespace postern::sim {
namespace {

namespace fs = std::filesystem;

constexpr size_t kArchiveBytesMax = size_t{256} << 20;

// The recorded host's files; its certificates are stood in for.
class RecordedFiles final : public config::MemoryFiles {
 public:
  RecordedFiles() : certificate_(MakeStandInCertificate(kHostName)) { host_name = kHostName; }

  StatusOr<std::string> Read(std::string_view path) override {
    auto text = MemoryFiles::Read(path);
    if (!text.ok() && IsPem(path)) return certificate_;
    return text;
  }

 private:
  static constexpr char kHostName[] = "mail.example.test";
  static bool IsPem(std::string_view path) {
    return path.ends_with(".pem") || path.ends_with(".crt") || path.ends_with(".key");
  }
  std::string certificate_;
};

Status AddFolder(const fs::path& folder, const std::string& at, config::MemoryFiles* files) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->is_regular_file()) continue;
    auto text = ReadWholeFile(it->path());
    if (!text.ok()) return text.status();
    files->Add(at + "/" + fs::relative(it->path(), folder).string(), *std::move(text));
  }
  return error ? NotFound(folder.string() + ": " + error.message()) : OkStatus();
}

StatusOr<std::shared_ptr<const config::Config>> ReadConfig(const fs::path& folder) {
  RecordedFiles files;
  files.interfaces = {*IpAddress::Parse("127.0.0.1")};
  // What every host has, and the recordings leave out: no alias, no local user but root.
  files.Add("/etc/postfix/aliases", "");
  files.Add("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
  POSTERN_RETURN_IF_ERROR(AddFolder(folder / "postfix", "/etc/postfix", &files));
  POSTERN_RETURN_IF_ERROR(AddFolder(folder / "dovecot", "/etc/dovecot", &files));
  const config::Loaded loaded = config::Load(files, {.public_checks = false});
  if (loaded.config != nullptr) return loaded.config;
  std::string errors;
  for (const config::Finding& finding : loaded.findings) {
    if (finding.severity == config::FindingSeverity::kError) errors += "\n  " + finding.file + ": " + finding.what;
  }
  return InvalidArgument(folder.string() + " has errors:" + errors);
}

// gzip(1) does it: the simulator links no compression, and only this reads any.
StatusOr<std::string> Decompress(const std::string& path) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return Unavailable(path + ": no pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  const char* const arguments[] = {"gzip", "-dc", "--", path.c_str(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawnp(&pid, "gzip", &actions, nullptr, const_cast<char* const*>(arguments), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::string all;
  char block[65536];
  ssize_t count = 0;
  while (failed == 0 && all.size() <= kArchiveBytesMax && (count = read(ends[0], block, sizeof block)) > 0) {
    all.append(block, static_cast<size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  if (failed != 0 || waitpid(pid, &status, 0) != pid || status != 0)
    return DataLoss(path + ": gzip cannot decompress it");
  return all;
}

}  // namespace

StatusOr<std::string> ReadWholeFile(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  if (!fs::is_regular_file(path) || !in) return NotFound(path.string() + ": cannot be read");
  text << in.rdbuf();
  return std::move(text).str();
}

StatusOr<RecordedSession> ReadRecordedSession(const std::string& path) {
  const fs::path file(path);
  auto lines = ReadWholeFile(file);
  if (!lines.ok()) return lines.status();
  auto recording = ParseSessionRecording(file.stem().string(), *lines);
  if (!recording.ok()) return InvalidArgument(path + ": " + std::string(Message(recording.status())));
  RecordedSession session{.recording = *std::move(recording)};
  auto config = ReadConfig(file.parent_path() / "config");
  if (!config.ok()) return config.status();
  session.config = *std::move(config);

  fs::path archive = file;
  archive.replace_extension(".maildir.tgz");
  if (!fs::exists(archive)) return session;
  auto tar = Decompress(archive.string());
  if (!tar.ok()) return tar.status();
  auto mail_root = ParseTar(*tar);
  if (!mail_root.ok())
    return Error(mail_root.status().code(), archive.string() + ": " + std::string(Message(mail_root.status())));
  session.mail_root = *std::move(mail_root);
  return session;
}

}  // namespace postern::sim
