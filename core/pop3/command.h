// A POP3 command line (RFC 1939 section 3): a keyword of at most four letters mostly, arguments separated by one space.
#pragma once

#include <cstdint>
#include <string_view>

namespace postern::pop3 {

enum class Verb : uint8_t {
  kUnknown,
  kCapa,
  kStls,
  kUser,
  kPass,
  kAuth,
  kQuit,
  kStat,
  kList,
  kRetr,
  kDele,
  kNoop,
  kRset,
  kUidl,
  kTop,
  kLast,
};

struct Command {
  Verb verb = Verb::kUnknown;
  std::string_view name;       // as sent
  std::string_view arguments;  // the rest of the line behind one space, untouched: a password may hold spaces
};

// `line` without its line end. Never fails: what is no command is kUnknown.
Command ParseCommand(std::string_view line);

// The first word of `*arguments`, which is moved behind it; empty: there is none.
std::string_view TakeWord(std::string_view* arguments);

}  // namespace postern::pop3
