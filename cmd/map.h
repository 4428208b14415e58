// `postern map query KEY TYPE:NAME`: asks a lookup table as the server would, like `postmap -q`.
#pragma once

#include <string>
#include <string_view>

#include "core/config/load.h"

namespace postern::cmd {

// Appends the value and a newline to `*out`; findings about the table go to `*errors`. `aliases`: the table's text is
// of aliases(5) ("name: value"). Exit status: 0 found, 1 not found or no such table.
int RunMapQuery(std::string_view key, std::string_view table, bool aliases, config::FileSource& files, std::string* out,
                std::string* errors);

// Appends every row as "key<TAB>value", in the order of the file: like `postmap -s`. Exit status: 0, or 1 without a
// table.
int RunMapList(std::string_view table, bool aliases, config::FileSource& files, std::string* out, std::string* errors);

}  // namespace postern::cmd
