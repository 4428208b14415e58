// The grammar of dovecot.conf as Dovecot 2.2 and 2.3 read it: "key = value", "type name {" ... "}", includes.
//
//   line     := white* ( comment | "!include" pattern | "!include_try" pattern | key "=" value | type [name] "{"
//               | "}" )
//   comment  := "#" outside quotes, anywhere; inside a word it is ambiguous and reported
//   value    := rest of the line, blanks at the end removed; "..." and '...' keep blanks; a trailing "\" joins lines;
//               "<path" stands for the file's content; a word "$key" for that key's value so far
//
// Every mistake becomes a finding with its line, is mended as the writer most likely meant it, and reading goes on, so
// that one run shows all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/finding_list.h"

namespace postern::config {

inline constexpr size_t kDovecotIncludeDepthMax = 20;
// Of sections in one another; what is legal goes three deep. A listener that stands outside is given its service, so
// that the tree may be one deeper.
inline constexpr size_t kDovecotSectionDepthMax = 8;
inline constexpr size_t kDovecotFilesMax = 1000;                 // included in all
inline constexpr size_t kDovecotExpandedBytesMax = 1024 * 1024;  // put in place of $names, over all lines

struct DovecotSetting {
  std::string key, value;  // the value with quotes, continuation and $names resolved; of "<path" the path
  bool from_file = false;  // written "<path"
  bool quoted = false;
  Place place;
};

struct DovecotSection {
  std::string type, name;                // "service", "imap-login"; the root has neither
  Place place;                           // of its first opening line
  std::vector<DovecotSetting> settings;  // in order, repeated keys too
  std::vector<std::unique_ptr<DovecotSection>> sections;

  // The setting that counts: the last. Null without one.
  const DovecotSetting* Find(std::string_view key) const;
  // Its value; empty without one.
  std::string_view Value(std::string_view key) const;
  // The sub-section of this type and name; null without one.
  const DovecotSection* FindSection(std::string_view type, std::string_view name) const;
};

// Gives the default of a setting at the root, for "$key" words; empty where unknown.
using DovecotDefaults = std::string_view (*)(std::string_view key);

// Reads `file` and all it includes. Sections of one type and name are one (passdb, userdb and unnamed ones are not:
// they add up). Never null.
std::unique_ptr<DovecotSection> ParseDovecot(FileSource& files, const std::string& file, DovecotDefaults defaults,
                                             FindingList* findings);

// "service/imap-login/inet_listener/imaps/port = 993" and so on, one setting a line: for tests and messages.
std::string FormatDovecot(const DovecotSection& root);

}  // namespace postern::config
