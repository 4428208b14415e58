#include "sim/remote/remote_host.h"

#include <algorithm>
#include <array>

#include "core/boundary/machine.h"

namespace postern::sim {
namespace {

constexpr std::array<std::string_view, kRemoteKindCount> kRemoteKindNames{
    "good",        "greylists",    "refuses some",    "loses replies",       "half-open",     "slow",
    "lies",        "breaks TLS",   "closes anywhere", "refuses connections", "drops packets", "too many connections",
    "talks early", "answers badly"};

bool BeginsWith(std::string_view line, std::string_view verb) {
  if (line.size() < verb.size()) return false;
  for (size_t i = 0; i < verb.size(); ++i) {
    const char c = line[i] >= 'a' && line[i] <= 'z' ? static_cast<char>(line[i] - 'a' + 'A') : line[i];
    if (c != verb[i]) return false;
  }
  return true;
}

// What stands between the first bracket and the one that ends it, quotes minded.
std::string InBrackets(std::string_view line) {
  const size_t begin = line.find('<');
  bool quoted = false;
  for (size_t i = begin; begin != std::string_view::npos && i < line.size(); ++i) {
    if (line[i] == '\\' && quoted) {
      ++i;
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == '>' && !quoted) {
      return std::string(line.substr(begin + 1, i - begin - 1));
    }
  }
  return {};
}

bool HasEightBits(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) >= 0x80; });
}

}  // namespace

std::string_view ToString(RemoteKind kind) { return kRemoteKindNames[static_cast<size_t>(kind)]; }

RemoteBehaviour DrawBehaviour(Random& random) {
  RemoteBehaviour behaviour;
  behaviour.kind = static_cast<RemoteKind>(random.Below(kRemoteKindCount));
  behaviour.stage = static_cast<RemoteStage>(random.Below(6));
  constexpr std::array<int, 8> kCodes{421, 450, 451, 452, 500, 550, 552, 554};
  behaviour.code = kCodes[random.Below(kCodes.size())];
  behaviour.offers_tls = random.Chance(600);
  behaviour.offers_pipelining = random.Chance(700);
  behaviour.offers_eight_bit = random.Chance(800);
  behaviour.offers_dsn = random.Chance(500);
  behaviour.connections_max = 1 + static_cast<uint32_t>(random.Below(3));
  return behaviour;
}

// ---- the host -------------------------------------------------------------------------------------------------------

RemoteHost::Welcome RemoteHost::welcome() const {
  if (behaviour_.kind == RemoteKind::kRefusesConnections) return Welcome::kRefuses;
  return behaviour_.kind == RemoteKind::kDropsPackets ? Welcome::kNoAnswer : Welcome::kAccepts;
}

std::unique_ptr<RemoteDialogue> RemoteHost::Open(Instant now, uint64_t process) { return Accept(now, process); }

std::unique_ptr<RemoteSession> RemoteHost::Accept(Instant now, uint64_t process) {
  return std::make_unique<RemoteSession>(*this, now, process);
}

void RemoteHost::Heal() {
  // Whom it refuses for good stays refused: else a bounce that was right would look wrong afterwards.
  if (behaviour_.kind != RemoteKind::kRefusesSome) behaviour_.kind = RemoteKind::kGood;
}

bool RemoteHost::Refuses(std::string_view recipient) const {
  if (behaviour_.kind != RemoteKind::kRefusesSome) return false;
  StableDigest digest;
  digest.Add(name_);
  digest.Add(recipient);
  return digest.value() % 3 == 0;
}

bool RemoteHost::JudgesAfterTheDot(std::string_view recipient) const {
  StableDigest digest;
  digest.Add("after the dot");
  digest.Add(recipient);
  return behaviour_.lmtp && digest.value() % 2 == 0;
}

// ---- a session ------------------------------------------------------------------------------------------------------

RemoteSession::RemoteSession(RemoteHost& host, Instant now, uint64_t process)
    : host_(host), behaviour_(host.behaviour_), process_(process), now_(now) {
  ++host_.open_connections_;
  host_.open_connections_seen_max_ = std::max(host_.open_connections_seen_max_, host_.open_connections_);
}

