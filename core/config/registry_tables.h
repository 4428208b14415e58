// The registry's raw data, one function a file of it; only registry.cc asks.
#pragma once

#include <span>
#include <string_view>

#include "core/config/registry.h"

namespace postern::config {

// Sorted by name within each and from one to the next.
std::span<const ParameterFacts> PostfixParametersA();
std::span<const ParameterFacts> PostfixParametersM();
std::span<const ParameterFacts> PostfixParametersS();
std::span<const ParameterFacts> DovecotSettingsTable();

struct SectionKeys {
  std::string_view type;
  std::string_view keys;  // each followed by a blank
};
std::span<const SectionKeys> DovecotSectionsTable();

}  // namespace postern::config
