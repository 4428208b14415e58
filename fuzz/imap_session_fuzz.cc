// Bytes of any kind to an IMAP session: the first byte says in which state it is (before login, logged in, selected), the
// second in which pieces the rest arrives. Nothing may crash, hang, or answer outside the grammar.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/imap/client_codec.h"
#include "tests/core/imap/session_world.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using postern::imap::ImapWorld;
  if (size < 2) return 0;
  const uint8_t state = data[0] % 3;
  const size_t piece = data[1] == 0 ? size : data[1];
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  ImapWorld world;
  world.Deliver("u1", "", "From: a@x\nSubject: one\n\nbody\n");
  world.Deliver("u1", "", "Subject: two\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\npart\n--b--\n");
  auto& client = world.Connect();
  std::string output = world.Take(client);
  if (state > 0) output += world.Say(client, "l LOGIN u1 pw\r\n");
  if (state > 1) output += world.Say(client, "s SELECT INBOX\r\n");
  while (!input.empty()) {
    output += world.Say(client, input.substr(0, piece));
    input.remove_prefix(std::min(piece, input.size()));
  }
  world.Disconnect(client);
  postern::imap::ResponseReader reader(/*expect_greeting=*/true, {.utf8_text = true});
  std::vector<postern::imap::Response> responses;
  if (!reader.Feed(output, &responses)) std::abort();
  return 0;
}
