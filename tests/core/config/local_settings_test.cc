// Goal: aliases and what hangs on them are read as main.cf says, and what nothing delivers to is said. Method: hosts in
// memory with an aliases file and the lists that it includes.
#include "core/config/local_settings.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/config/load.h"
#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

MemoryFiles HostWith(const std::string& main_lines, const std::string& aliases) {
  MemoryFiles files = SoundHost();
  std::string main = *files.Read("/etc/postfix/main.cf");
  const std::string_view none = "mydestination =\n";
  main.replace(main.find(none), none.size(), "mydestination = localhost, local.example.test\n");
  files.Add("/etc/postfix/main.cf", main + "alias_maps = hash:/etc/aliases\n" + main_lines);
  files.Add("/etc/aliases", aliases);
  return files;
}

std::vector<std::string> Ids(const Loaded& loaded) {
  std::vector<std::string> ids;
  for (const Finding& finding : loaded.findings) {
    if (finding.id.starts_with("alias-") || finding.id.starts_with("local-") ||
        finding.id == "postmaster-unreachable") {
      ids.push_back(finding.id + " " + finding.file + ":" + std::to_string(finding.line));
    }
  }
  return ids;
}
bool Has(const std::vector<std::string>& ids, const std::string& id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

TEST(LocalSettings, ReadTheListsThatAliasesInclude) {
  MemoryFiles files = HostWith("", "postmaster: u1@example.test\nlist: :include:/l/a\n");
  files.Add("/l/a", "u1@example.test\n:include:/l/b\n");
  files.Add("/l/b", "u2@example.test, :include:/l/a\n");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const auto& lists = loaded.config->routing.local.alias_lists;
  ASSERT_EQ(lists.size(), 2u);
  EXPECT_EQ(lists.at("/l/b")->front().text, "u2@example.test");
  // A changed list counts at once: it is watched like every file that was read.
  const auto& read = loaded.config->files_read;
  EXPECT_NE(std::find(read.begin(), read.end(), "/l/b"), read.end());
}

TEST(LocalSettings, SayWhatNothingDeliversTo) {
  MemoryFiles files = HostWith("",
                               "root: u1@example.test\ncmd: \"|/bin/cat\"\nfile: /var/mail/x\nlist: :include:/l/a, "
                               ":include:gone, :include:/l/none\n");
  files.Add("/l/a", "/dev/null\n");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr) << "these are warnings";
  const auto ids = Ids(loaded);
  EXPECT_TRUE(Has(ids, "alias-command-refused /etc/aliases:2"));
  EXPECT_TRUE(Has(ids, "alias-file-refused /etc/aliases:3"));
  EXPECT_TRUE(Has(ids, "alias-file-refused /l/a:0"));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "alias-list-unreadable /etc/aliases:4"), 2);
  EXPECT_TRUE(std::any_of(ids.begin(), ids.end(),
                          [](const std::string& id) { return id.starts_with("postmaster-unreachable"); }));
  EXPECT_TRUE(std::any_of(ids.begin(), ids.end(),
                          [](const std::string& id) { return id.starts_with("local-users-without-mailbox"); }));
}

