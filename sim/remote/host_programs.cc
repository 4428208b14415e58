#include "sim/remote/host_programs.h"

#include <cstdlib>
#include <string_view>

namespace postern::sim {
namespace {

using How = ProgramEnded::How;

ProgramEnded EndOf(std::string_view name, int number, bool* took) {
  if (name == "/sim/take") return *took = true, ProgramEnded{.how = How::kExited};
  if (name == "/sim/late") return *took = true, ProgramEnded{.how = How::kExited, .number = number};
  if (name == "/sim/exit")
    return {.how = How::kExited, .number = number, .output = "exits with " + std::to_string(number)};
  if (name == "/sim/die") return {.how = How::kKilled, .number = 11};
  if (name == "/sim/hang") return {.how = How::kTimedOut};
  return {.how = How::kNotStarted, .output = "execvp: No such file or directory"};
}

}  // namespace

size_t HostPrograms::Begin(const RunProgram& program) {
  Run run{.input = program.input.Flatten(), .user = program.user};
  for (const std::string& setting : program.environment) {
    if (setting.starts_with("RECIPIENT=")) run.recipient = setting.substr(10);
  }
  if (!program.append_to.empty()) {
    run.target = program.append_to;
    run.took = true;
    run.ended = {.how = How::kExited};
  } else {
    for (const std::string& word : program.argv) run.target += (run.target.empty() ? "" : " ") + word;
    std::string_view name = program.argv[0];
    int number = program.argv.size() > 1 ? std::atoi(program.argv[1].c_str()) : 0;
    if (name == "/sim/moody") {
      static constexpr std::string_view kMoods[] = {"/sim/take", "/sim/exit", "/sim/die", "/sim/take"};
      name = kMoods[random_.Below(std::size(kMoods))];
      number = 75;
    }
    run.ended = EndOf(name, number, &run.took);
  }
  runs_.push_back(std::move(run));
  return runs_.size() - 1;
}

Duration HostPrograms::TimeOf(size_t run, const RunProgram& program) {
  if (runs_[run].ended.how == How::kTimedOut) return program.time_limit;
  return Milliseconds(1 + static_cast<int64_t>(random_.Below(3000)));
}

}  // namespace postern::sim
