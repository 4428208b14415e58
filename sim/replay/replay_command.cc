#include "sim/replay/replay_command.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/replay/compare.h"
#include "sim/replay/record_replay.h"
#include "sim/replay/reviewed.h"
#include "sim/replay/session_files.h"
#include "sim/replay/session_player.h"
#include "sim/replay/stand_in_certificate.h"

namespace postern::sim {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kEqual = 0, kDifferent = 1, kUnusable = 2;

// Under `label`, each line indented; "(nothing)" for none.
std::string Indented(std::string_view label, std::string_view text) {
  std::string all = "  " + std::string(label) + "\n";
  if (text.empty()) return all + "    (nothing)\n";
  for (const std::string_view line : LinesOf(text)) all += "    " + std::string(line) + "\n";
  return all;
}

std::string FirstLine(std::string_view text) { return std::string(text.substr(0, text.find_first_of("\r\n"))); }

class ReplayRun {
 public:
  ReplayRun(const ReplayOptions& options, std::string* out, std::string* errors)
      : options_(options), out_(out), errors_(errors) {}

  int Run() {
    if (!options_.reviewed.empty()) {
      auto text = ReadWholeFile(options_.reviewed);
      if (!text.ok()) return Unusable(text.status());
      auto reviewed = ParseReviewed(*text);
      if (!reviewed.ok()) return Unusable(reviewed.status());
      reviewed_ = *std::move(reviewed);
    }
    int worst = kEqual;
    for (const std::string& file : options_.files) worst = std::max(worst, RunFile(file));
    if (options_.json) {
      const Json whole{{"files", files_},
                       {"status", worst == kEqual       ? "equal"
                                  : worst == kDifferent ? "different"
                                                        : "unusable"}};
      *out_ = whole.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
    }
    return worst;
  }

 private:
  int Unusable(const Status& status) {
    *errors_ += "postern: " + std::string(Message(status)) + "\n";
    return kUnusable;
  }

  int RunFile(const std::string& file) {
    const auto text = ReadWholeFile(file);
    if (!text.ok()) return Unusable(text.status());
    return IsShardRecord(*text) ? RunRecord(file, *text) : RunSession(file);
  }

  // ---- a session with another server ----

  int RunSession(const std::string& file) {
    const auto session = ReadRecordedSession(file);
    if (!session.ok()) return Unusable(session.status());
    const auto played = PlaySession(
        *session, {.seed = options_.seed, .shard_count = options_.shard_count, .split_reads = options_.split_reads});
    if (!played.ok())
      return Unusable(Error(played.status().code(), file + ": " + std::string(Message(played.status()))));
    size_t different = 0, reviewed = 0;
    Json list = Json::array();
    for (const Difference& difference : CompareSession(session->recording.protocol, *played)) {
      const ReviewedDifference* const known = FindReviewed(reviewed_, session->recording.name, difference);
      ++(known == nullptr ? different : reviewed);
      list.push_back({{"turn", difference.turn},
                      {"command", difference.command},
                      {"recorded", difference.recorded},
                      {"ours", difference.ours},
                      {"reviewed", known == nullptr ? Json() : Json(known->reason)}});
      if (options_.json || (options_.quiet && known != nullptr)) continue;
      *out_ += session->recording.name + ", turn " + std::to_string(difference.turn) + ": " + difference.command +
               "\n" + Indented("recorded:", difference.recorded) + Indented("ours:", difference.ours);
      if (known != nullptr) *out_ += "  reviewed: " + known->reason + "\n";
    }
    files_.push_back({{"file", file},
                      {"kind", "session"},
                      {"turns", played->turns.size()},
                      {"equal", different == 0},
                      {"differences", list}});
    if (!options_.json && !(options_.quiet && different == 0)) {
      *out_ += session->recording.name + ": " + std::to_string(played->turns.size()) + " turns, " +
               std::to_string(different) + " different, " + std::to_string(reviewed) + " reviewed\n";
    }
    return different == 0 ? kEqual : kDifferent;
  }

  // ---- what a shard of ours saw ----

  int RunRecord(const std::string& file, const std::string& text) {
    const auto record = ParseShardRecord(text);
    if (!record.ok())
      return Unusable(Error(record.status().code(), file + ": " + std::string(Message(record.status()))));
    const std::string pem = MakeStandInCertificate(record->shard.node.host_name);
    const auto load = [&](uint64_t generation) -> StatusOr<std::shared_ptr<const config::Config>> {
      const fs::path path = fs::path(file).parent_path() / ("host-" + std::to_string(generation) + ".rec");
      const auto host = ReadWholeFile(path);
      if (!host.ok()) return host.status();
      auto config = LoadRecordedHost(*host, generation, pem);
      return config.ok() ? config
                         : Error(config.status().code(), path.string() + ": " + std::string(Message(config.status())));
    };
    const auto outcome = ReplayRecord(*record, load);
    if (!outcome.ok()) return Unusable(outcome.status());
    Json list = Json::array();
    if (outcome->difference) {
      const RecordDifference& d = *outcome->difference;
      list.push_back({{"step", d.step},
                      {"line", d.line},
                      {"mono_ns", d.now.mono.ns},
                      {"wall_us", d.now.wall.us},
                      {"event", d.event},
                      {"recorded", d.recorded},
                      {"ours", d.ours}});
      if (!options_.json) {
        *out_ += file + ":" + std::to_string(d.line) + ": step " + std::to_string(d.step) + ": " +
                 FirstLine(d.event).substr(0, 300) + "\n" + Indented("recorded:", d.recorded) +
                 Indented("ours:", d.ours);
      }
    }
    files_.push_back({{"file", file},
                      {"kind", "record"},
                      {"steps", record->steps.size()},
                      {"steps_made", outcome->steps},
                      {"cut_off", record->cut_off},
                      {"equal", !outcome->difference.has_value()},
                      {"differences", list}});
    if (!options_.json && !(options_.quiet && !outcome->difference)) {
      *out_ += file + ": " + std::to_string(outcome->steps) + " of " + std::to_string(record->steps.size()) +
               " steps equal" + (record->cut_off ? ", the last one is cut off" : "") + "\n";
    }
    return outcome->difference ? kDifferent : kEqual;
  }

  const ReplayOptions& options_;
  std::string* const out_;
  std::string* const errors_;
  std::vector<ReviewedDifference> reviewed_;
  Json files_ = Json::array();
};

}  // namespace

int RunReplayCommand(const ReplayOptions& options, std::string* out, std::string* errors) {
  return ReplayRun(options, out, errors).Run();
}

}  // namespace postern::sim
