#include "core/notice/head.h"

#include <array>
#include <cstdio>

#include "core/message/date.h"

namespace postern::notice {

std::string DateText(WallTime at, const Now& now) {
  std::string text;
  message::AppendTraceDate({.unix_seconds = at.seconds(), .zone_minutes = now.utc_offset_seconds / 60}, "", &text);
  return text;
}

void AppendHead(const Settings& settings, const Writing& writing, std::string* out) {
  const std::string date = DateText(writing.now.wall, writing.now);
  out->append("Received: by " + settings.myhostname + " (" + settings.mail_name + ")\n");
  out->append("\tid " + writing.id + "; " + date + "\n");
  out->append("Date: " + date + "\n");
}

std::string MessageIdText(const Settings& settings, const Writing& writing) {
  const message::CivilTime utc = message::ToCivilTime(writing.now.wall.seconds());
  std::array<char, 80> stamp{};
  std::snprintf(stamp.data(), stamp.size(), "%04d%02d%02d%02d%02d%02d", utc.year, utc.month, utc.day, utc.hour,
                utc.minute, utc.second);
  return "<" + std::string(stamp.data()) + "." + writing.id + "@" + settings.myhostname + ">";
}

}  // namespace postern::notice
