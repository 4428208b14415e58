// The hosts far away of one seed: draws them, their DNS and how the queue is set up, watches the way there, heals them,
// and holds what came of the mail against the laws of mail that goes out (outbound_oracles.h). All its chance is its
// own: what else a seed draws does not depend on it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/config/settings.h"
#include "sim/campaign/by_hand.h"
#include "sim/campaign/ledger.h"
#include "sim/campaign/outbound_oracles.h"
#include "sim/remote/remote_host.h"
#include "sim/world/world.h"

namespace postern::sim {

class FarAway {
 public:
  // `all_well`: every host and name is good from the beginning, `hands_off`: nobody touches the queue (shrinking leaves
  // them out). `faults`: of the world; what a bad disk may forget depends on them.
  FarAway(uint64_t seed, bool all_well, bool hands_off, const Faults& faults);

  // Relay host, times and limits of the queue.
  void Shape(config::Config* setting);
  // Its hosts and names, and whether mail goes out. Before World::Start().
  void Enter(World& world);
  // What people do to the queue meanwhile. `crashes`: when processes will end.
  void BeginByHand(Ledger& ledger, const std::vector<Instant>& crashes);
  // Whom ETRN may name; empty: nobody says it.
  std::vector<std::string> etrn_sites() const {
    return by_hand_.works() && goes_out_ ? sites() : std::vector<std::string>();
  }
  // Who is written to there.
  const std::vector<std::string>& addresses() const { return addresses_; }

  // Of every step, in order.
  void Watch(Now now, const Event& event, const std::vector<Effect>& effects);
  // From here on every host is well, but in those seeds in which the queue has to do without.
  void Heal();
  // In the end, when all that waits has had the time to go. False: some waits still, and may go at any time.
  bool Audit(Ledger& ledger);

 private:
  struct Domain {
    std::string name;
    ZoneKind kind = ZoneKind::kOneMx;
    bool lmtp = false;  // transport_maps names its hosts, and nobody asks for its MX
    std::vector<IpAddress> addresses;
  };
  struct Traffic {  // connections to one destination
    uint32_t open = 0, most = 0;
  };

  void DrawDomain(size_t number);
  void AddHost(IpAddress address, const std::string& name, RemoteBehaviour behaviour);
  std::vector<std::string> sites() const;
  void RouteOverLmtp(config::Config* setting) const;
  void WatchProcess(Now now);
  void WatchPlan(const FilePlan& plan, Now now);
  void OpenTo(const IpAddress& address, OpId op);
  void CloseTo(ConnId conn);
  std::string DestinationOf(const IpAddress& address) const;
  OutboundFacts Facts(Ledger& ledger) const;
  std::vector<AskedByHand> AskedByPeople(const Ledger& ledger) const;

  const uint64_t seed_;
  const bool all_well_;
  Random random_, lmtp_;
  ByHand by_hand_;
  World* world_ = nullptr;
  bool goes_out_ = true, heals_ = true;
  bool slow_ = false;  // some host is, until it heals
  std::vector<Domain> domains_;
  std::string relayhost_;
  std::vector<std::string> addresses_;
  std::map<IpAddress, std::shared_ptr<RemoteHost>> hosts_;
  Limits limits_;
  uint32_t concurrency_limit_ = 20;
  bool destination_is_recipient_ = false;

  // What was seen.
  OutboundFacts seen_;  // notices, ends of processes
  std::vector<Tried> tries_;
  Instant last_event_;
  uint64_t power_losses_ = 0;
  std::map<std::string, Traffic> traffic_;
  std::map<OpId, std::string> connecting_;
  std::map<ConnId, std::string> connected_;
};

}  // namespace postern::sim
