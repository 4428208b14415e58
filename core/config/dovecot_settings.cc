#include "core/config/dovecot_settings.h"

#include <algorithm>

#include "core/config/registry.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

void ReportUnknown(const DovecotSection& section, const DovecotSetting& setting, FindingList* findings) {
  const std::string_view nearest = section.type.empty() ? NearestDovecotSetting(setting.key) : std::string_view();
  const std::string where = section.type.empty() ? "" : " in " + section.type + " " + section.name;
  findings->Error("dovecot-unknown-setting", setting.place,
                  "\"" + setting.key + "\" is no setting" + where + ": Dovecot would not start",
                  nearest.empty() ? "correct its name, or remove it" : "did you mean " + std::string(nearest) + "?");
}

// A setting of the root, or of a filter section, that is written: what becomes of it.
void ReportEffect(const DovecotSetting& setting, const ParameterFacts& facts, FindingList* findings) {
  const std::string meaning(facts.meaning);
  if (setting.value == facts.default_value && facts.effect != SettingEffect::kNoEffect) return;
  switch (facts.effect) {
    case SettingEffect::kHonoured:
      return;
    case SettingEffect::kNoEffect:
      findings->Notice("setting-without-effect", setting.place, setting.key + " has no effect: " + meaning,
                       "leave it for Dovecot, or remove it");
      return;
    case SettingEffect::kProtects:
    case SettingEffect::kChangesMail:
      findings->Error("setting-unsupported", setting.place,
                      setting.key + " (" + meaning + ") is not supported" +
                          (facts.effect == SettingEffect::kProtects ? ": what it protects would be open"
                                                                    : ": mail would not be where it should be"),
                      "remove it if you can do without");
      return;
    case SettingEffect::kHarmless:
      findings->Notice("setting-unsupported-harmless", setting.place,
                       setting.key + " (" + meaning + ") is not supported; nothing else depends on it",
                       "leave it for Dovecot, or remove it");
  }
}

// Plug-ins that change who may read what, or how messages are stored.
void CheckPlugins(const DovecotSetting& setting, FindingList* findings) {
  for (const std::string& plugin : SplitWords(setting.value, true)) {
    if (plugin == "acl" || plugin == "imap_acl" || plugin == "quota" || plugin == "imap_quota" ||
        plugin == "mail_crypt" || plugin == "zlib" || plugin == "mail_compress" || plugin == "mail_filter" ||
        plugin == "lazy_expunge" || plugin == "virtual" || plugin == "listescape" || plugin == "mailbox_alias") {
      findings->Error("dovecot-plugin-unsupported", setting.place,
                      "plug-in " + plugin + " is not supported: " +
                          (plugin.find("acl") != std::string::npos     ? "users would lose or gain mailboxes of others"
                           : plugin.find("quota") != std::string::npos ? "mailboxes would grow without limit"
                           : plugin == "lazy_expunge"                  ? "deleted messages would not be kept"
                           : plugin == "virtual" || plugin == "listescape" || plugin == "mailbox_alias"
                               ? "mailboxes would be missing, or have other names"
                               : "its message files could not be read"),
                      "remove it if you can do without");
    } else {
      findings->Warning("dovecot-plugin-ignored", setting.place, "plug-in " + plugin + " will not do its work",
                        "remove it if you can do without");
    }
  }
}

