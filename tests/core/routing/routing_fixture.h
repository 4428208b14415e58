// A routing configuration whose tables are texts, for the tests of this room and of those above it.
#pragma once

#include <string>
#include <string_view>

#include "core/config/finding_list.h"
#include "core/config/settings.h"
#include "core/config/tables.h"

namespace postern::routing {

inline config::TablePtr TextTable(std::string_view text) {
  config::FindingList findings;
  return config::MakeTextTable("hash:/t", text, config::TableFormat::kMap, "/t", &findings);
}
inline config::TableList Tables(std::string_view text) { return {.tables = {TextTable(text)}}; }
// static:VALUE
class StaticTable final : public config::Table {
 public:
  explicit StaticTable(std::string value) : Table("static:" + value), value_(std::move(value)) {}
  std::optional<std::string> Find(std::string_view) const override { return value_; }
  void ForEach(const std::function<void(std::string_view, std::string_view)>&) const override {}

 private:
  std::string value_;
};
inline config::MatchList Names(std::initializer_list<std::string_view> names) {
  config::MatchList list;
  for (const std::string_view name : names) {
    list.patterns.push_back({.kind = config::MatchPattern::Kind::kName, .text = std::string(name)});
  }
  return list;
}
inline config::MatchList Networks(std::initializer_list<std::string_view> networks) {
  config::MatchList list;
  for (const std::string_view text : networks) {
    list.patterns.push_back({.kind = config::MatchPattern::Kind::kNetwork, .network = *Network::Parse(text)});
  }
  return list;
}

// The configuration with which the real Postfix was asked.
inline config::Routing TestRouting() {
  config::Routing routing;
  routing.myhostname = "mail.example.test";
  routing.mydomain = "example.test";
  routing.myorigin = "example.test";
  routing.mydestination = Names({"localhost.example.test"});
  routing.relay_domains = Names({"relay.test"});
  routing.virtual_alias_domains = Names({"alias.test"});
  routing.virtual_mailbox_domains = Names({"example.test"});
  routing.own_addresses = {*IpAddress::Parse("127.0.0.1")};
  routing.virtual_alias_maps = Tables(
      "alias.test anything\n"
      "list@alias.test u1@example.test, u2@example.test, far@far.example\n"
      "loop@alias.test loop2@alias.test\n"
      "loop2@alias.test loop@alias.test\n"
      "u2@example.test u2@example.test\n"
      "gone@alias.test nobody@example.test\n");
  routing.virtual_mailbox_maps =
      Tables("u1@example.test u1/Maildir/\nu2@example.test u2//Maildir/\nbox@example.test box\n");
  routing.relay_recipient_maps = Tables("known@relay.test x\n");
  routing.local_recipient_maps = Tables("root x\n");
  routing.virtual_mailbox_base = "/home/vmail";
  routing.virtual_uid_maps = {.tables = {std::make_shared<StaticTable>("15000")}};
  routing.virtual_gid_maps = {.tables = {std::make_shared<StaticTable>("15001")}};
  routing.recipient_delimiter = "+";
  routing.queue_directory = "/var/spool/postfix";
  return routing;
}

}  // namespace postern::routing
