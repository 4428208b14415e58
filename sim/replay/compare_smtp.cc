// SMTP: one reply is its code, its enhanced code and, where the grammar gives them a meaning, domain and EHLO keywords.
#include <algorithm>

#include "core/base/ascii.h"
#include "sim/replay/compare.h"

namespace postern::sim {
namespace {

struct ReplyFacts {
  std::string judged;                 // "250 2.1.0": what must be equal
  std::vector<std::string> keywords;  // of EHLO, in upper case: ours may be more
  std::string text;                   // all of it, for people
};

// "2.1.5" or "".
std::string_view EnhancedCode(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const bool digits = word.find_first_not_of("0123456789.") == std::string_view::npos;
  return digits && std::count(word.begin(), word.end(), '.') == 2 ? word : std::string_view();
}

// The keywords of one EHLO line: AUTH's mechanisms count one by one.
void AddKeywords(std::string_view line, std::vector<std::string>* keywords) {
  const std::string upper = UpperCase(line);
  if (!upper.starts_with("AUTH ") && !upper.starts_with("AUTH=")) {
    keywords->push_back(upper);
    return;
  }
  std::string_view mechanisms = std::string_view(upper).substr(5);
  while (!mechanisms.empty()) {
    const size_t end = std::min(mechanisms.find(' '), mechanisms.size());
    if (end > 0) keywords->push_back("AUTH " + std::string(mechanisms.substr(0, end)));
    mechanisms.remove_prefix(std::min(end + 1, mechanisms.size()));
  }
}

// `named`: the first word of the text is the server's name (greeting, EHLO, HELO).
std::vector<ReplyFacts> Replies(std::string_view stream, bool named, bool ehlo) {
  std::vector<ReplyFacts> replies;
  ReplyFacts reply;
  bool first = true;
  for (const std::string_view line : LinesOf(stream)) {
    const std::string_view text = line.size() > 4 ? line.substr(4) : "";
    reply.text += std::string(line) + "\r\n";
    if (first) {
      reply.judged = std::string(line.substr(0, 3));
      const std::string_view judged = named ? text.substr(0, text.find(' ')) : EnhancedCode(text);
      if (!judged.empty()) reply.judged += " " + std::string(judged);
    } else if (ehlo) {
      AddKeywords(text, &reply.keywords);
    }
    first = line.size() < 4 || line[3] != '-';
    if (first) replies.push_back(std::exchange(reply, {}));
  }
  if (!first) replies.push_back(std::move(reply));
  return replies;
}

bool SameReply(const ReplyFacts& recorded, const ReplyFacts& ours) {
  return recorded.judged == ours.judged &&
         std::all_of(recorded.keywords.begin(), recorded.keywords.end(), [&](const std::string& keyword) {
           return std::find(ours.keywords.begin(), ours.keywords.end(), keyword) != ours.keywords.end();
         });
}

}  // namespace

std::vector<Difference> CompareSmtp(const std::vector<Turn>& turns) {
  std::vector<Difference> differences;
  for (size_t i = 0; i < turns.size(); ++i) {
    const Turn& turn = turns[i];
    const std::string command = UpperCase(CommandOf(turn));
    const bool ehlo = command.starts_with("EHLO"), named = turn.client.empty() || ehlo || command.starts_with("HELO");
    const std::vector<ReplyFacts> recorded = Replies(turn.recorded, named, ehlo),
                                  ours = Replies(turn.ours, named, ehlo);
    for (size_t n = 0; n < std::max(recorded.size(), ours.size()); ++n) {
      if (n < recorded.size() && n < ours.size() && SameReply(recorded[n], ours[n])) continue;
      differences.push_back({.turn = i,
                             .command = CommandOf(turn),
                             .recorded = n < recorded.size() ? recorded[n].text : "",
                             .ours = n < ours.size() ? ours[n].text : ""});
    }
  }
  return differences;
}

}  // namespace postern::sim
