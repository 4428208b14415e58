// Fuzzes what stands between an IMAP client's bytes and the session: framer, parser, and on the way back the formatter.
// The first byte chooses limits and the size of the pieces. Checks that cuts do not matter and that what parses can be
// written and read again; the second byte's lowest bit turns to the client's side.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/client_codec.h"
#include "core/imap/framer.h"
#include "core/imap/parser.h"

namespace postern::imap {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

struct Framed {
  Framer::Kind kind;
  std::string text;
  bool operator==(const Framed&) const = default;
};

std::vector<Framed> FrameAll(std::string_view bytes, const Framer::Limits& limits, size_t piece_bytes, bool refuse) {
  Framer framer(limits);
  std::vector<Framed> framed;
  while (!bytes.empty()) {
    const std::string piece(bytes.substr(0, piece_bytes));
    bytes.remove_prefix(piece.size());
    std::string_view input = piece;
    while (true) {
      const Framer::Step step = framer.Next(input);
      Require(step.consumed_bytes <= input.size());
      input.remove_prefix(step.consumed_bytes);
      if (step.kind == Framer::Kind::kNeedInput) break;
      if (step.kind == Framer::Kind::kChunk && !framed.empty() && framed.back().kind == Framer::Kind::kChunk) {
        framed.back().text.append(step.text);
      } else {
        framed.push_back({step.kind, std::string(step.text)});
      }
      if (step.kind == Framer::Kind::kFatal) return framed;
      if (refuse && (step.kind == Framer::Kind::kContinue || step.kind == Framer::Kind::kAppendLiteral)) {
        framer.RefuseLiteral();
      }
    }
    Require(framer.held_bytes() <= 2 * (limits.command_bytes_max + piece_bytes) + 256);
  }
  return framed;
}

void CheckCommand(std::string_view text) {
  ParseResult result = ParseCommand(text);
  const auto* command = std::get_if<Command>(&result);
  if (command == nullptr || std::holds_alternative<UnknownCommand>(command->body)) return;
  std::string once = "a ", twice = "a ";
  FormatCommand(command->body, &once);
  ParseResult again = ParseCommand(once);
  Require(std::holds_alternative<Command>(again));
  FormatCommand(std::get<Command>(again).body, &twice);
  Require(once == twice);
}

void CheckServer(std::string_view bytes, size_t piece_bytes) {
  ResponseReader whole(false), cut(false);
  std::vector<Response> expected, found;
  whole.Feed(bytes, &expected);
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) cut.Feed(bytes.substr(at, piece_bytes), &found);
  Require(found.size() == expected.size());
  Require(cut.error() == whole.error());
}

}  // namespace
}  // namespace postern::imap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace postern::imap;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t piece_bytes = 1 + data[0] % 64;
  if (data[1] & 1) {
    CheckServer(bytes, piece_bytes);
    return 0;
  }
  const bool small = data[1] & 2, refuse = data[1] & 4;
  const Framer::Limits limits = small ? Framer::Limits{.line_bytes_max = 64,
                                                       .literal_bytes_max = 32,
                                                       .command_bytes_max = 128,
                                                       .skipped_bytes_max = 256,
                                                       .stream_append = (data[1] & 8) == 0}
                                      : Framer::Limits{.skipped_bytes_max = 4096};
  const std::vector<Framed> whole = FrameAll(bytes, limits, SIZE_MAX / 4, refuse);
  Require(FrameAll(bytes, limits, piece_bytes, refuse) == whole);
  for (const Framed& framed : whole) {
    if (framed.kind == Framer::Kind::kCommand || framed.kind == Framer::Kind::kAppendLiteral) CheckCommand(framed.text);
    if (framed.kind == Framer::Kind::kAppendLiteral) ParseAppendMessage(framed.text, {});
    if (framed.kind == Framer::Kind::kAppendEnd) IsAppendEnd(framed.text, {});
  }
  return 0;
}
