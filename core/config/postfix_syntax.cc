#include "core/config/postfix_syntax.h"

#include <algorithm>
#include <array>

#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr std::array<std::string_view, 5> kServiceTypes = {"inet", "unix", "unix-dgram", "fifo", "pass"};

bool IsServiceType(std::string_view word) {
  return std::find(kServiceTypes.begin(), kServiceTypes.end(), word) != kServiceTypes.end();
}

bool IsParameterName(std::string_view name) {
  if (name.empty()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
  });
}

// Splits "name = value"; false without an equals sign or with a name that is none.
bool SplitAssignment(std::string_view text, std::string* name, std::string* value) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) return false;
  const std::string_view left = Trim(text.substr(0, equals));
  if (!IsParameterName(left)) return false;
  *name = left;
  *value = Trim(text.substr(equals + 1));
  return true;
}

// One word of master.cf; "{ ... }" is one, blanks and all.
struct Word {
  std::string text;  // without outer braces
  bool braced = false;
  bool unclosed = false;
  bool goes_on = false;  // text follows the brace that closes it
  uint32_t line = 0;
};

std::vector<Word> SplitMasterWords(const LogicalLine& line) {
  std::vector<Word> words;
  Word word;
  int depth = 0;
  bool open = false;
  const auto finish = [&] {
    if (open) words.push_back(std::move(word));
    word = Word();
    open = false;
  };
  for (const PhysicalLine& part : line.parts) {
    for (const char c : part.text) {
      if (depth == 0 && IsSpace(c)) {
        finish();
        continue;
      }
      if (!open) {
        open = true;
        word.line = part.number;
        word.braced = c == '{';
      } else if (depth == 0 && word.braced) {
        word.goes_on = true;
      }
      if (c == '{') ++depth;
      if (c == '}' && depth > 0) --depth;
      word.text += c;
    }
    if (depth == 0) finish();
  }
  word.unclosed = depth > 0;
  finish();
  for (Word& each : words) {
    if (!each.braced) continue;
    std::string_view inner = each.text;
    inner.remove_prefix(1);
    if (!inner.empty() && inner.back() == '}') inner.remove_suffix(1);
    each.text = std::string(Trim(inner));
  }
  return words;
}

// Would `text` as it stands be no word, or another one? (What is none in braces has a "}" too many, but no blank.)
bool NeedsBraces(std::string_view text) {
  if (text.empty() || text.front() == '{' || text.front() == '#') return true;
  int depth = 0;
  for (const char c : text) {
    if (depth == 0 && IsSpace(c)) return true;
    if (c == '{') ++depth;
    if (c == '}' && depth > 0) --depth;
  }
  return false;
}

// Does a continuation line look like a service of its own, pushed right by a blank too many?
bool LooksLikeService(std::string_view text) {
  const std::vector<std::string> words = SplitWords(text);
  if (words.size() < 8 || !IsServiceType(words[1]) || words[0][0] == '-') return false;
  for (size_t i = 2; i <= 4; ++i) {
    if (words[i] != "-" && words[i] != "y" && words[i] != "n") return false;
  }
  return true;
}

// Cuts a logical line before each part that is a service hidden by leading white space, with a finding for each.
std::vector<LogicalLine> UncoverServices(const LogicalLine& line, const std::string& file, FindingList* findings) {
  std::vector<LogicalLine> lines;
  for (const PhysicalLine& part : line.parts) {
    const bool hidden = IsSpace(part.text.front()) && LooksLikeService(part.text);
    if (hidden) {
      const std::vector<std::string> words = SplitWords(part.text);
      findings->Error("master-cf-hidden-service", {file, part.number},
                      "the line starts with white space, so that it continues the service of line " +
                          std::to_string(line.number) + " instead of defining \"" + words[0] + " " + words[1] +
                          "\": that service would not exist",
                      "remove the white space before \"" + words[0] + "\"");
    }
    if (lines.empty() || hidden) {
      lines.push_back({.number = part.number, .text = "", .parts = {}, .starts_with_space = line.starts_with_space});
    }
    lines.back().parts.push_back(part);
    lines.back().text += part.text;
  }
  return lines;
}

