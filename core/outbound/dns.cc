#include "core/outbound/dns.h"

#include <unicode/uidna.h>

#include <algorithm>

namespace postern::outbound {

std::string AsciiDomain(std::string_view domain) {
  if (std::all_of(domain.begin(), domain.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; }))
    return std::string(domain);
  UErrorCode error = U_ZERO_ERROR;
  UIDNA* converter = uidna_openUTS46(UIDNA_NONTRANSITIONAL_TO_ASCII | UIDNA_CHECK_BIDI, &error);
  if (U_FAILURE(error)) return std::string(domain);
  std::string ascii(4 * domain.size() + 64, '\0');  // an A-label is longer by at most "xn--" and a few digits a letter
  UIDNAInfo info = UIDNA_INFO_INITIALIZER;
  const int32_t bytes = uidna_nameToASCII_UTF8(converter, domain.data(), static_cast<int32_t>(domain.size()),
                                               ascii.data(), static_cast<int32_t>(ascii.size()), &info, &error);
  uidna_close(converter);
  if (U_FAILURE(error) || info.errors != 0 || bytes <= 0) return std::string(domain);
  ascii.resize(static_cast<size_t>(bytes));
  return ascii;
}

}  // namespace postern::outbound
