#include "core/shard/shard.h"

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdio>
#include <tuple>
#include <utility>
#include <vector>

#include "core/auth/auth_socket_session.h"
#include "core/auth/foreign_auth.h"
#include "core/auth/sasl.h"
#include "core/imap/session.h"
#include "core/mailbox/location.h"
#include "core/outbound/queue_manager.h"
#include "core/pop3/session.h"
#include "core/smtp/session.h"

namespace postern {
namespace {

// Machines that have no connection count down from here.
constexpr uint64_t kFirstAccountMachine = UINT64_MAX - 3;
constexpr MachineId kShardMachine{UINT64_MAX};
constexpr MachineId kQueueMachine{UINT64_MAX - 1};
constexpr MachineId kForeignAuthMachine{UINT64_MAX - 2};
// The shard that delivers, where one does.
constexpr ShardId kDeliveringShard{0};

// An account stays open a while after its last session: a client that polls finds it ready.
constexpr Duration kAccountLinger = Seconds(60);

uint16_t SlotOf(std::string_view user) {
  uint32_t hash = 0x811c9dc5;  // FNV-1a, folded to 16 bits
  for (const char c : user) hash = (hash ^ static_cast<uint8_t>(c)) * 0x01000193;
  return static_cast<uint16_t>(hash ^ hash >> 16);
}

// The machine an event is for; nullopt for those the shard handles itself.
struct Addressee {
  std::optional<MachineId> operator()(const Accepted&) const { return std::nullopt; }
  std::optional<MachineId> operator()(const Received& e) const { return MachineOf(e.conn); }
  std::optional<MachineId> operator()(const Drained& e) const { return MachineOf(e.conn); }
  std::optional<MachineId> operator()(const TlsReady& e) const { return MachineOf(e.conn); }
  std::optional<MachineId> operator()(const PeerClosed& e) const { return MachineOf(e.conn); }
  std::optional<MachineId> operator()(const ConnectDone& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const Adopted&) const { return std::nullopt; }
  std::optional<MachineId> operator()(const TimerFired& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const PlanDone& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const ReadDone& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const ScanDone& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const StatDone& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const DirChanged& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const Answer& e) const { return e.op.machine; }
  std::optional<MachineId> operator()(const Posted&) const { return std::nullopt; }
  std::optional<MachineId> operator()(const ConfigChanged&) const { return std::nullopt; }
  std::optional<MachineId> operator()(const Continue& e) const { return e.machine; }
  std::optional<MachineId> operator()(const Shutdown&) const { return std::nullopt; }
};

}  // namespace

ShardId ShardOf(std::string_view user, uint16_t shard_count) {
  return static_cast<ShardId>(SlotOf(user) % shard_count);
}

class Shard::Impl final : public mailbox::Directory {
 public:
  explicit Impl(ShardOptions options)
      : id_(options.id),
        shard_count_(std::max<uint16_t>(options.shard_count, 1)),
        config_(std::move(options.config)),
        node_(std::move(options.node)),
        entropy_(options.key),
        auth_sockets_{config_, std::max<uint32_t>(node_.pid, 1), auth::PenaltyTable()},
        foreign_auth_(kForeignAuthMachine, std::max<uint32_t>(node_.pid, 1)) {
    if (options.delivers) queue_ = std::make_unique<outbound::QueueManager>(kQueueMachine, config_, *this);
  }

  void Step(Now now, const Event& event, Effects& out) {
    const std::shared_ptr<const config::Config> held = config_;  // a step sees one configuration
    Context context{.now = now, .entropy = entropy_, .config = *held, .out = out};
    if (queue_ != nullptr) queue_->Start(context);  // with the first step
    Dispatch(event, context);
    Settle(context);
  }

