#include "sim/clients/imap_client.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "sim/campaign/setting.h"

namespace postern::sim {
namespace {

bool HasFlag(const imap::Value& list, std::string_view flag) {
  return std::any_of(list.items.begin(), list.items.end(), [&](const imap::Value& v) { return v.text == flag; });
}

}  // namespace

ImapClient::ImapClient(Ledger& ledger, ImapIntent intent, std::string name)
    : ledger_(ledger), intent_(std::move(intent)), name_(std::move(name)), reader_(true) {}

bool ImapClient::Begin(World& world) {
  conn_ = world.Connect(this, intent_.listener, intent_.from);
  tls_ = intent_.listener == kImaps;
  return conn_.has_value();
}

void ImapClient::OnClosed(World&) {
  closed_ = true;
  ledger_.Tell(name_ + ": connection ended");
}

void ImapClient::Violated(std::string_view oracle, const std::string& what) {
  ledger_.Tell(name_ + ": " + std::string(oracle) + " broken: " + what);
  ledger_.Violated(oracle, name_ + ": " + what);
}

void ImapClient::OnBytes(World& world, std::string_view bytes) {
  if (closed_) return;
  std::vector<imap::Response> responses;
  const bool good = reader_.Feed(bytes, &responses);
  for (const imap::Response& response : responses) {
    if (closed_) return;
    OnResponse(world, response);
  }
  if (!good) Violated("O19", "not IMAP: " + reader_.error());
}

void ImapClient::Say(World& world, Doing doing, std::string_view command) {
  doing_ = doing;
  tag_ = "a" + std::to_string(++tags_);
  ledger_.Tell(name_ + ": " + tag_ + " " + std::string(command.substr(0, 80)));
  world.SendToServer(*conn_, tag_ + " " + std::string(command) + "\r\n");
}

void ImapClient::OnResponse(World& world, const imap::Response& response) {
  switch (response.kind) {
    case imap::Response::Kind::kGreeting:
      if (doing_ != Doing::kGreeting) return Violated("O19", "a second greeting");
      if (response.condition == "BYE") return;
      if (!tls_) {
        if (response.code.arguments.find("AUTH=PLAIN") != std::string::npos) Violated("O15", "AUTH=PLAIN before TLS");
        Say(world, Doing::kStartTls, "STARTTLS");
        if (intent_.injects_after_starttls) world.SendToServer(*conn_, "injected NOOP\r\n");
        return;
      }
      return LogIn(world);
    case imap::Response::Kind::kContinuation:
      if (doing_ == Doing::kAppend) {
        // A slow line: others are at work while the literal comes.
        if (world.random().Chance(500)) return world.SendToServer(*conn_, append_body_ + "\r\n");
        world.After(static_cast<int64_t>(world.random().Below(static_cast<uint64_t>(Seconds(40).ns))),
                    [this, &world, tag = tag_] {
                      if (!closed_ && tag == tag_) world.SendToServer(*conn_, append_body_ + "\r\n");
                    });
        return;
      }
      if (doing_ == Doing::kIdle) {
        idling_ = true;
        world.After(static_cast<int64_t>(world.random().Below(static_cast<uint64_t>(Seconds(30).ns))),
                    [this, &world, tag = tag_] {
                      if (closed_ || !idling_ || tag != tag_) return;
                      idling_ = false;
                      world.SendToServer(*conn_, "DONE\r\n");
                    });
        return;
      }
      return Violated("O19", "an unexpected continuation");
    case imap::Response::Kind::kUntagged:
      return OnUntagged(world, response);
    case imap::Response::Kind::kTagged:
      if (response.tag == "injected") return Violated("O15", "answered to plaintext behind STARTTLS");
      if (response.tag != tag_) return Violated("O19", "tag " + response.tag + " instead of " + tag_);
      ledger_.Tell(name_ + ": " + response.tag + " " + response.condition + " " + response.text.substr(0, 60));
      return OnTagged(world, response);
  }
}

void ImapClient::OnTlsReady(World& world) {
  tls_ = true;
  LogIn(world);
}

void ImapClient::LogIn(World& world) {
  Say(world, Doing::kLogin, "LOGIN " + intent_.user + " " + PasswordOf(intent_.user));
  if (!intent_.hurries) return;
  doing_ = Doing::kHurriedLogin;  // RFC 3501 section 5.5: what follows is answered after it
  world.SendToServer(*conn_, "a" + std::to_string(tags_ + 1) + " NOOP\r\n");
}

void ImapClient::OnUntagged(World& world, const imap::Response& response) {
  if (response.condition == "BYE" && response.text.find("inactivity") != std::string::npos && doing_ != Doing::kIdle) {
    return Violated("O20", tag_ + " was never answered");
  }
  if (!response.condition.empty()) {
    uint64_t number = 0;
    const std::string& text = response.code.arguments;
    std::from_chars(text.data(), text.data() + text.size(), number);
    if (response.code.name == "UIDVALIDITY") {
      uidvalidity_ = static_cast<uint32_t>(number);
      if (!ledger_.UidValiditySeen(intent_.user, selecting_, uidvalidity_)) Violated("O5", "UIDVALIDITY went back");
    } else if (response.code.name == "UIDNEXT" && uidvalidity_ != 0) {
      if (!ledger_.UidNextSeen(intent_.user, selecting_, uidvalidity_, number))
        Violated("O5", "UIDNEXT went back to " + text);
    } else if (response.code.name == "HIGHESTMODSEQ" && uidvalidity_ != 0) {
      if (!ledger_.ModseqSeen(intent_.user, selecting_, uidvalidity_, number))
        Violated("O7", "HIGHESTMODSEQ went back to " + text);
    }
    return;
  }
  if (response.name == "EXISTS") {
    if (*response.number < rows_.size()) return Violated("O8", "EXISTS shrank");
    rows_.resize(*response.number);
  } else if (response.name == "EXPUNGE") {
    // RFC 3501 section 7.4.1: never while a command that uses numbers is under way. Our STORE is UID STORE, which may.
    if (doing_ == Doing::kFetch) Violated("O8", "EXPUNGE during FETCH");
    if (*response.number == 0 || *response.number > rows_.size()) return Violated("O8", "EXPUNGE of no message");
    rows_.erase(rows_.begin() + static_cast<ptrdiff_t>(*response.number - 1));
  } else if (response.name == "FETCH") {
    OnFetch(world, response);
  }
}

void ImapClient::OnFetch(World&, const imap::Response& response) {
  if (*response.number == 0 || *response.number > rows_.size()) return Violated("O8", "FETCH of no message");
  Row& row = rows_[*response.number - 1];
  if (const imap::Value* uid = response.Attribute("UID")) {
    if (row.uid != 0 && row.uid != uid->number)
      Violated("O8", "number " + std::to_string(*response.number) + " changed its UID");
    row.uid = static_cast<uint32_t>(uid->number);
  }
  OnFlags(row, response);
  const imap::Value* body = response.Attribute("BODY[]");
  if (body == nullptr) return;
  row.canary = CanaryIn(body->text);
  if (row.uid == 0 || row.canary.empty()) return;
  if (IsNotice(row.canary)) ledger_.SawNotice(intent_.user, row.canary, body->text);
  seen_[row.uid] = row.canary;
  if (!ledger_.Shown({intent_.user, mailbox_, uidvalidity_, row.uid}, row.canary)) {
    Violated("O6", "UID " + std::to_string(row.uid) + " names another message now");
  }
  if (!ledger_.BelongsTo(row.canary, intent_.user)) Violated("O17", "a message of somebody else: " + row.canary);
  const imap::Value* flags = response.Attribute("FLAGS");
  if (flags != nullptr && HasFlag(*flags, "\\Flagged") && !ledger_.MayBeFlagged(intent_.user, row.canary)) {
    Violated("O7", "\\Flagged on a message that nobody flagged");
  }
}

// RFC 7162 section 3.1: flags that differ have a greater mod-sequence.
void ImapClient::OnFlags(Row& row, const imap::Response& response) {
  const imap::Value* modseq = response.Attribute("MODSEQ");
  if (modseq != nullptr && modseq->items.empty()) Violated("O9", "MODSEQ without a value");
  const imap::Value* flags = response.Attribute("FLAGS");
  if (modseq == nullptr || modseq->items.empty() || flags == nullptr) return;
  std::vector<std::string> names;
  for (const imap::Value& flag : flags->items) {
    if (flag.text != "\\Recent") names.push_back(flag.text);
  }
  std::sort(names.begin(), names.end());
  std::string told;
  for (const std::string& name : names) told += name + " ";
  const uint64_t now = modseq->items.front().number;
  if (row.modseq != 0 && (now < row.modseq || (now == row.modseq && told != row.flags))) {
    Violated("O9", "UID " + std::to_string(row.uid) + " changed, and its MODSEQ is " + std::to_string(now));
  }
  row.flags = told;
  row.modseq = now;
}

// What this client appended is among what it was shown since.
void ImapClient::CheckAppended() {
  for (const auto& [uid, canary] : appended_) {
    if (ledger_.IsMaybeGone(intent_.user, canary)) continue;
    if (std::none_of(rows_.begin(), rows_.end(), [uid = uid](const Row& row) { return row.uid == uid; })) {
      return Violated("O8", "UID " + std::to_string(uid) + " was appended and is not shown");
    }
  }
}

void ImapClient::OnTagged(World& world, const imap::Response& response) {
  const bool ok = response.condition == "OK";
  switch (doing_) {
    case Doing::kStartTls:
      if (ok) world.BeginTls(*conn_);
      return;
    case Doing::kLogin:
      logged_in_ = ok;
      break;
    case Doing::kHurriedLogin:
      logged_in_ = ok;
      if (!ok) break;
      doing_ = Doing::kNoop;
      tag_ = "a" + std::to_string(++tags_);
      return;
    case Doing::kFetch:
      if (ok) CheckAppended();
      break;
    case Doing::kSelect:
      mailbox_ = ok ? selecting_ : "";
      if (!ok) rows_.clear();
      break;
    case Doing::kStore:
      if (ok) {
        for (const uint32_t uid : flagging_) {
          const auto row = std::find_if(rows_.begin(), rows_.end(), [&](const Row& r) { return r.uid == uid; });
          if (row != rows_.end() && !row->canary.empty()) {
            ledger_.Flagged(intent_.user, mailbox_, uidvalidity_, uid, row->canary, world.power_loss_count());
          }
        }
      }
      break;
    case Doing::kAppend:
      if (!ok) break;
      ledger_.Appended(intent_.user, append_canary_);
      if (mailbox_ == "INBOX" && response.code.name == "APPENDUID") {
        const size_t blank = response.code.arguments.find(' ');
        uint32_t uid = 0;
        std::from_chars(response.code.arguments.data() + blank + 1,
                        response.code.arguments.data() + response.code.arguments.size(), uid);
        appended_[uid] = append_canary_;
      }
      break;
    case Doing::kLogout:
      finished_ = true;
      return;
    default:
      break;
  }
  if (!logged_in_) {
    closed_ = true;
    return world.CloseFromClient(*conn_);
  }
  Next(world);
}

void ImapClient::Next(World& world) {
  Random& random = world.random();
  if (intent_.reads_all) {
    if (selecting_.empty()) return selecting_ = "INBOX", Say(world, Doing::kSelect, "SELECT INBOX (CONDSTORE)");
    if (mailbox_.empty()) return Violated("liveness", "INBOX can't be selected in a healthy world");
    if (doing_ == Doing::kSelect && !rows_.empty())
      return Say(world, Doing::kFetch, "FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[])");
    return Say(world, Doing::kLogout, "LOGOUT");
  }
  if (intent_.aborts && random.Chance(100)) {
    closed_ = true;
    return world.CloseFromClient(*conn_);
  }
  if (done_commands_++ >= intent_.commands) return Say(world, Doing::kLogout, "LOGOUT");
  if (mailbox_.empty() || random.Chance(100)) {
    const bool archive = !random.Chance(800);
    if (archive && random.Chance(500))
      return Say(world, Doing::kCreate, "CREATE Archive");  // what is selected stays so
    selecting_ = archive ? "Archive" : "INBOX";
    rows_.clear();
    appended_.clear();
    uidvalidity_ = 0;
    return Say(world, Doing::kSelect, "SELECT " + selecting_ + (random.Chance(500) ? " (CONDSTORE)" : ""));
  }
  const uint64_t draw = random.Below(100);
  std::vector<const Row*> known;
  for (const Row& row : rows_) {
    if (row.uid != 0 && !row.canary.empty()) known.push_back(&row);
  }
  if (draw < 25 || (known.empty() && !rows_.empty() && draw < 70)) {
    if (rows_.empty()) return Say(world, Doing::kNoop, "NOOP");
    return Say(world, Doing::kFetch,
               random.Chance(500) ? "FETCH 1:* (UID FLAGS BODY.PEEK[])" : "FETCH 1:* (UID FLAGS MODSEQ BODY.PEEK[])");
  }
  if (draw < 45 && !known.empty()) {
    const Row& row = *known[random.Below(known.size())];
    flagging_.clear();
    if (random.Chance(500)) {
      flagging_.push_back(row.uid);
      ledger_.MayFlag(intent_.user, row.canary);
      return Say(world, Doing::kStore, "UID STORE " + std::to_string(row.uid) + " +FLAGS (\\Flagged)");
    }
    return Say(world, Doing::kStore,
               "UID STORE " + std::to_string(row.uid) + (random.Chance(500) ? " +FLAGS.SILENT" : " -FLAGS") +
                   " (\\Seen $Work)");
  }
  if (draw < 52 && !known.empty()) {
    const Row& row = *known[random.Below(known.size())];
    ledger_.MayBeGone(intent_.user, row.canary);
    flagging_.clear();
    return Say(world, Doing::kStore, "UID STORE " + std::to_string(row.uid) + " +FLAGS.SILENT (\\Deleted)");
  }
  if (draw < 60) return Say(world, Doing::kExpunge, "EXPUNGE");
  if (draw < 68 && !known.empty()) {
    const Row& row = *known[random.Below(known.size())];
    ledger_.MayBeCopied(intent_.user, row.canary);
    ledger_.MayBeCopied(intent_.user, row.canary);  // a crash in the middle may leave one more
    return Say(world, Doing::kCopy,
               "UID COPY " + std::to_string(row.uid) + " " + (random.Chance(500) ? "INBOX" : "Archive"));
  }
  if (draw < 78) {
    append_canary_ = "canary-" + std::to_string(random.Next()) + "-";
    append_body_ = "From: <a@example.test>\r\nSubject: " + append_canary_ + "\r\n\r\n" +
                   std::string(random.Below(2000), 'y') + "\r\n";
    ledger_.MayAppend(intent_.user, append_canary_, append_body_);
    return Say(world, Doing::kAppend, "APPEND INBOX (\\Seen) {" + std::to_string(append_body_.size()) + "}");
  }
  if (draw < 86) return Say(world, Doing::kIdle, "IDLE");
  if (draw < 92) return Say(world, Doing::kStatus, "STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)");
  return Say(world, Doing::kNoop, "NOOP");
}

}  // namespace postern::sim
