// Goal: the session says what Postfix 3.7.11 says, word for word. Method: transcripts of a running Postfix, made by
// capture_dialogues.py (which explains their form) with the configurations of session_fixture.h, are replayed: what the
// client sent is sent, what Postfix answered must be answered. Queue ids and challenges are made equal. A "D: " line
// says what this server answers instead, on purpose; the "# " line behind it says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

#include "tests/core/smtp/session_fixture.h"

namespace postern::smtp {
namespace {

using Lines = std::vector<std::string>;

std::string Normal(std::string line) {
  if (line.starts_with("S: 334 ") && line.size() > 40) return "S: 334 CHALLENGE";
  return std::regex_replace(line, std::regex("queued as [0-9A-F]+"), "queued as ID");
}

// \r \n \\ \xHH, and {N*text} for N times the text.
std::string Unescape(std::string text) {
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '{' && i + 1 < text.size() && text[i + 1] >= '0' && text[i + 1] <= '9') {
      const size_t star = text.find('*', i), end = text.find('}', i);
      std::string repeated;
      for (int n = std::stoi(text.substr(i + 1, star - i - 1)); n > 0; --n)
        repeated += text.substr(star + 1, end - star - 1);
      text.replace(i, end + 1 - i, repeated);
    }
    if (text[i] != '\\' || i + 1 == text.size()) {
      bytes += text[i];
      continue;
    }
    const char kind = text[++i];
    if (kind == 'x') {
      bytes += static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16));
      i += 2;
    } else {
      bytes += kind == 'r' ? '\r' : kind == 'n' ? '\n' : kind;
    }
  }
  return bytes;
}

class Replay {
 public:
  Replay(const std::shared_ptr<const config::Config>& peer, const std::shared_ptr<const config::Config>& reference)
      : peer_(peer), reference_(reference) {}

  // The transcript as it goes here.
  Lines Run(const Lines& lines) {
    for (const std::string& line : lines) {
      if (line.starts_with("port ") || line.starts_with("client ")) {
        harness_.reset();
        out_.push_back(line);
        client_ = "127.0.0.1";
        if (line[0] == 'p') port_ = static_cast<uint16_t>(std::stoi(line.substr(5)));
        if (line[0] == 'c') client_ = line.substr(7);
      }
      if (line.starts_with("C")) OnClientLine(line);
    }
    return std::move(out_);
  }

 private:
  void OnClientLine(const std::string& line) {
    const char kind = line[1];
    if (!harness_) {
      // Who talks first does so before the client's name is known.
      harness_ = std::make_unique<Harness>(port_ < 12000 ? reference_ : peer_, port_, client_, kind != '+');
      closed_ = false;
      if (kind != '+') Collect(Patience());
    }
    out_.push_back(line);
    if (kind == '!') {
      harness_->Give(PeerClosed{.conn = ConnId{5}});
      harness_.reset();
      return;
    }
    if (kind == ':') harness_->Line(Unescape(line.substr(std::min<size_t>(3, line.size()))));
    if (kind == '>' || kind == '+') harness_->Send(Unescape(line.substr(3)));
    if (kind == '.') Collect(Seconds(std::stoi(line.substr(3))));
    if (kind == ':' || kind == '>') Collect(Patience());
  }

  // Time in which held replies come; not so long that the client's own time is up.
  Duration Patience() const { return Seconds(port_ == 12034 ? 2 : 8); }

  void Collect(Duration time) {
    harness_->GiveAnswers();
    harness_->Advance(time);
    std::istringstream replies(harness_->Replies());
    for (std::string line; std::getline(replies, line);) {
      if (line.ends_with('\r')) line.pop_back();
      out_.push_back(Normal("S: " + line));
    }
    if (harness_->tls_wanted()) {
      out_.push_back("[TLS]");
      harness_->BeginTls();
    }
    if (harness_->closed() && !closed_) out_.push_back("[closed]");
    closed_ = harness_->closed();
  }

  std::shared_ptr<const config::Config> peer_, reference_;
  std::unique_ptr<Harness> harness_;
  uint16_t port_ = 0;
  std::string client_ = "127.0.0.1";
  bool closed_ = false;
  Lines out_;
};

// What is to be said: Postfix's answers, or ours where they differ on purpose.
Lines Wanted(const Lines& lines) {
  Lines wanted;
  bool ours = false;
  for (const std::string& line : lines) {
    if (line.starts_with("D: ")) {
      while (!ours && (wanted.back().starts_with("S: ") || wanted.back() == "[closed]")) wanted.pop_back();
      ours = true;
      if (line != "D: -") wanted.push_back(line == "D: [closed]" ? "[closed]" : "S: " + line.substr(3));
    } else if (!line.empty() && line[0] != '#') {
      ours = false;
      wanted.push_back(Normal(line));
    }
  }
  return wanted;
}

// Where the two part, with what came before.
std::string Differences(const Lines& wanted, const Lines& got) {
  std::string text;
  size_t w = 0, g = 0;
  for (int count = 0; count < 40 && (w < wanted.size() || g < got.size());) {
    if (w < wanted.size() && g < got.size() && wanted[w] == got[g]) {
      ++w, ++g;
      continue;
    }
    size_t client = std::min(g, got.size());
    while (client > 0 && !got[client - 1].starts_with("C")) --client;
    text += "after " + (client > 0 ? got[client - 1].substr(0, 100) : "the beginning") + "\n";
    const auto answers = [&text](const char* who, const Lines& lines, size_t* at) {
      for (; *at < lines.size() && !lines[*at].starts_with("C") && !lines[*at].starts_with("port ") &&
             !lines[*at].starts_with("client ");
           ++*at) {
        text += std::string(who) + lines[*at] + "\n";
      }
    };
    answers("  wanted ", wanted, &w);
    answers("  got    ", got, &g);
    ++count;
    if (w >= wanted.size() || g >= got.size() || wanted[w] != got[g]) break;
  }
  return text;
}

TEST(Dialogues, AreThoseOfPostfix) {
  std::string errors;
  const auto peer = LoadHost(PeerHost(), &errors), reference = LoadHost(ReferenceHost(), &errors);
  ASSERT_NE(peer, nullptr) << errors;
  ASSERT_NE(reference, nullptr) << errors;
  size_t count = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::string(POSTERN_SOURCE_DIR) + "/tests/core/smtp/dialogues")) {
    std::ifstream in(entry.path());
    Lines lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    const Lines wanted = Wanted(lines), got = Replay(peer, reference).Run(lines);
    EXPECT_TRUE(got == wanted) << entry.path() << "\n" << Differences(wanted, got);
    ++count;
  }
  EXPECT_GE(count, 10u);
}

}  // namespace
}  // namespace postern::smtp
