// One seed: a world, its clients and its misfortunes, then healing, then the audit of everything that was promised.
//
//   safety (faults, crashes, clients of all kinds)  ->  liveness (all faults off: every client must be served)
//   ->  audit (the disk and what fresh clients see, against the ledger)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace postern::sim {

// What of a seed's plan is carried out; shrinking leaves parts out.
struct Plan {
  uint64_t seed = 0;
  std::vector<uint32_t> without_clients;  // by their number
  bool without_crashes = false, without_faults = false, without_bad_hosts = false, without_hands = false;
  uint32_t clients_max = 0;  // 0: as the seed draws
  bool tells_all = false;    // the story has every line of the log, not its warnings alone
};

struct Result {
  uint64_t seed = 0;
  uint64_t digest = 0;
  uint64_t events = 0;
  uint32_t clients = 0;
  uint64_t crashes = 0, power_losses = 0;
  uint64_t simulated_seconds = 0;
  std::vector<std::string> violations;  // empty: the seed passes
  std::vector<std::string> story;
};

Result RunSeed(const Plan& plan);

// The shortest plan found whose first violation is of the same oracle. `tried` counts runs.
Plan Shrink(const Plan& plan, const Result& failing, uint32_t* tried);

}  // namespace postern::sim
