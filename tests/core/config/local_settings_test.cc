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
    if (finding.id.starts_with("alias-") || finding.id.starts_with("local-") || finding.id == "postmaster-unreachable") {
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
  MemoryFiles files = HostWith("", "root: u1@example.test\ncmd: \"|/bin/cat\"\nfile: /var/mail/x\nlist: :include:/l/a, :include:gone, :include:/l/none\n");
  files.Add("/l/a", "/dev/null\n");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr) << "these are warnings";
  const auto ids = Ids(loaded);
  EXPECT_TRUE(Has(ids, "alias-command-refused /etc/aliases:2"));
  EXPECT_TRUE(Has(ids, "alias-file-refused /etc/aliases:3"));
  EXPECT_TRUE(Has(ids, "alias-file-refused /l/a:0"));
  EXPECT_EQ(std::count(ids.begin(), ids.end(), "alias-list-unreadable /etc/aliases:4"), 2);
  EXPECT_TRUE(std::any_of(ids.begin(), ids.end(), [](const std::string& id) { return id.starts_with("postmaster-unreachable"); }));
  EXPECT_TRUE(std::any_of(ids.begin(), ids.end(), [](const std::string& id) { return id.starts_with("local-users-without-mailbox"); }));
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
