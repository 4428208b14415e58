// What a name of the local class stands for (aliases(5), as local(8) follows it): one recipient becomes those its alias
// names, through aliases of aliases and :include: lists, until all of them belong elsewhere. Nobody of the local class
// has a mailbox here: a name that is no alias is unknown.
//
//   name of the alias maps, with its extension or without it
//     --> addresses elsewhere            members, from owner-NAME where there is one
//     --> names of the local class       again
//     --> itself                         the user of that name: unknown
//     --> an alias or list on its own way there, or more than kAliasNestingMax of them: a loop (5.4.6)
//     --> "|command", "/file"            a member of its own under the name whose alias it is, where
//                                        config::LocalPrograms allows it; else refused (5.7.1)
//
// What can't be reached is said beside what can: the others get their mail, the sender hears of the rest. An alias
// reached twice counts once. No recursion on the stack; work is bounded by the files' sizes and kAliasMembersMax.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/base/status.h"
#include "core/config/settings.h"
#include "core/routing/address.h"
#include "core/routing/program_target.h"

namespace postern::routing {

inline constexpr size_t kAliasNestingMax = 100;    // local(8)'s own limit
inline constexpr size_t kAliasMembersMax = 10000;  // Deviation: local(8) has none. It bounds what one RCPT costs

struct LocalMember {
  Mailbox address;  // complete; of a program or file: the name of the local class that it stands under
  std::optional<ProgramTarget> program;
  std::optional<Mailbox> sender;  // owner-NAME: what its copies are sent from; nullopt: nothing of the kind
  std::vector<Mailbox> passed;    // names of the local class on the way, the recipient first
};
struct LocalFailure {
  Mailbox address;
  std::string status;  // RFC 3463
  std::string text;
  std::optional<Mailbox> sender;
  std::vector<Mailbox> passed;
};
struct LocalExpansion {
  std::vector<LocalMember> members;
  std::vector<LocalFailure> failures;
};

// `is_local`: is the address one that aliases are asked for? kUnavailable: more members than kAliasMembersMax.
StatusOr<LocalExpansion> ExpandLocalAliases(const Mailbox& mailbox, const std::function<bool(const Mailbox&)>& is_local,
                                            const config::Routing& routing);

}  // namespace postern::routing
