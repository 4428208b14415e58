#include "core/routing/program_target.h"

namespace postern::routing {
namespace {

using config::AliasTarget;

constexpr std::string_view kInAlias = "alias:", kInList = "include:";

}  // namespace

std::string_view TransportOf(const ProgramTarget& program) {
  return program.target.kind == AliasTarget::Kind::kCommand ? kCommandTransport : kFileTransport;
}

std::string NexthopOf(const ProgramTarget& program) {
  return std::string(program.in_list ? kInList : kInAlias) + program.target.text;
}

std::optional<ProgramTarget> ParseProgramTarget(std::string_view transport, std::string_view nexthop) {
  if (!IsProgramTransport(transport)) return std::nullopt;
  ProgramTarget program;
  program.target.kind = transport == kCommandTransport ? AliasTarget::Kind::kCommand : AliasTarget::Kind::kFile;
  program.in_list = nexthop.starts_with(kInList);
  const std::string_view front = program.in_list ? kInList : kInAlias;
  if (!nexthop.starts_with(front) || nexthop.size() == front.size()) return std::nullopt;
  program.target.text = nexthop.substr(front.size());
  return program;
}

}  // namespace postern::routing
