// Planted bugs: real mistakes, compiled in only under POSTERN_MUTANTS, that prove the simulator's oracles see them.
// PLANTED("name") is false in every other build and costs nothing. docs/simulator.md lists them.
#pragma once

#ifdef POSTERN_MUTANTS
#include <string_view>

namespace postern {
// The one planted bug that is switched on in this process; empty: none. Set by the simulator before a run.
inline std::string_view planted_bug;
}  // namespace postern
#define PLANTED(name) (::postern::planted_bug == std::string_view(name))
#else
#define PLANTED(name) (false)
#endif
