// The options of the commands of cmd/mail_commands.h: one list for getopt(3) and for the shells' completions.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace postern::cmd {

struct MailOption {
  char letter;
  const char* value;  // nullptr: none; "": any text; "DIR"; "{full,hdrs}": one of these
  const char* help;   // "": taken and without meaning, for old callers: not offered
};

// `command`: one that IsMailCommand knows. mailq and newaliases are parsed as sendmail: theirs are those to offer.
std::span<const MailOption> MailOptions(std::string_view command);

// As getopt wants them: "f:it".
std::string OptionLetters(std::span<const MailOption> options);

// What there is to offer, --root and --postfix among it. `app` is new and has no help option.
void DescribeMailCommand(std::string_view command, CLI::App* app);

}  // namespace postern::cmd
