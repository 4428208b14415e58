// The files of a Maildir folder, told apart: one for each base, second names of a base, and names without one.
// Private to core/mailbox.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "core/boundary/event.h"

namespace postern::mailbox {

struct MailFile {
  std::string_view name;  // into the scan's entry
  bool in_new = false;
};
struct SortedFiles {
  std::vector<MailFile> files;
  std::vector<std::pair<MailFile, MailFile>> duplicates;  // the one among `files`, the other
  std::vector<MailFile> misnamed;                         // ":2,S"
};

// Views into the entries. Of one base the file in cur/ is taken before that in new/, of two in cur/ the one with more
// flags: it is the later. Hidden names and folders are no messages.
SortedFiles SortFiles(const std::vector<DirEntry>& cur, const std::vector<DirEntry>& fresh);

// In the order in which they get UIDs.
void SortByAge(std::vector<MailFile>* files);

}  // namespace postern::mailbox
