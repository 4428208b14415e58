// The programs and files of the simulated host that aliases lead to, and what they got. By the command's first word:
//
//   /sim/take           takes the message and exits with 0
//   /sim/exit N         takes nothing and exits with N
//   /sim/late N         takes the message and exits with N nevertheless
//   /sim/die            is killed by a signal
//   /sim/hang           never ends: its time limit does
//   /sim/moody          one of these each time: take, exit 75, die
//   anything else       is not there
//
// A program goes on when the server dies: its answer is what gets lost. Owner: the world.
#pragma once

#include <string>
#include <vector>

#include "core/boundary/effect.h"
#include "core/boundary/event.h"
#include "sim/world/random.h"

namespace postern::sim {

class HostPrograms {
 public:
  explicit HostPrograms(uint64_t seed) : random_(seed, "host programs") {}

  struct Run {
    std::string target;     // the command's words, or the file
    std::string recipient;  // RECIPIENT of its environment; of a file: ""
    std::string input;
    FileOwner user;
    bool took = false;
    ProgramEnded ended;
    bool told = false;  // the server heard of the end
  };
  const std::vector<Run>& runs() const { return runs_; }

  // The program begins and does its work; the run's place. How long it takes until its end is told says TimeOf.
  size_t Begin(const RunProgram& run);
  Duration TimeOf(size_t run, const RunProgram& program);
  const ProgramEnded& Tell(size_t run) {
    runs_[run].told = true;
    return runs_[run].ended;
  }

 private:
  Random random_;
  std::vector<Run> runs_;
};

}  // namespace postern::sim
