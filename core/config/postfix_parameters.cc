#include "core/config/postfix_parameters.h"

#include <algorithm>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

const ParameterFacts* FactsOf(const PostfixSource& source, std::string_view name) {
  if (const ParameterFacts* facts = FindPostfixParameter(name)) return facts;
  return IsTransportParameter(source, name) ? FindTransportParameter(name) : nullptr;
}

std::string DefaultOf(const PostfixSource& source, std::string_view name) {
  if (const auto at = source.computed.find(name); at != source.computed.end()) return at->second;
  const ParameterFacts* facts = FactsOf(source, name);
  return facts == nullptr ? std::string() : std::string(facts->default_value);
}

// myhostname without its first label, or "localdomain".
std::string DomainOf(std::string_view host) {
  const size_t dot = host.find('.');
  return dot == std::string_view::npos ? "localdomain" : std::string(host.substr(dot + 1));
}

void ComputeNames(const std::string& folder, PostfixSource* source) {
  auto& computed = source->computed;
  computed["config_directory"] = folder;
  computed["process_name"] = "postern";
  computed["process_id"] = "0";
  computed["stress"] = "";
  computed["default_database_type"] = "hash";
  const PostfixParameters main(source, nullptr);
  std::string host = source->files->HostName();
  if (host.empty()) host = "localhost";
  if (host.find('.') == std::string::npos) {
    const Assignment* domain = source->main.Find("mydomain");
    host += "." + (domain == nullptr ? std::string("localdomain") : domain->value);
  }
  computed["myhostname"] = host;
  computed["mydomain"] = "";
  computed["mydomain"] = DomainOf(main.Text("myhostname"));
}

}  // namespace

bool IsTransportParameter(const PostfixSource& source, std::string_view name) {
  const std::string_view transport = TransportOfParameter(name);
  if (transport.empty()) return false;
  // "discard" is in every master.cf, but Debian's postconf has no names for it.
  return transport == "discard" || std::any_of(source.master.services.begin(), source.master.services.end(),
                                               [transport](const MasterService& service) {
                                                 return service.type == "unix" && service.name == transport;
                                               });
}

bool PostfixParameters::IsSet(std::string_view name) const {
  if (service_ != nullptr && service_->FindOverride(name) != nullptr) return true;
  return source_->main.Find(name) != nullptr;
}

Place PostfixParameters::PlaceOf(std::string_view name) const {
  if (service_ != nullptr) {
    if (const Assignment* override = service_->FindOverride(name)) return override->place;
  }
  if (const Assignment* assignment = source_->main.Find(name)) return assignment->place;
  return {source_->main.file, 0};
}

std::optional<std::string> PostfixParameters::Raw(std::string_view name) const {
  if (service_ != nullptr) {
    if (const Assignment* override = service_->FindOverride(name)) return override->value;
  }
  if (const Assignment* assignment = source_->main.Find(name)) return assignment->value;
  if (name == "service_name" && service_ != nullptr) return service_->name;
  if (const auto at = source_->computed.find(name); at != source_->computed.end()) return at->second;
  if (const ParameterFacts* facts = FactsOf(*source_, name)) return std::string(facts->default_value);
  return std::nullopt;
}

Expansion PostfixParameters::Expand(std::string_view text) const {
  return ExpandParameters(text, [this](std::string_view name) { return Raw(name); });
}

std::string PostfixParameters::Text(std::string_view name) const {
  if (IsRawParameter(name)) return std::string(Trim(Raw(name).value_or("")));
  const std::string reference = "${" + std::string(name) + "}";
  const Expansion expansion = Expand(reference);
  for (const std::string& problem : expansion.problems) {
    source_->findings->Error("postfix-expansion", PlaceOf(name),
                             std::string(name) + ": " + problem + "; Postfix would not start", "correct the reference");
  }
  for (const std::string& undefined : expansion.undefined) {
    if (!IsSet(name) || undefined == name) continue;
    source_->findings->Warning(
        "postfix-undefined-parameter", PlaceOf(name),
        std::string(name) + " refers to $" + undefined + ", which nothing defines: it counts as empty",
        "define " + undefined + ", or correct the name; a dollar itself is written \"$$\"");
  }
  return std::string(Trim(expansion.text));
}

