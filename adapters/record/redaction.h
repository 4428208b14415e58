// Takes secrets out of what a recording keeps. The core says which bytes of a Received event are secret (the Redact
// effect); what stands in their place has the same length, and keeps what is no secret and decides the core's way: the
// user name of a PLAIN response, the shape of a CRAM-MD5, DIGEST-MD5 or SCRAM answer without its digest. Where the
// bytes are no whole response of a known shape, all of them are filled: such a login does not replay. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/boundary/effect.h"

namespace postern::record {

// What a password is in a recording, wherever one is needed to go on: every user's in the recorded configuration.
inline constexpr std::string_view kStandInPassword = "stand-in";

struct Redacted {
  std::string bytes;  // as long as what came
  // A challenge was answered: "CRAM-MD5", "DIGEST-MD5", "SCRAM"; the digest is filled and replay computes it anew from
  // the stand-in password where the recorded one was right. Empty: nothing of the kind.
  std::string answered;
};

// `spans`: the Redact effects of the step, for this connection. `prompt`: the last line the server sent on the
// connection, without its end ("334 VXNlcm5hbWU6", "+ "), where these are the first bytes behind it: it tells what is
// answered. A response may come without its line end, which comes later; only a later piece of one is filled as a
// whole.
Redacted RedactReceived(std::string_view bytes, const std::vector<Redact>& spans, std::string_view prompt);

}  // namespace postern::record
