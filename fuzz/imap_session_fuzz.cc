// Bytes of any kind to an IMAP session over the world of its tests.
//
// Input: one character says in which state it begins (before login, logged in, selected, before login without TLS), one
// how it is in the world (1: the disk is full), one the size of pieces (0: whole); the rest is what the client sends.
// Laws: every answer obeys the grammar; cuts don't matter; a client that falls silent is let go; the same mailbox opens
// again.
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/client_codec.h"
#include "fuzz/fuzz.h"
#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

void CheckGrammar(std::string_view output, bool closed) {
  ResponseReader reader(/*expect_greeting=*/true, {.utf8_text = true});
  std::vector<Response> responses;
  const bool good = reader.Feed(output, &responses);
  Require(good, reader.error(), output.substr(std::min<size_t>(reader.offset(), output.size())));
  Require(closed || !reader.pending(), "an answer ends", output);
}

std::string Play(size_t state, bool disk_full, std::string_view bytes, size_t piece_bytes) {
  ImapWorld world;
  world.Deliver("u1", "", "From: a@x\nSubject: one\nDate: Mon, 1 Jan 2024 12:00:00 +0100\n\nbody\n");
  world.Deliver("u1", "",
                "Subject: two\nMessage-ID: <2@x>\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\npart\n--b--\n");
  world.Deliver("u1", "box",
                "Subject: =?utf-8?q?th=C3=A9?=\nReferences: <2@x>\nContent-Type: message/rfc822\n\nTo: b@y\n\nin\n");
  ImapWorld::Client& client = world.Connect({.tls = state != 3});
  std::string output = world.Take(client);
  if (state == 1 || state == 2) output += world.Say(client, "l LOGIN u1 pw\r\n");
  if (state == 2) output += world.Say(client, "s SELECT INBOX\r\n");
  if (disk_full) world.failing_paths = {"/tmp/", "dovecot", "postern"};
  fuzz::InPieces(bytes, piece_bytes, [&](std::string_view piece) {
    if (!client.closed && !client.session->ended()) output += world.Say(client, piece);
  });
  output = WithoutTimes(output);
  const std::string answers = output;
  for (int hours = 0; hours < 3 && !client.closed; ++hours) {
    world.Advance(Seconds(3600));
    output += WithoutTimes(world.Take(client));
  }
  // As with Dovecot a client may idle for ever.
  const bool idles = output.ends_with("* OK Still here\r\n");
  Require(client.closed || client.handoff || idles, "a client that falls silent is let go", output);
  CheckGrammar(output, client.closed);
  world.Disconnect(client);
  if (disk_full) return answers;
  ImapWorld::Client& next = world.LogIn();
  const std::string again = world.Say(next, "s SELECT INBOX\r\nf FETCH 1:* (FLAGS UID)\r\n");
  Require(again.find("\r\ns OK ") != std::string::npos || again.starts_with("s OK ") ||
              again.find("s NO ") != std::string::npos,
          "the mailbox opens again", again);
  return answers;
}

void Run(fuzz::Input input) {
  const size_t state = input.Choose(4), disk_full = input.Choose(2), piece_bytes = input.Choose(64);
  const std::string_view bytes = input.Rest();
  const std::string whole = Play(state, disk_full != 0, bytes, SIZE_MAX / 4);
  if (piece_bytes == 0 || state == 3) return;  // without TLS, what comes behind STARTTLS in one piece is thrown away
  RequireEqual(Play(state, disk_full != 0, bytes, piece_bytes), whole, "cuts don't matter");
}

}  // namespace
}  // namespace postern::imap

POSTERN_FUZZ_TARGET(postern::imap::Run)
