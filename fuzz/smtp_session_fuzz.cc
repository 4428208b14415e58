// Bytes of any kind to an SMTP session over the world of its tests: services of several settings, a disk that is a map.
//
// Input: one character chooses the service, one the client (stranger, trusted, another), one the size of pieces (0:
// whole); the rest is what the client sends. TLS begins as soon as the server agrees to it. Laws: replies obey the
// grammar; cuts don't matter; nothing is acknowledged that lies nowhere; nothing but STARTTLS's reply follows it; a
// client that falls silent is let go.
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "fuzz/fuzz.h"
#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

// The services of tests/core/smtp/peer/master.cf. 12034 has a timeout of three seconds.
constexpr uint16_t kPorts[] = {12025, 12035, 12028, 12029, 12030, 12027, 12033,
                               12036, 12587, 12465, 12026, 12031, 12032, 12034};
constexpr std::string_view kClients[] = {"127.0.0.1", "127.0.0.99", "127.0.0.7"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// RFC 5321 section 4.2: lines of a code, '-' or ' ', and text; the last line of a reply has the space.
void CheckReplies(std::string_view text) {
  std::string_view code;
  while (!text.empty()) {
    const size_t end = text.find("\r\n");
    Require(end != std::string_view::npos, "a reply ends with CRLF", text);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 2);
    Require(line.size() >= 4 && line[0] >= '2' && line[0] <= '5' && IsDigit(line[1]) && IsDigit(line[2]),
            "a reply has a code", line);
    Require(line[3] == ' ' || line[3] == '-', "a code is followed by a space or a dash", line);
    Require(code.empty() || code == line.substr(0, 3), "all lines of a reply have its code", line);
    for (const char c : line)
      Require(static_cast<unsigned char>(c) >= 32 && c != 127, "a reply has no control characters", line);
    code = line[3] == '-' ? line.substr(0, 3) : std::string_view();
  }
  Require(code.empty(), "a reply has a last line");
}

bool Holds(std::string text, std::string_view word) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
  return text.find(word) != std::string::npos;
}

struct Played {
  std::string replies;
  bool began_tls = false;
};

Played Play(const std::shared_ptr<const config::Config>& config, uint16_t port, std::string_view client,
            std::string_view bytes, size_t piece_bytes) {
  Harness harness(config, port, client);
  Played played;
  played.replies = harness.Replies();
  const auto settle = [&] {
    played.replies += harness.Replies();
    if (harness.closed() || !harness.tls_wanted()) return;
    played.began_tls = true;
    harness.BeginTls();
    played.replies += harness.Replies();
  };
  fuzz::InPieces(bytes, piece_bytes, [&](std::string_view piece) {
    if (harness.closed()) return;
    harness.Send(piece);
    settle();
  });
  for (int i = 0; i < 20; ++i) {  // replies that were held back, one after the other
    harness.Advance(Milliseconds(100));
    settle();
  }
  harness.Advance(Seconds(10));
  settle();
  const bool stored = std::any_of(harness.disk.files.begin(), harness.disk.files.end(),
                                  [](const auto& file) { return file.first.find("/tmp/") == std::string::npos; });
  Require(played.replies.find(": queued as ") == std::string::npos || stored || harness.Logged("discard"),
          "what is acknowledged is there", played.replies);
  harness.Advance(Seconds(3600));
  settle();
  harness.Advance(Seconds(3600));
  settle();
  Require(harness.closed(), "a client that falls silent is let go", played.replies);
  CheckReplies(played.replies);
  return played;
}

void Run(fuzz::Input input) {
  static const std::shared_ptr<const config::Config> kConfig = [] {  // never changes
    std::string errors;
    auto config = PeerConfig(&errors);
    Require(config != nullptr, "the test's configuration loads", errors);
    return config;
  }();
  const uint16_t port = kPorts[input.Choose(std::size(kPorts))];
  const std::string_view client = kClients[input.Choose(std::size(kClients))];
  const size_t piece_bytes = input.Choose(64);
  const std::string_view bytes = input.Rest();
  const Played whole = Play(kConfig, port, client, bytes, SIZE_MAX / 4);
  if (piece_bytes == 0) return;
  const Played pieces = Play(kConfig, port, client, bytes, piece_bytes);
  // Where it matters whether a client waits, cuts do: behind STARTTLS, and where pipelining is judged.
  if (Holds(std::string(bytes), "STARTTLS") || port == 12032 || port == 12029 || port == 12034) return;
  RequireEqual(pieces.replies, whole.replies, "cuts don't matter");
}

}  // namespace
}  // namespace postern::smtp

POSTERN_FUZZ_TARGET(postern::smtp::Run)
