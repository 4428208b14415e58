// The answers to SEARCH and SORT: plain, ESEARCH (RFC 4731), ESORT (RFC 5267), PARTIAL (RFC 9394), SEARCHRES (RFC
// 5182).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/command.h"
#include "core/imap/session.h"

namespace postern::imap {

struct SearchResult {
  std::string_view name = "SEARCH";  // or "SORT"
  bool uid = false;
  bool tell_modseq = false;  // the program had MODSEQ (RFC 7162 section 3.1.5)
  const SearchResultOptions* options = nullptr;
  const std::vector<uint32_t>* places = nullptr;  // in the view, from 0; in the order to tell
};

// Appends the untagged answer, and keeps the result for `$` where that was asked for.
void AppendSearchResult(const SearchResult& result, std::string_view tag, Selection* selected, std::string* out);

}  // namespace postern::imap