// Why the command of /etc/aliases:2 is refused, and what would let it; "" where it is not.
std::string CommandRefusal(const std::string& main_lines, int64_t own_user = 0,
                           const std::string& alias = "\"|/bin/cat\"") {
  MemoryFiles files = HostWith(main_lines, "root: u1@example.test\ncmd: " + alias + "\n");
  files.users = {{"mailcmd", 900}, {"root", 0}, {"postfix", 101}, {"nogroup", 901}};
  files.primary_groups = {{"mailcmd", 900}, {"root", 0}, {"postfix", 101}};
  files.own_user = own_user;
  files.Add("/l/a", "|/bin/cat\n");
  const Loaded loaded = Load(files, {});
  if (loaded.config == nullptr) return "error";
  for (const Finding& finding : loaded.findings) {
    if (finding.id == "alias-command-refused" || finding.id == "alias-file-refused")
      return finding.what + " / " + finding.mend;
  }
  return "";
}
bool Says(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(LocalSettings, RunCommandsOnlyAsAUserThatIsSetForIt) {
  const std::string user = "mailbox_size_limit = 0\ndefault_privs = mailcmd\n";
  EXPECT_EQ(CommandRefusal(user), "");
  EXPECT_EQ(CommandRefusal(user, 900), "") << "who we are already";
  EXPECT_TRUE(Says(CommandRefusal(""),
                   "default_privs does not say as whom, its mail is refused / set default_privs to a user"));
  EXPECT_TRUE(Says(CommandRefusal(user, 1000), "can't become default_privs = mailcmd"));
  EXPECT_TRUE(Says(CommandRefusal(user, -1), "can't become default_privs = mailcmd"));
  EXPECT_TRUE(Says(CommandRefusal("default_privs = root\n"), "has root's rights"));
  EXPECT_TRUE(Says(CommandRefusal("default_privs = postfix\n"), "is mail_owner"));
  EXPECT_TRUE(Says(CommandRefusal("default_privs = nobodyhere\n"), "is no user of this host"));
  EXPECT_TRUE(Says(CommandRefusal("default_privs = nogroup\n"), "is no user of this host"));
  EXPECT_TRUE(Says(CommandRefusal(user + "mailbox_size_limit = 1000\n"), "mailbox_size_limit is smaller"));
  EXPECT_EQ(CommandRefusal(user + "mailbox_size_limit = $message_size_limit\n"), "");
}

TEST(LocalSettings, RunCommandsOnlyWhereTheyAreAllowed) {
  const std::string user = "mailbox_size_limit = 0\ndefault_privs = mailcmd\n";
  EXPECT_TRUE(
      Says(CommandRefusal(user + "allow_mail_to_commands =\n"),
           "allow_mail_to_commands does not allow it, its mail is refused / add \"alias\" to allow_mail_to_commands"));
  EXPECT_TRUE(Says(CommandRefusal(user, 0, ":include:/l/a"), "add \"include\" to allow_mail_to_commands"));
  EXPECT_EQ(CommandRefusal(user + "allow_mail_to_commands = include\n", 0, ":include:/l/a"), "");
  EXPECT_EQ(CommandRefusal(user, 0, "/var/mail/x"), "");
  EXPECT_TRUE(Says(CommandRefusal(user + "allow_mail_to_files = forward\n", 0, "/var/mail/x"),
                   "add \"alias\" to allow_mail_to_files"));
  EXPECT_TRUE(Says(CommandRefusal(user, 0, "/var/mail/x/"), "a Maildir is not delivered to so"));
}

TEST(LocalSettings, SayHowCommandsAreRunAndFilesLocked) {
  MemoryFiles files = HostWith(
      "default_privs = mailcmd\nallow_mail_to_commands = alias, include\nallow_mail_to_files =\ncommand_time_limit = "
      "10m\n"
      "local_command_shell = /bin/rbash -c\nexport_environment = TZ A=b\ncommand_expansion_filter = abc\n"
      "mailbox_size_limit = 0\nmailbox_delivery_lock = flock\ndeliver_lock_attempts = 3\ndeliver_lock_delay = "
      "2s\nstale_lock_time = 1h\n",
      "root: u1@example.test\n");
  files.users = {{"mailcmd", 900}};
  files.primary_groups = {{"mailcmd", 902}};
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const LocalPrograms& programs = loaded.config->routing.local.programs;
  EXPECT_TRUE(programs.commands_in_alias && programs.commands_in_list && !programs.files_in_alias &&
              !programs.files_in_list);
  EXPECT_EQ(programs.uid, 900);
  EXPECT_EQ(programs.gid, 902);
  EXPECT_EQ(programs.time_limit, Seconds(600));
  EXPECT_EQ(programs.shell, (std::vector<std::string>{"/bin/rbash", "-c"}));
  EXPECT_EQ(programs.environment, (std::vector<std::string>{"TZ", "A=b"}));
  EXPECT_EQ(programs.expansion_filter, "abc");
  EXPECT_EQ(programs.file_bytes_max, 0u);
  EXPECT_TRUE(programs.lock.flock && !programs.lock.fcntl && !programs.lock.dotlock);
  EXPECT_EQ(programs.lock.attempts, 3u);
  EXPECT_EQ(programs.lock.delay, Seconds(2));
  EXPECT_EQ(programs.lock.stale, Seconds(3600));
  // Two at a time for one target, as local(8) has it.
  EXPECT_EQ(loaded.config->queue.Of("(command)").destination_concurrency_limit, 2u);
  EXPECT_EQ(loaded.config->queue.Of("(file)").destination_recipient_limit, 1u);
  files.Add("/etc/postfix/main.cf", *files.Read("/etc/postfix/main.cf") + "mailbox_delivery_lock = hope\n");
  EXPECT_EQ(Load(files, {}).config, nullptr);
}

TEST(LocalSettings, TakeTheParameters) {
  MemoryFiles files = HostWith(
      "propagate_unmatched_extensions = virtual, alias\nexpand_owner_alias = yes\n"
      "message_drop_headers = Bcc, X-Secret\nalways_add_missing_headers = yes\n"
      "local_header_rewrite_clients = permit_mynetworks, permit_sasl_authenticated\n"
      "relay_domains = relay.test\n",
      "postmaster: u1@example.test\n");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const Routing& routing = loaded.config->routing;
  EXPECT_FALSE(routing.propagate_extensions.canonical);
  EXPECT_TRUE(routing.propagate_extensions.virtual_alias);
  EXPECT_TRUE(routing.propagate_extensions.alias);
  EXPECT_TRUE(routing.local.expand_owner_alias);
  EXPECT_EQ(routing.headers.drop, (std::vector<std::string>{"bcc", "x-secret"}));
  EXPECT_TRUE(routing.headers.always_add_missing_headers);
  EXPECT_TRUE(routing.fast_flush_domains.MatchesName("sub.relay.test", true));
  for (const Listener& listener : loaded.config->listeners) {
    if (listener.smtp == nullptr) continue;
    EXPECT_FALSE(listener.smtp->local_header_clients.inet_interfaces);
    EXPECT_TRUE(listener.smtp->local_header_clients.mynetworks);
    EXPECT_TRUE(listener.smtp->local_header_clients.sasl_authenticated);
  }
}

}  // namespace
}  // namespace postern::config
