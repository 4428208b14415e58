// What local(8), aliases(5), cleanup(8) and flush(8) are told by main.cf, as far as it decides who gets a message and
// what its header becomes. Names are Postfix's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/boundary/effect.h"
#include "core/config/alias_targets.h"
#include "core/config/table.h"

namespace postern::config {

// The targets of one :include: file.
using AliasListPtr = std::shared_ptr<const std::vector<AliasTarget>>;

// Commands and files that aliases name: what may be run and written, and as whom.
struct LocalPrograms {
  // allow_mail_to_commands, allow_mail_to_files: in an alias itself, in a list that it includes. False, too, where
  // there is no user for it: default_privs is not set, is nobody that is known, is root or mail_owner, or nobody we may
  // become.
  bool commands_in_alias = false, commands_in_list = false, files_in_alias = false, files_in_list = false;
  int64_t uid = -1, gid = -1;           // default_privs
  Duration time_limit = Seconds(1000);  // command_time_limit
  std::vector<std::string> shell;  // local_command_shell, its words; empty: the command itself, or /bin/sh where needed
  std::string expansion_filter;    // command_expansion_filter: characters of what messages say that commands may see
  std::vector<std::string> environment;  // export_environment: "NAME", or "NAME=value"
  uint64_t file_bytes_max = 51200000;    // mailbox_size_limit; 0: none
  MailboxLock lock;                      // mailbox_delivery_lock, deliver_lock_*, stale_lock_time

  // A file whose name ends with "/" would be a Maildir, which is no file.
  bool Allows(const AliasTarget& target, bool in_list) const {
    if (target.kind == AliasTarget::Kind::kCommand) return in_list ? commands_in_list : commands_in_alias;
    if (target.kind != AliasTarget::Kind::kFile || target.text.ends_with('/')) return false;
    return in_list ? files_in_list : files_in_alias;
  }
};

struct LocalDelivery {
  // Files that aliases include, by path; what is not here could not be read. Read with the configuration and watched
  // with it, so that a changed list counts at once.
  std::map<std::string, AliasListPtr, std::less<>> alias_lists;
  LocalPrograms programs;
  bool expand_owner_alias = false;    // the sender is what owner-NAME stands for, not owner-NAME itself
  bool reset_owner_alias = false;     // an alias without owner-NAME forgets that of the alias it was named by
  bool owner_request_special = true;  // owner-NAME and NAME-request are whole names where '-' is a delimiter
};

// propagate_unmatched_extensions: where "+ext" of "user+ext" goes on to the address that "user" stands for.
struct ExtensionPropagation {
  bool canonical = true, virtual_alias = true, alias = false, include = false;
};

struct HeaderSettings {
  bool always_add_missing_headers = false;
  std::vector<std::string> drop{"bcc", "content-length", "resent-bcc",
                                "return-path"};  // message_drop_headers, lower case
};

// Of main.cf itself, where no service of master.cf says otherwise: for mail that sendmail(1) left.
struct SubmissionLimits {
  uint64_t message_size_limit = 10240000;  // bytes; 0: none
  uint32_t header_size_limit = 102400;     // bytes of one field
  uint32_t hopcount_limit = 50;            // Received fields; 0: none
};

// local_header_rewrite_clients: whose messages get the header fields that are missing.
struct LocalClients {
  bool inet_interfaces = false, mynetworks = false, sasl_authenticated = false;
  TableList addresses;  // check_address_map: a client whose address has an answer
};

}  // namespace postern::config
