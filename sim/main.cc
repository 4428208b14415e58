// postern-sim: runs seeds of the simulated world, and makes failing ones short.
#include <CLI/CLI.hpp>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cmd/completion.h"
#include "core/boundary/planted.h"
#include "sim/campaign/campaign.h"
#include "sim/campaign/planted.h"
#include "sim/replay/replay_app.h"

namespace {

using postern::sim::Plan;
using postern::sim::Result;

struct Options {
  std::string seeds, planted;
  uint64_t shrink = 0;
  bool has_shrink = false, list_planted = false, check_determinism = false;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
};

void PrintFailure(const Result& result) {
  std::printf("seed %llu FAILED: %u clients, %llu crashes (%llu of power), %llu events\n",
              static_cast<unsigned long long>(result.seed), result.clients,
              static_cast<unsigned long long>(result.crashes), static_cast<unsigned long long>(result.power_losses),
              static_cast<unsigned long long>(result.events));
  for (const std::string& violation : result.violations) std::printf("  %s\n", violation.c_str());
}

void PrintStory(const Result& result) {
  for (const std::string& line : result.story) std::printf("    %s\n", line.c_str());
}

bool ParseRange(const std::string& text, uint64_t* first, uint64_t* last) {
  const size_t dots = text.find("..");
  char* end = nullptr;
  *first = std::strtoull(text.c_str(), &end, 10);
  *last = dots == std::string::npos ? *first : std::strtoull(text.c_str() + dots + 2, &end, 10);
  return !text.empty() && *last >= *first;
}

// Returns the number of failing seeds; with `stop_at_first` the search ends there.
uint64_t RunRange(const Options& options, uint64_t first, uint64_t last, bool stop_at_first) {
  std::atomic<uint64_t> next{first}, failed{0}, events{0}, done{0};
  std::mutex print;
  const auto start = std::chrono::steady_clock::now();
  const auto work = [&] {
    for (uint64_t seed = next++; seed <= last && !(stop_at_first && failed > 0); seed = next++) {
      Result result = postern::sim::RunSeed(Plan{.seed = seed, .tells_all = first == last});
      if (options.check_determinism && postern::sim::RunSeed(Plan{.seed = seed}).digest != result.digest) {
        result.violations.push_back("O22: two runs of the seed differ");
      }
      events += result.events;
      const uint64_t count = ++done;
      const std::lock_guard lock(print);
      if (!result.violations.empty()) {
        ++failed;
        PrintFailure(result);
        if (first == last) PrintStory(result);
      }
      if (count % 500 == 0) std::fprintf(stderr, "%llu seeds\n", static_cast<unsigned long long>(count));
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.jobs; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  std::printf("%llu seeds, %llu failed, %.1f seeds/s, %.0f events/s\n", static_cast<unsigned long long>(done.load()),
              static_cast<unsigned long long>(failed.load()), static_cast<double>(done) / seconds,
              static_cast<double>(events) / seconds);
  return failed;
}

int RunShrink(uint64_t seed) {
  const Result failing = postern::sim::RunSeed(Plan{.seed = seed});
  if (failing.violations.empty()) {
    std::printf("seed %llu passes: nothing to shrink\n", static_cast<unsigned long long>(seed));
    return 2;
  }
  uint32_t tried = 0;
  Plan shortest = postern::sim::Shrink(Plan{.seed = seed}, failing, &tried);
  shortest.tells_all = true;
  const Result result = postern::sim::RunSeed(shortest);
  PrintFailure(result);
  std::printf("  after %u runs: %zu of %u clients left out%s%s%s%s\n", tried, shortest.without_clients.size(),
              failing.clients, shortest.without_crashes ? ", no crashes" : "",
              shortest.without_faults ? ", no faults" : "", shortest.without_bad_hosts ? ", good hosts far away" : "",
              shortest.without_hands ? ", hands off the queue" : "");
  PrintStory(result);
  return 1;
}

int RunReplay(const postern::sim::ReplayOptions& options) {
  std::string out, errors;
  const int status = postern::sim::RunReplayCommand(options, &out, &errors);
  std::fwrite(errors.data(), 1, errors.size(), stderr);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Runs Postern's shards in a simulated world with crashes and checks what was promised.", "postern-sim"};
  Options options;
  app.add_option("--seeds", options.seeds, "seeds to run: A..B, or one; without it 1..2000")->type_name("A..B");
  auto* shrink =
      app.add_option("--shrink", options.shrink, "make this failing seed short and print its story")->type_name("SEED");
  app.add_flag("--list-planted", options.list_planted, "name the planted bugs (mutants preset)");
  app.add_option("--planted", options.planted,
                 "switch this planted bug on; exits 1 when a seed finds it (mutants preset)")
      ->type_name("NAME");
  app.add_flag("--check-determinism", options.check_determinism, "run every seed twice and compare");
  app.add_option("--jobs,-j", options.jobs, "threads; without it one a processor")->type_name("N");
  postern::sim::ReplayOptions replay_options;
  const CLI::App* const replay = postern::sim::AddReplay(app, &replay_options);
  std::string shell;
  const CLI::App* const completion = postern::cmd::AddCompletion(app, &shell);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (replay->parsed()) return RunReplay(replay_options);
  if (completion->parsed()) return std::fputs(postern::cmd::CompletionScript(app, shell).c_str(), stdout) < 0 ? 1 : 0;
  options.has_shrink = shrink->count() > 0;

  if (options.list_planted) {
    for (const std::string_view name : postern::sim::kPlantedBugs)
      std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
    return 0;
  }
  if (!options.planted.empty()) {
#ifdef POSTERN_MUTANTS
    postern::planted_bug = options.planted;
#else
    std::fprintf(stderr, "postern-sim: planted bugs are compiled in only by the mutants preset\n");
    return 2;
#endif
  }
  if (options.has_shrink) return RunShrink(options.shrink);
  uint64_t first = 1, last = 2000;
  if (!options.seeds.empty() && !ParseRange(options.seeds, &first, &last)) {
    std::fprintf(stderr, "postern-sim: --seeds wants A..B\n");
    return 2;
  }
  return RunRange(options, first, last, !options.planted.empty()) == 0 ? 0 : 1;
}
