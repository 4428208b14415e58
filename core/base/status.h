// The bridge to Abseil's Status: errors as values, with std::string_view on our side whatever Abseil was built with.
//
// Debian builds Abseil with a string_view of its own (ABSL_OPTION_USE_STD_STRING_VIEW 0), so its functions neither take
// nor give a std::string_view. Only this header knows; it compiles as well where the two are one type.
// Codes: kInvalidArgument the peer or a file says nonsense; kNotFound; kAlreadyExists; kResourceExhausted a limit,
// quota or full disk; kUnavailable try later; kFailedPrecondition wrong state; kPermissionDenied; kDataLoss a corrupt
// file.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include <string>
#include <string_view>
#include <utility>

namespace postern {

using Status = absl::Status;
using StatusCode = absl::StatusCode;
template <class T>
using StatusOr = absl::StatusOr<T>;

inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view FromAbsl(absl::string_view text) { return {text.data(), text.size()}; }

inline Status Error(StatusCode code, std::string_view message) { return Status(code, ToAbsl(message)); }
inline Status InvalidArgument(std::string_view m) { return Error(StatusCode::kInvalidArgument, m); }
inline Status NotFound(std::string_view m) { return Error(StatusCode::kNotFound, m); }
inline Status AlreadyExists(std::string_view m) { return Error(StatusCode::kAlreadyExists, m); }
inline Status ResourceExhausted(std::string_view m) { return Error(StatusCode::kResourceExhausted, m); }
inline Status Unavailable(std::string_view m) { return Error(StatusCode::kUnavailable, m); }
inline Status FailedPrecondition(std::string_view m) { return Error(StatusCode::kFailedPrecondition, m); }
inline Status PermissionDenied(std::string_view m) { return Error(StatusCode::kPermissionDenied, m); }
inline Status DataLoss(std::string_view m) { return Error(StatusCode::kDataLoss, m); }
inline Status OkStatus() { return Status(); }

// The message of `status`; valid as long as `status` lives.
inline std::string_view Message(const Status& status) { return FromAbsl(status.message()); }

}  // namespace postern

// Leaves the function with the Status of `expr` unless it is OK.
#define POSTERN_RETURN_IF_ERROR(expr)                                      \
  do {                                                                     \
    if (::postern::Status status_ = (expr); !status_.ok()) return status_; \
  } while (false)
