// Queue ids: [0-9A-F]{6,}, as tools that read logs expect (long ids of Postfix would be [0-9A-Za-z]).
#pragma once

#include <string_view>

namespace postern::queue {

inline bool IsQueueId(std::string_view text) {
  if (text.size() < 6 || text.size() > 32) return false;
  for (const char c : text) {
    if ((c < '0' || c > '9') && (c < 'A' || c > 'F')) return false;
  }
  return true;
}

}  // namespace postern::queue
