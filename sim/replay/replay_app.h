// The options of `postern replay` and `postern-sim replay`, which are one: the first hands its words to the second.
#pragma once

#include <CLI/CLI.hpp>

#include "sim/replay/replay_command.h"

namespace postern::sim {

inline CLI::App* AddReplay(CLI::App& app, ReplayOptions* options) {
  CLI::App* const replay =
      app.add_subcommand("replay", "say what differs between recordings and what this program does");
  replay->add_option("files", options->files, "NAME.jsonl of a session with other servers, or shard-N.rec of ours")
      ->required()
      ->type_name("FILE");
  replay->add_option("--reviewed", options->reviewed, "a list of differences of sessions that are known, with reasons")
      ->type_name("FILE");
  replay->add_flag("--json", options->json, "one JSON object instead of lines");
  replay->add_flag("--quiet,-q", options->quiet, "nothing about what is equal or reviewed");
  replay->add_option("--seed", options->seed, "of the simulated world that sessions are played in")
      ->type_name("N")
      ->capture_default_str();
  replay->add_option("--shards", options->shard_count, "in that world")
      ->type_name("N")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  replay->add_flag("--split-reads", options->split_reads, "what clients say arrives in small pieces");
  return replay;
}

}  // namespace postern::sim
