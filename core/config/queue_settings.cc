#include "core/config/queue_settings.h"

#include <absl/strings/numbers.h>

#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr std::array<std::pair<std::string_view, NotifyClass>, 8> kNotifyClasses{{{"bounce", kClassBounce},
                                                                                  {"2bounce", kClass2Bounce},
                                                                                  {"data", kClassData},
                                                                                  {"delay", kClassDelay},
                                                                                  {"policy", kClassPolicy},
                                                                                  {"protocol", kClassProtocol},
                                                                                  {"resource", kClassResource},
                                                                                  {"software", kClassSoftware}}};

}  // namespace

StatusOr<Feedback> Feedback::Parse(std::string_view text) {
  const auto bad = [&] {
    return InvalidArgument("\"" + std::string(text) + "\" is no feedback: write a number from 0 to 1, two numbers " +
                           "as in 1/8, or NUMBER/concurrency");
  };
  const size_t slash = text.find('/');
  Feedback feedback;
  if (!absl::SimpleAtod(ToAbsl(Trim(text.substr(0, slash))), &feedback.base)) return bad();
  if (slash != std::string_view::npos) {
    const std::string_view below = Trim(text.substr(slash + 1));
    double divisor = 1;
    if (below == "concurrency") {
      feedback.per_concurrency = true;
    } else if (!absl::SimpleAtod(ToAbsl(below), &divisor) || !(divisor > 0)) {
      return bad();
    }
    feedback.base /= divisor;
  }
  if (!(feedback.base >= 0 && feedback.base <= 1)) return bad();  // also what is no number
  return feedback;
}

StatusOr<uint8_t> ParseNotifyClasses(std::string_view text) {
  uint8_t classes = 0;
  for (const std::string& word : SplitWords(text, /*commas=*/true)) {
    bool known = false;
    for (const auto& [name, bit] : kNotifyClasses) {
      if (!EqualsIgnoringCase(name, word)) continue;
      classes |= bit;
      known = true;
    }
    if (!known) {
      return InvalidArgument("notify_classes: \"" + word +
                             "\" is none; use bounce, 2bounce, data, delay, policy, protocol, resource, software");
    }
  }
  return classes;
}

}  // namespace postern::config
