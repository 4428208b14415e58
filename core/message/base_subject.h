// The base subject of RFC 5256 section 2.1: what is left of a Subject without "Re:", "Fwd:", "[list]" and their like,
// folded for comparing (charset.h).
#pragma once

#include <string>
#include <string_view>

namespace postern::message {

struct BaseSubject {
  std::string text;
  bool is_reply_or_forward = false;
};

// `subject`: the field's value, still encoded.
BaseSubject BaseSubjectOf(std::string_view subject);

}  // namespace postern::message
