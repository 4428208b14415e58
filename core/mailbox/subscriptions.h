// The subscriptions file of a namespace: version 2 ("V\t2", levels separated by TAB, each level tab-escaped) or version
// 1 (one storage name a line). The version found is the version written; lines we can't read are kept.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postern::mailbox {

struct Subscriptions {
  int version = 2;
  std::set<std::string> names;  // storage names, levels separated by '.', INBOX in upper case
  std::vector<std::string> unreadable_lines;
};

Subscriptions ParseSubscriptions(std::string_view text);
std::string FormatSubscriptions(const Subscriptions& subscriptions);

}  // namespace postern::mailbox
