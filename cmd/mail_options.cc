#include "cmd/mail_options.h"

#include <CLI/CLI.hpp>

namespace postern::cmd {
namespace {

constexpr const char* kPostfixFolder = "the folder of main.cf";

constexpr MailOption kSendmailOptions[] = {
    {'t', nullptr, "take the recipients from To, Cc and Bcc"},
    {'i', nullptr, "a line with a dot alone does not end the message"},
    {'f', "", "the sender of the envelope"},
    {'r', "", "the sender of the envelope"},
    {'F', "", "the name for a From field that is missing"},
    {'B', "{7BIT,8BITMIME}", "what the body is"},
    {'N', "{never,success,failure,delay}", "when to tell the sender (NOTIFY)"},
    {'R', "{full,hdrs}", "what a notice gives back (RET)"},
    {'V', "", "the envelope's id (ENVID)"},
    {'b', "{m,p,i}", "send, as mailq, as newaliases"},
    {'I', nullptr, "as newaliases"},
    {'q', "", "try the queue now: nothing, I and an id, R and a domain"},
    {'C', "DIR", kPostfixFolder},
    {'o', "{i}", "an option of Sendmail's: i, as -i"},
    {'v', nullptr, ""},
    {'A', "", ""},
    {'c', nullptr, ""},
    {'e', "", ""},
    {'G', nullptr, ""},
    {'h', "", ""},
    {'L', "", ""},
    {'m', nullptr, ""},
    {'n', nullptr, ""},
    {'O', "", ""},
    {'p', "", ""},
    {'U', nullptr, ""},
    {'X', "", ""},
    {'x', nullptr, ""},
};
constexpr MailOption kListOptions[] = {{'C', "DIR", kPostfixFolder}};
constexpr MailOption kPostqueueOptions[] = {
    {'p', nullptr, "print the queue"},
    {'j', nullptr, "print the queue as JSON lines"},
    {'f', nullptr, "try every message now"},
    {'i', "", "try the message of this id now"},
    {'s', "", "try what waits for this domain now"},
    {'c', "DIR", kPostfixFolder},
    {'v', nullptr, ""},
};
constexpr MailOption kPostsuperOptions[] = {
    {'d', "{ALL,-}", "delete the message of this id"},
    {'h', "{ALL,-}", "hold it"},
    {'H', "{ALL,-}", "release it"},
    {'r', "{ALL,-}", "requeue it"},
    {'c', "DIR", kPostfixFolder},
    {'e', "", ""},
    {'f', "", ""},
    {'p', nullptr, ""},
    {'s', nullptr, ""},
    {'S', nullptr, ""},
    {'v', nullptr, ""},
};

}  // namespace

std::span<const MailOption> MailOptions(std::string_view command) {
  if (command == "postqueue") return kPostqueueOptions;
  if (command == "postsuper") return kPostsuperOptions;
  if (command == "sendmail") return kSendmailOptions;
  return kListOptions;
}

std::string OptionLetters(std::span<const MailOption> options) {
  std::string letters;
  for (const MailOption& option : options) {
    letters += option.letter;
    if (option.value != nullptr) letters += ':';
  }
  return letters;
}

void DescribeMailCommand(std::string_view command, CLI::App* app) {
  static constexpr const char* kPlaces[][2] = {{"--root", "put every path below this folder"},
                                               {"--postfix", kPostfixFolder}};
  const auto add = [app](const std::string& name, const char* value, const char* help) {
    if (value == nullptr) {
      app->add_flag(name)->description(help);
    } else {
      app->add_option(name)->description(help)->type_name(value)->expected(1);
    }
  };
  for (const auto& [name, help] : kPlaces) add(name, "DIR", help);
  for (const MailOption& option : MailOptions(command)) {
    if (*option.help != '\0') add(std::string("-") + option.letter, option.value, option.help);
  }
  if (command == "postsuper") add("folder", "{hold,incoming,active,deferred}", "look in these alone");
}

}  // namespace postern::cmd
