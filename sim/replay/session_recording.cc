#include "sim/replay/session_recording.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "core/base/base64.h"

namespace postern::sim {
namespace {

Status BadLine(size_t number, std::string_view what) {
  return InvalidArgument("line " + std::to_string(number) + ": " + std::string(what));
}

// NAME-LISTENER-N
std::string ListenerOf(std::string_view name) {
  const size_t last = name.rfind('-');
  if (last == std::string_view::npos || last == 0) return "";
  const size_t before = name.rfind('-', last - 1);
  return before == std::string_view::npos ? "" : std::string(name.substr(before + 1, last - before - 1));
}

StatusOr<config::Protocol> ProtocolOf(std::string_view listener) {
  if (listener.starts_with("smtp") || listener == "tls465") return config::Protocol::kSmtp;
  if (listener.starts_with("imap") || listener == "tls993") return config::Protocol::kImap;
  if (listener.starts_with("pop3") || listener == "tls995") return config::Protocol::kPop3;
  return InvalidArgument("the file's name does not say which port it is of: NAME-LISTENER-N.jsonl");
}

StatusOr<RecordedChunk> ParseChunk(std::string_view line, size_t number) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return BadLine(number, "no JSON object");
  const auto text = [&json](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  RecordedChunk chunk;
  if (const auto ms = json.find("ms"); ms != json.end() && ms->is_number_integer()) chunk.at_ms = ms->get<int64_t>();
  const std::string from = text("from");
  if (from != "client" && from != "server") return BadLine(number, "\"from\" is neither client nor server");
  chunk.from_client = from == "client";
  if (const auto tls = json.find("tls"); tls != json.end() && tls->is_boolean() && tls->get<bool>()) {
    chunk.tls = true;
    return chunk;
  }
  auto bytes = DecodeBase64(text("data"));
  if (!bytes || bytes->empty()) return BadLine(number, "\"data\" holds no base64");
  chunk.bytes = *std::move(bytes);
  return chunk;
}

}  // namespace

uint16_t SessionRecording::port_digits() const {
  // "pop3110" is POP3 at 110.
  const std::string_view digits =
      std::string_view(listener).substr(listener.size() - std::min<size_t>(listener.size(), 3));
  uint16_t port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return port;
}

StatusOr<SessionRecording> ParseSessionRecording(std::string_view name, std::string_view lines) {
  SessionRecording recording{.name = std::string(name), .listener = ListenerOf(name)};
  auto protocol = ProtocolOf(recording.listener);
  if (!protocol.ok()) return protocol.status();
  recording.protocol = *protocol;
  for (size_t number = 1; !lines.empty(); ++number) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    auto chunk = ParseChunk(line, number);
    if (!chunk.ok()) return chunk.status();
    recording.chunks.push_back(*std::move(chunk));
  }
  if (recording.chunks.empty()) return InvalidArgument("nothing is recorded in it");
  return recording;
}

}  // namespace postern::sim
