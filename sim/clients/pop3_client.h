// A simulated POP3 program: lists, fetches, deletes, and sometimes breaks off before QUIT, which must delete nothing
// (O10).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "sim/campaign/ledger.h"
#include "sim/world/world.h"

namespace postern::sim {

struct Pop3Intent {
  size_t listener = 0;
  IpAddress from;
  std::string user;
  bool deletes = false, quits = true;
};

class Pop3Client final : public Client {
 public:
  Pop3Client(Ledger& ledger, Pop3Intent intent, std::string name);

  bool Begin(World& world);
  void OnBytes(World& world, std::string_view bytes) override;
  void OnTlsReady(World& world) override;
  void OnClosed(World&) override { closed_ = true; }

 private:
  enum class Doing : uint8_t { kGreeting, kStls, kUser, kPass, kUidl, kRetr, kDele, kQuit, kDone };
  void OnReply(World& world, const std::string& status, const std::string& body);
  void Say(World& world, Doing doing, std::string_view command);
  void NextMessage(World& world);

  Ledger& ledger_;
  Pop3Intent intent_;
  std::string name_;
  std::optional<ConnId> conn_;
  std::string input_;
  Doing doing_ = Doing::kGreeting;
  bool tls_ = false, closed_ = false;
  std::map<uint32_t, std::string> uidls_;
  uint32_t at_ = 0;
};

}  // namespace postern::sim