std::string PostfixParameters::BadValue(std::string_view name, const std::string& value,
                                        std::string_view wanted) const {
  const std::string fallback = Expand(DefaultOf(*source_, name)).text;
  source_->findings->Error(
      "postfix-bad-value", PlaceOf(name),
      std::string(name) + " is \"" + value + "\", which is no " + std::string(wanted) + ": Postfix would not start",
      "write " + std::string(wanted) + "; the default is \"" + fallback + "\"");
  return fallback;
}

bool PostfixParameters::Bool(std::string_view name) const {
  const std::string value = Text(name);
  if (const auto parsed = ParsePostfixBool(value)) return *parsed;
  return ParsePostfixBool(BadValue(name, value, "yes or no")).value_or(false);
}

uint64_t PostfixParameters::Number(std::string_view name, uint64_t max) const {
  const std::string value = Text(name);
  if (const auto parsed = ParseUnsigned(value); parsed && *parsed <= max) return *parsed;
  return std::min(ParseUnsigned(BadValue(name, value, "number")).value_or(0), max);
}

int PostfixParameters::ReplyCode(std::string_view name) const {
  const std::string value = Text(name);
  const auto good = [](const std::optional<uint64_t>& code) { return code && *code >= 200 && *code <= 599; };
  if (const auto parsed = ParseUnsigned(value); good(parsed)) return static_cast<int>(*parsed);
  const auto fallback = ParseUnsigned(BadValue(name, value, "reply code of three digits"));
  return good(fallback) ? static_cast<int>(*fallback) : 550;
}

Duration PostfixParameters::Time(std::string_view name) const {
  const ParameterFacts* facts = FactsOf(*source_, name);
  const char unit = facts == nullptr || facts->time_unit == '\0' ? 's' : facts->time_unit;
  const std::string value = Text(name);
  if (const auto parsed = ParsePostfixTime(value, unit)) return *parsed;
  return ParsePostfixTime(BadValue(name, value, "time such as 300s, 5m, 2h, 1d, 1w"), unit).value_or(Seconds(0));
}

std::vector<std::string> PostfixParameters::SplitList(std::string_view text) { return SplitPostfixList(text); }

std::vector<std::string> PostfixParameters::LowerList(std::string_view name) const {
  std::vector<std::string> list = List(name);
  for (std::string& element : list) element = LowerCase(element);
  return list;
}

TablePtr PostfixParameters::OpenTable(std::string_view name, std::string_view specification, TableFormat format) const {
  // "virtual_alias_domains = $virtual_alias_maps" by default: the table was written at virtual_alias_maps.
  std::string writer(name);
  if (!IsSet(name)) {
    for (const std::string& reference : ReferencedParameters(Raw(name).value_or(""))) {
      if (IsSet(reference)) writer = reference;
    }
  }
  const TableRequest request{
      .format = format, .place = PlaceOf(writer), .wanted_by = writer, .optional = !IsSet(writer)};
  const std::string key = std::string(format == TableFormat::kAliases ? "aliases " : "map ") +
                          (request.optional ? "optional " : "") + std::string(specification);
  if (const auto at = source_->tables.find(key); at != source_->tables.end()) return at->second;
  TablePtr table = config::OpenTable(specification, request, *source_->files, source_->findings);
  source_->tables.emplace(key, table);
  return table;
}

TableList PostfixParameters::Tables(std::string_view name, TableFormat format) const {
  TableList list;
  for (const std::string& specification : List(name)) {
    if (TablePtr table = OpenTable(name, specification, format)) list.tables.push_back(std::move(table));
  }
  return list;
}

void ReadPostfix(const std::string& folder, PostfixSource* source) {
  for (const bool is_main : {true, false}) {
    const std::string file = JoinPath(folder, is_main ? "main.cf" : "master.cf");
    const auto text = source->files->Read(file);
    if (!text.ok()) {
      source->findings->Error("file-unreadable", {file, 0}, "cannot be read: " + std::string(Message(text.status())),
                              "give the folder that holds main.cf and master.cf, and run with the rights to read it");
    }
    const std::string_view bytes = text.ok() ? std::string_view(*text) : std::string_view();
    if (is_main) {
      source->main = ParseMainCf(bytes, file, source->findings);
    } else {
      source->master = ParseMasterCf(bytes, file, source->findings);
    }
  }
  ComputeNames(folder, source);
}

}  // namespace postern::config