  uint64_t StateDigest() const {
    StableDigest digest;
    if (queue_ != nullptr) queue_->AddTo(digest);
    foreign_auth_.AddTo(digest);
    std::vector<MachineId> ids;
    for (const auto& [id, session] : sessions_) ids.push_back(id);
    std::sort(ids.begin(), ids.end());
    for (const MachineId id : ids) {
      digest.Add(static_cast<uint64_t>(id));
      sessions_.at(id).machine->AddTo(digest);
    }
    for (const auto& [user, account] : accounts_) {
      digest.Add(user);
      account->machine.AddTo(digest);
    }
    return digest.value();
  }

  size_t session_count() const { return sessions_.size(); }

  bool quiet() const {
    if (!sessions_.empty() || !foreign_auth_.ended() || (queue_ != nullptr && !queue_->ended())) return false;
    for (const auto& [user, account] : accounts_) {
      if (!account->machine.ended()) return false;
    }
    return true;
  }

  // ---- Directory ----

  StatusOr<mailbox::Account*> Open(std::string_view user, MachineId session, std::string_view service,
                                   Context& context) override {
    auto found = accounts_.find(user);
    if (found == accounts_.end()) {
      auto facts = FactsOf(user, service, context);
      if (!facts.ok()) return facts.status();
      const MachineId id{next_account_machine_--};
      auto account = std::make_unique<OpenAccount>(id, *std::move(facts), node_);
      by_machine_[id] = account.get();
      by_maildir_[account->machine.facts().maildir] = account.get();
      found = accounts_.emplace(std::string(user), std::move(account)).first;
    }
    OpenAccount* account = found->second.get();
    ++account->session_count;
    if (const auto entry = sessions_.find(session); entry != sessions_.end()) entry->second.account = account;
    opening_ = {session, account};
    return &account->machine;
  }

  void Release(std::string_view user, MachineId session, Context& context) override {
    const auto found = accounts_.find(user);
    if (found == accounts_.end()) return;
    OpenAccount* account = found->second.get();
    account->machine.Unselect(session, context);
    touched_.push_back(account);
    if (const auto entry = sessions_.find(session); entry != sessions_.end()) entry->second.account = nullptr;
    if (--account->session_count == 0) {
      context.out.Put(
          SetTimer{.op = {kShardMachine, static_cast<uint64_t>(account->id)}, .at = context.now.mono + kAccountLinger});
    }
  }

  ShardId OwnerOf(std::string_view user) const override { return ShardOf(user, shard_count_); }
  ShardId self() const override { return id_; }

  // The delivering side knows the folder, not the login that reads it: every shard looks whether it has it open.
  void AnnounceArrival(std::string_view user, const Path& mailbox_dir, Context& context) override {
    ArrivedAt(mailbox_dir, context);
    for (uint16_t shard = 0; shard < shard_count_; ++shard) {
      const ShardId to{shard};
      if (to != id_) context.out.Put(Post{.to = to, .letter = postern::Arrived{std::string(user), mailbox_dir}});
    }
  }

  bool Enter(std::string_view service, std::string_view user, const IpAddress& address, uint32_t limit) override {
    uint32_t& count = entered_[{std::string(service), std::string(user), address}];
    if (limit != 0 && count >= limit) return false;
    ++count;
    return true;
  }

  void Leave(std::string_view service, std::string_view user, const IpAddress& address) override {
    const auto found = entered_.find({std::string(service), std::string(user), address});
    if (found != entered_.end() && --found->second == 0) entered_.erase(found);
  }

  void AnnounceQueued(const std::string& id, Context& context) override {
    if (queue_ != nullptr) {
      queue_->OnQueued(id, context);
    } else if (id_ != kDeliveringShard) {
      context.out.Put(Post{.to = kDeliveringShard, .letter = postern::Queued{id}});
    }
  }

  void FlushSite(std::string_view domain, Context& context) override {
    if (queue_ != nullptr) {
      queue_->FlushSite(std::string(domain), context);
    } else if (id_ != kDeliveringShard) {
      context.out.Put(Post{.to = kDeliveringShard, .letter = postern::FlushSite{std::string(domain)}});
    }
  }

