// Runs a fuzz target without libFuzzer: every seed as it is, then a fixed number of inputs made of seeds, cut, joined
// and changed by a generator with a fixed start. Any compiler builds it, so that each `scripts/test` holds the targets'
// laws; what looks for new paths through the code is scripts/fuzz. usage: TARGET_fixed CORPUS_FOLDER RUNS MAX_BYTES a
// broken law ends it; the input is then in fixed_runs-TARGET.input
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

std::string Changed(const std::vector<std::string>& seeds, size_t bytes_max, std::mt19937_64& random) {
  const auto below = [&random](size_t n) { return n == 0 ? size_t{0} : static_cast<size_t>(random() % n); };
  std::string input = seeds[below(seeds.size())];
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const std::string& other = seeds[below(seeds.size())];
    const size_t at = below(input.size() + 1), from = below(other.size() + 1);
    switch (below(5)) {
      case 0:
        input.insert(at, other, from, below(64));
        break;
      case 1:
        input.erase(at, below(16));
        break;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(random());
        break;
      case 3:
        input = input.substr(0, at) + other.substr(from);
        break;
      default:
        input.insert(at, input.substr(at, below(32)));
        break;
    }
  }
  if (input.size() > bytes_max) input.resize(bytes_max);
  return input;
}

void Run(const std::string& input, const std::string& kept) {
  std::ofstream(kept, std::ios::binary | std::ios::trunc) << input;  // still there where it ends the process
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return std::fprintf(stderr, "usage: %s CORPUS_FOLDER RUNS MAX_BYTES\n", argv[0]), 64;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream file(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  if (seeds.empty()) return std::fprintf(stderr, "no seeds in %s\n", argv[1]), 64;
  const std::string kept = "fixed_runs-" + std::filesystem::path(argv[1]).filename().string() + ".input";
  for (const std::string& seed : seeds) Run(seed, kept);
  std::mt19937_64 random(1);
  const long runs = std::strtol(argv[2], nullptr, 10);
  const size_t bytes_max = std::strtoul(argv[3], nullptr, 10);
  for (long run = 0; run < runs; ++run) Run(Changed(seeds, bytes_max, random), kept);
  std::filesystem::remove(kept);
  std::printf("%zu seeds, %ld runs\n", seeds.size(), runs);
  return 0;
}
