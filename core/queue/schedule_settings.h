// The queue's settings from the configuration.
#pragma once

#include "core/config/settings.h"
#include "core/queue/retry.h"
#include "core/queue/schedule.h"

namespace postern::queue {

ScheduleSettings FromConfig(const config::Config& config);
RetrySettings RetryFromConfig(const config::Config& config);

}  // namespace postern::queue
