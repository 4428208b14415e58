// sendmail(1), as Postfix's: a message from a program into the maildrop folder, where the server finds it. Whether that
// runs or not makes no difference to the caller; what is said with exit status 0 survives power loss.
#include <fcntl.h>
#include <pwd.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <utility>

#include "adapters/host/errno_status.h"
#include "cmd/mail_commands.h"
#include "cmd/mail_options.h"
#include "core/base/ascii.h"
#include "core/queue/local_message.h"
#include "core/queue/maildrop.h"

namespace postern::cmd {
namespace {

constexpr std::string_view kSendmail = "sendmail";
constexpr size_t kCopiedBytes = 65536;

// smtp::Notify, a room that commands have no other use for.
constexpr uint8_t kNever = 1, kSuccess = 2, kFailure = 4, kDelay = 8;

struct Options {
  queue::Submission submission;
  queue::LocalMessage::Options message;
  std::vector<std::string> recipients;
  std::optional<std::string> full_name;
  char mode = 'm';  // of -b
  std::optional<std::string> flush_id, flush_site;
  bool flush = false;
  int status = -1;  // >= 0: leave with it at once
};

// ---- options --------------------------------------------------------------------------------------------------------

// RFC 3461 section 4.1; nullopt: nonsense.
std::optional<uint8_t> ParseNotify(const std::string& text) {
  uint8_t notify = 0;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    std::string_view word = std::string_view(text).substr(at, end - at);
    while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
    while (!word.empty() && word.back() == ' ') word.remove_suffix(1);
    const std::string name = LowerCase(word);
    const uint8_t bit = name == "never"     ? kNever
                        : name == "success" ? kSuccess
                        : name == "failure" ? kFailure
                        : name == "delay"   ? kDelay
                                            : 0;
    if (bit == 0) return std::nullopt;
    notify |= bit;
    at = end + 1;
  }
  if ((notify & kNever) != 0 && notify != kNever) return std::nullopt;
  return notify;
}

// The sender of -f and -r.
bool SetSender(const std::string& word, queue::Submission* submission) {
  submission->sender = {};
  std::string bare;
  for (const char c : word) {
    if (c != ' ') bare += c;
  }
  if (bare.empty() || bare == "<>") {
    submission->sender_kind = queue::SenderKind::kNull;
    return true;
  }
  std::vector<routing::Mailbox> addresses;
  if (!queue::AppendRecipients(word, &addresses).ok() || addresses.size() != 1) return false;
  submission->sender_kind = queue::SenderKind::kGiven;
  submission->sender = addresses.front();
  return true;
}

int FatalUsage(const std::string& text) { return Fatal(kSendmail, text, kExUsage); }

// -bX. The status to leave with, or -1.
int SetMode(const std::string& mode, Options* options) {
  options->mode = mode.empty() ? '\0' : mode[0];
  switch (options->mode) {
    case 'm':
    case 'p':
    case 'i':
      return -1;
    case 'h':  // host status, which Postfix doesn't keep either
    case 'H':
      return 0;
    case 's':
      return Fatal(
          kSendmail,
          "-bs is not supported: have the program speak SMTP to port 25 of localhost, or call sendmail with -t -i",
          kExUnavailable);
    case 'v':
      return Fatal(kSendmail, "-bv is not supported: `postern map query` tells what tables say of an address",
                   kExUnavailable);
    case 'd':
    case 'l':
    case 'D':
      return Fatal(kSendmail, "the server is started with `postern serve`", kExUnavailable);
    default:
      return FatalUsage("unsupported: -b" + mode.substr(0, 1));
  }
}

// -q...
int SetFlush(const std::string& what, Options* options) {
  if (!what.empty() && std::isdigit(static_cast<unsigned char>(what[0])) != 0)
    return 0;  // a queue run every so often: the server's
  options->flush = true;
  if (what.empty()) return -1;
  if (what[0] == 'I') return options->flush_id = what.substr(1), -1;
  if (what[0] == 'R') return options->flush_site = what.substr(1), -1;
  return FatalUsage("-q" + what.substr(0, 1) + " is not implemented");
}

// One option of the kind that says something about the message.
int Take(int option, const std::string& value, Options* options) {
  queue::Submission& submission = options->submission;
  switch (option) {
    case 'B':
      submission.body = EqualsIgnoringCase(value, "8BITMIME") ? "8BITMIME" : "7BIT";
      if (submission.body == "7BIT" && !EqualsIgnoringCase(value, "7BIT")) {
        return FatalUsage("-B option needs 8BITMIME or 7BIT");
      }
      return -1;
    case 'F':
      return options->full_name = value, -1;
    case 'I':
      return options->mode = 'i', -1;
    case 'N':
      if (const auto notify = ParseNotify(value)) {
        submission.notify = *notify;
      } else {
        Warn(kSendmail, "bad -N option value -- ignored");
      }
      return -1;
    case 'R':
      if (EqualsIgnoringCase(value, "hdrs") || EqualsIgnoringCase(value, "full")) {
        submission.ret = std::toupper(static_cast<unsigned char>(value[0])) == 'H' ? "HDRS" : "FULL";
      } else {
        Warn(kSendmail, "bad -R option value -- ignored");
      }
      return -1;
    case 'V':
      if (value.empty() || value.size() > 100) {  // RFC 3461 section 4.4
        Warn(kSendmail, "bad syntax in -V option value -- ignored");
      } else {
        submission.envelope_id = value;
      }
      return -1;
    case 'X':
      if (value.substr(0, 1) == "V") return Fatal(kSendmail, "-XV (VERP) is not supported", kExUnavailable);
      return FatalUsage("unsupported: -X" + value.substr(0, 1));
    case 'f':
    case 'r':
      return SetSender(value, &submission) ? -1
                                           : FatalUsage("-" + std::string(1, static_cast<char>(option)) +
                                                        " option specified malformed sender: " + value);
    case 'i':
      return options->message.dot_ends = false, -1;
    case 'o':
      if (value.substr(0, 1) == "i") options->message.dot_ends = false;
      if (value.substr(0, 1) == "7") submission.body = "7BIT";
      if (value.substr(0, 1) == "8") submission.body = "8BITMIME";
      return -1;
    case 't':
      return options->message.extract_recipients = true, -1;
    default:
      return -1;  // of Sendmail's own, without meaning here: as Postfix's does
  }
}

Options ParseOptions(std::vector<std::string> args, MailPlace* place) {
  Options options;
  // "-q" alone has no value, which getopt can't know.
  for (std::string& word : args) {
    if (word == "--") break;
    if (word == "-q") word = "-q ";
  }
  OptionScan scan{std::string(kSendmail), std::move(args)};
  const std::string letters = OptionLetters(MailOptions(kSendmail));
  for (int option = 0; options.status < 0 && (option = scan.Next(letters.c_str())) != -1;) {
    const std::string value = scan.value();
    if (option == '?') {
      options.status = FatalUsage("usage: sendmail [options]");
    } else if (option == 'C') {
      place->postfix_dir = value;
    } else if (option == 'b') {
      options.status = SetMode(value, &options);
    } else if (option == 'q') {
      options.status = SetFlush(value == " " ? "" : value, &options);
    } else {
      options.status = Take(option, value, &options);
    }
  }
  options.recipients = scan.rest();
  // -C names a file with some callers.
  constexpr std::string_view kMainCf = "/main.cf";
  if (place->postfix_dir.ends_with(kMainCf)) place->postfix_dir.resize(place->postfix_dir.size() - kMainCf.size());
  return options;
}

// ---- who calls ------------------------------------------------------------------------------------------------------

// The user database's full name: up to a comma, '&' stands for the login name with a capital letter (passwd(5) of BSD).
std::string FullNameOf(const passwd& user) {
  std::string name;
  for (const char* c = user.pw_gecos; c != nullptr && *c != '\0' && *c != ','; ++c) {
    if (*c != '&') {
      name += *c;
      continue;
    }
    std::string login = user.pw_name;
    if (!login.empty()) login[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(login[0])));
    name += login;
  }
  return name;
}