// The words after the command: finds every -o.
void ParseArguments(const std::vector<Word>& words, const std::string& file, MasterService* service,
                    FindingList* findings) {
  const bool is_pipe = service->command == "pipe" || service->command == "spawn";
  bool end_of_options = false;
  for (size_t i = 8; i < words.size(); ++i) {
    const Word& word = words[i];
    service->arguments.push_back(word.text);
    if (end_of_options || word.text.substr(0, 2) != "-o") {
      if (is_pipe && word.text.substr(0, 5) == "argv=") end_of_options = true;  // what follows is the program's
      continue;
    }
    const Word* value = &word;
    std::string_view text = std::string_view(word.text).substr(2);
    if (text.empty()) {
      if (i + 1 == words.size()) {
        findings->Error("master-cf-option-incomplete", {file, word.line},
                        "\"-o\" at the end of service \"" + service->name + "\" has no name=value after it",
                        "write \"-o name=value\", or remove the \"-o\"");
        return;
      }
      value = &words[++i];
      service->arguments.push_back(value->text);
      text = value->text;
    }
    Assignment assignment{.name = "", .value = "", .place = {file, value->line}};
    const size_t equals = text.find('=');
    const bool blank_before = equals != std::string_view::npos && equals > 0 && IsSpace(text[equals - 1]);
    if (!SplitAssignment(text, &assignment.name, &assignment.value) || (blank_before && !value->braced)) {
      findings->Error("master-cf-option-syntax", assignment.place,
                      "\"-o " + std::string(text) + "\" of service \"" + service->name +
                          "\" is no assignment: the service would not start",
                      "write \"-o name=value\" without blanks, or \"-o { name = value }\"");
      continue;
    }
    service->overrides.push_back(std::move(assignment));
  }
}

void ParseService(const LogicalLine& line, const std::string& file, MasterCf* master, FindingList* findings) {
  const std::vector<Word> words = SplitMasterWords(line);
  const Place place{file, line.number};
  if (!words.empty() && words.back().unclosed) {
    findings->Error("master-cf-unclosed-brace", {file, words.back().line}, "a \"{\" is never closed", "add the \"}\"");
  }
  if (words.size() < 8) {
    findings->Error(
        "master-cf-field-count", place,
        "a service needs 8 fields (service type private unpriv chroot wakeup maxproc command), this line has " +
            std::to_string(words.size()) + ": the server would not start",
        "add the missing fields; \"-\" stands for the default");
    return;
  }
  for (const Word& word : words) {
    if (!word.goes_on) continue;
    findings->Error("master-cf-text-after-brace", {file, word.line},
                    "text follows the \"}\" of \"{" + word.text + "\": the server would not start",
                    "put a blank behind the \"}\"");
  }
  MasterService service;
  service.place = place;
  service.name = words[0].text;
  service.type = words[1].text;
  service.privacy = words[2].text;
  service.unprivileged = words[3].text;
  service.chroot = words[4].text;
  service.wakeup = words[5].text;
  service.process_limit = words[6].text;
  service.command = words[7].text;
  if (!IsServiceType(service.type)) {
    findings->Error("master-cf-service-type", place,
                    "\"" + service.type + "\" is no type of service (inet, unix, unix-dgram, fifo, pass)",
                    "correct the second field of the line");
    return;
  }
  ParseArguments(words, file, &service, findings);
  for (MasterService& earlier : master->services) {
    if (earlier.name != service.name || earlier.type != service.type) continue;
    findings->Warning("master-cf-duplicate-service", place,
                      "service \"" + service.name + " " + service.type + "\" was defined at line " +
                          std::to_string(earlier.place.line) + " already: the last definition counts",
                      "remove one of the two");
    earlier = std::move(service);
    return;
  }
  master->services.push_back(std::move(service));
}

}  // namespace

