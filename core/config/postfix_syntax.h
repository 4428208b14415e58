// The grammars of Postfix's files: logical lines, main.cf, master.cf (postconf(5), master(5)).
//
// A logical line starts at its first column and takes in the lines after it that start with white space; blank lines
// and lines whose first non-blank is '#' are skipped wherever they are, also inside. A '#' further right is text.
// Nothing here fails: mistakes become findings and the rest is read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/finding_list.h"

namespace postern::config {

struct PhysicalLine {
  uint32_t number = 0;  // from 1
  std::string text;     // without line end, white space kept
};
struct LogicalLine {
  uint32_t number = 0;  // of the first physical line
  std::string text;     // all physical lines put together, white space at the end removed
  std::vector<PhysicalLine> parts;
  bool starts_with_space = false;  // continuation without a line to continue: only as the first of a file
};
std::vector<LogicalLine> ReadLogicalLines(std::string_view text);

// ---- main.cf --------------------------------------------------------------------------------------------------------

struct Assignment {
  std::string name, value;  // not expanded
  Place place;
};
struct MainCf {
  std::string file;
  std::vector<Assignment> assignments;  // in order, repeated ones too
  // The one that counts: the last. Null where there is none.
  const Assignment* Find(std::string_view name) const;
};
MainCf ParseMainCf(std::string_view text, const std::string& file, FindingList* findings);
// Text that ParseMainCf reads back to the same assignments.
std::string FormatMainCf(const MainCf& main);

// ---- master.cf ------------------------------------------------------------------------------------------------------

struct MasterService {
  std::string name;                                                  // "smtp", "127.0.0.1:10025"
  std::string type;                                                  // inet unix unix-dgram fifo pass
  std::string privacy, unprivileged, chroot, wakeup, process_limit;  // "-", "y", "n", ...
  std::string command;                                               // "smtpd"
  std::vector<std::string> arguments;                                // all words after the command, braces removed
  std::vector<Assignment> overrides;                                 // of -o, in order
  Place place;
  // The override that counts, null without one.
  const Assignment* FindOverride(std::string_view parameter) const;
};
struct MasterCf {
  std::string file;
  std::vector<MasterService> services;  // a service defined again replaces the first, as master(8) does
};
MasterCf ParseMasterCf(std::string_view text, const std::string& file, FindingList* findings);
std::string FormatMasterCf(const MasterCf& master);

}  // namespace postern::config
