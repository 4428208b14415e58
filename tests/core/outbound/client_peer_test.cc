// Goal: what the client says, and what it tells about each recipient, is what a real Postfix said and logged. Method:
// every dialogue of client_dialogues/ (client_capture.py explains them) is played against the same server.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "core/base/base64.h"
#include "core/outbound/client.h"
#include "core/smtp/command.h"
#include "tests/core/outbound/client_fixture.h"

namespace postern::outbound {
namespace {

using Lines = std::vector<std::string>;

// {N*text} and \xHH.
std::string Unescaped(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    size_t star = 0, end = 0;
    if (text[i] == '{' && (star = text.find('*', i)) != std::string::npos &&
        (end = text.find('}', star)) != std::string::npos) {
      const std::string one = Unescaped(text.substr(star + 1, end - star - 1));
      for (int n = std::stoi(text.substr(i + 1)); n > 0; --n) out += one;
      i = end;
    } else if (text.compare(i, 2, "\\x") == 0) {
      out += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Dialogue {
  ClientSettings settings = TestSettings();
  Job job;
  std::string message;
  std::map<std::string, std::string> rules{{"CONNECT", "220 mx.example.test ESMTP"}, {"DATA", "354 go on"}};
  Lines sent, data, told;
};

routing::Mailbox Address(std::string text) { return *routing::ParseMailbox(text); }

Dialogue ReadDialogue(const std::filesystem::path& path) {
  Dialogue dialogue;
  dialogue.settings.sasl.tls_security = dialogue.settings.sasl.security = kNoAnonymous;
  dialogue.job.size_bytes = 1;
  Lines ours_told, ours_sent;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t space = std::min(line.find(' '), line.size());
    const std::string word = line.substr(0, space), rest = line.substr(std::min(space + 1, line.size()));
    const size_t next = std::min(rest.find(' '), rest.size());
    const std::string first = rest.substr(0, next), arguments = rest.substr(next);
    if (word == "lmtp") {
      dialogue.settings.lmtp = true;
    } else if (word == "login") {
      dialogue.settings.sasl.enabled = true;
      dialogue.settings.sasl.user = first;
      dialogue.settings.sasl.password = Secret(arguments.substr(1));
    } else if (word == "from") {
      smtp::MailParameters parameters;
      EXPECT_FALSE(smtp::ParseMailParameters(arguments, {}, &parameters));
      dialogue.job.null_sender = first == "<>";
      if (first != "<>") dialogue.job.sender = Address(first);
      dialogue.job.body = parameters.body;
      dialogue.job.ret = parameters.ret;
      dialogue.job.envelope_id = parameters.envelope_id.value_or("");
      dialogue.job.smtputf8 = parameters.smtputf8;
    } else if (word == "to") {
      smtp::RcptParameters parameters;
      EXPECT_FALSE(smtp::ParseRcptParameters(arguments, true, &parameters));
      dialogue.job.recipients.push_back({.address = Address(first),
                                         .original = first,
                                         .original_recipient = parameters.original_recipient.value_or(""),
                                         .notify = parameters.notify});
    } else if (word == "message") {
      dialogue.message += Unescaped(rest) + "\n";
    } else if (word == "S") {
      const size_t colon = rest.find(": ");
      dialogue.rules[rest.substr(0, colon)] = rest.substr(colon + 2);
    } else if (word == "C:") {
      dialogue.sent.push_back(Unescaped(rest));
    } else if (word == "D:") {
      dialogue.data.push_back(Unescaped(rest));
    } else if (word == "L:") {
      dialogue.told.push_back(rest);
    } else if (word == "N:") {
      ours_told.push_back(rest);
    } else if (line.starts_with("N C: ")) {
      ours_sent.push_back(Unescaped(line.substr(5)));
    }
  }
  if (!ours_told.empty()) dialogue.told = ours_told;
  if (!ours_sent.empty()) dialogue.sent = ours_sent;
  dialogue.job.size_bytes = 100 + dialogue.message.size();
  return dialogue;
}

// The server of the rules: what it says to `line`, with "drop" as its last word where it closes.
std::string Reply(const Dialogue& dialogue, std::string line) {
  std::string best = "250 Ok";
  size_t length = 0;
  const auto upper = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
  };
  for (const auto& [prefix, reply] : dialogue.rules) {
    if (prefix.size() > length && upper(line).starts_with(upper(prefix))) best = reply, length = prefix.size();
  }
  return best;
}

void Say(Talk* talk, const std::string& reply) {
  std::istringstream parts(reply);
  for (std::string part; std::getline(parts, part, '|');) {
    if (part == "drop") {
      talk->ServerCloses();
    } else {
      talk->Server(Unescaped(part) + "\r\n");
    }
  }
}

Lines Split(const std::string& text) {
  Lines lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  return lines;
}

class ClientPeer : public testing::TestWithParam<std::string> {};

TEST_P(ClientPeer, SaysWhatPostfixSaid) {
  const Dialogue dialogue =
      ReadDialogue(std::string(POSTERN_SOURCE_DIR) + "/tests/core/outbound/client_dialogues/" + GetParam() + ".txt");
  Talk talk(dialogue.settings, {.host = "127.0.0.1", .address = "127.0.0.1", .port = 25});
  talk.message = dialogue.message;
  talk.piece_bytes = 1000;
  talk.Start(dialogue.job);
  Say(&talk, Reply(dialogue, "CONNECT"));
  Lines sent;
  while (!talk.sent.empty()) {
    const size_t end = talk.sent.find("\r\n");
    ASSERT_NE(end, std::string::npos);
    std::string line = talk.sent.substr(0, end);
    talk.sent.erase(0, end + 2);
    const std::string reply = Reply(dialogue, line);
    sent.push_back(std::regex_replace(line, std::regex(" SIZE=\\d+"), " SIZE=N"));
    if (!talk.dialogue.closed()) Say(&talk, reply);
    // Whoever is gone reads no more: Postfix's QUIT behind the dot was lost there, too.
    if (reply.ends_with("drop")) talk.sent.clear();
  }
  EXPECT_EQ(sent, dialogue.sent);
  if (!dialogue.data.empty()) {
    Lines data = Split(talk.data);
    ASSERT_FALSE(data.empty());
    data.pop_back();  // the dot
    EXPECT_EQ(data, dialogue.data);
  }
  Lines told(dialogue.job.recipients.size());
  for (const RecipientDone& done : talk.done) {
    told[done.recipient] = dialogue.job.recipients[done.recipient].original + " " + done.status +
                           (done.fate == Fate::kSent     ? " sent ("
                            : done.fate == Fate::kFailed ? " bounced ("
                                                         : " deferred (") +
                           done.text + ")";
  }
  // The real one counts its Received, too.
  for (std::string& line : told) line = std::regex_replace(line, std::regex("message size \\d+"), "message size N");
  EXPECT_EQ(told, dialogue.told);
}

Lines Names() {
  Lines names;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(POSTERN_SOURCE_DIR) + "/tests/core/outbound/client_dialogues")) {
    names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}
INSTANTIATE_TEST_SUITE_P(Dialogues, ClientPeer, testing::ValuesIn(Names()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace postern::outbound
