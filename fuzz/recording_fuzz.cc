// Recordings, as `postern replay` reads them: sessions of real clients (JSON lines), what a shard saw (events as text),
// the host it ran on, and tar archives of mail roots. Whoever sends one in with a report may have changed it.
//
// Input: one character chooses the kind, the rest is the file.
#include <cstdio>
#include <string>
#include <string_view>

#include "core/boundary/codec.h"
#include "core/imap/client_codec.h"
#include "fuzz/fuzz.h"
#include "sim/replay/archive.h"
#include "sim/replay/compare.h"
#include "sim/replay/record_file.h"
#include "sim/replay/session_recording.h"
#include "tests/core/config/test_certificate.h"

namespace postern::sim {
namespace {

using fuzz::Require;
using fuzz::RequireEqual;

// The file's name and its lines.
void CheckSession(fuzz::Input& input) {
  const std::string_view name = input.Line();
  const auto recording = ParseSessionRecording(name, input.Rest());
  if (!recording.ok()) {
    Require(!Message(recording.status()).empty(), "what can't be read says why");
    return;
  }
  Require(!recording->chunks.empty(), "a recording holds something");
  for (const RecordedChunk& chunk : recording->chunks)
    Require(chunk.tls == chunk.bytes.empty(), "a chunk has bytes, or TLS began");
  (void)recording->port_digits();
}

void CheckEvent(std::string_view line) {
  const auto field = DecodeField(line);
  if (field.ok())
    Require(DecodeField(EncodeField(*field)).ok() && *DecodeField(EncodeField(*field)) == *field, "a field comes back",
            line);
  const std::string encoded = EncodeField(line);
  Require(encoded.find_first_of(" \r\n") == std::string::npos, "a field is one word", encoded);
  RequireEqual(*DecodeField(encoded), line, "bytes come back");
  const auto parsed = ParseEvent(line);
  if (!parsed.ok()) return;
  const std::string once = FormatEvent(parsed->event, parsed->generation);
  const auto again = ParseEvent(once);
  Require(again.ok(), "an event is read again", once);
  RequireEqual(FormatEvent(again->event, again->generation), once, "an event is read as it was written");
}

void CheckShardRecord(std::string_view text) {
  const auto record = ParseShardRecord(text);
  if (!record.ok()) return;
  Require(IsShardRecord(text), "a recording says that it is one");
  size_t last = 0;
  for (const RecordedStep& step : record->steps) {
    Require(step.line > last, "steps are in order");
    last = step.line;
  }
}

// Facts of a tar header that the fuzzer would hardly get right: the checksum.
std::string WithChecksums(std::string_view bytes) {
  std::string tar(bytes);
  for (size_t at = 0; at + 512 <= tar.size(); at += 512) {
    if (tar.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 0;
    for (size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<uint8_t>(tar[at + i]);
    char text[16];
    std::snprintf(text, sizeof text, "%06o", sum);
    tar.replace(at + 148, 8, std::string(text, 6) + '\0' + ' ');
  }
  return tar;
}

void CheckTar(std::string_view bytes) {
  const auto files = ParseTar(WithChecksums(bytes));
  if (!files.ok()) return;
  for (const ArchivedFile& file : *files) {
    const std::string path = "/" + file.path + "/";
    Require(path.find("/../") == std::string::npos && !file.path.starts_with('/'), "nothing lies outside", file.path);
    Require(file.bytes.size() <= bytes.size(), "no file is longer than the archive");
  }
}

// Whether a server's bytes are in IMAP's grammar: what is not differs from itself, too.
bool IsImap(const Played& played) {
  imap::ResponseReader reader(/*expect_greeting=*/true, {.utf8_text = true});
  std::vector<imap::Response> responses;
  for (const Turn& turn : played.turns) {
    if (!reader.Feed(turn.recorded, &responses) || reader.pending()) return false;
  }
  return true;
}

// What the client said and what both servers answered, as parts; the line end before "====" is not theirs.
void CheckComparison(fuzz::Input& input) {
  constexpr config::Protocol kProtocols[] = {config::Protocol::kSmtp, config::Protocol::kImap, config::Protocol::kPop3};
  const config::Protocol protocol = kProtocols[input.Choose(3)];
  Played played;
  for (int i = 0; i < 8 && !input.empty(); ++i) {
    Turn turn;
    for (std::string* said : {&turn.client, &turn.recorded, &turn.ours}) {
      *said = std::string(input.Part());
      if (said->ends_with('\n')) said->pop_back();
    }
    played.turns.push_back(std::move(turn));
  }
  (void)CompareSession(protocol, played);
  for (Turn& turn : played.turns) turn.ours = turn.recorded;
  if (protocol == config::Protocol::kImap && !IsImap(played)) return;
  for (const Difference& difference : CompareSession(protocol, played)) {
    Require(false, "what is the same does not differ", difference.recorded + "\n----\n" + difference.ours);
  }
}

void Run(fuzz::Input input) {
  switch (input.Choose(6)) {
    case 0:
      return CheckSession(input);
    case 1:
      return CheckEvent(input.Rest());
    case 2:
      return CheckShardRecord(input.Rest());
    case 3:
      return void(LoadRecordedHost(input.Rest(), 1, std::string(config::kTestCertificate) + config::kTestKey));
    case 4:
      return CheckTar(input.Rest());
    default:
      return CheckComparison(input);
  }
}

}  // namespace
}  // namespace postern::sim

POSTERN_FUZZ_TARGET(postern::sim::Run)
