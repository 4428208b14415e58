#include "core/auth/saslprep.h"

#include <unicode/usprep.h>
#include <unicode/ustring.h>

#include <algorithm>
#include <memory>

namespace postern::auth {
namespace {

bool IsPlainAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

}  // namespace

std::optional<std::string> SaslPrep(std::string_view text, bool query) {
  if (text.size() > kSaslPrepBytesMax) return std::nullopt;
  if (IsPlainAscii(text)) return std::string(text);  // the profile changes nothing there, and most texts are this

  UErrorCode error = U_ZERO_ERROR;
  std::u16string source(text.size(), u'\0');  // UTF-16 never has more units than UTF-8 has bytes
  int32_t length = 0;
  u_strFromUTF8(source.data(), static_cast<int32_t>(source.size()), &length, text.data(),
                static_cast<int32_t>(text.size()), &error);
  if (U_FAILURE(error)) return std::nullopt;

  const std::unique_ptr<UStringPrepProfile, decltype(&usprep_close)> profile(
      usprep_openByType(USPREP_RFC4013_SASLPREP, &error), &usprep_close);
  if (U_FAILURE(error)) return std::nullopt;
  // NFKC makes at most 18 units of one (Unicode's bound on expansion).
  std::u16string prepared(static_cast<size_t>(length) * 18 + 1, u'\0');
  const int32_t prepared_length =
      usprep_prepare(profile.get(), source.data(), length, prepared.data(), static_cast<int32_t>(prepared.size()),
                     query ? USPREP_ALLOW_UNASSIGNED : USPREP_DEFAULT, nullptr, &error);
  if (U_FAILURE(error)) return std::nullopt;

  std::string out(static_cast<size_t>(prepared_length) * 3 + 1, '\0');
  int32_t out_length = 0;
  error = U_ZERO_ERROR;
  u_strToUTF8(out.data(), static_cast<int32_t>(out.size()), &out_length, prepared.data(), prepared_length, &error);
  if (U_FAILURE(error)) return std::nullopt;
  out.resize(static_cast<size_t>(out_length));
  return out;
}

std::string SaslPrepOrSame(std::string_view text) {
  auto prepared = SaslPrep(text);
  return prepared ? *std::move(prepared) : std::string(text);
}

}  // namespace postern::auth
