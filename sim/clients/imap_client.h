// A simulated IMAP program: keeps the picture of a mailbox that the server's own words give it, and holds the server to
// them. Every byte goes through the strict client codec (O19); numbers, UIDs, flags and bodies go into the ledger.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/client_codec.h"
#include "sim/campaign/ledger.h"
#include "sim/world/world.h"

namespace postern::sim {

struct ImapIntent {
  size_t listener = 0;
  IpAddress from;
  std::string user;
  uint32_t commands = 8;
  bool reads_all = false;  // the audit: selects INBOX, fetches everything, logs out
  bool aborts = false;     // breaks off somewhere
  bool hurries = false;    // does not wait for the answer to LOGIN
  bool injects_after_starttls = false;
};

class ImapClient final : public Client {
 public:
  ImapClient(Ledger& ledger, ImapIntent intent, std::string name);

  bool Begin(World& world);
  void OnBytes(World& world, std::string_view bytes) override;
  void OnTlsReady(World& world) override;
  void OnClosed(World& world) override;

  bool finished() const { return finished_; }  // said LOGOUT and was answered
  // UID -> canary of what the audit saw in INBOX.
  const std::map<uint32_t, std::string>& seen() const { return seen_; }
  uint32_t uidvalidity() const { return uidvalidity_; }

 private:
  enum class Doing : uint8_t {
    kGreeting,
    kStartTls,
    kLogin,
    kHurriedLogin,
    kSelect,
    kFetch,
    kStore,
    kExpunge,
    kCopy,
    kAppend,
    kNoop,
    kCreate,
    kStatus,
    kIdle,
    kLogout
  };
  struct Row {
    uint32_t uid = 0;
    std::string canary;
    std::string flags;    // as last told, without \Recent
    uint64_t modseq = 0;  // as last told with them; 0: never
  };

  void OnResponse(World& world, const imap::Response& response);
  void OnTagged(World& world, const imap::Response& response);
  void OnUntagged(World& world, const imap::Response& response);
  void OnFetch(World& world, const imap::Response& response);
  void LogIn(World& world);
  void OnFlags(Row& row, const imap::Response& response);
  void CheckAppended();
  void Say(World& world, Doing doing, std::string_view command);
  void Next(World& world);
  void Violated(std::string_view oracle, const std::string& what);

  Ledger& ledger_;
  ImapIntent intent_;
  std::string name_;
  std::optional<ConnId> conn_;
  imap::ResponseReader reader_;
  Doing doing_ = Doing::kGreeting;
  std::string tag_;
  uint32_t tags_ = 0, done_commands_ = 0;
  bool tls_ = false, logged_in_ = false, finished_ = false, closed_ = false, idling_ = false, moving_ = false;
  std::string mailbox_, selecting_;
  uint32_t uidvalidity_ = 0;
  std::vector<Row> rows_;
  std::string append_body_;
  std::string append_canary_;
  std::map<uint32_t, std::string> appended_;  // UID -> canary of what was put into the mailbox that is selected
  std::vector<uint32_t> flagging_;            // UIDs whose \Flagged is being set
  std::map<uint32_t, std::string> seen_;
};

}  // namespace postern::sim
