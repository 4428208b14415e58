// regexp:, pcre: and cidr: tables: rows asked in order, with if and endif (regexp_table(5), pcre_table(5),
// cidr_table(5)). Regular expressions run on PCRE2, both kinds, with a bound on the work one match may do.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/config/finding_list.h"
#include "core/config/table.h"

namespace postern::config {

// `text` is the file, or one row a line. Rows that cannot be read become findings: errors, since they may protect.
TablePtr MakeRegularExpressionTable(std::string name, bool pcre, std::string_view text, const std::string& file,
                                    FindingList* findings);
TablePtr MakeCidrTable(std::string name, std::string_view text, const std::string& file, FindingList* findings);

}  // namespace postern::config
