// Any bytes as a message: nothing crashes, and the laws of core/message hold.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/message/line_ends.h"
#include "tests/core/message/part_laws.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string message = postern::message::ToCrlf({reinterpret_cast<const char*>(data), size});
  if (!postern::message::BrokenLaw(message).empty()) std::abort();
  return 0;
}