  const mailbox::NodeFacts& node() const override { return node_; }

  uint32_t LogPid(ConnId conn) const override {
    return static_cast<uint32_t>(static_cast<uint64_t>(conn) % 4194303 + 1);
  }

  // Tenths of milliseconds since 2020, made to grow, then the shard: twelve digits until 2075.
  std::string NextQueueId(Context& context) override {
    const int64_t since_2020_us = context.now.wall.us - 1577836800 * INT64_C(1000000);
    const uint64_t ticks = since_2020_us > 0 ? static_cast<uint64_t>(since_2020_us) / 100 : 0;
    last_queue_tick_ = std::max(ticks, last_queue_tick_ + 1);
    const uint64_t number = last_queue_tick_ << 4 | (static_cast<uint64_t>(id_) & 15);
    char text[24];
    std::snprintf(text, sizeof text, "%012llX", static_cast<unsigned long long>(number));
    return text;
  }

 private:
  struct OpenAccount {
    OpenAccount(MachineId machine_id, mailbox::AccountFacts facts, const mailbox::NodeFacts& node)
        : id(machine_id), machine(machine_id, std::move(facts), node) {}
    MachineId id;
    mailbox::Account machine;
    uint32_t session_count = 0;
  };
  struct Session {
    std::unique_ptr<Machine> machine;
    mailbox::AccountClient* client = nullptr;         // the same object, where it uses accounts
    auth::VerifierClient* verifier_client = nullptr;  // the same, where another may check its login
    OpenAccount* account = nullptr;
  };

  void Dispatch(const Event& event, Context& context) {
    if (const auto machine = std::visit(Addressee{}, event)) {
      StepMachine(*machine, event, context);
    } else if (const auto* accepted = std::get_if<Accepted>(&event)) {
      Accept(*accepted, context);
    } else if (const auto* adopted = std::get_if<Adopted>(&event)) {
      Adopt(*adopted, context);
      // It was on its way from another shard when the end was told.
      if (stopping_) StepMachine(MachineOf(adopted->conn), Shutdown{}, context);
    } else if (const auto* posted = std::get_if<Posted>(&event)) {
      if (const auto* arrived = std::get_if<postern::Arrived>(&posted->letter))
        ArrivedAt(arrived->mailbox_dir, context);
      if (const auto* queued = std::get_if<postern::Queued>(&posted->letter)) AnnounceQueued(queued->id, context);
      if (const auto* site = std::get_if<postern::FlushSite>(&posted->letter)) FlushSite(site->domain, context);
    } else if (const auto* changed = std::get_if<ConfigChanged>(&event)) {
      config_ = auth_sockets_.config = changed->config;
      if (queue_ != nullptr) queue_->Reconfigure(config_, context);
      foreign_auth_.Reconfigure(*config_);
    } else if (std::holds_alternative<Shutdown>(event)) {
      stopping_ = true;
      if (queue_ != nullptr) queue_->Step(event, context);
      std::vector<MachineId> ids;
      for (const auto& [id, session] : sessions_) ids.push_back(id);
      std::sort(ids.begin(), ids.end());
      for (const MachineId id : ids) StepMachine(id, event, context);
      foreign_auth_.Step(event, context);
    }
  }

  // An event for a machine that has ended meanwhile is dropped: its asker is gone.
  void StepMachine(MachineId id, const Event& event, Context& context) {
    if (const auto session = sessions_.find(id); session != sessions_.end()) {
      stepped_.push_back(id);
      session->second.machine->Step(event, context);
      if (session->second.account != nullptr) touched_.push_back(session->second.account);
    } else if (const auto account = by_machine_.find(id); account != by_machine_.end()) {
      touched_.push_back(account->second);
      account->second->machine.Step(event, context);
    } else if (queue_ != nullptr && (id == kQueueMachine || queue_->Knows(static_cast<ConnId>(id)))) {
      queue_->Step(event, context);
    } else if (id == kForeignAuthMachine || foreign_auth_.Knows(static_cast<ConnId>(id))) {
      foreign_auth_.Step(event, context);
    } else if (const auto* connected = std::get_if<ConnectDone>(&event)) {
      if (connected->status.ok())
        context.out.Put(Close{.conn = connected->conn, .kind = CloseKind::kNow});  // its asker is gone
    } else if (id == kShardMachine) {
      if (const auto* timer = std::get_if<TimerFired>(&event)) CloseAccount(MachineId{timer->op.tag});
    }
  }

