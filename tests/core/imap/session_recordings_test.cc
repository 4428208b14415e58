// Goal: what real clients did with Dovecot they can do here, and are told the same: codes, UIDs, flags, sizes, envelopes,
// structures, bytes. Method: each recorded IMAP session is played again over the Maildir it began with; what may differ is
// left out on both sides (times, capabilities, mod-sequences, challenges, the order of untagged lines).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "core/base/base64.h"
#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

namespace fs = std::filesystem;

fs::path Recordings() {
  const char* shared = std::getenv("POSTERN_SHARED");
  return fs::path(shared != nullptr ? shared : POSTERN_SOURCE_DIR "/../shared") / "recordings";
}

struct Chunk {
  bool from_client = false;
  std::string bytes;
};

std::string Field(const std::string& line, const std::string& key) {
  const std::string before = "\"" + key + "\": \"";
  const size_t begin = line.find(before);
  if (begin == std::string::npos) return "";
  const size_t value = begin + before.size();
  return line.substr(value, line.find('"', value) - value);
}

// Client and server in turn: neighbouring chunks of one side are one.
std::vector<Chunk> ReadRecording(const fs::path& path) {
  std::vector<Chunk> chunks;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto bytes = DecodeBase64(Field(line, "data"));
    if (!bytes || bytes->empty()) continue;
    const bool client = Field(line, "from") == "client";
    if (!chunks.empty() && chunks.back().from_client == client) {
      chunks.back().bytes += *bytes;
    } else {
      chunks.push_back({client, *bytes});
    }
  }
  return chunks;
}

void LoadMaildir(const fs::path& tgz, ImapWorld* world) {
  const fs::path dir = fs::temp_directory_path() / ("postern-replay-" + tgz.stem().string());
  fs::remove_all(dir);
  fs::create_directories(dir);
  ASSERT_EQ(std::system(("tar --no-same-owner -xzf " + tgz.string() + " -C " + dir.string()).c_str()), 0);
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    // USER@DOMAIN's mail is at DOMAIN/USER/Maildir.
    const std::string relative = fs::relative(entry.path(), dir).string();
    static const std::regex kPath("([^/]*)/([^/]*)/Maildir(.*)");
    std::smatch match;
    if (!std::regex_match(relative, match, kPath)) continue;
    const std::string path = world->MaildirOf(match[2].str() + "@" + match[1].str()) + match[3].str();
    if (entry.is_directory()) {
      world->MakeDirs(path);
      continue;
    }
    std::ifstream file(entry.path(), std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time();
    const auto mtime = std::chrono::system_clock::now() - age;
    world->PutFile(path, bytes.str(), std::chrono::duration_cast<std::chrono::seconds>(mtime.time_since_epoch() + std::chrono::milliseconds(500)).count());
  }
  fs::remove_all(dir);
}

std::shared_ptr<config::Config> RecordedConfig() {
  auto config = TestConfig();
  config->auth.mechanisms = {"PLAIN", "LOGIN", "DIGEST-MD5", "CRAM-MD5"};
  config->auth.passdbs[0].users = std::make_shared<OneTable>("{PLAIN}secret-pw-1");
  config->imap.greeting = "Dovecot (Debian) ready.";
  config->storage.namespaces[0].mailboxes.clear();
  for (const auto& [name, use] : {std::pair{"Drafts", "\\Drafts"}, {"Junk", "\\Junk"}, {"Trash", "\\Trash"},
                                  {"Sent", "\\Sent"}, {"Sent Messages", "\\Sent"}}) {
    config->storage.namespaces[0].mailboxes.push_back({.name = name, .special_use = {use}});
  }
  return config;
}

// What must be equal: the lines, in any order, without what may differ.
std::vector<std::string> Comparable(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    line = std::regex_replace(line, std::regex(R"( \([0-9. +]* secs\)\.$)"), "");
    line = std::regex_replace(line, std::regex(R"(CAPABILITY [A-Z0-9a-z=+ -]*)"), "CAPABILITY ");
    line = std::regex_replace(line, std::regex(R"(MODSEQ \([0-9]*\))"), "MODSEQ (#)");
    if (line.starts_with("* OK [HIGHESTMODSEQ")) continue;
    if (line.starts_with("* ID ")) line = "* ID";
    if (line.starts_with("+ ") && line.size() > 10 && line != "+ idling") line = "+ challenge";
    if (line.empty()) continue;
    lines.push_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

class SessionRecordings : public testing::TestWithParam<std::string> {};

TEST_P(SessionRecordings, AreToldTheSame) {
  const fs::path path = Recordings() / (GetParam() + ".jsonl");
  const std::vector<Chunk> chunks = ReadRecording(path);
  ASSERT_FALSE(chunks.empty());
  ImapWorld world(RecordedConfig());
  world.now.wall.us = INT64_C(1'795'490'100'000'000);  // when they were recorded
  LoadMaildir(Recordings() / (GetParam() + ".maildir.tgz"), &world);
  auto& client = world.Connect({.tls = GetParam().find("tls993") != std::string::npos, .remote = "127.0.0.1", .local = "127.0.0.1"});
  bool cram = false;
  for (const Chunk& chunk : chunks) {
    if (!chunk.from_client) {
      if (chunk.bytes.find("+ idling") != std::string::npos && chunk.bytes.find("EXISTS") != std::string::npos) {
        world.Deliver("u1@example.test", "", "Subject: came meanwhile\n\nx\n");
      }
      EXPECT_EQ(Comparable(world.Take(client)), Comparable(chunk.bytes));
      continue;
    }
    std::string bytes = chunk.bytes;
    // The answer to a challenge fits only that challenge: PLAIN instead, in as many steps.
    const size_t at = bytes.find("AUTHENTICATE CRAM-MD5");
    if (at != std::string::npos) {
      bytes.replace(at, 21, "AUTHENTICATE PLAIN");
      cram = true;
    } else if (cram) {
      bytes = EncodeBase64(std::string("\0u1@example.test\0secret-pw-1", 28)) + "\r\n";
      cram = false;
    }
    client.output = world.Say(client, bytes);
    if (cram) client.output = "+ challenge\r\n";
  }
  EXPECT_TRUE(client.closed);
}

std::vector<std::string> ImapRecordings() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(Recordings(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.ends_with(".jsonl")) continue;
    if (name.find("-tls993-") == std::string::npos && name.find("-imap143-") == std::string::npos) continue;
    names.push_back(name.substr(0, name.size() - 6));
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, SessionRecordings, testing::ValuesIn(ImapRecordings()), [](const auto& info) {
  std::string name = info.param;
  std::replace_if(name.begin(), name.end(), [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); }, '_');
  return name;
});

}  // namespace
}  // namespace postern::imap
