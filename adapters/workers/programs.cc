#include "adapters/workers/programs.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "adapters/files/mbox_file.h"

namespace postern::workers {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kKillPatienceMs = 10'000;

// Everything that the child needs, made before there is one.
struct Launch {
  struct Try {
    std::string path;
    std::vector<char*> argv;
    std::vector<char*> script_argv;  // of /bin/sh, where the file is no program: as execvp(3) does
  };
  std::vector<std::string> words, otherwise, environment;
  std::vector<Try> tries;
  std::vector<char*> envp;
  bool search = false;   // argv[0] is looked for
  int own_program = -1;  // instead of tries
  std::vector<char*> own_argv;
  int in = -1, out = -1;
  bool change_user = false;
  uid_t uid = 0;
  gid_t gid = 0;
  rlimit file_limit{};
  bool limit_files = false;
  const char* failed_call = nullptr;  // the child's word: vfork shares memory
  int error = 0;
};

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

void AddTry(std::string path, std::vector<std::string>& words, Launch* launch) {
  Launch::Try attempt{.path = std::move(path), .argv = Pointers(words), .script_argv = {}};
  launch->tries.push_back(std::move(attempt));
}

// The words of `run`, found in PATH where they are no path.
void FillTries(const RunProgram& run, Launch* launch) {
  launch->words = run.argv;
  launch->otherwise = run.otherwise;
  const std::string& name = launch->words[0];
  launch->search = name.find('/') == std::string::npos;
  if (!launch->search) {
    AddTry(name, launch->words, launch);
  } else {
    std::string_view path = "/usr/bin:/bin";
    for (const std::string& setting : launch->environment) {
      if (setting.starts_with("PATH=")) path = std::string_view(setting).substr(5);
    }
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find(':', begin), path.size());
      if (end > begin) AddTry(std::string(path.substr(begin, end - begin)) + "/" + name, launch->words, launch);
      begin = end + 1;
    }
  }
  if (!launch->otherwise.empty()) AddTry(launch->otherwise[0], launch->otherwise, launch);
  static char shell[] = "/bin/sh";
  for (Launch::Try& attempt : launch->tries) {
    attempt.script_argv = attempt.argv;
    attempt.script_argv[0] = attempt.path.data();
    attempt.script_argv.insert(attempt.script_argv.begin(), shell);
  }
}

void FillEnvironment(const RunProgram& run, Launch* launch) {
  launch->environment = run.environment;
  for (const std::string& name : run.inherited) {
    const std::string front = name + "=";
    const bool given = std::any_of(run.environment.begin(), run.environment.end(),
                                   [&front](const std::string& other) { return other.starts_with(front); });
    const char* const value = given ? nullptr : std::getenv(name.c_str());
    if (value != nullptr) launch->environment.push_back(front + value);
  }
  launch->envp = Pointers(launch->environment);
}

[[noreturn]] void Fail(Launch* launch, const char* call) {
  launch->error = errno;
  launch->failed_call = call;
  _exit(127);
}

// System calls only, until the program is another.
[[noreturn]] void BecomeProgram(Launch* launch) {
  // From here on nothing of the server's rights is left.
  if (launch->change_user) {
    if (syscall(SYS_setgroups, 1, &launch->gid) != 0) Fail(launch, "setgroups");
    if (syscall(SYS_setresgid, launch->gid, launch->gid, launch->gid) != 0) Fail(launch, "setgid");
    if (syscall(SYS_setresuid, launch->uid, launch->uid, launch->uid) != 0) Fail(launch, "setuid");
  }
  if (setsid() < 0) Fail(launch, "setsid");
  if (chdir("/") != 0) Fail(launch, "chdir");
  umask(077);
  if (launch->limit_files && setrlimit(RLIMIT_FSIZE, &launch->file_limit) != 0) Fail(launch, "setrlimit");
  if (dup2(launch->in, 0) < 0 || dup2(launch->out, 1) < 0 || dup2(launch->out, 2) < 0) Fail(launch, "dup2");
  for (const int number : {SIGPIPE, SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGXFSZ}) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */);
  if (launch->own_program >= 0) {
    syscall(SYS_execveat, launch->own_program, "", launch->own_argv.data(), launch->envp.data(), AT_EMPTY_PATH);
    Fail(launch, "execveat");
  }
  int error = ENOENT;
  for (Launch::Try& attempt : launch->tries) {
    execve(attempt.path.c_str(), attempt.argv.data(), launch->envp.data());
    if (errno == ENOEXEC) execve("/bin/sh", attempt.script_argv.data(), launch->envp.data());
    if (!launch->search || (errno != ENOENT && errno != ENOTDIR && errno != EACCES)) {
      Fail(launch, "execvp");
    }
    if (errno == EACCES) error = EACCES;
  }
  errno = error;
  Fail(launch, "execvp");
}

