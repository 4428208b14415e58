// The commands that other programs know a mail system by: sendmail, mailq, newaliases, postqueue and postsuper, with
// the options, output and exit statuses of Postfix 3.7's. They are this program under another name (links that the
// installation makes), or its subcommands: `postern sendmail -t`.
//
// Before their own options all take --root DIR and --postfix DIR; MAIL_CONFIG in the environment does for the latter.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/spool.h"

namespace postern::cmd {

// sysexits.h, by their meaning
inline constexpr int kExUsage = 64, kExDataErr = 65, kExUnavailable = 69, kExSoftware = 70, kExTempFail = 75,
                     kExNoPerm = 77, kExConfig = 78;

inline constexpr std::array<std::string_view, 5> kMailCommands{"sendmail", "mailq", "newaliases", "postqueue",
                                                               "postsuper"};
bool IsMailCommand(std::string_view name);
// `args` without the program's name. The exit status. Reads standard input, writes standard output and error.
int RunMailCommand(std::string_view name, std::vector<std::string> args);

int RunSendmail(MailPlace place, std::vector<std::string> args);
int RunPostqueue(MailPlace place, std::vector<std::string> args);
int RunPostsuper(MailPlace place, std::vector<std::string> args);

// "sendmail: fatal: TEXT" on standard error; gives `status` back.
int Fatal(std::string_view program, std::string_view text, int status);
void Warn(std::string_view program, std::string_view text);

// Argument vectors as getopt(3) wants them; it reorders them. One at a time: getopt has a state of its own.
class OptionScan {
 public:
  OptionScan(std::string program, std::vector<std::string> args);
  // The next option of `letters`, -1 after the last one, '?' for what is none (getopt has said so).
  int Next(const char* letters);
  std::string value() const;              // of the option
  const char* peek() const;               // the next word, nullptr after the last
  void Skip();                            // over it
  std::vector<std::string> rest() const;  // after -1

 private:
  std::vector<std::string> words_;
  std::vector<char*> pointers_;
};

// A spool that is open for a command, or the status to exit with.
struct OpenedSpool {
  int status = 0;
  StatusOr<host::Root> root;
  SpoolSettings settings;
};
OpenedSpool OpenSpool(std::string_view program, const MailPlace& place, int failure);

// "alice(1000)", as Postfix names users in messages.
std::string CallerName();

}  // namespace postern::cmd
