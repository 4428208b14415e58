#include "sim/clients/smtp_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "core/base/base64.h"
#include "sim/campaign/setting.h"

namespace postern::sim {
namespace {

// RFC 5321 section 4.5.2, the sender's side.
std::string Stuffed(std::string_view body) {
  std::string wire;
  wire.reserve(body.size() + body.size() / 40);
  while (!body.empty()) {
    const size_t line_bytes = std::min(body.find('\n'), body.size() - 1) + 1;
    if (body.front() == '.') wire += '.';
    wire += body.substr(0, line_bytes);
    body.remove_prefix(line_bytes);
  }
  return wire;
}

}  // namespace

SmtpClient::SmtpClient(Ledger& ledger, SmtpIntent intent, std::string name)
    : ledger_(ledger),
      intent_(std::move(intent)),
      name_(std::move(name)),
      far_(intent_.far_seed, "mail for far away"),
      mails_far_(far_.Chance(600)) {
  Random random(intent_.far_seed, "ETRN");
  if (!intent_.etrn_sites.empty() && random.Chance(250))
    etrn_ = intent_.etrn_sites[random.Below(intent_.etrn_sites.size())];
}

bool SmtpClient::Begin(World& world) {
  conn_ = world.Connect(this, intent_.listener, intent_.from);
  if (!conn_) return false;
  tls_ = intent_.listener == kSmtps;
  expected_.push_back({Wait::kGreeting});
  if (intent_.early_talker) world.SendToServer(*conn_, "EHLO early\r\nMAIL FROM:<a@b.example>\r\n");
  return true;
}

void SmtpClient::OnClosed(World&) {
  closed_ = true;
  ledger_.Tell(name_ + ": connection ended");
}

void SmtpClient::OnBytes(World& world, std::string_view bytes) {
  input_ += bytes;
  size_t end;
  while (!closed_ && (end = input_.find("\r\n")) != std::string::npos) {
    const std::string line = input_.substr(0, end);
    input_.erase(0, end + 2);
    const bool well_formed = line.size() >= 3 &&
                             std::all_of(line.begin(), line.begin() + 3,
                                         [](char c) { return std::isdigit(static_cast<unsigned char>(c)); }) &&
                             (line.size() == 3 || line[3] == ' ' || line[3] == '-');
    if (!well_formed || line.find_first_of("\r\n") != std::string::npos) {
      ledger_.Violated("O19", name_ + ": no SMTP reply line: " + line);
      return;
    }
    reply_text_ += line + "\n";
    if (line.size() > 3 && line[3] == '-') continue;
    const int code = std::stoi(line.substr(0, 3));
    OnReply(world, code, std::exchange(reply_text_, {}));
  }
}

void SmtpClient::Say(World& world, std::string_view line, Expected expected) {
  expected_.push_back(std::move(expected));
  world.SendToServer(*conn_, std::string(line) + "\r\n");
}

void SmtpClient::OnReply(World& world, int code, const std::string& text) {
  if (code == 421 || (intent_.early_talker && code >= 500)) {
    ledger_.Tell(name_ + ": " + text);
    return;  // the server is going
  }
  if (expected_.empty()) {
    ledger_.Violated("O19", name_ + ": a reply to nothing: " + text);
    return;
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  ledger_.Tell(name_ + ": " + std::to_string(code) + " at " + std::to_string(static_cast<int>(expected.wait)));
  switch (expected.wait) {
    case Wait::kGreeting:
      if (code != 220) return Quit(world);
      return Say(world, "EHLO client.example.org", {Wait::kEhlo});
    case Wait::kEhlo:
      if (code != 250) return Quit(world);
      offers_dsn_ = text.find("DSN") != std::string::npos;
      if (!tls_ && text.find("AUTH ") != std::string::npos) {
        ledger_.Violated("O15", name_ + ": AUTH offered before TLS");
      }
      if (!tls_ && std::exchange(intent_.resets_before_tls, false)) return Say(world, "RSET", {Wait::kPlainRset});
      if (!tls_ && intent_.listener == kSubmission) {
        Say(world, "STARTTLS", {Wait::kStartTls});
        if (intent_.injects_after_starttls) world.SendToServer(*conn_, "RSET\r\nNOOP\r\n");
        return;
      }
      if (!intent_.login.empty() && !authenticated_) {
        const std::string token =
            std::string(1, '\0') + intent_.login + std::string(1, '\0') + PasswordOf(intent_.login);
        return Say(world, "AUTH PLAIN " + EncodeBase64(token), {Wait::kAuth});
      }
      return NextMessage(world);
    case Wait::kStartTls:
      if (code != 220) return Quit(world);
      expected_.push_back({Wait::kTls});
      return world.BeginTls(*conn_);
    case Wait::kTls:
      ledger_.Violated("O15", name_ + ": answered to plaintext behind STARTTLS: " + text);
      return;
    case Wait::kAuth:
      if (code != 235) return Quit(world);
      authenticated_ = true;
      return NextMessage(world);
    case Wait::kMail:
      mail_refused_ = code != 250;
      --envelope_replies_left_;
      if (!intent_.pipelining) {
        if (mail_refused_) return Quit(world);
        return SendEnvelope(world);
      }
      return AfterEnvelope(world);
    case Wait::kRcpt:
      --envelope_replies_left_;
      if (code == 250) {
        ++accepted_recipients_;
        if (expected.remote) {
          ++submission_->remote_recipients;
          submission_->remote_addresses.insert(expected.user);
          if (expected.silent) submission_->silent_addresses.insert(expected.user);
          if (!authenticated_ && !intent_.trusted) {
            ledger_.Violated("O14", name_ + ": relay for a stranger");
          }
        } else {
          submission_->local_users.insert(expected.user);
        }
      } else if (!expected.remote) {
        submission_->refused_users.insert(expected.user);
      }
      if (!intent_.pipelining && envelope_replies_left_ > 0) return SendEnvelope(world);
      return AfterEnvelope(world);
    case Wait::kData:
      if (code != 354) return Quit(world);
      return SendBody(world);
    case Wait::kBdat:
    case Wait::kEnd:
      submission_->outcome = code == 250  ? Submission::Outcome::kAccepted
                             : code < 500 ? Submission::Outcome::kDeferred
                                          : Submission::Outcome::kRefused;
      if (const size_t id = text.find("queued as "); code == 250 && id != std::string::npos) {
        submission_->queue_id = text.substr(id + 10, text.find_first_of("\r\n", id) - id - 10);
      }
      if (code == 250 && accepted_recipients_ == 0) ledger_.Violated("O3", name_ + ": accepted a message for nobody");
      return NextMessage(world);
    case Wait::kEtrn:  // also where it is refused (RFC 1985 section 4)
    case Wait::kRset:
      return NextMessage(world);
    case Wait::kPlainRset:
      return Say(world, "EHLO client.example.org", {Wait::kEhlo});
    case Wait::kQuit:
      expected_.push_back({Wait::kDone});
      return;
    case Wait::kDone:
      ledger_.Violated("O19", name_ + ": a reply after QUIT: " + text);
      return;
  }
}

void SmtpClient::OnTlsReady(World& world) {
  tls_ = true;
  if (!expected_.empty() && expected_.front().wait == Wait::kTls) expected_.pop_front();
  Say(world, "EHLO client.example.org", {Wait::kEhlo});
}

void SmtpClient::NextMessage(World& world) {
  if (intent_.aborts && world.random().Chance(300)) {
    closed_ = true;
    return world.CloseFromClient(*conn_);
  }
  if (!etrn_.empty()) {
    ledger_.AskedForSite(world.now().mono);
    return Say(world, "ETRN " + std::exchange(etrn_, {}), {Wait::kEtrn});
  }
  if (sent_ == intent_.messages) return Quit(world);
  ++sent_;
  submission_ = &ledger_.NewSubmission();
  submission_->canary = "canary-" + std::to_string(world.random().Next()) + "-";
  submission_->body = MakeBody(world);
  accepted_recipients_ = 0;
  mail_refused_ = false;
  bdat_ = intent_.chunking && world.random().Chance(600);
  const uint64_t recipients = 1 + world.random().Below(3);
  envelope_replies_left_ = 1 + recipients;
  notify_.clear();
  submission_->sender = DrawSender();
  submission_->from_stranger = !authenticated_ && !intent_.trusted;
  std::string parameters;
  if (offers_dsn_ && far_.Chance(200))
    parameters = far_.Chance(500) ? " RET=HDRS" : " RET=FULL ENVID=e" + std::to_string(sent_);
  Say(world, "MAIL FROM:<" + submission_->sender + ">" + parameters, {Wait::kMail});
  if (intent_.pipelining) {
    for (uint64_t i = 0; i < recipients; ++i) SendEnvelope(world);
  }
}

// The login where there is one; else somebody here or far away; now and then the null reverse-path.
std::string SmtpClient::DrawSender() {
  if (far_.Chance(80)) return "";
  if (!intent_.login.empty()) return intent_.login;
  if (intent_.trusted && far_.Chance(500)) return UserNames()[far_.Below(UserNames().size())];
  return "sender@client.example.org";
}

// One RCPT.
void SmtpClient::SendEnvelope(World& world) {
  const uint64_t draw = world.random().Below(10);
  if (mails_far_ && far_.Chance(600)) return SendFarRecipient(world);
  if (draw < 7) {
    const std::string& user = UserNames()[world.random().Below(UserNames().size())];
    Say(world, "RCPT TO:<" + user + ">", {.wait = Wait::kRcpt, .user = user});
  } else if (draw == 7) {
    Say(world, "RCPT TO:<nobody@example.test>", {.wait = Wait::kRcpt, .user = "nobody@example.test"});
  } else {
    SendFarRecipient(world);
  }
}

void SmtpClient::SendFarRecipient(World& world) {
  const std::string& address = intent_.far_addresses[far_.Below(intent_.far_addresses.size())];
  const auto [chosen, is_new] = notify_.try_emplace(address);
  if (is_new && offers_dsn_) {
    constexpr std::array<std::string_view, 5> kNotify{"NEVER", "SUCCESS", "FAILURE", "SUCCESS,FAILURE,DELAY", "DELAY"};
    if (far_.Chance(400)) chosen->second = " NOTIFY=" + std::string(kNotify[far_.Below(kNotify.size())]);
    if (far_.Chance(200)) chosen->second += " ORCPT=rfc822;first+40" + address.substr(address.find('@') + 1);
  }
  const std::string& parameters = chosen->second;
  const bool silent =
      parameters.find("NOTIFY=") != std::string::npos && parameters.find("FAILURE") == std::string::npos;
  Say(world, "RCPT TO:<" + address + ">" + parameters,
      {.wait = Wait::kRcpt, .user = address, .remote = true, .silent = silent});
}

void SmtpClient::AfterEnvelope(World& world) {
  if (envelope_replies_left_ > 0) return;
  if (mail_refused_) return Quit(world);
  if (accepted_recipients_ == 0) return Say(world, "RSET", {Wait::kRset});
  if (intent_.aborts && world.random().Chance(200)) {
    closed_ = true;
    return world.CloseFromClient(*conn_);
  }
  if (bdat_) {
    submission_->outcome = Submission::Outcome::kSent;
    submission_->crashes_at_end = world.crash_count();
    expected_.push_back({Wait::kBdat});
    world.SendToServer(*conn_, "BDAT " + std::to_string(submission_->body.size()) + " LAST\r\n" + submission_->body);
    return;
  }
  Say(world, "DATA", {Wait::kData});
}

void SmtpClient::SendBody(World& world) {
  const std::string wire = Stuffed(submission_->body);
  if (intent_.aborts && world.random().Chance(300)) {
    world.SendToServer(*conn_, wire.substr(0, world.random().Below(wire.size() + 1)));
    closed_ = true;
    submission_->outcome = Submission::Outcome::kRefused;  // never ended: nobody may get it (O3)
    return world.CloseFromClient(*conn_);
  }
  submission_->outcome = Submission::Outcome::kSent;
  submission_->crashes_at_end = world.crash_count();
  expected_.push_back({Wait::kEnd});
  if (intent_.smuggles) {
    // CVE-2023-51764: what follows the bare line ends is data, never commands. One reply comes, for the real end.
    submission_->body += "smuggle\r\n";
    world.SendToServer(
        *conn_, wire + "smuggle\n.\nMAIL FROM:<smuggled@client.example.org>\nRCPT TO:<alice@example.test>\r\n.\r\n");
    submission_->body.clear();  // bare line ends may be refused or normalised: its bytes are not compared
    return;
  }
  world.SendToServer(*conn_, wire + ".\r\n");
}

void SmtpClient::Quit(World& world) {
  if (closed_) return;
  Say(world, "QUIT", {Wait::kQuit});
}

std::string SmtpClient::MakeBody(World& world) {
  Random& random = world.random();
  std::string body;
  for (int hop = 0; intent_.loops && hop < 60; ++hop) body += "Received: from a by b\r\n";  // RFC 5321 section 6.3
  body += "From: <sender@client.example.org>\r\nTo: <somebody@example.test>\r\nSubject: " + submission_->canary +
          "\r\nDate: Mon, 01 Jan 2024 12:00:00 +0000\r\nMessage-ID: <" + submission_->canary +
          "@client.example.org>\r\n\r\n";
  const uint64_t lines = random.Chance(30) ? 6000 + random.Below(4000) : random.Below(30);
  for (uint64_t i = 0; i < lines; ++i) {
    if (random.Chance(100)) body += ".";
    body += "line " + std::to_string(i) + std::string(random.Below(70), 'x') + "\r\n";
  }
  return body;
}

}  // namespace postern::sim