RemoteSession::~RemoteSession() { --host_.open_connections_; }

void RemoteSession::Complain(std::string what) { host_.complaints_.push_back(host_.name_ + ": " + what); }

void RemoteSession::CloseNow(RemoteActions* out) {
  if (closed_) return;
  closed_ = true;
  out->push_back({.kind = RemoteAction::Kind::kClose});
}

void RemoteSession::Say(std::string text, RemoteActions* out, std::vector<size_t> settles) {
  if (closed_) return;
  if (behaviour_.kind == RemoteKind::kClosesAnywhere && host_.random_.Chance(120)) {
    // Before the reply, or in the middle of it.
    if (host_.random_.Chance(500)) {
      out->push_back({.text = text.substr(0, host_.random_.Below(text.size()))});
    }
    return CloseNow(out);
  }
  if (behaviour_.kind == RemoteKind::kSlow) {
    const size_t cut = host_.random_.Below(text.size());
    const auto wait = [this] {
      return Seconds(host_.random_.Chance(30) ? host_.random_.Between(600, 4000) : host_.random_.Between(0, 60));
    };
    if (cut > 0) out->push_back({.text = text.substr(0, cut), .delay = wait()});
    out->push_back({.text = text.substr(cut), .delay = wait(), .settles = std::move(settles)});
    return;
  }
  out->push_back({.text = std::move(text), .settles = std::move(settles)});
}

bool RemoteSession::AnswersBadly(RemoteStage stage, RemoteActions* out) {
  if (behaviour_.kind != RemoteKind::kAnswersBadly || behaviour_.stage != stage) return false;
  const std::string code = std::to_string(behaviour_.code);
  Say(code + " " + code.front() + ".3.0 not like this\r\n", out);
  if (behaviour_.code == 421) CloseNow(out);  // RFC 5321 section 3.8
  return true;
}

std::string RemoteSession::Greeting() const {
  return "220 " + host_.name_ + (behaviour_.lmtp ? " LMTP\r\n" : " ESMTP\r\n");
}

void RemoteSession::OnConnected(RemoteActions* out) {
  if (behaviour_.kind == RemoteKind::kHalfOpen) {
    silent_ = true;
    return;
  }
  if (behaviour_.kind == RemoteKind::kTooManyConnections && host_.open_connections_ > behaviour_.connections_max) {
    Say("421 4.7.0 " + host_.name_ + " too many connections\r\n", out);
    return CloseNow(out);
  }
  greeted_ = true;
  if (AnswersBadly(RemoteStage::kGreeting, out)) return;
  std::string greeting = Greeting();
  if (behaviour_.kind == RemoteKind::kTalksEarly && host_.random_.Chance(500))
    greeting += "250 " + host_.name_ + "\r\n";
  Say(std::move(greeting), out);
}

void RemoteSession::OnTls() {
  tls_ = true;
  input_.clear();
  read_bytes_ = 0;
  extended_hello_ = mail_ = false;  // RFC 3207 section 4.2: as after the greeting
  recipients_.clear();
}

void RemoteSession::OnBytes(std::string_view bytes, Instant now, RemoteActions* out) {
  now_ = now;
  if (closed_ || silent_) return;
  if (!greeted_) Complain("spoke before the greeting: " + std::string(bytes));
  input_.erase(0, read_bytes_);
  read_bytes_ = 0;
  input_ += bytes;
  while (!closed_) {
    const size_t end = input_.find("\r\n", read_bytes_);
    if (end == std::string::npos) return;
    const std::string line = input_.substr(read_bytes_, end - read_bytes_);
    read_bytes_ = end + 2;
    if (in_message_) {
      OnMessageLine(line, out);
      continue;
    }
    if (!behaviour_.offers_pipelining && !unread().empty()) Complain("pipelines, unasked, behind " + line);
    OnLine(line, out);
  }
}

