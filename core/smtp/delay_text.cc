#include "core/smtp/delay_text.h"

#include <cstdio>

namespace postern::smtp {

std::string DelayText(Duration duration) {
  const double seconds = ToSeconds(duration);
  if (seconds < 0.005) return "0";
  char text[32];
  if (seconds >= 10) {
    std::snprintf(text, sizeof text, "%.0f", seconds);
  } else if (seconds >= 1) {
    std::snprintf(text, sizeof text, "%.1f", seconds);
  } else {
    std::snprintf(text, sizeof text, seconds < 0.1 ? "%.2f" : "%.2g", seconds);
  }
  std::string result = text;
  if (result.find('.') != std::string::npos) {
    while (result.back() == '0') result.pop_back();
    if (result.back() == '.') result.pop_back();
  }
  return result;
}

}  // namespace postern::smtp