  template <class S, class... Args>
  void AddSession(MachineId id, Args&&... args) {
    opening_ = {};
    auto session = std::make_unique<S>(std::forward<Args>(args)...);
    Session entry;
    if constexpr (std::is_base_of_v<mailbox::AccountClient, S>) entry.client = session.get();
    if constexpr (std::is_base_of_v<auth::VerifierClient, S>) entry.verifier_client = session.get();
    entry.machine = std::move(session);
    if (opening_.second != nullptr && opening_.first == id) {  // opened inside its own constructor
      entry.account = opening_.second;
      touched_.push_back(entry.account);
    }
    sessions_[id] = std::move(entry);
    stepped_.push_back(id);
  }

  void Accept(const Accepted& event, Context& context) {
    const auto& listeners = config_->listeners;
    const auto index = static_cast<size_t>(event.peer.listener);
    if (index >= listeners.size()) {
      context.out.Put(Close{.conn = event.conn, .kind = CloseKind::kNow});
      return;
    }
    const MachineId id = MachineOf(event.conn);
    switch (listeners[index].protocol) {
      case config::Protocol::kSmtp:
      case config::Protocol::kLmtp:
        return AddSession<smtp::SmtpSession>(id, event.conn, event, config_, *this, ForeignOf(listeners[index]),
                                             context);
      case config::Protocol::kImap:
        return AddSession<imap::ImapSession>(id, event.conn, event, config_, *this, context);
      case config::Protocol::kPop3:
        return AddSession<pop3::Pop3Session>(id, event.conn, event, config_, *this, context);
      case config::Protocol::kAuth:
        return AddSession<auth::AuthSocketSession>(id, event.conn, &auth_sockets_, context);
    }
  }

  // Who checks the logins of this listener's clients, where it isn't us.
  auth::Verifier* ForeignOf(const config::Listener& listener) {
    return listener.smtp != nullptr && listener.smtp->sasl_socket ? &foreign_auth_.At(*listener.smtp->sasl_socket)
                                                                  : nullptr;
  }

  void Adopt(const Adopted& event, Context& context) {
    const auto& listeners = config_->listeners;
    const auto index = static_cast<size_t>(event.peer.listener);
    const MachineId id = MachineOf(event.conn);
    if (index < listeners.size() && listeners[index].protocol == config::Protocol::kImap) {
      AddSession<imap::ImapSession>(id, event, config_, *this, context);
    } else if (index < listeners.size() && listeners[index].protocol == config::Protocol::kPop3) {
      AddSession<pop3::Pop3Session>(id, event, config_, *this, context);
    } else {
      context.out.Put(Close{.conn = event.conn, .kind = CloseKind::kNow});
    }
  }

  StatusOr<mailbox::AccountFacts> FactsOf(std::string_view user, std::string_view service, Context& context) const {
    const auto found = auth::LookupUser(user, context.config.auth, service);
    if (!found.ok()) return found.status();
    return mailbox::LocateAccount(user, found->home, found->mail, found->uid, found->gid, context.config.storage);
  }

  void ArrivedAt(const Path& mailbox_dir, Context& context) {
    // A sub-folder of Maildir++ (".Sent") belongs to the account of the folder above it.
    std::string_view root = mailbox_dir;
    while (root.size() > 1 && root.back() == '/') root.remove_suffix(1);
    auto found = by_maildir_.find(root);
    if (found == by_maildir_.end()) {
      const size_t slash = root.rfind('/');
      if (slash == std::string_view::npos) return;
      found = by_maildir_.find(root.substr(0, slash));
      if (found == by_maildir_.end()) return;
    }
    touched_.push_back(found->second);
    found->second->machine.Arrived(Path(root), context);
  }

