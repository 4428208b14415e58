#include "cmd/check.h"

#include <array>
#include <nlohmann/json.hpp>

#include "core/config/parameters_document.h"
#include "core/config/sasl_socket.h"
#include "core/notice/settings_from_config.h"

namespace postern::cmd {
namespace {

using config::Finding;
using config::FindingSeverity;
using config::Loaded;

std::string_view NameOf(FindingSeverity severity) {
  switch (severity) {
    case FindingSeverity::kNotice:
      return "notice";
    case FindingSeverity::kWarning:
      return "warning";
    case FindingSeverity::kError:
      return "error";
  }
  return "error";
}

std::string FormatLine(const Finding& finding) {
  std::string line = finding.file;
  if (finding.line > 0) line += ":" + std::to_string(finding.line);
  if (!line.empty()) line += ": ";
  if (finding.security) line += "security ";
  line += std::string(NameOf(finding.severity)) + ": " + finding.what + "\n";
  line += "  mend: " + finding.mend + "  [" + finding.id + "]\n";
  return line;
}

std::string Count(size_t count, std::string_view word) {
  return std::to_string(count) + " " + std::string(word) + (count == 1 ? "" : "s");
}

std::string FormatJson(const Loaded& loaded, bool quiet) {
  nlohmann::ordered_json findings = nlohmann::ordered_json::array();
  for (const Finding& finding : loaded.findings) {
    if (quiet && finding.severity == FindingSeverity::kNotice) continue;
    findings.push_back({{"id", finding.id},
                        {"severity", std::string(NameOf(finding.severity))},
                        {"security", finding.security},
                        {"file", finding.file},
                        {"line", finding.line},
                        {"what", finding.what},
                        {"mend", finding.mend}});
  }
  nlohmann::ordered_json logins = nlohmann::ordered_json::array();
  if (loaded.config != nullptr) logins = config::DescribeLogins(*loaded.config);
  const nlohmann::ordered_json whole = {
      {"starts", loaded.config != nullptr}, {"logins", std::move(logins)}, {"findings", std::move(findings)}};
  // What is not UTF-8 in a file's text must not stop the report.
  return whole.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string FormatFindings(const Loaded& loaded, bool json, bool quiet) {
  if (json) return FormatJson(loaded, quiet);
  std::string text;
  std::array<size_t, 3> counts{};
  size_t security = 0;
  for (const Finding& finding : loaded.findings) {
    ++counts[static_cast<size_t>(finding.severity)];
    if (finding.security) ++security;
    if (quiet && finding.severity == FindingSeverity::kNotice) continue;
    text += FormatLine(finding);
  }
  if (loaded.config != nullptr && !quiet) {
    for (const std::string& sentence : config::DescribeLogins(*loaded.config)) text += sentence + "\n";
  }
  text += Count(counts[2], "error") + ", " + Count(counts[1], "warning") + " (" + std::to_string(security) +
          " about security), " + Count(counts[0], "notice") +
          (loaded.config == nullptr ? ": the server would not start\n" : ": the server would start\n");
  return text;
}

int RunCheck(const CheckOptions& options, config::FileSource& files, std::string* out) {
  if (options.parameters) {
    *out += config::ParametersDocument();
    return 0;
  }
  Loaded loaded = config::Load(files, options.load);
  if (loaded.config != nullptr) {
    for (Finding& finding : notice::CheckTemplates(*loaded.config)) loaded.findings.push_back(std::move(finding));
  }
  *out += FormatFindings(loaded, options.json, options.quiet);
  return loaded.config == nullptr ? 1 : 0;
}

}  // namespace postern::cmd
