// A simulated submitter: sends a few messages over one connection, more or less politely, and writes into the ledger
// what it was told. It judges replies by code alone and holds the server to RFC 5321: one reply a command, in order
// (O19).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/campaign/ledger.h"
#include "sim/world/world.h"

namespace postern::sim {

struct SmtpIntent {
  size_t listener = 0;  // ListenerIndex
  IpAddress from;
  std::string login;  // submission: who logs in; empty: nobody
  bool pipelining = false, chunking = false, smuggles = false, injects_after_starttls = false;
  bool loops = false;              // its messages have gone through too many hosts
  bool resets_before_tls = false;  // RSET, and EHLO again: what was forbidden must stay so
  bool early_talker = false;
  uint32_t messages = 1;
  bool aborts = false;   // breaks off somewhere
  bool trusted = false;  // from mynetworks
  // Whom far away it may write to (not empty), and with which chance of its own it decides what.
  std::vector<std::string> far_addresses;
  uint64_t far_seed = 0;
  std::vector<std::string> etrn_sites;  // one client in four asks for one of these first
};

class SmtpClient final : public Client {
 public:
  SmtpClient(Ledger& ledger, SmtpIntent intent, std::string name);

  bool Begin(World& world);  // false: the server is down
  void OnBytes(World& world, std::string_view bytes) override;
  void OnTlsReady(World& world) override;
  void OnClosed(World& world) override;

 private:
  enum class Wait : uint8_t {
    kGreeting,
    kEhlo,
    kStartTls,
    kTls,
    kAuth,
    kMail,
    kRcpt,
    kData,
    kEnd,
    kBdat,
    kRset,
    kPlainRset,
    kEtrn,
    kQuit,
    kDone
  };

  struct Expected {
    Wait wait;
    std::string user;  // kRcpt: who
    bool remote = false;
    bool silent = false;  // kRcpt: NOTIFY leaves FAILURE out
  };

  void OnReply(World& world, int code, const std::string& text);
  void Say(World& world, std::string_view line, Expected expected);
  void NextMessage(World& world);
  void SendEnvelope(World& world);
  void SendFarRecipient(World& world);
  std::string DrawSender();
  void AfterEnvelope(World& world);
  void SendBody(World& world);
  void Quit(World& world);
  std::string MakeBody(World& world);

  Ledger& ledger_;
  SmtpIntent intent_;
  std::string name_;
  std::optional<ConnId> conn_;
  std::string input_;
  std::string reply_text_;
  std::deque<Expected> expected_;
  bool tls_ = false, authenticated_ = false, closed_ = false, bdat_ = false;
  uint32_t sent_ = 0;
  Submission* submission_ = nullptr;
  size_t accepted_recipients_ = 0, envelope_replies_left_ = 0;
  bool mail_refused_ = false;
  std::string etrn_;  // to be said before the first message
  Random far_;
  bool offers_dsn_ = false, mails_far_ = false;
  std::map<std::string, std::string> notify_;  // of this message's recipients far away
};

}  // namespace postern::sim