void RemoteSession::OnLine(std::string_view line, RemoteActions* out) {
  if (line.find_first_of("\r\n") != std::string_view::npos)
    Complain("a bare line end in a command: " + std::string(line));
  if (HasEightBits(line) && !extended_hello_) Complain("eight bits in a command: " + std::string(line));
  const std::string_view hello = behaviour_.lmtp ? "LHLO " : "EHLO ";
  if (BeginsWith(line, hello) || (!behaviour_.lmtp && BeginsWith(line, "HELO "))) {
    if (AnswersBadly(RemoteStage::kHello, out)) return;
    mail_ = false;
    extended_hello_ = BeginsWith(line, hello);
    std::string reply = extended_hello_ ? HelloReply() : "250 " + host_.name_ + "\r\n";
    if (behaviour_.kind == RemoteKind::kTalksEarly)
      reply += "250 2.1.0 Ok\r\n";  // to the MAIL that it thinks must come
    return Say(std::move(reply), out);
  }
  if (BeginsWith(line, "STARTTLS") && line.size() == 8) return OnStartTls(out);
  if (BeginsWith(line, "MAIL FROM:")) return OnMail(line, out);
  if (BeginsWith(line, "RCPT TO:")) return OnRcpt(line, out);
  if (BeginsWith(line, "DATA") && line.size() == 4) {
    if (AnswersBadly(RemoteStage::kData, out)) return;
    if (recipients_.empty()) return Say("554 5.5.1 no valid recipients\r\n", out);
    Say("354 go on\r\n", out);
    in_message_ = true;
    message_.clear();
    return;
  }
  if (BeginsWith(line, "RSET") && line.size() == 4) {
    mail_ = false;
    recipients_.clear();
    return Say("250 2.0.0 Ok\r\n", out);
  }
  if (BeginsWith(line, "NOOP")) return Say("250 2.0.0 Ok\r\n", out);
  if (BeginsWith(line, "QUIT") && line.size() == 4) {
    Say("221 2.0.0 bye\r\n", out);
    return CloseNow(out);
  }
  // A line of a message would come here, had somebody smuggled it: RFC 5321 has no such command.
  Complain("no such command: " + std::string(line));
  Say("502 5.5.2 what?\r\n", out);
}

std::string RemoteSession::HelloReply() const {
  std::vector<std::string_view> offers{host_.name_, "ENHANCEDSTATUSCODES", "SIZE 50000000"};
  const bool lies = behaviour_.kind == RemoteKind::kLies;
  if (behaviour_.offers_pipelining) offers.push_back("PIPELINING");
  if (behaviour_.offers_eight_bit || lies) offers.push_back("8BITMIME");
  if (behaviour_.offers_dsn || lies) offers.push_back("DSN");
  if (lies) offers.push_back("SMTPUTF8");
  if ((behaviour_.offers_tls || behaviour_.kind == RemoteKind::kBreaksTls) && !tls_) offers.push_back("STARTTLS");
  std::string reply;
  for (size_t i = 0; i < offers.size(); ++i) {
    reply += (i + 1 == offers.size() ? "250 " : "250-") + std::string(offers[i]) + "\r\n";
  }
  return reply;
}

void RemoteSession::OnStartTls(RemoteActions* out) {
  if (behaviour_.kind == RemoteKind::kBreaksTls) {
    switch (host_.random_.Below(3)) {
      case 0:
        return Say("454 4.7.0 TLS not available\r\n", out);
      case 1:
        Say("220 2.0.0 go on\r\n", out);
        out->push_back({.kind = RemoteAction::Kind::kTlsBreaks});
        closed_ = true;
        return;
      default:  // an injection: a reply that TLS seems to protect
        Say("220 2.0.0 go on\r\n250 injected.example\r\n", out);
        out->push_back({.kind = RemoteAction::Kind::kTlsUp});
        return;
    }
  }
  if (!behaviour_.offers_tls || tls_) return Say("502 5.5.1 no\r\n", out);
  if (!unread().empty()) Complain("spoke behind STARTTLS: " + unread());
  Say("220 2.0.0 go on\r\n", out);
  if (!closed_) out->push_back({.kind = RemoteAction::Kind::kTlsUp});
}

