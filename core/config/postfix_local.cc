#include "core/config/postfix_local.h"

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "core/base/ascii.h"
#include "core/config/postfix_programs.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr size_t kAliasListsMax = 1000;                 // files that include each other
constexpr size_t kAliasListBytesMax = 4 * 1024 * 1024;  // of one of them
constexpr size_t kAliasFindingsMax = 20;

// Walks from the aliases through the files that they include.
class AliasListReader {
 public:
  AliasListReader(const PostfixParameters& parameters, const ProgramRules& rules, LocalDelivery* local)
      : p_(parameters), rules_(rules), local_(local) {}

  void Run(const TableList& alias_maps) {
    for (const TablePtr& table : alias_maps.tables) {
      table->ForEachRow([this](const TableRow& row) {
        const Place place = row.file.empty() ? p_.PlaceOf("alias_maps") : Place{std::string(row.file), row.line};
        Visit(ParseAliasTargets(row.value), place, std::string(row.key), false);
      });
    }
    while (!wanted_.empty()) {
      const auto [path, place] = std::move(wanted_.front());
      wanted_.pop_front();
      ReadList(path, place);
    }
  }

 private:
  void Visit(const std::vector<AliasTarget>& targets, const Place& place, const std::string& who, bool in_list) {
    for (const AliasTarget& target : targets) {
      switch (target.kind) {
        case AliasTarget::Kind::kAddress:
          break;
        case AliasTarget::Kind::kInclude:
          if (seen_.insert(target.text).second) wanted_.emplace_back(target.text, place);
          break;
        case AliasTarget::Kind::kCommand:
        case AliasTarget::Kind::kFile:
          Refuse(target, place, who, in_list);
          break;
      }
    }
  }

  // Of a target that nothing is run or written for: what stands in its way, and what would let it.
  void Refuse(const AliasTarget& target, const Place& place, const std::string& who, bool in_list) {
    const auto refusal = rules_.RefusalOf(target, in_list);
    if (!refusal || ++reported_ > kAliasFindingsMax) return;
    const std::string what = refusal->why + ", its mail is refused";
    if (target.kind == AliasTarget::Kind::kCommand) {
      p_.findings().Warning("alias-command-refused", place,
                            who + " hands mail to the command \"" + target.text + "\": " + what, refusal->mend);
    } else {
      p_.findings().Warning("alias-file-refused", place, who + " appends mail to the file " + target.text + ": " + what,
                            refusal->mend);
    }
  }

  void ReadList(const std::string& path, const Place& place) {
    const auto complain = [&](const std::string& why) {
      if (++reported_ > kAliasFindingsMax) return;
      p_.findings().Warning("alias-list-unreadable", place,
                            ":include:" + path + " " + why + ": mail for the aliases that name it is refused",
                            "name a file that can be read, with its whole path");
    };
    if (!path.starts_with('/')) return complain("is no absolute path");
    if (local_->alias_lists.size() >= kAliasListsMax) return complain("is one file too many");
    const auto text = p_.source().files->Read(path);
    if (!text.ok()) return complain("cannot be read (" + std::string(Message(text.status())) + ")");
    if (text->size() > kAliasListBytesMax) return complain("is larger than 4 MiB");
    auto targets = std::make_shared<std::vector<AliasTarget>>(ParseAliasList(*text));
    Visit(*targets, {path, 0}, path, true);
    local_->alias_lists.emplace(path, std::move(targets));
  }

  const PostfixParameters& p_;
  const ProgramRules& rules_;
  LocalDelivery* local_;
  std::set<std::string> seen_;
  std::deque<std::pair<std::string, Place>> wanted_;
  size_t reported_ = 0;
};

}  // namespace

LocalDelivery BuildLocalDelivery(const PostfixParameters& p, const TableList& alias_maps) {
  LocalDelivery local;
  local.expand_owner_alias = p.Bool("expand_owner_alias");
  local.reset_owner_alias = p.Bool("reset_owner_alias");
  local.owner_request_special = p.Bool("owner_request_special");
  const ProgramRules rules(p);
  local.programs = rules.programs();
  AliasListReader(p, rules, &local).Run(alias_maps);
  return local;
}

ExtensionPropagation BuildExtensionPropagation(const PostfixParameters& p) {
  ExtensionPropagation result{.canonical = false, .virtual_alias = false};
  for (const std::string& word : p.LowerList("propagate_unmatched_extensions")) {
    if (word == "canonical") result.canonical = true;
    if (word == "virtual") result.virtual_alias = true;
    if (word == "alias") result.alias = true;
    if (word == "include") result.include = true;
    // "forward" is for .forward files, which nobody has here, "generic" for mail that leaves.
    static constexpr std::string_view kKnown[] = {"canonical", "virtual", "alias", "include", "forward", "generic"};
    if (std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown)) continue;
    p.findings().Error("postfix-bad-value", p.PlaceOf("propagate_unmatched_extensions"),
                       "propagate_unmatched_extensions: \"" + word + "\" is no kind of table",
                       "use canonical, virtual, alias, include, forward or generic");
  }
  return result;
}

HeaderSettings BuildHeaderSettings(const PostfixParameters& p) {
  return {.always_add_missing_headers = p.Bool("always_add_missing_headers"),
          .drop = p.LowerList("message_drop_headers")};
}

SubmissionLimits BuildSubmissionLimits(const PostfixParameters& p) {
  return {.message_size_limit = p.Number("message_size_limit"),
          .header_size_limit = static_cast<uint32_t>(p.Number("header_size_limit", UINT32_MAX)),
          .hopcount_limit = static_cast<uint32_t>(p.Number("hopcount_limit", UINT32_MAX))};
}

LocalClients BuildLocalClients(const PostfixParameters& p) {
  LocalClients clients;
  const std::vector<std::string> words = p.List("local_header_rewrite_clients");
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string word = LowerCase(words[i]);
    if (word == "permit_inet_interfaces") {
      clients.inet_interfaces = true;
    } else if (word == "permit_mynetworks") {
      clients.mynetworks = true;
    } else if (word == "permit_sasl_authenticated") {
      clients.sasl_authenticated = true;
    } else if (word == "permit_tls_clientcerts" || word == "permit_tls_all_clientcerts") {
      continue;  // no client certificate is asked for: nobody has one
    } else if (word == "check_address_map" && i + 1 < words.size()) {
      TablePtr table = p.OpenTable("local_header_rewrite_clients", words[++i], TableFormat::kMap);
      if (table != nullptr) clients.addresses.tables.push_back(std::move(table));
    } else if (word.find(':') != std::string::npos) {  // a table alone is meant so
      TablePtr table = p.OpenTable("local_header_rewrite_clients", words[i], TableFormat::kMap);
      if (table != nullptr) clients.addresses.tables.push_back(std::move(table));
    } else {
      p.findings().Error(
          "postfix-bad-value", p.PlaceOf("local_header_rewrite_clients"),
          "local_header_rewrite_clients: \"" + words[i] + "\" is no kind of client",
          "use permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated or check_address_map");
    }
  }
  return clients;
}

}  // namespace postern::config
