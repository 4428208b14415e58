#include "core/config/parameters_document.h"

#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "core/config/registry.h"

namespace postern::config {
namespace {

constexpr char kHead[] = R"(# Postfix's parameters

What becomes of every parameter of Postfix 3.7 (`postconf -d`). Made by `postern check --parameters` from the registry that the
configuration is read with (core/config/registry*.cc); do not edit it by hand.

- **honoured**: it does what postconf(5) says; docs/differences.md has what is different on purpose.
- **no effect**: accepted, and there is nothing here that it could act on. Set, it is a notice (`setting-without-effect`).
- **not supported**: accepted, and what it asks for is not done; nobody is less safe for it and no mail goes elsewhere. Set to another
  value than its default, it is a notice (`setting-unsupported-harmless`).
- **refused**: it protects somebody, or decides where mail goes, and that cannot be done. Set to another value than its default, it stops
  the start (`setting-unsupported`).

)";

std::string_view NameOf(SettingEffect effect) {
  switch (effect) {
    case SettingEffect::kHonoured:
      return "honoured";
    case SettingEffect::kNoEffect:
      return "no effect";
    case SettingEffect::kHarmless:
      return "not supported";
    case SettingEffect::kProtects:
      return "refused: protects";
    case SettingEffect::kChangesMail:
      return "refused: changes mail";
  }
  return "";
}

// A cell of a table: "|" would end it.
std::string Cell(std::string_view text) {
  std::string cell;
  for (const char c : text) cell += c == '|' ? std::string("\\|") : std::string(1, c);
  return cell;
}

void AppendTable(const std::vector<const ParameterFacts*>& parameters, std::string* out) {
  *out += "| parameter | what becomes of it | meaning, or why |\n| --- | --- | --- |\n";
  for (const ParameterFacts* facts : parameters) {
    *out += "| `" + std::string(facts->name) + "` | " + std::string(NameOf(facts->effect)) + " | " +
            Cell(facts->meaning) + " |\n";
  }
}

}  // namespace

std::string ParametersDocument() {
  const std::vector<const ParameterFacts*> all = AllPostfixParameters();
  std::array<size_t, 5> counts{};
  for (const ParameterFacts* facts : all) ++counts[static_cast<size_t>(facts->effect)];
  const auto count = [&counts](SettingEffect effect) { return std::to_string(counts[static_cast<size_t>(effect)]); };
  std::string out = kHead;
  out += std::to_string(all.size()) + " names: " + count(SettingEffect::kHonoured) + " honoured, " +
         count(SettingEffect::kNoEffect) + " without effect, " + count(SettingEffect::kHarmless) + " not supported, " +
         std::to_string(counts[static_cast<size_t>(SettingEffect::kProtects)] +
                        counts[static_cast<size_t>(SettingEffect::kChangesMail)]) +
         " refused. Names of later versions are among them.\n\n";
  AppendTable(all, &out);
  out += "\n## Of transports that master.cf defines\n\nTRANSPORT is a service's name.\n\n";
  std::vector<const ParameterFacts*> of_transports;
  for (const ParameterFacts& facts : TransportParameters()) of_transports.push_back(&facts);
  AppendTable(of_transports, &out);
  out += "\n## Postern's own\n\n";
  std::vector<const ParameterFacts*> own;
  for (const ParameterFacts& facts : OwnParameters()) own.push_back(&facts);
  AppendTable(own, &out);
  return out;
}

}  // namespace postern::config