  // Hands completions, changes and verdicts on logins to sessions until none is left, then lets go of what has ended.
  void Settle(Context& context) {
    SettleAccounts(context);
    for (auto told = foreign_auth_.Settle(context); !told.empty(); told = foreign_auth_.Settle(context)) {
      for (auth::VerifierAnswer& answer : told) {
        const auto session = sessions_.find(answer.session);
        if (session == sessions_.end() || session->second.verifier_client == nullptr) continue;
        stepped_.push_back(session->first);
        session->second.verifier_client->OnVerifierAnswer(std::move(answer), context);
      }
      SettleAccounts(context);
    }
    for (const MachineId id : std::exchange(stepped_, {})) {
      const auto session = sessions_.find(id);
      if (session != sessions_.end() && session->second.machine->ended()) sessions_.erase(session);
    }
  }

  void SettleAccounts(Context& context) {
    while (!touched_.empty()) {
      OpenAccount* account = touched_.back();
      touched_.pop_back();
      for (mailbox::Completion& completion : account->machine.TakeCompletions()) {
        const auto session = sessions_.find(completion.ticket.session);
        if (session == sessions_.end() || session->second.client == nullptr) continue;
        stepped_.push_back(session->first);
        mailbox::AccountClient* client = session->second.client;
        client->OnCompletion(completion, context);
        touched_.push_back(account);
      }
      for (const MachineId id : account->machine.TakeChanged()) {
        const auto session = sessions_.find(id);
        if (session == sessions_.end() || session->second.client == nullptr) continue;
        stepped_.push_back(id);
        session->second.client->OnMailboxChanged(context);
        touched_.push_back(account);
      }
    }
  }

  void CloseAccount(MachineId id) {
    const auto found = by_machine_.find(id);
    if (found == by_machine_.end()) return;
    OpenAccount* account = found->second;
    if (account->session_count != 0 || !account->machine.ended()) return;  // Release sets the timer anew
    by_maildir_.erase(account->machine.facts().maildir);
    const std::string user = account->machine.facts().user;
    std::erase(touched_, account);
    by_machine_.erase(found);
    accounts_.erase(user);
  }

  ShardId id_;
  uint16_t shard_count_;
  std::shared_ptr<const config::Config> config_;
  mailbox::NodeFacts node_;
  Entropy entropy_;
  std::unique_ptr<outbound::QueueManager> queue_;  // where this shard delivers
  auth::AuthSocketShared auth_sockets_;
  auth::ForeignAuth foreign_auth_;  // outlives the sessions

  absl::flat_hash_map<MachineId, Session> sessions_;
  std::map<std::string, std::unique_ptr<OpenAccount>, std::less<>> accounts_;  // by user
  absl::flat_hash_map<MachineId, OpenAccount*> by_machine_;
  std::map<std::string, OpenAccount*, std::less<>> by_maildir_;
  std::map<std::tuple<std::string, std::string, IpAddress>, uint32_t> entered_;
  uint64_t next_account_machine_ = kFirstAccountMachine;
  uint64_t last_queue_tick_ = 0;
  bool stopping_ = false;

  // Of the step under way.
  std::pair<MachineId, OpenAccount*> opening_{};
  std::vector<OpenAccount*> touched_;
  std::vector<MachineId> stepped_;
};

Shard::Shard(ShardOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Shard::~Shard() = default;
void Shard::Step(Now now, const Event& event, Effects& out) { impl_->Step(now, event, out); }
uint64_t Shard::StateDigest() const { return impl_->StateDigest(); }
size_t Shard::session_count() const { return impl_->session_count(); }
bool Shard::quiet() const { return impl_->quiet(); }

}  // namespace postern
