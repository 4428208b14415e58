#include "sim/replay/record_replay.h"

#include <algorithm>
#include <map>
#include <utility>

#include "sim/replay/right_answer.h"

namespace postern::sim {
namespace {

// What a connection said and was asked last, while it logs in.
struct Dialogue {
  std::string prompt;        // the last line sent to it
  std::string client_first;  // SCRAM
};

constexpr size_t kPromptBytesMax = 20'000;

std::string LastLine(const Chain& bytes) {
  if (bytes.size_bytes() > kPromptBytesMax) return "";
  std::string text = bytes.Flatten();
  while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);  // npos + 1 is 0
}

class Replay {
 public:
  explicit Replay(const ShardRecord& record) : record_(record) {}

  // The event to step with: an answer to a challenge made right.
  Event Prepare(const RecordedStep& step, std::string* bytes) {
    const auto* const received = std::get_if<Received>(&step.parsed.event);
    if (received == nullptr) return step.parsed.event;
    const auto found = dialogues_.find(received->conn);
    if (std::string first = FindScramClientFirst(received->bytes); !first.empty()) {
      dialogues_[received->conn].client_first = std::move(first);
    } else if (!step.answered.empty() && found != dialogues_.end()) {
      *bytes = WithRightAnswer(received->bytes, {.mechanism = step.answered,
                                                 .prompt = found->second.prompt,
                                                 .client_first = found->second.client_first,
                                                 .password = record_.stand_in_password});
      return Received{.conn = received->conn, .bytes = *bytes};
    }
    return *received;
  }

  void Note(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      if (const auto* send = std::get_if<Send>(&effect)) {
        dialogues_[send->conn].prompt = LastLine(send->bytes);
      } else if (const auto* close = std::get_if<Close>(&effect)) {
        dialogues_.erase(close->conn);
      } else if (const auto* handoff = std::get_if<Handoff>(&effect)) {
        dialogues_.erase(handoff->conn);
      }
    }
  }

 private:
  const ShardRecord& record_;
  std::map<ConnId, Dialogue> dialogues_;
};

std::optional<RecordDifference> Compare(const RecordedStep& step, const std::vector<Effect>& effects) {
  for (size_t i = 0; i < std::max(step.effects.size(), effects.size()); ++i) {
    std::string recorded = i < step.effects.size() ? step.effects[i] : "",
                ours = i < effects.size() ? FormatEffect(effects[i]) : "";
    if (recorded == ours) continue;
    return RecordDifference{.line = step.line,
                            .now = step.now,
                            .event = step.event,
                            .recorded = std::move(recorded),
                            .ours = std::move(ours)};
  }
  return std::nullopt;
}

}  // namespace

StatusOr<RecordOutcome> ReplayRecord(
    const ShardRecord& record,
    const std::function<StatusOr<std::shared_ptr<const config::Config>>(uint64_t generation)>& load) {
  std::map<uint64_t, std::shared_ptr<const config::Config>> configs;
  const auto config_of = [&](uint64_t generation) -> StatusOr<std::shared_ptr<const config::Config>> {
    auto& config = configs[generation];
    if (config != nullptr) return config;
    auto loaded = load(generation);
    if (loaded.ok()) config = *loaded;
    return loaded;
  };
  ShardOptions options = record.shard;
  auto first = config_of(record.generation);
  if (!first.ok()) return first.status();
  options.config = *std::move(first);
  Shard shard(std::move(options));
  Replay replay(record);
  RecordOutcome outcome;
  for (const RecordedStep& step : record.steps) {
    std::string bytes;
    Event event = replay.Prepare(step, &bytes);
    if (auto* const changed = std::get_if<ConfigChanged>(&event)) {
      auto config = config_of(step.parsed.generation);
      if (!config.ok()) return config.status();
      changed->config = *std::move(config);
    }
    Effects out;
    shard.Step(step.now, event, out);
    const std::vector<Effect> effects = out.Take();
    outcome.difference = Compare(step, effects);
    if (outcome.difference) {
      outcome.difference->step = outcome.steps;
      return outcome;
    }
    replay.Note(effects);
    ++outcome.steps;
  }
  return outcome;
}

}  // namespace postern::sim
