// A client connection without a network: its server is a text that anyone can read, its message a string.
//
//   S: 220 mx.example.test ESMTP      the server sends this line
//   C: EHLO client.example.test       the client has sent this one, next
//   C: .                              (the message between 354 and this is compared by the test)
//   tls, no tls, closed, tick 300     TLS comes up, or fails; the server goes away; so many seconds pass
//
// Before each line that is not the client's, everything that the client has sent must have been told: it has to have
// waited.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/outbound/client.h"

namespace postern::outbound {

inline ClientSettings TestSettings() {
  ClientSettings settings;
  settings.helo_name = "client.example.test";
  settings.my_hostname = "client.example.test";
  return settings;
}
inline ClientServer TestServer() { return {.host = "mx.example.test", .address = "192.0.2.1", .port = 25}; }

inline Job TestJob(const std::vector<std::string>& recipients = {"u1"}) {
  Job job;
  job.sender = {"sender", "example.org"};
  for (const std::string& local : recipients) job.recipients.push_back({.address = {local, "example.test"}});
  job.size_bytes = 100;
  return job;
}

class Talk {
 public:
  explicit Talk(ClientSettings settings = TestSettings(), ClientServer server = TestServer())
      : dialogue(std::move(settings), std::move(server)), entropy_({7}) {}

  // The message of the next job, as it lies on disk.
  std::string message = "Subject: x\n\nbody\n";
  size_t piece_bytes = 5;
  bool message_fails = false;
  bool acceptable = true, matched = false;  // the certificate, of `tls`

  ClientDialogue dialogue;
  std::string sent;  // and not told yet
  std::string wire;  // everything that was sent, but for the messages
  std::string data;  // what was sent between 354 and the end of the last message's dot line
  std::vector<RecipientDone> done;
  std::vector<std::string> notes;
  int ready_count = 0, closed_count = 0, tls_count = 0;
  bool closed_at_once = false;
  std::vector<std::string> secrets;

  ClientMoment moment() { return {now_, &entropy_}; }
  void Start(Job job) {
    Deliver(std::move(job));
    dialogue.OnConnecting(moment());
    ClientActions actions;
    dialogue.OnConnected(moment(), &actions);
    Absorb(std::move(actions));
  }
  void Deliver(Job job) {
    message_at_ = 0;
    ClientActions actions;
    dialogue.Deliver(std::move(job), moment(), &actions);
    Absorb(std::move(actions));
  }
  void Server(std::string_view bytes) {
    ClientActions actions;
    dialogue.OnBytes(bytes, moment(), &actions);
    Absorb(std::move(actions));
  }
  void ServerCloses() {
    ClientActions actions;
    dialogue.OnClosed(&actions);
    Absorb(std::move(actions));
  }
  void Tls(bool works) {
    ClientActions actions;
    if (works) {
      dialogue.OnTlsReady({.acceptable = acceptable, .matched = matched}, moment(), &actions);
    } else {
      dialogue.OnTlsFailed(&actions);
    }
    Absorb(std::move(actions));
  }
  void Tick(int64_t seconds) {
    now_ = now_ + Seconds(seconds);
    ClientActions actions;
    dialogue.OnDeadline(moment(), &actions);
    Absorb(std::move(actions));
  }
  Instant now() const { return now_; }
  void Absorb(ClientActions actions);

  // Plays `script`; "": as written, else what was otherwise. `strict`: as above; else the client may be ahead.
  std::string Play(std::string_view script, bool strict = true);

 private:
  Entropy entropy_;
  Instant now_;
  size_t message_at_ = 0;
  bool in_message_ = false;
};

inline void Talk::Absorb(ClientActions actions) {
  std::deque<ClientAction> todo(actions.begin(), actions.end());
  while (!todo.empty()) {
    const ClientAction action = std::move(todo.front());
    todo.pop_front();
    if (const auto* send = std::get_if<SendBytes>(&action)) {
      if (send->secret) secrets.push_back(send->bytes);
      if (in_message_) {
        data += send->bytes;
        // QUIT may follow the dot at once.
        const size_t end = data.ends_with("\r\n.\r\nQUIT\r\n") || data == ".\r\nQUIT\r\n" ? 6 : 0;
        if (dialogue.deadline() && todo.empty() && message_at_ == message.size()) {
          sent += ".\r\n" + data.substr(data.size() - end);
          data.resize(data.size() - end);
          in_message_ = false;
        }
      } else {
        sent += send->bytes;
        wire += send->bytes;
      }
    } else if (const auto* need = std::get_if<NeedMessageBytes>(&action)) {
      if (!in_message_) data.clear();
      in_message_ = true;
      ClientActions more;
      if (message_fails && message_at_ > 0) {
        dialogue.OnMessageFailed(&more);
      } else {
        const size_t take = std::min({piece_bytes, need->bytes_max, message.size() - message_at_});
        const std::string piece = message.substr(message_at_, take);
        message_at_ += take;
        dialogue.OnMessageBytes(piece, message_at_ == message.size(), moment(), &more);
      }
      todo.insert(todo.end(), more.begin(), more.end());
    } else if (const auto* one = std::get_if<RecipientDone>(&action)) {
      done.push_back(*one);
    } else if (const auto* note = std::get_if<ClientNote>(&action)) {
      notes.push_back(note->text);
    } else if (std::holds_alternative<ReadyForJob>(action)) {
      ++ready_count;
    } else if (const auto* close = std::get_if<CloseConnection>(&action)) {
      ++closed_count;
      closed_at_once = close->at_once;
      in_message_ = false;
    } else {
      ++tls_count;
    }
  }
}

inline std::string Talk::Play(std::string_view script, bool strict) {
  while (!script.empty()) {
    const std::string_view line = script.substr(0, script.find('\n'));
    script.remove_prefix(std::min(line.size() + 1, script.size()));
    if (line.empty()) continue;
    if (line.starts_with("C: ")) {
      const std::string wanted = std::string(line.substr(3)) + "\r\n";
      if (!sent.starts_with(wanted)) return "wanted " + wanted + "has " + sent;
      sent.erase(0, wanted.size());
      continue;
    }
    if (strict && !sent.empty()) return "before " + std::string(line) + ": " + sent;
    if (line.starts_with("S: ")) {
      Server(std::string(line.substr(3)) + "\r\n");
    } else if (line == "tls" || line == "no tls") {
      if (tls_count == 0) return "TLS was not asked for";
      Tls(line == "tls");
    } else if (line == "closed") {
      ServerCloses();
    } else if (line.starts_with("tick ")) {
      Tick(std::stoi(std::string(line.substr(5))));
    } else {
      return "no such line: " + std::string(line);
    }
  }
  return strict && !sent.empty() ? "at the end: " + sent : "";
}

// "u 0 sent 2.0.0 end: 250 Ok": what tests compare.
inline std::string Told(const RecipientDone& done) {
  constexpr std::string_view kFates[] = {"sent", "deferred", "failed", "untried"};
  return std::to_string(done.recipient) + " " + std::string(kFates[static_cast<int>(done.fate)]) + " " + done.status +
         " " + std::string(StageName(done.stage)) + ": " + done.text;
}
inline std::vector<std::string> Told(const Talk& talk) {
  std::vector<std::string> told;
  for (const RecipientDone& done : talk.done) told.push_back(Told(done));
  return told;
}

}  // namespace postern::outbound
