// A mail host far away, as bad as hosts are: a small SMTP (RFC 5321) or LMTP (RFC 2033) server with a behaviour. Values
// go in, actions come out: a test drives it against the client's dialogue, World lays a network in between.
//
//   OnConnected ---> greeting ---> commands <---> STARTTLS ... OnTls
//                                  |    ^
//                       DATA, 354  v    | every reply after the dot
//                                 message ------> taken: it is in taken(), whether or not the reply reaches anybody
//
// The host keeps books (taken()): what it took is what must never be told of as failed. A reply counts as told only
// once whoever drives the host says that the client has read it (ReplyTold): a message may come again only where it
// wasn't.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/time.h"
#include "sim/remote/remote_party.h"
#include "sim/world/random.h"

namespace postern::sim {

enum class RemoteKind : uint8_t {
  kGood,
  kGreylists,     // 451 the first time for a sender and recipient
  kRefusesSome,   // 550 for some recipients, always the same ones
  kLosesReplies,  // takes the message and goes, now and then, before its reply has left
  kHalfOpen,      // accepts the connection and never speaks
  kSlow,          // replies late, in pieces, now and then later than anybody waits
  kLies,          // refuses what it offered
  kBreaksTls,     // offers STARTTLS, and refuses it, or breaks the handshake
  kClosesAnywhere,
  kRefusesConnections,
  kDropsPackets,        // connecting takes for ever
  kTooManyConnections,  // 421 beyond a few
  kTalksEarly,          // answers before it is asked
  kAnswersBadly,        // `code` at `stage`
};
inline constexpr size_t kRemoteKindCount = 14;
std::string_view ToString(RemoteKind kind);  // "greylists"

enum class RemoteStage : uint8_t { kGreeting, kHello, kMail, kRcpt, kData, kEndOfData };

struct RemoteBehaviour {
  RemoteKind kind = RemoteKind::kGood;
  RemoteStage stage = RemoteStage::kRcpt;  // of kAnswersBadly
  int code = 451;                          // of kAnswersBadly: 4xx or 5xx
  bool lmtp = false;
  bool offers_tls = true, offers_pipelining = true, offers_eight_bit = true, offers_dsn = true;
  uint32_t connections_max = 2;  // of kTooManyConnections
};
// Any behaviour, as `random` draws.
RemoteBehaviour DrawBehaviour(Random& random);

// One recipient of a message that the host has taken: it is the host's from now on.
struct Taken {
  std::string sender, recipient;  // as in MAIL and RCPT, without brackets; sender empty: the null reverse-path
  std::shared_ptr<const std::string> message;  // CRLF line ends, dots unstuffed
  Instant at;
  uint64_t process = 0;     // of the client (World counts them)
  bool reply_told = false;  // the client has read that it was taken
};

class RemoteSession;

// Owns the books; must outlive its sessions.
class RemoteHost final : public RemoteParty {
 public:
  RemoteHost(std::string name, RemoteBehaviour behaviour, uint64_t seed)
      : name_(std::move(name)), behaviour_(behaviour), random_(seed, "remote host " + name_) {}

  Welcome welcome() const override;
  // `process`: who connects, for the books.
  std::unique_ptr<RemoteSession> Accept(Instant now, uint64_t process);
  std::unique_ptr<RemoteDialogue> Open(Instant now, uint64_t process) override;

  // From now on it behaves well; what it refused for good it goes on refusing, and its books stay.
  void Heal();
  // For good: the same answer every time, so that a law can tell a right bounce from a wrong one.
  bool Refuses(std::string_view recipient) const;
  // Over LMTP some recipients are judged after the dot (RFC 2033 section 4.2), always the same ones.
  bool JudgesAfterTheDot(std::string_view recipient) const;
  void ReplyTold(size_t index) override { taken_[index].reply_told = true; }

  const std::string& name() const { return name_; }
  const RemoteBehaviour& behaviour() const { return behaviour_; }
  const std::vector<Taken>& taken() const { return taken_; }
  // What clients did that no client may: commands that are none, eight bits that were not agreed on.
  const std::vector<std::string>& complaints() const { return complaints_; }
  uint32_t open_connections() const { return open_connections_; }
  uint32_t open_connections_seen_max() const { return open_connections_seen_max_; }

 private:
  friend class RemoteSession;

  std::string name_;
  RemoteBehaviour behaviour_;
  Random random_;
  std::vector<Taken> taken_;
  std::set<std::pair<std::string, std::string>> greylisted_;
  std::vector<std::string> complaints_;
  uint32_t open_connections_ = 0, open_connections_seen_max_ = 0;
};

// The server's side of one connection.
class RemoteSession final : public RemoteDialogue {
 public:
  RemoteSession(RemoteHost& host, Instant now, uint64_t process);
  ~RemoteSession() override;
  RemoteSession(const RemoteSession&) = delete;
  RemoteSession& operator=(const RemoteSession&) = delete;

  void OnConnected(RemoteActions* out) override;
  void OnBytes(std::string_view bytes, Instant now, RemoteActions* out) override;
  void OnTls() override;
  bool closed() const { return closed_; }

 private:
  void OnLine(std::string_view line, RemoteActions* out);
  void OnMail(std::string_view line, RemoteActions* out);
  void OnRcpt(std::string_view line, RemoteActions* out);
  void OnMessageLine(std::string_view line, RemoteActions* out);
  void OnEndOfData(RemoteActions* out);
  // A reply that ends it for this recipient, with its line end; empty: there is nothing against it.
  std::string Refusal(const std::string& recipient);
  void AnswerEach(const std::vector<std::string>& recipients, RemoteActions* out);
  void OnStartTls(RemoteActions* out);
  std::string Greeting() const;
  std::string HelloReply() const;
  // kAnswersBadly and kLies at a stage: its reply instead of ours.
  bool AnswersBadly(RemoteStage stage, RemoteActions* out);
  void Say(std::string text, RemoteActions* out, std::vector<size_t> settles = {});
  void CloseNow(RemoteActions* out);
  void Complain(std::string what);

  RemoteHost& host_;
  const RemoteBehaviour behaviour_;  // a session ends as it began
  const uint64_t process_;
  Instant now_;
  std::string unread() const { return input_.substr(read_bytes_); }

  std::string input_;
  size_t read_bytes_ = 0;  // of it
  bool greeted_ = false, tls_ = false, closed_ = false, in_message_ = false, silent_ = false;
  bool mail_ = false, eight_bit_ = false, extended_hello_ = false;
  std::string sender_;
  std::vector<std::string> recipients_;
  std::string message_;
};

}  // namespace postern::sim
