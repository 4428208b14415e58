// Goal: the session says what Postfix 3.7.11 says, word for word. Method: transcripts of a running Postfix with the
// configuration of session_fixture.h are replayed: "C: " lines are sent, "S: " lines must be answered. Queue ids are made
// equal. A "D: " line behind an "S: " line is what this server says instead, on purpose; "# " says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

std::string Normal(const std::string& line) { return std::regex_replace(line, std::regex("queued as [0-9A-F]+"), "queued as ID"); }

std::string Unescape(const std::string& text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == 'r' || text[i + 1] == 'n')) {
      bytes += text[++i] == 'r' ? '\r' : '\n';
    } else {
      bytes += text[i];
    }
  }
  return bytes;
}

// The transcript as it went here.
std::string Replay(const std::vector<std::string>& lines, const std::shared_ptr<const config::Config>& config) {
  uint16_t port = 0;
  std::string client = "127.0.0.1", out;
  std::unique_ptr<Harness> harness;
  const auto flush = [&] {
    if (!harness) harness = std::make_unique<Harness>(config, port, client);
    if (harness->tls_wanted()) {
      out += "[TLS]\n";
      harness->BeginTls();
    }
    harness->Advance(Seconds(3));  // replies that are held back
    std::istringstream replies(harness->Replies());
    for (std::string line; std::getline(replies, line);) {
      if (line.ends_with('\r')) line.pop_back();
      out += "S: " + Normal(line) + "\n";
    }
  };
  for (const std::string& line : lines) {
    if (line.starts_with("port ")) port = static_cast<uint16_t>(std::stoi(line.substr(5)));
    if (line.starts_with("client ")) client = line.substr(7);
    if (!line.starts_with("C")) continue;
    flush();
    out += line + "\n";
    if (line.starts_with("C: ")) harness->Line(line.substr(3));
    if (line.starts_with("C> ")) harness->Send(Unescape(line.substr(3)));
  }
  flush();
  return out;
}

TEST(Dialogues, AreThoseOfPostfix) {
  std::string errors;
  const auto config = PeerConfig(&errors);
  ASSERT_NE(config, nullptr) << errors;
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(POSTERN_SOURCE_DIR) + "/tests/core/smtp/dialogues")) {
    std::ifstream in(entry.path());
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    std::string expected;
    std::vector<std::string> wanted;
    for (const std::string& line : lines) {
      if (line.starts_with("D: ")) {
        wanted.back() = "S: " + line.substr(3);
      } else if (line.starts_with("S: ") || line.starts_with("C") || line == "[TLS]") {
        wanted.push_back(Normal(line));
      }
    }
    for (const std::string& line : wanted) {
      if (!line.starts_with("client ")) expected += line + "\n";
    }
    EXPECT_EQ(Replay(lines, config), expected) << entry.path();
    ++count;
  }
  EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace postern::smtp
