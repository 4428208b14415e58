#include "core/pop3/command.h"

#include <array>
#include <utility>

#include "core/base/ascii.h"

namespace postern::pop3 {
namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 15> kVerbs{{
    {"CAPA", Verb::kCapa},
    {"STLS", Verb::kStls},
    {"USER", Verb::kUser},
    {"PASS", Verb::kPass},
    {"AUTH", Verb::kAuth},
    {"QUIT", Verb::kQuit},
    {"STAT", Verb::kStat},
    {"LIST", Verb::kList},
    {"RETR", Verb::kRetr},
    {"DELE", Verb::kDele},
    {"NOOP", Verb::kNoop},
    {"RSET", Verb::kRset},
    {"UIDL", Verb::kUidl},
    {"TOP", Verb::kTop},
    {"LAST", Verb::kLast},
}};

}  // namespace

Command ParseCommand(std::string_view line) {
  const size_t space = line.find(' ');
  Command command{.name = line.substr(0, space)};
  if (space != std::string_view::npos) command.arguments = line.substr(space + 1);
  for (const auto& [name, verb] : kVerbs) {
    if (EqualsIgnoringCase(command.name, name)) command.verb = verb;
  }
  return command;
}

std::string_view TakeWord(std::string_view* arguments) {
  while (!arguments->empty() && arguments->front() == ' ') arguments->remove_prefix(1);
  const size_t space = arguments->find(' ');
  const std::string_view word = arguments->substr(0, space);
  arguments->remove_prefix(word.size());
  return word;
}

}  // namespace postern::pop3
