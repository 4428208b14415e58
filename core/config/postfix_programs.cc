#include "core/config/postfix_programs.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

bool HasWord(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

MailboxLock BuildMailboxLock(const PostfixParameters& p) {
  MailboxLock lock{.fcntl = false, .dotlock = false};
  for (const std::string& word : p.LowerList("mailbox_delivery_lock")) {
    if (word == "fcntl") {
      lock.fcntl = true;
    } else if (word == "flock") {
      lock.flock = true;
    } else if (word == "dotlock") {
      lock.dotlock = true;
    } else {
      p.findings().Error("postfix-bad-value", p.PlaceOf("mailbox_delivery_lock"),
                         "mailbox_delivery_lock: \"" + word + "\" is no kind of lock", "use fcntl, flock or dotlock");
    }
  }
  lock.attempts = static_cast<uint32_t>(std::max<uint64_t>(p.Number("deliver_lock_attempts", UINT32_MAX), 1));
  lock.delay = p.Time("deliver_lock_delay");
  lock.stale = p.Time("stale_lock_time");
  return lock;
}

}  // namespace

ProgramRules::ProgramRules(const PostfixParameters& p) {
  const std::vector<std::string> commands = p.LowerList("allow_mail_to_commands");
  const std::vector<std::string> files = p.LowerList("allow_mail_to_files");
  commands_in_alias_ = HasWord(commands, "alias");
  commands_in_list_ = HasWord(commands, "include");
  files_in_alias_ = HasWord(files, "alias");
  files_in_list_ = HasWord(files, "include");
  programs_.time_limit = p.Time("command_time_limit");
  programs_.shell = SplitWords(p.Text("local_command_shell"), /*commas=*/false);
  programs_.expansion_filter = p.Text("command_expansion_filter");
  programs_.environment = p.List("export_environment");
  programs_.file_bytes_max = p.Number("mailbox_size_limit");
  programs_.lock = BuildMailboxLock(p);
  FindUser(p);
  if (no_user_) return;
  programs_.commands_in_alias = commands_in_alias_;
  programs_.commands_in_list = commands_in_list_;
  programs_.files_in_alias = files_in_alias_;
  programs_.files_in_list = files_in_list_;
}

// Postfix's default, nobody, is many programs' user: what they have left behind would be anybody's who can send mail.
// So whoever wants programs to be run says as whom.
void ProgramRules::FindUser(const PostfixParameters& p) {
  const std::string user = p.Text("default_privs");
  if (!p.IsSet("default_privs")) {
    no_user_ = {"default_privs does not say as whom", "set default_privs to a user that has no other purpose"};
    return;
  }
  FileSource& files = *p.source().files;
  programs_.uid = files.UserId(user);
  programs_.gid = files.PrimaryGroupOf(user);
  const std::string set = "default_privs = " + user;
  const int64_t own = files.OwnUserId();
  if (programs_.uid < 0 || programs_.gid < 0) {
    no_user_ = {set + " is no user of this host", "make this user, or name one that is there"};
  } else if (programs_.uid == 0 || programs_.gid == 0) {
    no_user_ = {set + " has root's rights", "set default_privs to a user that has no other purpose"};
  } else if (programs_.uid == files.UserId(p.Text("mail_owner"))) {
    no_user_ = {set + " is mail_owner, whose the queue is", "set default_privs to a user that has no other purpose"};
  } else if (own != 0 && own != programs_.uid) {
    no_user_ = {"we don't run as root and can't become default_privs = " + user,
                "start the server as root, or set default_privs to the user that it runs as"};
  } else if (const uint64_t message = p.Number("message_size_limit");
             programs_.file_bytes_max != 0 && (message == 0 || message > programs_.file_bytes_max)) {
    // Postfix's local(8) would not start.
    no_user_ = {"mailbox_size_limit is smaller than message_size_limit", "set mailbox_size_limit = 0, or raise it"};
  }
}

std::optional<ProgramRules::Refusal> ProgramRules::RefusalOf(const AliasTarget& target, bool in_list) const {
  if (programs_.Allows(target, in_list)) return std::nullopt;
  const bool command = target.kind == AliasTarget::Kind::kCommand;
  const bool allowed =
      command ? (in_list ? commands_in_list_ : commands_in_alias_) : (in_list ? files_in_list_ : files_in_alias_);
  const std::string parameter = command ? "allow_mail_to_commands" : "allow_mail_to_files";
  if (!allowed) {
    return Refusal{parameter + " does not allow it", "add \"" + std::string(in_list ? "include" : "alias") + "\" to " +
                                                         parameter + ", if this is meant; or name an address instead"};
  }
  if (no_user_) return no_user_;
  return Refusal{"a Maildir is not delivered to so", "name the address of a mailbox instead"};
}

}  // namespace postern::config
