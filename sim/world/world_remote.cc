// The world's part about whom the server connects to, and about folders that somebody watches.
#include <algorithm>
#include <deque>
#include <memory>
#include <utility>

#include "sim/world/world.h"

namespace postern::sim {
namespace {

// How long the system itself tries to connect.
constexpr Duration kSystemPatience = Seconds(127);

// The other party's end of one connection: gives its session what arrives, and sends what the session says, in order.
class RemoteLink final : public Client {
 public:
  RemoteLink(std::shared_ptr<RemoteParty> host, ConnId conn, Now now, uint64_t process)
      : host_(std::move(host)), conn_(conn), session_(host_->Open(now.mono, process)) {}

  void Begin(World& world) {
    RemoteActions out;
    session_->OnConnected(&out);
    Schedule(world, std::move(out));
  }
  void OnBytes(World& world, std::string_view bytes) override {
    if (session_ == nullptr) return;
    RemoteActions out;
    session_->OnBytes(bytes, world.now().mono, &out);
    Schedule(world, std::move(out));
  }
  void OnTlsReady(World&) override {
    if (session_ != nullptr) session_->OnTls();
  }
  void OnClosed(World&) override { session_.reset(); }
  void OnRead(size_t bytes) override {
    read_bytes_ += bytes;
    while (!settles_.empty() && settles_.front().first <= read_bytes_) {
      host_->ReplyTold(settles_.front().second);
      settles_.pop_front();
    }
  }

 private:
  void Schedule(World& world, RemoteActions actions) {
    for (RemoteAction& action : actions) {
      at_ = std::max(at_, world.now().mono) + action.delay;
      if (at_ == world.now().mono) {
        Perform(world, action);
      } else {
        world.After((at_ - world.now().mono).ns,
                    [this, &world, action = std::move(action)] { Perform(world, action); });
      }
    }
  }
  void Perform(World& world, const RemoteAction& action) {
    if (session_ == nullptr) return;
    switch (action.kind) {
      case RemoteAction::Kind::kSay:
        sent_bytes_ += action.text.size();
        for (const size_t index : action.settles) settles_.emplace_back(sent_bytes_, index);
        return world.SendToServer(conn_, action.text);
      case RemoteAction::Kind::kTlsUp:
        return world.BeginTls(conn_);
      case RemoteAction::Kind::kClose:
      case RemoteAction::Kind::kTlsBreaks:
        session_.reset();
        return world.CloseFromClient(conn_);
    }
  }

  std::shared_ptr<RemoteParty> host_;
  const ConnId conn_;
  std::unique_ptr<RemoteDialogue> session_;  // null: over
  Instant at_;                               // when the last of its actions is due
  uint64_t sent_bytes_ = 0, read_bytes_ = 0;
  std::deque<std::pair<uint64_t, size_t>> settles_;  // once so many bytes are read
};

std::string_view FolderOf(std::string_view path) { return path.substr(0, path.rfind('/')); }

}  // namespace

void World::PerformConnect(size_t shard, const postern::Connect& connect) {
  std::shared_ptr<RemoteParty> host;
  Peer peer;
  auto certificate = std::make_shared<const CertificateFacts>();
  if (const auto* endpoint = std::get_if<Endpoint>(&connect.to)) {
    if (const auto found = remote_hosts_.find(endpoint->address); found != remote_hosts_.end()) host = found->second;
    if (const auto shown = certificates_.find(endpoint->address); shown != certificates_.end())
      certificate = shown->second;
    peer.remote = *endpoint;
    peer.local.address = connect.from.value_or(IpAddress{.v6 = endpoint->address.v6});
    peer.local.port = static_cast<uint16_t>(32768 + next_conn_ % 28000);
  } else {
    const auto found = remote_sockets_.find(std::get<Path>(connect.to));
    if (found == remote_sockets_.end()) {
      AfterForProcess(RemoteLatency(), [this, shard, op = connect.op] {
        StepShard(shard, ConnectDone{.op = op, .status = NotFound("No such file or directory")});
      });
      return;
    }
    host = found->second;
  }
  const auto welcome = host == nullptr ? RemoteParty::Welcome::kRefuses : host->welcome();
  if (welcome == RemoteParty::Welcome::kNoAnswer) {
    const Duration patience = connect.patience.ns == 0 ? kSystemPatience : std::min(connect.patience, kSystemPatience);
    AfterForProcess(patience.ns, [this, shard, op = connect.op] {
      StepShard(shard, ConnectDone{.op = op, .status = Error(StatusCode::kDeadlineExceeded, "Connection timed out")});
    });
    return;
  }
  if (welcome == RemoteParty::Welcome::kRefuses) {
    AfterForProcess(RemoteLatency(), [this, shard, op = connect.op] {
      StepShard(shard, ConnectDone{.op = op, .status = Unavailable("Connection refused")});
    });
    return;
  }
  AfterForProcess(RemoteLatency(), [this, shard, op = connect.op, host, peer, certificate] {
    const ConnId conn{next_conn_++};
    auto link = std::make_unique<RemoteLink>(host, conn, now_, process_);
    RemoteLink* const end = link.get();
    remote_links_.push_back(std::move(link));
    connections_[conn] =
        Connection{.client = end, .shard = shard, .peer = peer, .outgoing = true, .certificate = certificate};
    end->Begin(*this);
    StepShard(shard, ConnectDone{.op = op, .status = {}, .conn = conn, .local = peer.local});
  });
}

void World::Plant(const Path& path, std::string bytes, uint32_t owner_uid) {
  disk_.Plant(path, std::move(bytes), now_.wall.seconds(), owner_uid);
  TellWatchersOf(path);
}

void World::TellWatchersOf(std::string_view path) {
  if (!up()) return;
  for (const auto& [key, dirs] : watches_) {
    if (!dirs.contains(Path(FolderOf(path)))) continue;
    AfterForProcess(RemoteLatency(), [this, key = key] {
      if (watches_.contains(key)) StepShard(key.first, DirChanged{.op = key.second});
    });
  }
}

void World::TellWatchers(const FileOp& op) {
  if (watches_.empty()) return;
  if (const auto* create = std::get_if<Create>(&op)) return TellWatchersOf(create->path);
  if (const auto* unlink = std::get_if<Unlink>(&op)) return TellWatchersOf(unlink->path);
  if (const auto* retire = std::get_if<Retire>(&op)) return TellWatchersOf(retire->path);
  if (const auto* link = std::get_if<Link>(&op)) return TellWatchersOf(link->to);
  if (const auto* rename = std::get_if<Rename>(&op)) {
    TellWatchersOf(rename->from);
    TellWatchersOf(rename->to);
  }
}

}  // namespace postern::sim
