#include "core/notice/outcome.h"

#include <array>

namespace postern::notice {
namespace {

// RFC 3463 section 2: class "." subject "." detail; no leading zeros are asked for, up to three digits are.
bool IsEnhancedStatus(std::string_view text) {
  if (text.size() < 5 || text[1] != '.') return false;
  int digits = 0, dots = 0;
  for (const char c : text.substr(2)) {
    if (c == '.') {
      if (digits == 0 || ++dots > 1) return false;
      digits = 0;
    } else if (c < '0' || c > '9' || ++digits > 3) {
      return false;
    }
  }
  return dots == 1 && digits > 0;
}

char ClassOf(Fate fate) {
  switch (fate) {
    case Fate::kDelivered:
    case Fate::kRelayed:
    case Fate::kPassedOn:
    case Fate::kExpanded:
      return '2';
    case Fate::kDelayed:
      return '4';
    case Fate::kFailed:
      return '5';
  }
  return '5';
}

}  // namespace

std::string_view ActionName(Fate fate) {
  switch (fate) {
    case Fate::kDelivered:
      return "delivered";
    case Fate::kRelayed:
    case Fate::kPassedOn:
      return "relayed";
    case Fate::kExpanded:
      return "expanded";
    case Fate::kDelayed:
      return "delayed";
    case Fate::kFailed:
      return "failed";
  }
  return "failed";
}

std::string StatusOf(const Outcome& outcome) {
  const char wanted = ClassOf(outcome.fate);
  if (IsEnhancedStatus(outcome.status)) {
    if (outcome.status[0] == wanted || (outcome.fate == Fate::kFailed && outcome.status[0] == '4'))
      return outcome.status;
  }
  return std::string(1, wanted) + ".0.0";
}

}  // namespace postern::notice
