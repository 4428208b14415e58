#include "sim/replay/session_player.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "sim/replay/challenge_answer.h"
#include "sim/world/world.h"

namespace postern::sim {
namespace {

// Longer than the simulated disk's and network's stalls, shorter than any timer of a session but those of failed
// logins.
constexpr Duration kSettle = Seconds(12);
constexpr uint64_t kSettleStepsMax = 1'000'000;

std::optional<size_t> ListenerAt(const config::Config& config, uint16_t port_digits) {
  for (size_t i = 0; i < config.listeners.size(); ++i) {
    if (config.listeners[i].endpoint.port % 1000 == port_digits) return i;
  }
  return std::nullopt;
}

// Brings one message in from outside, a step at each reply.
class Sender final : public Client {
 public:
  explicit Sender(const std::string& recipient)
      : lines_{"EHLO elsewhere.example.org\r\n",
               "MAIL FROM:<>\r\n",
               "RCPT TO:<" + recipient + ">\r\n",
               "DATA\r\n",
               "Subject: came meanwhile\r\n\r\nx\r\n.\r\n",
               "QUIT\r\n"} {}
  void set_conn(ConnId conn) { conn_ = conn; }
  void OnBytes(World& world, std::string_view bytes) override {
    input_ += bytes;
    // The last line of a reply has no hyphen behind its code.
    for (size_t end = input_.find('\n'); end != std::string::npos; end = input_.find('\n')) {
      const bool last = end > 3 && input_[3] == ' ';
      input_.erase(0, end + 1);
      if (last && next_ < lines_.size()) world.SendToServer(conn_, lines_[next_++]);
    }
  }
  void OnClosed(World&) override {}

 private:
  const std::vector<std::string> lines_;
  size_t next_ = 0;
  std::string input_;
  ConnId conn_{};
};

class Player final : public Client {
 public:
  Player(const RecordedSession& session, const PlayOptions& options)
      : session_(session),
        world_(options.seed, session.config, options.shard_count,
               Faults{.split_reads = options.split_reads ? 300u : 0u}),
        answers_(*session.config, session.recording.protocol) {}

  StatusOr<Played> Play();

  void OnBytes(World&, std::string_view bytes) override { played_.turns.back().ours += bytes; }
  void OnTlsReady(World&) override { tls_ready_ = true; }
  void OnClosed(World&) override { played_.closed = true; }

 private:
  void PlantMail();
  void FromClient(const RecordedChunk& chunk);
  void FromServer(const RecordedChunk& chunk);
  void Settle() { world_.RunUntil(world_.now().mono + kSettle, kSettleStepsMax); }
  std::string LastLine() const;
  void SendMailFromElsewhere();

  const RecordedSession& session_;
  World world_;
  ChallengeAnswer answers_;
  Played played_;
  ConnId conn_{};
  bool server_spoke_ = true;  // since the client's last bytes
  bool tls_ready_ = false;
  bool idle_ = false;
  std::vector<std::unique_ptr<Sender>> senders_;
};

StatusOr<Played> Player::Play() {
  const auto listener = ListenerAt(*session_.config, session_.recording.port_digits());
  if (!listener) return FailedPrecondition("the configuration has no listener for " + session_.recording.listener);
  PlantMail();
  world_.Start();
  played_.turns.emplace_back();
  const auto conn = world_.Connect(this, *listener, *IpAddress::Parse("127.0.0.1"));
  if (!conn) return FailedPrecondition("no connection");
  conn_ = *conn;
  bool first = true;
  for (const RecordedChunk& chunk : session_.recording.chunks) {
    if (chunk.tls) {
      Settle();
      if (!first) world_.BeginTls(conn_);  // otherwise the listener's own
      Settle();
    } else if (chunk.from_client) {
      FromClient(chunk);
    } else {
      FromServer(chunk);
    }
    first = false;
  }
  Settle();
  const bool closed = played_.closed;
  world_.CloseFromClient(conn_);
  Settle();
  played_.closed = closed;
  return std::move(played_);
}

void Player::PlantMail() {
  const std::string& root = session_.config->routing.virtual_mailbox_base;
  for (const ArchivedFile& file : session_.mail_root) {
    const std::string path = root + "/" + file.path;
    if (file.is_dir) {
      world_.disk().Apply(MakeDir{.path = path}, file.mtime_seconds).IgnoreError();
    } else {
      world_.disk().Plant(path, file.bytes, file.mtime_seconds);
    }
  }
}

void Player::FromClient(const RecordedChunk& chunk) {
  if (std::exchange(server_spoke_, false)) {
    Settle();
    played_.turns.emplace_back();
  }
  const bool secret = answers_.in_exchange();
  world_.SendToServer(conn_, answers_.Translate(chunk.bytes, LastLine()));
  std::string& shown = played_.turns.back().client;
  std::string_view rest = secret ? std::string_view("***\r\n") : std::string_view(chunk.bytes);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find("\r\n"), rest.size());
    const std::string_view line = rest.substr(0, end);
    shown += WithoutSecrets(line, session_.recording.protocol) + "\r\n";
    if (session_.recording.protocol == config::Protocol::kImap) idle_ = line.ends_with(" IDLE");
    rest.remove_prefix(std::min(end + 2, rest.size()));
  }
}

void Player::FromServer(const RecordedChunk& chunk) {
  server_spoke_ = true;
  played_.turns.back().recorded += chunk.bytes;
  answers_.OnRecordedServer(chunk.bytes);
  if (!idle_ || chunk.bytes.find(" EXISTS\r\n") == std::string::npos) return;
  Settle();
  SendMailFromElsewhere();
  Settle();
}

// The last whole line that the shard sent, in this turn or before.
std::string Player::LastLine() const {
  for (auto turn = played_.turns.rbegin(); turn != played_.turns.rend(); ++turn) {
    std::string_view said = turn->ours;
    if (!said.ends_with("\r\n")) continue;
    said.remove_suffix(2);
    const size_t before = said.rfind('\n');
    return std::string(before == std::string_view::npos ? said : said.substr(before + 1));
  }
  return "";
}

void Player::SendMailFromElsewhere() {
  const auto listener = ListenerAt(*session_.config, 25);
  if (!listener) return;
  senders_.push_back(std::make_unique<Sender>(answers_.user()));
  if (const auto conn = world_.Connect(senders_.back().get(), *listener, *IpAddress::Parse("127.0.0.1"))) {
    senders_.back()->set_conn(*conn);
  }
}

}  // namespace

StatusOr<Played> PlaySession(const RecordedSession& session, const PlayOptions& options) {
  Player player(session, options);
  return player.Play();
}

}  // namespace postern::sim
