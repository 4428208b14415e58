// Puts the right answer to a challenge where a recording has zeros. The recorded client knew the password; the recorded
// configuration has a stand-in for it, and the challenge is the same one (the shard draws from the same key), so the
// answer that fits both is computed anew, in the same place and as long as the other. Pure.
#pragma once

#include <string>
#include <string_view>

namespace postern::sim {

struct AnswerFacts {
  std::string_view mechanism;     // as recorded: "CRAM-MD5", "DIGEST-MD5", "SCRAM"
  std::string_view prompt;        // the line that asked, without its end: "334 PDEy..."
  std::string_view client_first;  // SCRAM: the client's first message, decoded
  std::string_view password;      // the stand-in
};

// `bytes` as received: its first line is the answer. Gives them back unchanged where the answer has another shape.
std::string WithRightAnswer(std::string_view bytes, const AnswerFacts& facts);

// A SCRAM client's first message in base64, alone on a line or behind a command; decoded, "" where there is none.
std::string FindScramClientFirst(std::string_view bytes);

}  // namespace postern::sim
