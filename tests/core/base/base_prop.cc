// Laws of core/base: what is encoded decodes to itself, what decodes encodes to itself, and garbage does no harm.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "core/base/base64.h"
#include "core/base/hash.h"
#include "core/base/ip.h"

namespace postern {
namespace {

RC_GTEST_PROP(Base64, RoundTrip, (const std::string& bytes)) {
  RC_ASSERT(DecodeBase64(EncodeBase64(bytes)) == bytes);
  RC_ASSERT(DecodeHex(EncodeHex(bytes)) == bytes);
}

RC_GTEST_PROP(Base64, OneTextForEachValue, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("AZaz09+/Qg=")));
  if (const auto bytes = DecodeBase64(text)) RC_ASSERT(EncodeBase64(*bytes) == text);
}

RC_GTEST_PROP(Ip, RoundTrip, (bool v6, std::array<uint8_t, 16> bytes)) {
  for (size_t i = *rc::gen::inRange<size_t>(0, 16); i < *rc::gen::inRange<size_t>(0, 17); ++i) bytes[i] = 0;
  IpAddress address{.v6 = v6};
  std::copy_n(bytes.begin(), v6 ? 16 : 4, address.bytes.begin());
  RC_ASSERT(IpAddress::Parse(address.ToString()) == address);
}

RC_GTEST_PROP(Ip, WhatParsesHasOneForm, ()) {
  const std::string text = *rc::gen::container<std::string>(rc::gen::elementOf(std::string("0123af::::..../")));
  if (const auto address = IpAddress::Parse(text)) RC_ASSERT(IpAddress::Parse(address->ToString()) == address);
  if (const auto network = Network::Parse(text)) RC_ASSERT(network->Contains(network->address));
}

RC_GTEST_PROP(Hash, PartsAreOneText, (const std::string& a, const std::string& b)) {
  for (const HashKind kind : {HashKind::kMd4, HashKind::kMd5, HashKind::kSha1, HashKind::kSha256, HashKind::kSha512}) {
    RC_ASSERT(Digest(kind, {a, b}) == Digest(kind, a + b));
  }
}

RC_GTEST_PROP(Hash, ComparesAsEqualDoes, (const std::string& a, const std::string& b)) {
  RC_ASSERT(EqualInConstantTime(a, b) == (a == b));
  RC_ASSERT(EqualInConstantTime(a, a));
}

}  // namespace
}  // namespace postern
