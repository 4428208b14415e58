// Any bytes as any of the files of a configuration: nothing may crash, hang or grow without bound, and what is read must
// be read again from what is written.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/config/dovecot_syntax.h"
#include "core/config/memory_files.h"
#include "core/config/postfix_expand.h"
#include "core/config/postfix_syntax.h"
#include "core/config/tables.h"
#include "core/config/variables.h"

namespace postern::config {
namespace {

// The parts of one input, between bytes 0xff: so that the fuzzer can move between the files of one host.
std::string_view TakePart(std::string_view* input) {
  const size_t end = input->find('\xff');
  const std::string_view part = input->substr(0, end);
  input->remove_prefix(end == std::string_view::npos ? input->size() : end + 1);
  return part;
}

void Check(bool holds) {
  if (!holds) __builtin_trap();
}

void OneInput(std::string_view input) {
  MemoryFiles files;
  files.Add("/etc/postfix/main.cf", std::string(TakePart(&input)));
  files.Add("/etc/postfix/master.cf", std::string(TakePart(&input)));
  files.Add("/etc/dovecot/dovecot.conf", std::string(TakePart(&input)));
  files.Add("/t", std::string(TakePart(&input)));
  files.Add("/u", std::string(TakePart(&input)));
  const Loaded loaded = Load(files, {});
  bool has_error = false;
  for (const Finding& finding : loaded.findings) has_error = has_error || finding.severity == FindingSeverity::kError;
  Check((loaded.config == nullptr) == has_error);

  FindingList findings;
  const MainCf main = ParseMainCf(*files.Read("/etc/postfix/main.cf"), "main.cf", &findings);
  const MainCf again = ParseMainCf(FormatMainCf(main), "main.cf", &findings);
  Check(main.assignments.size() == again.assignments.size());
  for (const std::string_view type : {"hash:/t", "pcre:/t", "regexp:/t", "cidr:/t"}) {
    if (const TablePtr table = OpenTable(type, {.place = {}, .wanted_by = "fuzz"}, files, &findings)) {
      (void)table->Find(input.substr(0, 100));
    }
  }
  (void)ExpandVariables(*files.Read("/t"), {.user = input});
}

}  // namespace
}  // namespace postern::config

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  postern::config::OneInput({reinterpret_cast<const char*>(data), size});
  return 0;
}
