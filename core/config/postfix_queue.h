// The parameters of the queue manager, of the transports and of notices as values.
#pragma once

#include "core/config/postfix_parameters.h"
#include "core/config/queue_settings.h"

namespace postern::config {

QueueSettings BuildQueueSettings(const PostfixParameters& main);
NoticeSettings BuildNoticeSettings(const PostfixParameters& main);

}  // namespace postern::config
