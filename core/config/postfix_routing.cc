#include "core/config/postfix_routing.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/postfix_client.h"
#include "core/config/postfix_lists.h"
#include "core/config/postfix_local.h"
#include "core/config/postfix_services.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

void FillClasses(const PostfixParameters& p, Routing* routing) {
  routing->mydestination = BuildMatchList(p, "mydestination", ListKind::kDomains);
  routing->relay_domains = BuildMatchList(p, "relay_domains", ListKind::kDomains);
  routing->virtual_alias_domains = BuildMatchList(p, "virtual_alias_domains", ListKind::kDomains);
  routing->virtual_mailbox_domains = BuildMatchList(p, "virtual_mailbox_domains", ListKind::kDomains);
  routing->virtual_alias_maps = p.Tables("virtual_alias_maps");
  routing->virtual_mailbox_maps = p.Tables("virtual_mailbox_maps");
  routing->fast_flush_domains = BuildMatchList(p, "fast_flush_domains", ListKind::kDomains);
  routing->alias_maps = p.Tables("alias_maps", TableFormat::kAliases);
  // Where there is no local class nobody asks them.
  routing->local = BuildLocalDelivery(p, routing->mydestination.empty() ? TableList() : routing->alias_maps);
  routing->propagate_extensions = BuildExtensionPropagation(p);
  routing->headers = BuildHeaderSettings(p);
  routing->submission_limits = BuildSubmissionLimits(p);
  // "$alias_maps" inside local_recipient_maps is a list of aliases files, the rest are maps.
  for (const std::string& specification : p.List("local_recipient_maps")) {
    bool is_aliases = false;
    for (const std::string& aliases : p.List("alias_maps")) is_aliases = is_aliases || aliases == specification;
    const TableFormat format = is_aliases ? TableFormat::kAliases : TableFormat::kMap;
    if (TablePtr table = p.OpenTable("local_recipient_maps", specification, format)) {
      routing->local_recipient_maps.tables.push_back(std::move(table));
    }
  }
  routing->relay_recipient_maps = p.Tables("relay_recipient_maps");
  routing->canonical_maps = p.Tables("canonical_maps");
  routing->sender_canonical_maps = p.Tables("sender_canonical_maps");
  routing->recipient_canonical_maps = p.Tables("recipient_canonical_maps");
  routing->transport_maps = p.Tables("transport_maps");
}

void FillAddresses(const PostfixParameters& p, Routing* routing) {
  routing->recipient_delimiter = p.Text("recipient_delimiter");
  routing->allow_percent_hack = p.Bool("allow_percent_hack");
  routing->swap_bangpath = p.Bool("swap_bangpath");
  routing->allow_untrusted_routing = p.Bool("allow_untrusted_routing");
  routing->append_at_myorigin = p.Bool("append_at_myorigin");
  routing->append_dot_mydomain = p.Bool("append_dot_mydomain");
  routing->resolve_dequoted_address = p.Bool("resolve_dequoted_address");
  routing->virtual_alias_expansion_limit = static_cast<uint32_t>(p.Number("virtual_alias_expansion_limit", UINT32_MAX));
  routing->virtual_alias_recursion_limit = static_cast<uint32_t>(p.Number("virtual_alias_recursion_limit", UINT32_MAX));
  routing->virtual_alias_address_length_limit =
      static_cast<uint32_t>(p.Number("virtual_alias_address_length_limit", UINT32_MAX));
}

void FillDelivery(const PostfixParameters& p, Routing* routing) {
  routing->virtual_transport = p.Text("virtual_transport");
  routing->default_transport = p.Text("default_transport");
  routing->relay_transport = p.Text("relay_transport");
  routing->local_transport = p.Text("local_transport");
  routing->relayhost = p.Text("relayhost");
  routing->sender_dependent_relayhost_maps = p.Tables("sender_dependent_relayhost_maps");
  routing->sender_dependent_default_transport_maps = p.Tables("sender_dependent_default_transport_maps");
  routing->null_sender_relayhost_key = p.Text("empty_address_relayhost_maps_lookup_key");
  routing->null_sender_transport_key = p.Text("empty_address_default_transport_maps_lookup_key");
  const std::vector<std::string> parents = p.LowerList("parent_domain_matches_subdomains");
  routing->transport_maps_match_subdomains =
      std::find(parents.begin(), parents.end(), "transport_maps") != parents.end();
  routing->transports = BuildTransports(p);
  routing->virtual_mailbox_base = p.Text("virtual_mailbox_base");
  routing->virtual_uid_maps = p.Tables("virtual_uid_maps");
  routing->virtual_gid_maps = p.Tables("virtual_gid_maps");
  routing->virtual_minimum_uid = static_cast<int64_t>(p.Number("virtual_minimum_uid", UINT32_MAX));
  routing->virtual_mailbox_limit = p.Number("virtual_mailbox_limit");
  const uint64_t message_size_limit = p.Number("message_size_limit");
  if (!routing->virtual_mailbox_maps.empty() && routing->virtual_mailbox_limit != 0 &&
      (message_size_limit == 0 || routing->virtual_mailbox_limit < message_size_limit)) {
    p.findings().Error("postfix-mailbox-limit",
                       p.PlaceOf(p.IsSet("virtual_mailbox_limit") ? "virtual_mailbox_limit" : "message_size_limit"),
                       "virtual_mailbox_limit (" + std::to_string(routing->virtual_mailbox_limit) +
                           ") is smaller than message_size_limit: Postfix would deliver nothing",
                       "set virtual_mailbox_limit = 0, or raise it");
  }
  routing->queue_directory = p.Text("queue_directory");
  routing->enable_long_queue_ids = p.Bool("enable_long_queue_ids");
  routing->enable_original_recipient = p.Bool("enable_original_recipient");
}

}  // namespace

Routing BuildRouting(const PostfixParameters& p) {
  Routing routing;
  routing.myhostname = LowerCase(p.Text("myhostname"));
  routing.mydomain = LowerCase(p.Text("mydomain"));
  routing.myorigin = p.Text("myorigin");
  if (routing.myorigin.starts_with('/')) {  // "myorigin = /etc/mailname": the file's first line
    const auto text = p.source().files->Read(routing.myorigin);
    if (text.ok()) {
      routing.myorigin = Trim(std::string_view(*text).substr(0, text->find('\n')));
    } else {
      p.findings().Error("postfix-list-file", p.PlaceOf("myorigin"),
                         "myorigin names the file " + routing.myorigin + ", which cannot be read",
                         "create the file, or write a domain");
    }
  }
  routing.myorigin = LowerCase(routing.myorigin);
  routing.mail_name = p.Text("mail_name");
  routing.mail_version = p.Text("mail_version");
  routing.own_addresses = OwnAddresses(p);
  FillClasses(p, &routing);
  FillAddresses(p, &routing);
  FillDelivery(p, &routing);
  return routing;
}

}  // namespace postern::config
