// Everything that was read of a host's configuration, as read and as typed: what the checks judge together.
// Owner: Load(), for the time of one call.
#pragma once

#include <memory>
#include <string>

#include "core/config/dovecot_settings.h"
#include "core/config/finding_list.h"
#include "core/config/load.h"
#include "core/config/postfix_parameters.h"

namespace postern::config {

struct HostConfiguration {
  LoadOptions options;
  FindingList findings;
  PostfixSource postfix;
  std::unique_ptr<DovecotSection> dovecot;  // never null once read
  std::shared_ptr<Config> config;           // never null once read

  FileSource& files() const { return *postfix.files; }
  bool has_dovecot() const { return options.dovecot_file != kNoDovecot; }  // else `dovecot` is empty
  PostfixParameters Main() { return PostfixParameters(&postfix, nullptr); }
  DovecotSettings Dovecot(std::string_view protocol = "") {
    return DovecotSettings(dovecot.get(), protocol, postfix.files, &findings);
  }
};

}  // namespace postern::config
