// Every setting of the two languages that we know by name: its type, default, meaning and what becomes of it here.
//
// Effects. kHonoured: it does what it says. kNoEffect: there is nothing here it could act on; the text says why.
// kProtects and kChangesMail: it decides who may do what, or where mail goes, and we cannot do it: set to anything but
// its default it stops the start. kHarmless: not supported, and nobody is worse off: a notice.
// The tables are data (registry_*.cc). Names and defaults are those of Postfix 3.7 and Dovecot 2.3.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace postern::config {

enum class ParameterType : uint8_t { kText, kBool, kNumber, kTime, kSize, kReplyCode, kTables, kRestrictions };
enum class SettingEffect : uint8_t { kHonoured, kNoEffect, kProtects, kChangesMail, kHarmless };

struct ParameterFacts {
  std::string_view name;
  std::string_view default_value;  // not expanded; what depends on compatibility_level is a ${...} condition
  ParameterType type;
  char time_unit;  // of kTime in Postfix: s m h d w; else 0
  SettingEffect effect;
  std::string_view meaning;  // one line; of kNoEffect the reason
};

// Null where the name is unknown. Those of the transports that every master.cf has (smtp_destination_recipient_limit)
// are found, too; those of others are no names of their own: FindTransportParameter.
const ParameterFacts* FindPostfixParameter(std::string_view name);
std::vector<const ParameterFacts*> AllPostfixParameters();  // by name
// Settings of our own in main.cf, by name: they begin with "postern_". FindPostfixParameter finds them, too.
std::span<const ParameterFacts> OwnParameters();
// Is the value kept as written, its $names filled in later from a session or a delivery (default_rbl_reply)?
bool IsRawParameter(std::string_view name);
// "TRANSPORT_destination_recipient_limit" and its like, for a service TRANSPORT of master.cf; gives the transport's
// name, empty where the name has no such ending.
std::string_view TransportOfParameter(std::string_view name);
// What such a name means, whatever TRANSPORT is; null where the name has no such ending. `name` of the facts is
// "TRANSPORT_destination_recipient_limit".
const ParameterFacts* FindTransportParameter(std::string_view name);
std::span<const ParameterFacts> TransportParameters();  // by name

const ParameterFacts* FindDovecotSetting(std::string_view key);  // of the root
// Does a section of this type know `key`? True for types with free keys (plugin, dict) and for filters.
bool KnowsDovecotKey(std::string_view section_type, std::string_view key);
// The default of a root setting; empty where unknown. For ParseDovecot.
std::string_view DovecotDefault(std::string_view key);

// The known name nearest to a misspelled one, by at most two edits; empty where there is none.
std::string_view NearestPostfixParameter(std::string_view name);
std::string_view NearestDovecotSetting(std::string_view key);

// ---- access rules ---------------------------------------------------------------------------------------------------

struct RestrictionFacts {
  std::string_view name;
  // What follows the name in the list.
  enum class Argument : uint8_t { kNone, kTable, kText } argument;
  bool supported;                 // what core/smtp judges; its tests compare
  std::string_view present_name;  // for deprecated names; empty: this one is present
};
std::span<const RestrictionFacts> AllRestrictions();
// Null where the name is no rule of Postfix.
const RestrictionFacts* FindRestriction(std::string_view name);

}  // namespace postern::config
