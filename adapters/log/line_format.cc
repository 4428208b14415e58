#include "adapters/log/line_format.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

#include "core/base/ascii.h"

namespace postern::log {
namespace {

constexpr int kMailFacility = 2;
constexpr std::array<std::string_view, 24> kFacilities{"kern",   "user",   "mail",   "daemon", "auth",     "syslog",
                                                       "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
                                                       "ntp",    "audit",  "alert",  "clock",  "local0",   "local1",
                                                       "local2", "local3", "local4", "local5", "local6",   "local7"};
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

// The length of the character that `text` begins with; 0 where it is none of UTF-8 (RFC 3629 section 4).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : uint8_t{0}; };
  const auto trails = [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      if ((byte(i) & 0xc0) != 0x80) return false;
    }
    return true;
  };
  const uint8_t first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return trails(1, 2) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool overlong = first == 0xe0 && second < 0xa0, surrogate = first == 0xed && second > 0x9f;
    return !overlong && !surrogate && trails(1, 3) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool overlong = first == 0xf0 && second < 0x90, beyond = first == 0xf4 && second > 0x8f;
    return !overlong && !beyond && trails(1, 4) ? 4 : 0;
  }
  return 0;
}

// A JSON string (RFC 8259 section 7). Bytes that are no UTF-8 become U+FFFD: a line that can't be parsed helps nobody.
void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  size_t plain = 0;  // from here on nothing is written yet, and nothing has to be changed
  for (size_t i = 0; i < text.size();) {
    const auto byte = static_cast<uint8_t>(text[i]);
    const size_t length = byte < 0x80 ? 1 : Utf8Length(text.substr(i));
    if (byte >= 0x20 && byte != '"' && byte != '\\' && length > 0) {
      i += length;
      continue;
    }
    out->append(text, plain, i - plain);
    if (length == 0) {
      *out += "\xef\xbf\xbd";
    } else if (byte < 0x20) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(byte));
      *out += escaped;
    } else {
      *out += '\\';
      *out += text[i];
    }
    plain = ++i;
  }
  out->append(text, plain);
  *out += '"';
}

void AppendMember(std::string_view name, std::string_view value, std::string* out) {
  if (value.empty()) return;
  AppendJsonString(name, out);
  *out += ':';
  AppendJsonString(value, out);
  *out += ',';
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
  const auto add = [&](std::string_view name, std::string_view value) {
    const bool own =
        std::any_of(event.fields.begin(), event.fields.end(), [&](const auto& field) { return field.first == name; });
    if (!own) AppendMember(name, value, out);
  };
  *out += '{';
  const size_t begin = out->size();
  add("@timestamp", Timestamp(now));
  add("log.level", LevelName(event.severity));
  add("message", std::string_view(event.text).substr(0, kLineBytesMax));
  add("ecs.version", "8.11.0");
  add("service.name", "postern");
  add("host.name", host);
  add("process.name", event.tag);
  if (event.pid != 0) *out += "\"process.pid\":" + std::to_string(event.pid) + ",";
  add("trace.id", event.trace_id);
  for (const auto& [name, value] : event.fields) AppendMember(name, value, out);
  if (out->size() != begin) out->pop_back();
  *out += "}\n";
}

int FacilityOf(std::string_view name) {
  if (name.starts_with("LOG_")) name.remove_prefix(4);
  for (size_t i = 0; i < kFacilities.size(); ++i) {
    if (EqualsIgnoringCase(name, kFacilities[i])) return static_cast<int>(i);
  }
  return kMailFacility;
}

}  // namespace postern::log
