// What main.cf says of commands and files that aliases name: LocalPrograms, and why one of them is refused.
#pragma once

#include <optional>
#include <string>

#include "core/config/local_settings.h"
#include "core/config/postfix_parameters.h"

namespace postern::config {

class ProgramRules {
 public:
  // Values that cannot be read become findings.
  explicit ProgramRules(const PostfixParameters& parameters);

  const LocalPrograms& programs() const { return programs_; }

  struct Refusal {
    std::string why;  // goes on after "X hands mail to Y: "
    std::string mend;
  };
  // nullopt: programs() allows it.
  std::optional<Refusal> RefusalOf(const AliasTarget& target, bool in_list) const;

 private:
  void FindUser(const PostfixParameters& parameters);

  LocalPrograms programs_;
  std::optional<Refusal> no_user_;  // why nothing is run as anybody
  bool commands_in_alias_ = false, commands_in_list_ = false, files_in_alias_ = false,
       files_in_list_ = false;  // as written
};

}  // namespace postern::config
