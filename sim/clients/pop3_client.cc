#include "sim/clients/pop3_client.h"

#include <charconv>
#include <utility>

#include "sim/campaign/setting.h"

namespace postern::sim {

Pop3Client::Pop3Client(Ledger& ledger, Pop3Intent intent, std::string name)
    : ledger_(ledger), intent_(std::move(intent)), name_(std::move(name)) {}

bool Pop3Client::Begin(World& world) {
  conn_ = world.Connect(this, intent_.listener, intent_.from);
  tls_ = intent_.listener == kPop3s;
  return conn_.has_value();
}

void Pop3Client::Say(World& world, Doing doing, std::string_view command) {
  doing_ = doing;
  ledger_.Tell(name_ + ": " + std::string(command.substr(0, 40)));
  world.SendToServer(*conn_, std::string(command) + "\r\n");
}

void Pop3Client::OnTlsReady(World& world) {
  tls_ = true;
  Say(world, Doing::kUser, "USER " + intent_.user);
}

void Pop3Client::OnBytes(World& world, std::string_view bytes) {
  input_ += bytes;
  while (!closed_) {
    const size_t end = input_.find("\r\n");
    if (end == std::string::npos) return;
    const std::string status = input_.substr(0, end);
    if (!status.starts_with("+OK") && !status.starts_with("-ERR")) {
      return ledger_.Violated("O19", name_ + ": no POP3 reply: " + status);
    }
    const bool lines = status[0] == '+' && (doing_ == Doing::kUidl || doing_ == Doing::kRetr);
    std::string body;
    size_t next = end + 2;
    if (lines) {
      const size_t stop = input_.find("\r\n.\r\n", end);
      if (stop == std::string::npos) return;
      body = stop > end ? input_.substr(end + 2, stop - end) : "";
      next = stop + 5;
    }
    input_.erase(0, next);
    OnReply(world, status, body);
  }
}

void Pop3Client::OnReply(World& world, const std::string& status, const std::string& body) {
  const bool ok = status[0] == '+';
  if (status.find("SYS/TEMP") != std::string::npos || status.find("inactivity") != std::string::npos) return;
  switch (doing_) {
    case Doing::kGreeting:
      if (!tls_) return Say(world, Doing::kStls, "STLS");
      return Say(world, Doing::kUser, "USER " + intent_.user);
    case Doing::kStls:
      if (ok) world.BeginTls(*conn_);
      return;
    case Doing::kUser:
      return Say(world, Doing::kPass, "PASS " + PasswordOf(intent_.user));
    case Doing::kPass:
      if (!ok) return Say(world, Doing::kQuit, "QUIT");
      return Say(world, Doing::kUidl, "UIDL");
    case Doing::kUidl: {
      std::string_view rest = body;
      while (!rest.empty()) {
        const std::string_view line = rest.substr(0, rest.find("\r\n"));
        rest.remove_prefix(std::min(rest.size(), line.size() + 2));
        uint32_t number = 0;
        const auto end = std::from_chars(line.data(), line.data() + line.size(), number).ptr;
        uidls_[number] = std::string(end, line.data() + line.size());
      }
      return NextMessage(world);
    }
    case Doing::kRetr: {
      if (!ok) return NextMessage(world);
      const std::string canary = CanaryIn(body);
      if (canary.empty()) return NextMessage(world);
      if (IsNotice(canary)) ledger_.SawNotice(intent_.user, canary, body);
      if (!ledger_.BelongsTo(canary, intent_.user)) ledger_.Violated("O17", name_ + ": a message of somebody else");
      // A UIDL is a name for ever, as a UID is (O10).
      if (!ledger_.Shown({intent_.user, "pop3 " + uidls_[at_], 0, 0}, canary)) {
        ledger_.Violated("O10", name_ + ": UIDL " + uidls_[at_] + " names another message now");
      }
      if (intent_.deletes && world.random().Chance(600)) {
        if (intent_.quits) ledger_.MayBeGone(intent_.user, canary);
        return Say(world, Doing::kDele, "DELE " + std::to_string(at_));
      }
      return NextMessage(world);
    }
    case Doing::kDele:
      return NextMessage(world);
    case Doing::kQuit:
      doing_ = Doing::kDone;
      return;
    case Doing::kDone:
      return ledger_.Violated("O19", name_ + ": a reply after QUIT");
  }
}

void Pop3Client::NextMessage(World& world) {
  if (++at_ <= uidls_.size()) return Say(world, Doing::kRetr, "RETR " + std::to_string(at_));
  if (intent_.quits) return Say(world, Doing::kQuit, "QUIT");
  closed_ = true;
  world.CloseFromClient(*conn_);
}

}  // namespace postern::sim
