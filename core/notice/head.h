// What every message that this host writes itself begins and is named with, as Postfix's post_mail(3) and cleanup(8) do
// it.
#pragma once

#include <string>

#include "core/base/time.h"
#include "core/notice/decide.h"

namespace postern::notice {

struct Writing {   // a notice's own circumstances
  std::string id;  // its queue id
  Now now;
};

// "Tue, 24 Nov 2026 13:27:01 +0000 (UTC)": `at` in the zone of `now`.
std::string DateText(WallTime at, const Now& now);

// Received and Date, LF line ends. Appends.
void AppendHead(const Settings& settings, const Writing& writing, std::string* out);

// "<20261124132701.6F320A7A1D3@mail.example.test>", the time in UTC.
std::string MessageIdText(const Settings& settings, const Writing& writing);

}  // namespace postern::notice
