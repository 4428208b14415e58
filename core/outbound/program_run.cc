#include "core/outbound/program_run.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <utility>

#include "core/base/ascii.h"
#include "core/config/value.h"
#include "core/message/date.h"
#include "core/message/trace.h"
#include "core/outbound/next_hop.h"
#include "core/routing/lookup.h"

namespace postern::outbound {
namespace {

using config::AliasTarget;

bool IsCommand(const routing::ProgramTarget& program) { return program.target.kind == AliasTarget::Kind::kCommand; }

// ---- what it gets ---------------------------------------------------------------------------------------------------

// The mbox separator: asctime(3) of the host's time zone behind two blanks, which is what readers of mbox files know.
std::string FromLine(std::string_view sender, const Now& now) {
  static constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const message::CivilTime when = message::ToCivilTime(now.wall.seconds() + now.utc_offset_seconds);
  char time[48];
  std::snprintf(time, sizeof time, " %2d %02d:%02d:%02d %d\n", when.day, when.hour, when.minute, when.second,
                when.year);
  return "From " + std::string(sender.empty() ? "MAILER-DAEMON" : sender) + "  " +
         std::string(kDays[static_cast<size_t>(when.weekday) % 7]) + " " +
         std::string(kMonths[static_cast<size_t>(when.month - 1) % 12]) + time;
}

// A line that looks like a separator gets a '>', and the message ends with an empty line.
std::string AsMbox(std::string_view text) {
  std::string mbox;
  mbox.reserve(text.size() + 64);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    if (text.starts_with("From ")) mbox += '>';
    mbox += text.substr(0, end);
    text.remove_prefix(end);
  }
  if (!mbox.ends_with('\n')) mbox += '\n';
  return mbox += '\n';
}

Chain InputOf(const queue::Envelope& envelope, const queue::QueuedRecipient& recipient, bool command,
              const SharedBytes& message, const config::Routing& routing, const Now& now) {
  const std::string sender = envelope.null_sender ? "" : envelope.sender.Quoted();
  std::string fields;
  message::AppendReturnPath(sender, &fields);
  if (routing.enable_original_recipient && !recipient.original.empty()) {
    message::AppendXOriginalTo(recipient.original, &fields);
  }
  std::erase(fields, '\r');
  Chain input;
  input.Append(FromLine(sender, now) + fields);
  if (command) {
    input.Append(message);
    if (!message->empty() && !message->ends_with('\n')) input.Append(std::string("\n"));
  } else {
    input.Append(AsMbox(*message));
  }
  return input;
}

// What a message says may reach a shell: only the characters that command_expansion_filter has.
std::string Censored(std::string value, std::string_view allowed) {
  for (char& c : value) {
    if (allowed.find(c) == std::string_view::npos) c = '_';
  }
  return value;
}

void SetEnvironment(const queue::Envelope& envelope, const queue::QueuedRecipient& recipient,
                    const config::Routing& routing, RunProgram* run) {
  const config::LocalPrograms& programs = routing.local.programs;
  std::map<std::string, std::string> all;
  for (const std::string& word : programs.environment) {
    const size_t equals = word.find('=');
    if (equals == std::string::npos) {
      run->inherited.push_back(word);
    } else {
      all[word.substr(0, equals)] = word.substr(equals + 1);
    }
  }
  all["PATH"] = "/usr/bin:/bin";  // _PATH_DEFPATH
  const auto set = [&](const char* name, std::string value) {
    all[name] = Censored(std::move(value), programs.expansion_filter);
  };
  const auto set_if = [&](const char* name, const std::string& value) {
    if (!value.empty()) set(name, value);
  };
  const std::string local = LowerCase(recipient.address.local);
  const size_t extension_at =
      routing::ExtensionStart(local, routing.recipient_delimiter, routing.local.owner_request_special);
  const std::string user = local.substr(0, extension_at);
  set("USER", user);
  set("LOGNAME", user);
  set("SENDER", envelope.null_sender ? "" : envelope.sender.Key());
  set("RECIPIENT", recipient.address.Key());
  set("LOCAL", local);
  set_if("DOMAIN", LowerCase(recipient.address.domain));
  if (extension_at != std::string::npos) set("EXTENSION", local.substr(extension_at + 1));
  if (routing.enable_original_recipient) set_if("ORIGINAL_RECIPIENT", recipient.original);
  set_if("CLIENT_HOSTNAME", envelope.client_name);
  set_if("CLIENT_ADDRESS", envelope.client_address);
  set_if("CLIENT_HELO", envelope.helo);
  set_if("CLIENT_PROTOCOL", envelope.protocol);
  set_if("SASL_METHOD", envelope.sasl_method);
  set_if("SASL_USERNAME", envelope.sasl_username);
  for (const auto& [name, value] : all) run->environment.push_back(name + "=" + value);
}

// As exec_command(3) of Postfix: no shell where the command has nothing for one.
void SetCommand(const std::string& command, const config::LocalPrograms& programs, RunProgram* run) {
  static constexpr std::string_view kPlain =
      "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ \t";
  const std::vector<std::string> by_shell{"/bin/sh", "-c", command};
  if (!programs.shell.empty()) {
    run->argv = programs.shell;
    run->argv.push_back(command);
  } else if (command.find_first_not_of(kPlain) == std::string::npos &&
             command.find_first_not_of(" \t") != std::string::npos) {
    run->argv = config::SplitWords(command, /*commas=*/false);
    run->otherwise = by_shell;  // a shell's own word, perhaps
  } else {
    run->argv = by_shell;
  }
}

// ---- what its end means ---------------------------------------------------------------------------------------------

struct SysExit {
  int32_t number;
  std::string_view status, text;
};
// sys_exits.c of Postfix; the numbers are those of sysexits.h.
constexpr std::array<SysExit, 15> kSysExits{{
    {64, "5.3.0", "command line usage error"},
    {65, "5.6.0", "data format error"},
    {66, "5.3.0", "cannot open input"},
    {67, "5.1.1", "user unknown"},
    {68, "5.1.2", "host name unknown"},
    {69, "5.3.0", "service unavailable"},
    {70, "5.3.0", "internal software error"},
    {71, "4.3.0", "system resource problem"},
    {72, "5.3.0", "critical OS file missing"},
    {73, "5.2.0", "can't create user output file"},
    {74, "5.3.0", "input/output error"},
    {75, "4.3.0", "temporary failure"},
    {76, "5.5.0", "remote error in protocol"},
    {77, "5.7.0", "permission denied"},
    {78, "5.3.5", "local configuration error"},
}};
constexpr SysExit kOtherExit{0, "5.3.0", "unknown mail system error"};
constexpr SysExit kSoftware = kSysExits[6], kTemporary = kSysExits[11];

const SysExit& SysExitOf(int32_t number) {
  const auto found =
      std::find_if(kSysExits.begin(), kSysExits.end(), [number](const SysExit& each) { return each.number == number; });
  return found == kSysExits.end() ? kOtherExit : *found;
}

// One line that a log and a notice can show.
std::string OneLine(std::string_view output) {
  std::string line(output);
  for (char& c : line) {
    if (c == '\t' || c == '\n' || c == '\r') c = ' ';
    if (static_cast<uint8_t>(c) < ' ' || c == 0x7f) c = '_';
  }
  return std::string(config::Trim(line));
}

RecipientDone Done(std::string_view status, std::string text, std::string diagnostic) {
  return {.fate = status[0] == '4' ? Fate::kDeferred : Fate::kFailed,
          .status = std::string(status),
          .relay = "local",
          .reply = std::move(diagnostic),
          .text = std::move(text)};
}

// "D.S.N words": the program says it itself. nullopt where it does not.
std::optional<StatusAndText> StatusIn(const std::string& output) {
  StatusAndText parts = SplitStatus(output, output.starts_with('4') ? "4.3.0" : "5.3.0");
  if (parts.text == output) return std::nullopt;
  return parts;
}

RecipientDone CommandDone(const ProgramEnded& ended, const std::string& command) {
  const std::string output = OneLine(ended.output);
  const std::string said = output.empty() ? "" : ". Command output: " + output;
  const auto diagnostic = [&output](const SysExit& exit) { return output.empty() ? std::string(exit.text) : output; };
  switch (ended.how) {
    case ProgramEnded::How::kNotStarted:
      return Done(kTemporary.status, std::string(kTemporary.text) + ". Command output: local: fatal: " + output,
                  output);
    case ProgramEnded::How::kTimedOut:
      return Done("5.3.0", "Command time limit exceeded: \"" + command + "\"" + said, diagnostic(kSoftware));
    case ProgramEnded::How::kKilled:
      return Done("4.3.0", "Command died with signal " + std::to_string(ended.number) + ": \"" + command + "\"" + said,
                  diagnostic(kSoftware));
    case ProgramEnded::How::kExited:
      break;
  }
  if (auto parts = StatusIn(output)) return Done(parts->status, parts->text, parts->text);
  const SysExit& exit = SysExitOf(ended.number);
  if (exit.number != 0) return Done(exit.status, std::string(exit.text) + said, diagnostic(exit));
  return Done(exit.status, "Command died with status " + std::to_string(ended.number) + ": \"" + command + "\"" + said,
              diagnostic(exit));
}

// Appending is our own doing: what fails without saying how is tried again.
RecipientDone FileDone(const ProgramEnded& ended, const std::string& path) {
  const std::string output = OneLine(ended.output), front = "cannot append message to file " + path + ": ";
  const bool exited = ended.how == ProgramEnded::How::kExited;
  if (const auto parts = exited ? StatusIn(output) : std::nullopt) {
    return Done(parts->status, front + parts->text, parts->text);
  }
  const std::string why = ended.how == ProgramEnded::How::kTimedOut ? "it took too long" : output;
  return Done("4.3.0", front + (why.empty() ? "it was interrupted" : why), why);
}

}  // namespace

