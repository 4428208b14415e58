#include "adapters/host/errno_status.h"

#include <cerrno>
#include <cstring>
#include <string>

namespace postern::host {
namespace {

StatusCode CodeOf(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return StatusCode::kNotFound;
    case EEXIST:
    case ENOTEMPTY:
      return StatusCode::kAlreadyExists;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return StatusCode::kResourceExhausted;
    case EACCES:
    case EPERM:
    case EROFS:
      return StatusCode::kPermissionDenied;
    case ENAMETOOLONG:
    case ELOOP:
    case EINVAL:
      return StatusCode::kInvalidArgument;
    case EISDIR:
    case EXDEV:
    case EMLINK:
      return StatusCode::kFailedPrecondition;
    default:
      return StatusCode::kUnavailable;
  }
}

}  // namespace

Status StatusFromErrno(int error, std::string_view what) {
  char buffer[128];
  const char* const text = strerror_r(error, buffer, sizeof buffer);  // the GNU form: returns the text
  return Error(CodeOf(error), std::string(what) + ": " + text);
}

}  // namespace postern::host
