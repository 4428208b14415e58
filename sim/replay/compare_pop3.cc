// POP3: a response is its status, its response code, the numbers that a command's grammar gives it, and the lines
// below.
#include <algorithm>
#include <set>

#include "core/base/ascii.h"
#include "sim/replay/compare.h"

namespace postern::sim {
namespace {

struct PopResponse {
  std::string judged;
  std::vector<std::string> lines;  // of a multi-line response, in order
  std::string text;
};

struct PopCommand {
  std::string verb;  // upper case
  bool has_argument = false;
};

// RFC 1939 sections 5 and 7, RFC 2449 section 5.
bool IsMultiline(const PopCommand& command) {
  if (command.verb == "LIST" || command.verb == "UIDL") return !command.has_argument;
  return command.verb == "RETR" || command.verb == "TOP" || command.verb == "CAPA";
}

bool HasNumbers(const PopCommand& command) {
  return command.verb == "STAT" || ((command.verb == "LIST" || command.verb == "UIDL") && command.has_argument);
}

std::string Judge(std::string_view line, const PopCommand& command) {
  const std::string status(line.substr(0, line.find(' ')));
  if (status != "+OK") {
    // "-ERR [IN-USE] text"; a challenge is "+ " and anything.
    const size_t open = line.find('['), close = line.find(']');
    return open == status.size() + 1 && close != std::string_view::npos
               ? status + " " + std::string(line.substr(open, close + 1 - open))
               : status;
  }
  return HasNumbers(command) ? std::string(line) : status;
}

std::vector<PopResponse> Responses(std::string_view stream, const std::vector<PopCommand>& commands) {
  std::vector<PopResponse> responses;
  bool inside = false;
  for (const std::string_view line : LinesOf(stream)) {
    if (!inside) {
      const PopCommand command = responses.size() < commands.size() ? commands[responses.size()] : PopCommand{};
      responses.push_back({.judged = Judge(line, command), .text = std::string(line) + "\r\n"});
      inside = line.starts_with("+OK") && IsMultiline(command);
      continue;
    }
    responses.back().lines.emplace_back(line);
    responses.back().text += std::string(line) + "\r\n";
    if (line == ".") inside = false;
  }
  return responses;
}

// Ours may be more; the mechanisms of SASL count one by one.
std::set<std::string> Capabilities(const PopResponse& response) {
  std::set<std::string> all;
  for (const std::string& line : response.lines) {
    if (!line.starts_with("SASL ")) {
      all.insert(line);
      continue;
    }
    for (std::string_view rest = std::string_view(line).substr(5); !rest.empty();) {
      const size_t end = std::min(rest.find(' '), rest.size());
      all.insert("SASL " + std::string(rest.substr(0, end)));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  return all;
}

bool Same(const PopResponse& recorded, const PopResponse& ours, const PopCommand& command) {
  if (recorded.judged != ours.judged) return false;
  if (command.verb != "CAPA") return recorded.lines == ours.lines;
  const std::set<std::string> theirs = Capabilities(recorded), all = Capabilities(ours);
  return std::includes(all.begin(), all.end(), theirs.begin(), theirs.end());
}

}  // namespace

std::vector<Difference> ComparePop3(const std::vector<Turn>& turns) {
  std::vector<Difference> differences;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Turn& turn = turns[i];
    std::vector<PopCommand> commands;
    std::vector<std::string_view> lines = LinesOf(turn.client);
    if (turn.client.empty()) lines.push_back("(greeting)");
    for (const std::string_view line : lines) {
      commands.push_back({.verb = UpperCase(line.substr(0, line.find(' '))),
                          .has_argument = line.find(' ') != std::string_view::npos});
    }
    const std::vector<PopResponse> recorded = Responses(turn.recorded, commands), ours = Responses(turn.ours, commands);
    for (size_t n = 0; n < std::max(recorded.size(), ours.size()); ++n) {
      const PopCommand command = n < commands.size() ? commands[n] : PopCommand{};
      if (n < recorded.size() && n < ours.size() && Same(recorded[n], ours[n], command)) continue;
      differences.push_back({.turn = i,
                             .command = n < lines.size() ? std::string(lines[n]) : CommandOf(turn),
                             .recorded = n < recorded.size() ? recorded[n].text : "",
                             .ours = n < ours.size() ? ours[n].text : ""});
    }
  }
  return differences;
}

}  // namespace postern::sim
