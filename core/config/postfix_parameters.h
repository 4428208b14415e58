// Postfix's parameters as one service sees them: -o overrides, main.cf, defaults, in that order, expanded in its
// context. Values that cannot be read become findings, and the default is used in their place, so that reading goes on.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/postfix_expand.h"
#include "core/config/postfix_syntax.h"
#include "core/config/registry.h"
#include "core/config/tables.h"

namespace postern::config {

// What several services share while a configuration is read.
struct PostfixSource {
  FileSource* files = nullptr;
  FindingList* findings = nullptr;
  MainCf main;
  MasterCf master;
  std::map<std::string, std::string, std::less<>> computed;  // defaults that depend on the host: myhostname ...
  std::map<std::string, TablePtr, std::less<>> tables;       // opened already, by format and name; null: refused
};

// Is it "TRANSPORT_destination_recipient_limit" or the like, of a service that master.cf has?
bool IsTransportParameter(const PostfixSource& source, std::string_view name);

class PostfixParameters {
 public:
  // `service` null: main.cf alone. Both must outlive this.
  PostfixParameters(PostfixSource* source, const MasterService* service) : source_(source), service_(service) {}

  // Is it written anywhere (not only a default)?
  bool IsSet(std::string_view name) const;
  Place PlaceOf(std::string_view name) const;  // line 0 where it is not set
  // The value before expansion; nullopt where nothing defines the name.
  std::optional<std::string> Raw(std::string_view name) const;
  // The value; empty where nothing defines the name.
  std::string Text(std::string_view name) const;
  bool Bool(std::string_view name) const;
  uint64_t Number(std::string_view name, uint64_t max = UINT64_MAX) const;
  int ReplyCode(std::string_view name) const;
  Duration Time(std::string_view name) const;
  std::vector<std::string> List(std::string_view name) const { return SplitList(Text(name)); }
  std::vector<std::string> LowerList(std::string_view name) const;
  TableList Tables(std::string_view name, TableFormat format = TableFormat::kMap) const;
  // One table that `name`'s value asks; null where it was refused, with a finding.
  TablePtr OpenTable(std::string_view name, std::string_view specification, TableFormat format) const;

  const MasterService* service() const { return service_; }
  PostfixSource& source() const { return *source_; }
  FindingList& findings() const { return *source_->findings; }
  Expansion Expand(std::string_view text) const;

 private:
  static std::vector<std::string> SplitList(std::string_view text);
  // The default's value, after "`value` is no ...".
  std::string BadValue(std::string_view name, const std::string& value, std::string_view wanted) const;

  PostfixSource* source_;
  const MasterService* service_;
};

// Reads main.cf and master.cf of `folder`, with findings for what is missing, and works out the host's own names.
void ReadPostfix(const std::string& folder, PostfixSource* source);

}  // namespace postern::config
