// Opens Postfix's lookup tables, "type:name" (DATABASE_README, postmap(1)).
//
//   hash btree lmdb cdb dbm sdbm texthash   the source text is read, not the built file: "key value" lines, keys
//                                           folded to lower case, the first of two equal keys kept
//   static:text  static:{text}              every key has this value
//   inline:{ key = value, { key = value } } rows in place
//   regexp:file  pcre:file  cidr:file       patterns in order, also inline as regexp:{ {/x/ y} ... }; if and endif
//   unionmap:{t, t}  pipemap:{t, t}         all values joined by commas; the value of one is the key of the next
//   unix:passwd.byname  unix:group.byname   the rows of /etc/passwd and /etc/group
//   proxy:type:name                         the same table: there is no second process to ask
//   fail:text                               every lookup fails: only to be asked by hand, refused in a configuration
//
// Other types are refused with a finding: what they would have said decides about access or delivery.
#pragma once

#include <string_view>

#include "core/config/finding_list.h"
#include "core/config/table.h"

namespace postern::config {

// Of the source text of hash: and its like.
enum class TableFormat : uint8_t {
  kMap,      // postmap: key, white space, value
  kAliases,  // postalias: "name: value, value"
};

struct TableRequest {
  TableFormat format = TableFormat::kMap;
  Place place;            // where the table is named
  std::string wanted_by;  // the parameter that names it, for messages
  // A table that may be missing or of a type we lack (a default nobody wrote): null without a finding.
  bool optional = false;
};

// Null where the table cannot be had; then a finding says why.
TablePtr OpenTable(std::string_view specification, const TableRequest& request, FileSource& files,
                   FindingList* findings);

// A text to ask exactly like a hash: table, for those who have its rows already.
TablePtr MakeTextTable(std::string name, std::string_view text, TableFormat format, const std::string& file,
                       FindingList* findings);

}  // namespace postern::config