std::vector<LogicalLine> ReadLogicalLines(std::string_view text) {
  std::vector<LogicalLine> lines;
  uint32_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    const std::string_view trimmed = Trim(line);
    if (trimmed.empty() || trimmed.front() == '#') continue;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const bool continues = IsSpace(line.front());
    if (!continues || lines.empty()) {
      lines.push_back({.number = number, .text = "", .parts = {}, .starts_with_space = continues});
    }
    lines.back().text += line;
    lines.back().parts.push_back({number, std::string(line)});
  }
  for (LogicalLine& line : lines) {
    while (!line.text.empty() && IsSpace(line.text.back())) line.text.pop_back();
  }
  return lines;
}

const Assignment* MainCf::Find(std::string_view name) const {
  for (auto at = assignments.rbegin(); at != assignments.rend(); ++at) {
    if (at->name == name) return &*at;
  }
  return nullptr;
}

MainCf ParseMainCf(std::string_view text, const std::string& file, FindingList* findings) {
  MainCf main;
  main.file = file;
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    const Place place{file, line.number};
    if (line.starts_with_space) {
      findings->Warning("main-cf-leading-space", place,
                        "the first line starts with white space, so that it continues nothing: it is ignored",
                        "remove the white space at its start");
      continue;
    }
    Assignment assignment{.name = "", .value = "", .place = place};
    if (!SplitAssignment(line.text, &assignment.name, &assignment.value)) {
      findings->Error("main-cf-syntax", place,
                      "\"" + line.text.substr(0, 60) + "\" is no assignment \"name = value\": Postfix would not start",
                      "add the missing \"=\", or put \"#\" before the line");
      continue;
    }
    if (const Assignment* earlier = main.Find(assignment.name)) {
      const std::string again =
          assignment.name + " was set at line " + std::to_string(earlier->place.line) + " already";
      if (earlier->value != assignment.value) {
        findings->Warning("main-cf-overridden", place,
                          again + " to \"" + earlier->value + "\"; this later value counts", "remove one of the two");
      } else {
        findings->Notice("main-cf-repeated", place, again + " to the same value", "remove one of the two");
      }
    }
    main.assignments.push_back(std::move(assignment));
  }
  return main;
}

std::string FormatMainCf(const MainCf& main) {
  std::string out;
  for (const Assignment& assignment : main.assignments) {
    out += assignment.name;
    out += " = ";
    out += assignment.value;
    out += '\n';
  }
  return out;
}

const Assignment* MasterService::FindOverride(std::string_view parameter) const {
  for (auto at = overrides.rbegin(); at != overrides.rend(); ++at) {
    if (at->name == parameter) return &*at;
  }
  return nullptr;
}

MasterCf ParseMasterCf(std::string_view text, const std::string& file, FindingList* findings) {
  MasterCf master;
  master.file = file;
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    for (const LogicalLine& service : UncoverServices(line, file, findings)) {
      ParseService(service, file, &master, findings);
    }
  }
  return master;
}

std::string FormatMasterCf(const MasterCf& master) {
  std::string out;
  for (const MasterService& service : master.services) {
    for (const std::string* field : {&service.name, &service.type, &service.privacy, &service.unprivileged,
                                     &service.chroot, &service.wakeup, &service.process_limit, &service.command}) {
      out += NeedsBraces(*field) ? "{ " + *field + " }" : *field;
      out += ' ';
    }
    out += '\n';
    for (const Assignment& override : service.overrides) {
      const std::string plain = override.name + "=" + override.value;
      out += NeedsBraces(plain) ? "  -o { " + override.name + " = " + override.value + " }\n" : "  -o " + plain + "\n";
    }
  }
  return out;
}

}  // namespace postern::config
