#include "adapters/net/openssl.h"

#include <openssl/err.h>

#include <system_error>

namespace postern::net {

std::string OpenSslError() {
  const unsigned long code = ERR_peek_error();
  std::string text = "no reason given";
  if (ERR_SYSTEM_ERROR(code)) {
    text = std::generic_category().message(ERR_GET_REASON(code));
  } else if (const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code)) {
    text = reason;
  }
  ERR_clear_error();
  return text;
}

}  // namespace postern::net
