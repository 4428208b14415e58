// Bytes of any kind to a POP3 session over a real account on the simulator's disk.
//
// Input: one character chooses the state (before login with TLS, without, logged in), one the size of pieces (0:
// whole); the rest is what the client sends. Laws: answers obey the grammar; cuts don't matter; nothing is deleted
// without DELE and QUIT.
#include <algorithm>
#include <string>
#include <string_view>

#include "core/pop3/command.h"
#include "fuzz/fuzz.h"
#include "tests/sim/pop3_dialogue.h"

namespace postern::sim {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

size_t Count(std::string text, std::string_view word) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

void CheckAnswers(std::string_view said) {
  for (size_t i = 0; i < said.size(); ++i) {
    Require(said[i] != '\0' && (said[i] != '\n' || (i > 0 && said[i - 1] == '\r')), "lines end with CRLF", said);
    Require(said[i] != '\r' || (i + 1 < said.size() && said[i + 1] == '\n'), "no CR stands alone", said);
  }
  Require(said.empty() || said.ends_with("\r\n"), "an answer ends with a line's end", said);
  Require(said.empty() || said.starts_with("+"), "the greeting is one", said);
}

std::string Play(size_t state, std::string_view bytes, size_t piece_bytes) {
  Disk disk(1);
  PlantMail(disk);
  Dialogue dialogue(disk, state == 1 ? kPop3 : kPop3s);
  std::string said = dialogue.said();
  if (state == 2) said += dialogue.Say(kLogin);
  bool began_tls = false;
  fuzz::InPieces(bytes, piece_bytes, [&](std::string_view piece) {
    if (dialogue.ended()) return;
    said += dialogue.Say(piece);
    if (dialogue.wants_tls() && !began_tls && !dialogue.ended()) {
      began_tls = true;
      dialogue.TlsUp();
    }
  });
  CheckAnswers(said);
  const size_t left =
      disk.Files(MaildirOf(kUser) + "/cur").size() + disk.Files(MaildirOf(kUser) + "/new").size() - 1;  // .keep
  const size_t deletes = Count(std::string(bytes), "QUIT") == 0 ? 0 : Count(std::string(bytes), "DELE");
  Require(left + deletes >= 2, "nothing is deleted without DELE and QUIT", said);
  if (!dialogue.ended()) {
    dialogue.Wait(Seconds(4 * 3600));
    Require(dialogue.ended(), "a client that falls silent is let go", said);
  }
  return said;
}

void Run(fuzz::Input input) {
  const size_t state = input.Choose(3), piece_bytes = input.Choose(64);
  const std::string_view bytes = input.Rest();
  const pop3::Command command = pop3::ParseCommand(bytes.substr(0, bytes.find('\n')));
  Require(command.name.size() + command.arguments.size() <= bytes.size(), "a command is part of its line");
  const std::string whole = Play(state, bytes, SIZE_MAX / 4);
  if (piece_bytes == 0 || state == 1) return;  // what comes behind STLS in one piece is thrown away
  RequireEqual(Play(state, bytes, piece_bytes), whole, "cuts don't matter");
}

}  // namespace
}  // namespace postern::sim

POSTERN_FUZZ_TARGET(postern::sim::Run)