void CheckSection(const DovecotSection& section, size_t depth, FindingList* findings) {
  const bool like_root = section.type.empty() || section.type == "protocol" || section.type == "local" ||
                         section.type == "remote" || section.type == "local_name";
  for (const DovecotSetting& setting : section.settings) {
    if (like_root) {
      const ParameterFacts* facts = FindDovecotSetting(setting.key);
      if (facts == nullptr && !setting.key.starts_with("dovecot_") && setting.key.find('/') == std::string::npos) {
        ReportUnknown(section, setting, findings);
      } else if (setting.key == "mail_plugins") {
        if (section.Find("mail_plugins") == &setting) CheckPlugins(setting, findings);
      } else if (facts != nullptr && section.Find(setting.key) == &setting) {
        ReportEffect(setting, *facts, findings);
      }
    } else if (!KnowsDovecotKey(section.type, setting.key)) {
      ReportUnknown(section, setting, findings);
    }
  }
  if (section.type == "local" || section.type == "remote") {
    findings->Error("dovecot-filter-unsupported", section.place,
                    "settings that hold only for some addresses (\"" + section.type + " " + section.name +
                        " {\") are not supported: they would hold for nobody",
                    "remove the section, or set its values for all");
  } else if (section.type == "local_name") {
    findings->Warning("dovecot-filter-ignored", section.place,
                      "certificates by name (\"local_name " + section.name +
                          " {\") are not supported: clients see the one of ssl_cert",
                      "use one certificate for all names");
  }
  if (depth > kDovecotSectionDepthMax) return;
  for (const auto& inner : section.sections) CheckSection(*inner, depth + 1, findings);
}

}  // namespace

const DovecotSetting* DovecotSettings::Find(std::string_view key) const {
  if (!protocol_.empty()) {
    for (const auto& section : root_->sections) {
      if (section->type != "protocol" || section->name != protocol_) continue;
      if (const DovecotSetting* setting = section->Find(key)) return setting;
    }
  }
  return root_->Find(key);
}

Place DovecotSettings::PlaceOf(std::string_view key) const {
  const DovecotSetting* setting = Find(key);
  return setting == nullptr ? Place{root_->place.file, 0} : setting->place;
}

std::string DovecotSettings::Text(std::string_view key) const {
  const DovecotSetting* setting = Find(key);
  return setting == nullptr ? std::string(DovecotDefault(key)) : setting->value;
}

std::string DovecotSettings::BadValue(std::string_view key, std::string_view value, std::string_view wanted) const {
  findings_->Error("dovecot-bad-value", PlaceOf(key),
                   std::string(key) + " is \"" + std::string(value) + "\", which is no " + std::string(wanted) +
                       ": Dovecot would not start",
                   "write " + std::string(wanted) + "; the default is \"" + std::string(DovecotDefault(key)) + "\"");
  return std::string(DovecotDefault(key));
}

bool DovecotSettings::Bool(std::string_view key) const {
  const std::string value = Text(key);
  if (const auto parsed = ParseDovecotBool(value)) return *parsed;
  return ParseDovecotBool(BadValue(key, value, "yes or no")).value_or(false);
}

uint64_t DovecotSettings::Number(std::string_view key) const {
  const std::string value = Text(key);
  if (const auto parsed = ParseUnsigned(value)) return *parsed;
  return ParseUnsigned(BadValue(key, value, "number")).value_or(0);
}

uint64_t DovecotSettings::Size(std::string_view key) const {
  const std::string value = Text(key);
  if (const auto parsed = ParseDovecotSize(value)) return *parsed;
  return ParseDovecotSize(BadValue(key, value, "size such as 64k, 10M")).value_or(0);
}

Duration DovecotSettings::Time(std::string_view key) const {
  const std::string value = Text(key);
  if (const auto parsed = ParseDovecotTime(value)) return *parsed;
  return ParseDovecotTime(BadValue(key, value, "time with its unit, such as 2 secs")).value_or(Seconds(0));
}

std::vector<std::string> DovecotSettings::Words(std::string_view key) const { return SplitWords(Text(key)); }

int64_t DovecotSettings::Id(std::string_view text, bool is_user, const Place& place) const {
  if (text.empty()) return -1;
  if (const auto number = ParseUnsigned(text); number && *number <= UINT32_MAX) return static_cast<int64_t>(*number);
  const int64_t id = is_user ? files_->UserId(text) : files_->GroupId(text);
  if (id < 0) {
    findings_->Error(
        "dovecot-unknown-id", place,
        "\"" + std::string(text) + "\" is no " + (is_user ? "user" : "group") + " of this host: every login would fail",
        std::string("create it, or write its number"));
  }
  return id;
}

void CheckDovecotNames(const DovecotSection& root, FindingList* findings) { CheckSection(root, 0, findings); }

}  // namespace postern::config
