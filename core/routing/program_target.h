// A command or file that an alias names, as a recipient's way through the queue: the words that take a transport's and
// a next hop's places there. No name that master.cf or transport_maps could give is one of them.
//
//   "(command)"  "alias:CMD"    a command that the alias itself names       "include:CMD"  that a list it includes
//   names
//   "(file)"     "alias:/PATH"                                              "include:/PATH"
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/config/alias_targets.h"

namespace postern::routing {

inline constexpr std::string_view kCommandTransport = "(command)", kFileTransport = "(file)";

struct ProgramTarget {
  config::AliasTarget target;  // kCommand or kFile
  bool in_list = false;        // allow_mail_to_commands, allow_mail_to_files: "include" decides, not "alias"
  bool operator==(const ProgramTarget&) const = default;
};

inline bool IsProgramTransport(std::string_view transport) {
  return transport == kCommandTransport || transport == kFileTransport;
}
std::string_view TransportOf(const ProgramTarget& program);
std::string NexthopOf(const ProgramTarget& program);
// nullopt: the transport is another, or the next hop is none of these.
std::optional<ProgramTarget> ParseProgramTarget(std::string_view transport, std::string_view nexthop);

}  // namespace postern::routing
