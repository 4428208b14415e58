// The notices' settings and words from the configuration.
#pragma once

#include <vector>

#include "core/config/load.h"
#include "core/config/settings.h"
#include "core/notice/decide.h"
#include "core/notice/templates.h"

namespace postern::notice {

Settings FromConfig(const config::Config& config);

// The words of bounce_template_file. Without one, or where it cannot be used, the built-in ones: as bounce(8) does,
// mail is not kept from its author for that.
Templates TemplatesFromConfig(const config::Config& config);

// What is wrong with the template file (id "bounce-template"): for `postern check` and the log of a start, beside
// the findings of Load(), which knows nothing of notices.
std::vector<config::Finding> CheckTemplates(const config::Config& config);

}  // namespace postern::notice