void SetCaller(Options* options) {
  queue::Submission& submission = options->submission;
  const passwd* const user = getpwuid(getuid());
  submission.uid = getuid();
  submission.login = user == nullptr ? "" : user->pw_name;
  if (options->full_name) {
    submission.full_name = *options->full_name;
  } else if (const char* const name = std::getenv("NAME"); name != nullptr && *name != '\0') {
    submission.full_name = name;
  } else if (user != nullptr) {
    submission.full_name = FullNameOf(*user);
  }
  for (std::string* const text : {&submission.full_name, &submission.login}) {
    if (text->size() > queue::kMaildropTextBytesMax) text->resize(queue::kMaildropTextBytesMax);
  }
}

// ---- the file -------------------------------------------------------------------------------------------------------

std::string RandomHex(size_t digits) {
  unsigned char bytes[16] = {};
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return "";
  std::string hex;
  for (size_t i = 0; i < digits; ++i) hex += "0123456789ABCDEF"[i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15];
  return hex;
}

// A file that grows under a name of its own and is named in the end, or goes away.
class MaildropWriter {
 public:
  MaildropWriter(const host::Root* root, std::string folder, uint64_t bytes_max)
      : root_(root), folder_(std::move(folder)), bytes_max_(bytes_max) {}
  ~MaildropWriter() {
    if (fd_.valid()) unlinkat(root_->dir_fd(), root_->Relative(tmp_path_), 0);
  }

