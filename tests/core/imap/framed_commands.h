// Runs a Framer over bytes cut into pieces, as a session would, for tests of framer and parser.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/imap/framer.h"

namespace postern::imap {

struct Framed {
  Framer::Kind kind;
  std::string text;
  bool operator==(const Framed&) const = default;
};

// Everything the framer says of `bytes`, given to it in pieces that end at `cuts` (rising) and at the end; each text is
// copied, and the chunks of a message are joined. `refuse`: literals that wait for an answer are refused.
inline std::vector<Framed> FrameAll(Framer* framer, std::string_view bytes, const std::vector<size_t>& cuts = {},
                                    bool refuse = false) {
  std::vector<Framed> framed;
  size_t begin = 0;
  for (size_t i = 0; i <= cuts.size(); ++i) {
    const size_t end = i < cuts.size() ? cuts[i] : bytes.size();
    // A copy of the piece, so that sanitizers see a view that outlives it.
    const std::string piece(bytes.substr(begin, end - begin));
    std::string_view input = piece;
    begin = end;
    while (true) {
      const Framer::Step step = framer->Next(input);
      input.remove_prefix(step.consumed_bytes);
      if (step.kind == Framer::Kind::kNeedInput) break;
      if (step.kind == Framer::Kind::kChunk && !framed.empty() && framed.back().kind == Framer::Kind::kChunk) {
        framed.back().text.append(step.text);
      } else {
        framed.push_back({step.kind, std::string(step.text)});
      }
      const bool asks = step.kind == Framer::Kind::kContinue || step.kind == Framer::Kind::kAppendLiteral;
      if (asks && refuse) framer->RefuseLiteral();
      if (step.kind == Framer::Kind::kFatal) return framed;
    }
  }
  return framed;
}

}  // namespace postern::imap
