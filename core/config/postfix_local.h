// local_settings.h from main.cf, and the files that aliases include.
#pragma once

#include "core/config/local_settings.h"
#include "core/config/postfix_parameters.h"

namespace postern::config {

// `alias_maps`: whose values name the :include: files. Those are read as far as they are bounded; what cannot be read,
// and targets that nothing here delivers to (commands, files), are findings.
LocalDelivery BuildLocalDelivery(const PostfixParameters& parameters, const TableList& alias_maps);
ExtensionPropagation BuildExtensionPropagation(const PostfixParameters& parameters);
HeaderSettings BuildHeaderSettings(const PostfixParameters& parameters);
SubmissionLimits BuildSubmissionLimits(const PostfixParameters& parameters);
LocalClients BuildLocalClients(const PostfixParameters& parameters);

}  // namespace postern::config