  Status Open() {
    id_ = RandomHex(12);
    if (id_.empty()) return Unavailable("the operating system gives no random bytes");
    tmp_path_ = folder_ + "/tmp-" + id_;
    fd_.Reset(
        openat(root_->dir_fd(), root_->Relative(tmp_path_), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    return fd_.valid() ? OkStatus() : host::StatusFromErrno(errno, "create " + root_->Whole(tmp_path_));
  }

  Status Write(std::string_view bytes, bool of_message) {
    if (of_message) message_bytes_ += bytes.size();
    // kInvalidArgument is the caller's fault; a full disk is not.
    if (bytes_max_ != 0 && message_bytes_ > bytes_max_) return InvalidArgument("message file too big");
    checksum_.Add(bytes);
    return WriteAll(bytes);
  }

  // The message is there for good.
  Status Finish() {
    POSTERN_RETURN_IF_ERROR(WriteAll(queue::FormatTrailer(message_bytes_, checksum_)));
    if (fsync(fd_.get()) != 0) return host::StatusFromErrno(errno, "flush " + root_->Whole(tmp_path_));
    // link(2) takes no name that is there already, rename(2) would.
    Path path = folder_ + "/" + id_;
    while (linkat(root_->dir_fd(), root_->Relative(tmp_path_), root_->dir_fd(), root_->Relative(path), 0) != 0) {
      if (errno != EEXIST) return host::StatusFromErrno(errno, "name " + root_->Whole(path));
      path = folder_ + "/" + RandomHex(12);
    }
    unlinkat(root_->dir_fd(), root_->Relative(tmp_path_), 0);
    const host::UniqueFd fd = std::move(fd_);
    const host::UniqueFd dir(openat(root_->dir_fd(), root_->Relative(folder_), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    // Who may make files there but not read it can't flush its names alone.
    const bool flushed = dir.valid() ? fsync(dir.get()) == 0 : syncfs(fd.get()) == 0;
    if (flushed) return OkStatus();
    const Status status = host::StatusFromErrno(errno, "flush " + root_->Whole(folder_));
    unlinkat(root_->dir_fd(), root_->Relative(path), 0);
    return status;
  }

 private:
  Status WriteAll(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return host::StatusFromErrno(errno, "write " + root_->Whole(tmp_path_));
      bytes.remove_prefix(static_cast<size_t>(written));
    }
    return OkStatus();
  }

  const host::Root* root_;
  std::string folder_;
  uint64_t bytes_max_;
  std::string id_;
  Path tmp_path_;
  host::UniqueFd fd_;  // valid: the file has its first name
  queue::Checksum checksum_;
  uint64_t message_bytes_ = 0;
};

// ---- a message ------------------------------------------------------------------------------------------------------

std::string By() { return CallerName() + ": "; }

// The spool is made by the server. Who may makes it here, so that mail can be left before that ever ran.
Status OpenWriter(const Spool& spool, MaildropWriter* writer) {
  Status status = writer->Open();
  if (status.code() != StatusCode::kNotFound) return status;
  POSTERN_RETURN_IF_ERROR(RunPlan(spool.root(), queue::PlanFolders(spool.queue_directory())));
  return writer->Open();
}

bool HasBeyondAscii(const routing::Mailbox& mailbox) {
  const std::string key = mailbox.Key();
  return std::any_of(key.begin(), key.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

// The head of the file, once all recipients are known. >= 0: leave with it.
int Begin(const queue::LocalMessage& message, Options* options, MaildropWriter* writer) {
  queue::Submission& submission = options->submission;
  if (!message.status().ok()) return Fatal(kSendmail, By() + std::string(Message(message.status())), kExDataErr);
  submission.recipients.insert(submission.recipients.end(), message.recipients().begin(), message.recipients().end());
  if (submission.recipients.empty()) return FatalUsage(By() + "No recipient addresses found in message header");
  if (submission.recipients.size() > queue::kMaildropRecipientsMax) {
    return Fatal(kSendmail, By() + "too many recipients", kExDataErr);
  }
  submission.smtputf8 = HasBeyondAscii(submission.sender) ||
                        std::any_of(submission.recipients.begin(), submission.recipients.end(), HasBeyondAscii);
  const std::string head = queue::FormatSubmission(submission);
  if (head.size() > queue::kMaildropHeadBytesMax) return Fatal(kSendmail, By() + "too many recipients", kExDataErr);
  const Status status = writer->Write(head, false);
  return status.ok() ? -1 : Fatal(kSendmail, By() + std::string(Message(status)), kExTempFail);
}

int Submit(const Spool& spool, const SpoolSettings& settings, Options options) {
  queue::Submission& submission = options.submission;
  for (const std::string& word : options.recipients) {
    const Status status = queue::AppendRecipients(word, &submission.recipients);
    if (!status.ok()) return FatalUsage(By() + std::string(Message(status)));
  }
  if (submission.recipients.empty() && !options.message.extract_recipients) {
    return FatalUsage(By() + "Recipient addresses must be specified on the command line or via the -t option");
  }
  SetCaller(&options);
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  submission.arrived_us = static_cast<int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;

  MaildropWriter writer(&spool.root(), queue::FolderPath(spool.queue_directory(), queue::Folder::kMaildrop),
                        settings.message_size_limit);
  if (const Status status = OpenWriter(spool, &writer); !status.ok()) {
    return Fatal(kSendmail, By() + std::string(Message(status)), kExTempFail);
  }
  queue::LocalMessage message(options.message);
  std::string text;  // made, but not written yet
  bool begun = false;
  const auto write = [&](bool last) {
    if (!begun && (message.header_ended() || last || !options.message.extract_recipients)) {
      if (const int status = Begin(message, &options, &writer); status >= 0) return status;
      begun = true;
    }
    if (!begun) {
      const bool too_big = settings.message_size_limit != 0 && text.size() > settings.message_size_limit;
      return too_big ? Fatal(kSendmail, By() + "message file too big", kExDataErr) : -1;
    }
    const Status status = writer.Write(std::exchange(text, {}), true);
    if (status.ok()) return -1;
    const bool callers = status.code() == StatusCode::kInvalidArgument;
    return Fatal(kSendmail, By() + std::string(Message(status)), callers ? kExDataErr : kExTempFail);
  };
  std::string piece(kCopiedBytes, '\0');
  while (!message.ended()) {
    const ssize_t got = read(STDIN_FILENO, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return Fatal(kSendmail,
                   By() + "error reading input: " + std::string(Message(host::StatusFromErrno(errno, "read"))),
                   kExDataErr);
    if (got == 0) break;
    message.Feed(std::string_view(piece).substr(0, static_cast<size_t>(got)), &text);
    if (const int status = write(false); status >= 0) return status;
  }
  message.Finish(&text);
  if (const int status = write(true); status >= 0) return status;
  const Status status = writer.Finish();
  return status.ok() ? 0 : Fatal(kSendmail, By() + std::string(Message(status)), kExTempFail);
}

}  // namespace

int RunSendmail(MailPlace place, std::vector<std::string> args) {
  Options options = ParseOptions(std::move(args), &place);
  if (options.status >= 0) return options.status;
  if (options.mode == 'i') return 0;  // tables are read as they are
  if (options.mode == 'p') return RunPostqueue(std::move(place), {"-p"});
  if (options.flush) {
    if (options.flush_id) return RunPostqueue(std::move(place), {"-i", *options.flush_id});
    if (options.flush_site) return RunPostqueue(std::move(place), {"-s", *options.flush_site});
    return RunPostqueue(std::move(place), {"-f"});
  }
  const OpenedSpool opened = OpenSpool(kSendmail, place, kExConfig);
  if (opened.status != 0) return opened.status;
  const Spool spool(&*opened.root, opened.settings.queue_directory);
  return Submit(spool, opened.settings, std::move(options));
}

}  // namespace postern::cmd
