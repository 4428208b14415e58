#include "adapters/log/line_format.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "core/base/ascii.h"

namespace postern::log {
namespace {

constexpr int kMailFacility = 2;
constexpr std::array<std::string_view, 24> kFacilities{
    "kern",   "user",  "mail",  "daemon", "auth",   "syslog", "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
    "ntp",    "audit", "alert", "clock",  "local0", "local1", "local2", "local3", "local4", "local5", "local6",   "local7"};
constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int SyslogSeverity(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return 7;
    case Severity::kInfo:
      return 6;
    case Severity::kWarning:
      return 4;
    case Severity::kError:
      return 3;
    case Severity::kFatal:
      return 2;
  }
  return 6;
}

std::string_view LevelName(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return "debug";
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kError:
      return "error";
    case Severity::kFatal:
      return "critical";
  }
  return "info";
}

tm CivilTime(const Now& now, int64_t offset_seconds) {
  const time_t seconds = now.wall.seconds() + offset_seconds;
  tm civil{};
  gmtime_r(&seconds, &civil);
  return civil;
}

void AppendDate(const Now& now, std::string* out) {
  const tm civil = CivilTime(now, now.utc_offset_seconds);
  char date[32];
  const int length = std::snprintf(date, sizeof date, "%s %2d %02d:%02d:%02d ", kMonths[civil.tm_mon], civil.tm_mday,
                                   civil.tm_hour, civil.tm_min, civil.tm_sec);
  out->append(date, static_cast<size_t>(length));
}

void AppendTagAndText(const LogEvent& event, std::string* out) {
  const size_t start = out->size();
  *out += event.tag;
  if (event.pid != 0) *out += "[" + std::to_string(event.pid) + "]";
  *out += ": ";
  *out += event.text;
  if (out->size() - start > kLineBytesMax) out->resize(start + kLineBytesMax);
  // One record is one line, whatever the text holds.
  for (size_t i = start; i < out->size(); ++i) {
    if ((*out)[i] == '\n' || (*out)[i] == '\r' || (*out)[i] == '\0') (*out)[i] = '?';
  }
}

// RFC 3339 in UTC, with microseconds.
std::string Timestamp(const Now& now) {
  const tm civil = CivilTime(now, 0);
  char text[48];
  const int length = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", civil.tm_year + 1900,
                                   civil.tm_mon + 1, civil.tm_mday, civil.tm_hour, civil.tm_min, civil.tm_sec,
                                   static_cast<int>(now.wall.us - now.wall.seconds() * 1'000'000));
  return std::string(text, static_cast<size_t>(length));
}

}  // namespace

void AppendSyslog(const Now& now, int facility, const LogEvent& event, std::string* out) {
  *out += "<" + std::to_string(facility * 8 + SyslogSeverity(event.severity)) + ">";
  AppendDate(now, out);
  AppendTagAndText(event, out);
}

void AppendFileLine(const Now& now, std::string_view host, const LogEvent& event, std::string* out) {
  AppendDate(now, out);
  *out += host;
  *out += ' ';
  AppendTagAndText(event, out);
  *out += '\n';
}

void AppendJson(const Now& now, std::string_view host, const LogEvent& event, std::string* out) {
  nlohmann::ordered_json object;
  object["@timestamp"] = Timestamp(now);
  object["log.level"] = LevelName(event.severity);
  object["message"] = event.text.substr(0, kLineBytesMax);
  object["ecs.version"] = "8.11.0";
  object["service.name"] = "postern";
  object["host.name"] = host;
  object["process.name"] = event.tag;
  if (event.pid != 0) object["process.pid"] = event.pid;
  if (!event.trace_id.empty()) object["trace.id"] = event.trace_id;
  for (const auto& [name, value] : event.fields) object[name] = value;
  // Bytes that are no UTF-8 become U+FFFD: a line that can't be parsed helps nobody.
  *out += object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  *out += '\n';
}

int FacilityOf(std::string_view name) {
  if (name.starts_with("LOG_")) name.remove_prefix(4);
  for (size_t i = 0; i < kFacilities.size(); ++i) {
    if (EqualsIgnoringCase(name, kFacilities[i])) return static_cast<int>(i);
  }
  return kMailFacility;
}

}  // namespace postern::log