// Of its own, so that nothing of the caller's lives in registers across vfork.
__attribute__((noinline)) pid_t Start(Launch* launch) {
  const pid_t child = vfork();
  if (child == 0) BecomeProgram(launch);
  return child;
}

ProgramEnded NotStarted(const std::string& call, int error) {
  return {.how = ProgramEnded::How::kNotStarted, .output = call + ": " + std::strerror(error)};
}

struct Pipe {
  host::UniqueFd read, write;
};
bool MakePipe(Pipe* pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  const host::UniqueFd read(ends[0]), write(ends[1]);
  // Above the three that the child gets: dup2(2) to itself would leave it closing at exec.
  pipe->read = host::UniqueFd(fcntl(read.get(), F_DUPFD_CLOEXEC, 3));
  pipe->write = host::UniqueFd(fcntl(write.get(), F_DUPFD_CLOEXEC, 3));
  return pipe->read.valid() && pipe->write.valid();
}

// Reads what is there; keeps the beginning. False: the end.
bool ReadOutput(int fd, std::string* output) {
  char bytes[4096];
  while (true) {
    const ssize_t count = read(fd, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno == EAGAIN;
    if (count == 0) return false;
    const size_t room = kProgramOutputBytesMax - std::min(kProgramOutputBytesMax, output->size());
    output->append(bytes, std::min<size_t>(room, static_cast<size_t>(count)));
  }
}

}  // namespace

Programs::Programs(Options options)
    : options_(std::move(options)),
      own_program_(open(options_.appender.empty() ? "/proc/self/exe" : options_.appender.c_str(), O_PATH | O_CLOEXEC)),
      pool_("programs", {.threads_max = options_.running_max, .waiting_max = options_.waiting_max}) {}

Programs::~Programs() {
  const std::lock_guard lock(mutex_);
  ending_ = true;
  // A group keeps its number until its leader is reaped, which needs the lock.
  for (const pid_t group : running_) kill(-group, SIGKILL);
}

void Programs::Run(OpId op, RunProgram run, Inbox* inbox, Tell tell) {
  // Shared, since a refused task is gone with what it holds.
  const auto asker = std::make_shared<Tell>(std::move(tell));
  const auto answer = [op, inbox, asker](ProgramEnded ended) {
    inbox->Post([op, asker, ended = std::move(ended)]() mutable { (*asker)({.op = op, .reply = std::move(ended)}); });
  };
  const bool begun = pool_.Run([this, run = std::move(run), answer] { answer(RunNow(run)); });
  if (!begun) answer({.how = ProgramEnded::How::kNotStarted, .output = "too many programs wait to be run"});
}

