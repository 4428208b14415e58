// Events and effects as lines of text: what recordings are made of. An event goes both ways and comes back as it was;
// an effect only goes out, to be compared with what another run did, with everything secret in it replaced by "***".
//
//   line   = name *( " " field )
//   field  = a number, "0" or "1", or bytes: printable ASCII as it is, all else and "%" and " " as %XX; no bytes are
//   "%"
//
// Pure. Parsing is for files that may be broken: it fails, it never crashes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/base/status.h"
#include "core/boundary/effect.h"
#include "core/boundary/event.h"

namespace postern {

std::string EncodeField(std::string_view bytes);
StatusOr<std::string> DecodeField(std::string_view field);

// Of ConfigChanged only the generation is written: `generation` says which, since events don't know.
std::string FormatEvent(const Event& event, uint64_t generation = 0);

struct ParsedEvent {
  Event event;                               // its views point into `bytes`
  std::shared_ptr<const std::string> bytes;  // of Received, ReadDone
  uint64_t generation = 0;                   // of ConfigChanged, whose `config` is null
};
// Errors: kInvalidArgument.
StatusOr<ParsedEvent> ParseEvent(std::string_view line);

// Long bytes (what is sent, written) are shown up to `shown_bytes_max` and then by length and hash, so that any other
// bytes make another line. A password is "***", whatever it is.
std::string FormatEffect(const Effect& effect, size_t shown_bytes_max = 4096);

}  // namespace postern