RunProgram MakeProgramRun(const queue::Envelope& envelope, const queue::QueuedRecipient& recipient,
                          const routing::ProgramTarget& program, const SharedBytes& message,
                          const config::Routing& routing, const Now& now) {
  const config::LocalPrograms& programs = routing.local.programs;
  RunProgram run{.lock = programs.lock,
                 .user = {.uid = programs.uid, .gid = programs.gid},
                 .file_bytes_max = programs.file_bytes_max,
                 .time_limit = programs.time_limit};
  run.input = InputOf(envelope, recipient, IsCommand(program), message, routing, now);
  if (!IsCommand(program)) {
    run.append_to = program.target.text;
    return run;
  }
  SetCommand(program.target.text, programs, &run);
  SetEnvironment(envelope, recipient, routing, &run);
  return run;
}

RecipientDone DoneOf(const ProgramEnded& ended, const routing::ProgramTarget& program) {
  const std::string& target = program.target.text;
  if (ended.how == ProgramEnded::How::kExited && ended.number == 0) {
    return {.fate = Fate::kSent,
            .status = "2.0.0",
            .relay = "local",
            .text = (IsCommand(program) ? "delivered to command: " : "delivered to file: ") + target};
  }
  return IsCommand(program) ? CommandDone(ended, target) : FileDone(ended, target);
}

}  // namespace postern::outbound
