// Errors of system calls as Status, with the codes that core/boundary/file_plan.h promises.
#pragma once

#include <string_view>

#include "core/base/status.h"

namespace postern::host {

// `error` is an errno value; `what` names the operation and its object: "create /a/b". ENOENT and ENOTDIR: kNotFound;
// EEXIST and ENOTEMPTY: kAlreadyExists; ENOSPC, EDQUOT, EFBIG: kResourceExhausted; EACCES, EPERM, EROFS:
// kPermissionDenied; a name that can't be (too long, a loop): kInvalidArgument; EISDIR, EXDEV, EMLINK:
// kFailedPrecondition; everything else, EIO and EMFILE among them: kUnavailable.
Status StatusFromErrno(int error, std::string_view what);

}  // namespace postern::host
