// Goal: what real clients and Dovecot said to each other is within our grammar. Method: every client line of the
// recorded sessions goes through framer and parser, every server line through the client's strict reader; the plain
// lines of AUTHENTICATE and IDLE are known from the dialogue itself.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "core/base/base64.h"
#include "core/imap/client_codec.h"
#include "core/imap/framer.h"
#include "core/imap/parser.h"

namespace postern::imap {
namespace {

std::filesystem::path Recordings() {
  const char* shared = std::getenv("POSTERN_SHARED");
  return std::filesystem::path(shared != nullptr ? shared : POSTERN_SOURCE_DIR "/../shared") / "recordings";
}

struct Chunk {
  bool from_client;
  std::string bytes;
};

// The value of the string `key` of a line of JSON, "" without one. The recordings escape nothing.
std::string Field(const std::string& line, const std::string& key) {
  const std::string before = "\"" + key + "\": \"";
  const size_t begin = line.find(before);
  if (begin == std::string::npos) return "";
  const size_t value = begin + before.size();
  return line.substr(value, line.find('"', value) - value);
}

std::vector<Chunk> Read(const std::filesystem::path& path) {
  std::vector<Chunk> chunks;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const auto bytes = DecodeBase64(Field(line, "data"));
    EXPECT_TRUE(bytes) << path << ": " << line;
    if (bytes && !bytes->empty()) chunks.push_back({Field(line, "from") == "client", *bytes});
  }
  return chunks;
}

class Session {
 public:
  void Client(std::string_view input) {
    while (true) {
      const Framer::Step step = framer_.Next(input);
      input.remove_prefix(step.consumed_bytes);
      switch (step.kind) {
        case Framer::Kind::kNeedInput:
          return;
        case Framer::Kind::kCommand:
        case Framer::Kind::kAppendLiteral:
          Command(step.text);
          break;
        case Framer::Kind::kAppendEnd:
          EXPECT_TRUE(IsAppendEnd(step.text, {})) << step.text;
          break;
        case Framer::Kind::kLine:
          ++lines;
          // An exchange goes on until the server answers with a tag.
          if (!idle_) framer_.ExpectLine(12288);
          break;
        case Framer::Kind::kError:
        case Framer::Kind::kFatal:
          ADD_FAILURE() << step.text;
          return;
        case Framer::Kind::kContinue:
        case Framer::Kind::kChunk:
        case Framer::Kind::kAppendLiteralEnd:
          break;
      }
    }
  }

  void Server(std::string_view bytes) {
    EXPECT_TRUE(reader_.Feed(bytes, &responses)) << reader_.error() << " at byte " << reader_.offset();
    for (; seen_ < responses.size(); ++seen_) {
      if (responses[seen_].kind != Response::Kind::kTagged || framer_.InCommand() == false) continue;
      // The exchange is over: what the framer waits for is a command again.
      framer_ = Framer({});
    }
  }

  bool complete() const { return !reader_.pending(); }

  int commands = 0;
  int lines = 0;
  std::vector<Response> responses;

 private:
  void Command(std::string_view text) {
    ++commands;
    ParseResult result = ParseCommand(text);
    ASSERT_TRUE(std::holds_alternative<postern::imap::Command>(result))
        << text << ": " << std::get<ParseError>(result).text;
    const CommandBody& body = std::get<postern::imap::Command>(result).body;
    EXPECT_FALSE(std::holds_alternative<UnknownCommand>(body)) << text;
    idle_ = std::holds_alternative<IdleCommand>(body);
    const auto* authenticate = std::get_if<AuthenticateCommand>(&body);
    if (idle_ || (authenticate != nullptr && !authenticate->initial_response)) framer_.ExpectLine(12288);
    // The canonical form means the same.
    std::string formatted = "a ";
    FormatCommand(body, &formatted);
    ParseResult again = ParseCommand(formatted);
    ASSERT_TRUE(std::holds_alternative<postern::imap::Command>(again)) << formatted;
    std::string twice = "a ";
    FormatCommand(std::get<postern::imap::Command>(again).body, &twice);
    EXPECT_EQ(formatted, twice) << text;
  }

  Framer framer_{{}};
  // Dovecot repeats mailbox names in its texts, in UTF-8.
  ResponseReader reader_{true, {.utf8_text = true}};
  bool idle_ = false;
  size_t seen_ = 0;
};

TEST(Recordings, EverythingIsInTheGrammar) {
  int sessions = 0, commands = 0, lines = 0, responses = 0;
  ASSERT_TRUE(std::filesystem::is_directory(Recordings())) << Recordings();
  for (const auto& entry : std::filesystem::directory_iterator(Recordings())) {
    const std::string name = entry.path().filename().string();
    const bool imap = name.find("-imap143-") != std::string::npos || name.find("-tls993-") != std::string::npos;
    if (!imap || entry.path().extension() != ".jsonl") continue;
    SCOPED_TRACE(name);
    Session session;
    for (const Chunk& chunk : Read(entry.path())) {
      if (chunk.from_client) {
        session.Client(chunk.bytes);
      } else {
        session.Server(chunk.bytes);
      }
    }
    EXPECT_TRUE(session.complete());
    ++sessions;
    commands += session.commands;
    lines += session.lines;
    responses += static_cast<int>(session.responses.size());
  }
  EXPECT_GE(sessions, 15);
  EXPECT_GE(commands, 150);
  EXPECT_GE(lines, 10);
  EXPECT_GE(responses, 400);
}

}  // namespace
}  // namespace postern::imap
