// Where a message's files are while its records are read in the order of time: so that of what was done to whole
// mailboxes only that is told which met the message.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/log/trace_join.h"

namespace postern::log {

class MessagePlaces {
 public:
  // Takes the next record of the message; `entries` as TraceJoin gives them. False: it is about a mailbox in which the
  // message was not, or no more.
  bool Take(const TraceRecord& record, const std::vector<size_t>& entries);

 private:
  bool TakeMailbox(const TraceRecord& record);

  std::map<std::string, std::string, std::less<>> place_of_;  // a file's -> PlaceKey
};

// A mailbox of a user, for comparing.
std::string PlaceKey(std::string_view user, std::string_view mailbox);
// Is `place` the mailbox of that key or one below it?
bool IsPlaceIn(std::string_view place, std::string_view mailbox_key);

}  // namespace postern::log