void RemoteSession::OnMail(std::string_view line, RemoteActions* out) {
  if (mail_) return Say("503 5.5.1 nested\r\n", out);
  if (AnswersBadly(RemoteStage::kMail, out)) return;
  if (behaviour_.kind == RemoteKind::kLies && line.find("> ") != std::string_view::npos && host_.random_.Chance(500)) {
    return Say("555 5.5.4 no such parameter\r\n", out);
  }
  sender_ = InBrackets(line);
  eight_bit_ = line.find("BODY=8BITMIME") != std::string_view::npos;
  mail_ = true;
  recipients_.clear();
  Say("250 2.1.0 Ok\r\n", out);
}

void RemoteSession::OnRcpt(std::string_view line, RemoteActions* out) {
  if (!mail_) return Say("503 5.5.1 MAIL first\r\n", out);
  if (AnswersBadly(RemoteStage::kRcpt, out)) return;
  const std::string recipient = InBrackets(line);
  if (behaviour_.kind == RemoteKind::kLies && line.find("> ") != std::string_view::npos && host_.random_.Chance(500)) {
    return Say("555 5.5.4 no such parameter\r\n", out);
  }
  if (!host_.JudgesAfterTheDot(recipient)) {
    if (std::string refusal = Refusal(recipient); !refusal.empty()) return Say(std::move(refusal), out);
  }
  recipients_.push_back(recipient);
  Say("250 2.1.5 Ok\r\n", out);
}

void RemoteSession::OnMessageLine(std::string_view line, RemoteActions* out) {
  if (line == ".") return OnEndOfData(out);
  if (line.starts_with('.')) line.remove_prefix(1);
  // CVE-2023-51764: others would end the message there.
  if (line.find_first_of("\r\n") != std::string_view::npos) Complain("a bare line end in a message");
  if (HasEightBits(line) && !eight_bit_) Complain("eight bits in a message without BODY=8BITMIME");
  if (line.size() > 998) Complain("a line of " + std::to_string(line.size()) + " bytes");
  message_.append(line).append("\r\n");
}

std::string RemoteSession::Refusal(const std::string& recipient) {
  if (host_.Refuses(recipient)) return "550 5.1.1 no such user\r\n";
  if (behaviour_.kind == RemoteKind::kGreylists && host_.greylisted_.insert({sender_, recipient}).second)
    return "451 4.7.1 greylisted\r\n";
  return "";
}

void RemoteSession::OnEndOfData(RemoteActions* out) {
  in_message_ = false;
  mail_ = false;
  const std::vector<std::string> recipients = std::exchange(recipients_, {});
  if (behaviour_.lmtp) return AnswerEach(recipients, out);
  if (AnswersBadly(RemoteStage::kEndOfData, out)) return;
  const auto message = std::make_shared<const std::string>(std::move(message_));
  std::vector<size_t> settles;
  for (const std::string& recipient : recipients) {
    settles.push_back(host_.taken_.size());
    host_.taken_.push_back(
        {.sender = sender_, .recipient = recipient, .message = message, .at = now_, .process = process_});
  }
  if (behaviour_.kind == RemoteKind::kLosesReplies && host_.random_.Chance(500)) return CloseNow(out);
  Say("250 2.0.0 taken\r\n", out, std::move(settles));
}

// RFC 2033 section 4.2: one reply for each recipient that was accepted, in their order. Whom it takes it takes, also
// where it goes before its reply is out.
void RemoteSession::AnswerEach(const std::vector<std::string>& recipients, RemoteActions* out) {
  const auto message = std::make_shared<const std::string>(std::move(message_));
  const bool loses = behaviour_.kind == RemoteKind::kLosesReplies && host_.random_.Chance(500);
  const size_t told = loses ? host_.random_.Below(recipients.size()) : recipients.size();
  for (size_t i = 0; i < recipients.size(); ++i) {
    if (i == told) CloseNow(out);
    if (host_.random_.Chance(600) && AnswersBadly(RemoteStage::kEndOfData, out)) continue;
    std::string refusal = host_.JudgesAfterTheDot(recipients[i]) ? Refusal(recipients[i]) : "";
    if (!refusal.empty()) {
      Say(std::move(refusal), out);
      continue;
    }
    host_.taken_.push_back(
        {.sender = sender_, .recipient = recipients[i], .message = message, .at = now_, .process = process_});
    Say("250 2.0.0 taken\r\n", out, {host_.taken_.size() - 1});
  }
}

}  // namespace postern::sim