ProgramEnded Programs::RunNow(const RunProgram& run) {
  Launch launch;
  FillEnvironment(run, &launch);
  if (!run.append_to.empty()) {
    launch.words =
        files::MboxJobWords({.path = options_.root == nullptr ? run.append_to : options_.root->Whole(run.append_to),
                             .bytes = run.input.size_bytes(),
                             .lock = run.lock});
    launch.own_argv = Pointers(launch.words);
    launch.own_program = own_program_.get();
    if (launch.own_program < 0) return NotStarted("our own program", ENOENT);
  } else if (run.argv.empty()) {
    return NotStarted("no command", EINVAL);
  } else {
    FillTries(run, &launch);
  }
  // Never with our own rights where those are more: who asks without a user gets nothing.
  if (run.user.uid <= 0 || run.user.gid <= 0) return NotStarted("no user to run it as", EPERM);
  launch.uid = static_cast<uid_t>(run.user.uid);
  launch.gid = static_cast<gid_t>(run.user.gid);
  launch.change_user = geteuid() == 0;
  if (!launch.change_user && geteuid() != launch.uid) return NotStarted("setuid", EPERM);
  launch.limit_files = run.file_bytes_max != 0;
  launch.file_limit = {.rlim_cur = run.file_bytes_max, .rlim_max = run.file_bytes_max};
  Pipe input, output;
  if (!MakePipe(&input) || !MakePipe(&output)) return NotStarted("pipe", errno);
  launch.in = input.read.get();
  launch.out = output.write.get();
  pid_t child = -1;
  {
    // Under the lock, so that shutdown knows of every child or none comes after it.
    const std::lock_guard lock(mutex_);
    if (ending_) return {.how = ProgramEnded::How::kKilled, .number = SIGKILL};
    child = Start(&launch);
    if (child < 0) return NotStarted("fork", errno);
    if (launch.failed_call == nullptr) running_.insert(child);
  }
  input.read = host::UniqueFd();
  output.write = host::UniqueFd();
  if (launch.failed_call != nullptr) {
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) continue;
    const std::string name = launch.tries.empty() ? "" : " " + launch.words[0];
    return NotStarted(launch.failed_call + name, launch.error);
  }
  return Feed(child, run, std::move(input.write), std::move(output.read));
}

// Until the child has exited; what its own children still have to say is not waited for.
ProgramEnded Programs::Feed(pid_t child, const RunProgram& run, host::UniqueFd input, host::UniqueFd output) {
  const Clock::time_point until = Clock::now() + std::chrono::nanoseconds(run.time_limit.ns);
  const host::UniqueFd exited(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  fcntl(input.get(), F_SETFL, O_NONBLOCK);
  fcntl(output.get(), F_SETFL, O_NONBLOCK);
  ProgramEnded ended;
  bool timed_out = false;
  size_t piece = 0, offset = 0;
  while (true) {
    while (piece < run.input.piece_count() && offset == run.input.piece(piece).size()) ++piece, offset = 0;
    if (piece == run.input.piece_count()) input = host::UniqueFd();
    pollfd fds[3] = {{.fd = exited.get(), .events = POLLIN},
                     {.fd = output.get(), .events = POLLIN},
                     {.fd = input.get(), .events = POLLOUT}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    if (left < 0) {
      timed_out = true;
      kill(-child, SIGKILL);
      // It runs as somebody else by now, or hangs in the kernel: it is left alone, and the recipient fails in any case.
      if (left < -kKillPatienceMs) return {.how = ProgramEnded::How::kTimedOut, .output = std::move(ended.output)};
    }
    poll(fds, 3, timed_out ? 1000 : static_cast<int>(std::clamp<int64_t>(left + 1, 1, 3'600'000)));
    if (output.valid() && fds[1].revents != 0 && !ReadOutput(output.get(), &ended.output)) output = host::UniqueFd();
    if (fds[0].revents != 0) break;
    if (!input.valid() || fds[2].revents == 0) continue;
    const std::string_view rest = run.input.piece(piece).substr(offset);
    const ssize_t count = write(input.get(), rest.data(), rest.size());
    if (count > 0) {
      offset += static_cast<size_t>(count);
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
      piece = run.input.piece_count(), offset = 0;  // it has read enough: its exit tells the rest
    }
  }
  if (output.valid()) ReadOutput(output.get(), &ended.output);
  siginfo_t facts{};
  {
    const std::lock_guard lock(mutex_);
    while (waitid(P_PID, static_cast<id_t>(child), &facts, WEXITED) != 0 && errno == EINTR) continue;
    running_.erase(child);
  }
  ended.number = facts.si_status;
  ended.how = timed_out                     ? ProgramEnded::How::kTimedOut
              : facts.si_code == CLD_EXITED ? ProgramEnded::How::kExited
                                            : ProgramEnded::How::kKilled;
  return ended;
}

}  // namespace postern::workers
