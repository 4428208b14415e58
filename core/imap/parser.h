// From a framed command to its value: recursive descent over one string (RFC 3501 section 9 and the extensions named in
// command.h).
//
// Strict where a guess could do harm; lenient where Dovecot is, for the clients that rely on it: names in any case,
// spaces before the line end, any bytes but NUL, CR and LF in quoted strings, 8-bit bytes in atoms that are strings.
// Pure; bounded by the command's length and by kSearchDepthMax.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/imap/command.h"

namespace postern::imap {

struct ParseError {
  enum class Kind : uint8_t {
    kTag,        // no valid tag: the answer is untagged
    kName,       // no valid command name
    kArguments,  // a known command, wrong arguments
  };
  Kind kind = Kind::kArguments;
  std::string tag;   // "" for kTag
  std::string name;  // the command, "" unless kArguments
  // What stands after "BAD ", in Dovecot's words: "Error in IMAP command FETCH: Invalid arguments."
  std::string text;
};

using ParseResult = std::variant<Command, ParseError>;

// `text` is Framer's kCommand, or the first kAppendLiteral (whose literal has no bytes in `text`).
ParseResult ParseCommand(std::string_view text);

// `text` is a further kAppendLiteral of the same APPEND, after the message `previous`. nullopt where it is none: the
// text for the answer is AppendError().
std::optional<AppendMessage> ParseAppendMessage(std::string_view text, const AppendMessage& previous);
// `text` is kAppendEnd: whether it may end the APPEND after the message `last`.
bool IsAppendEnd(std::string_view text, const AppendMessage& last);
// "Error in IMAP command APPEND: Invalid arguments."
std::string AppendError();

// The tag at the front of `text`, "" when there is no valid one.
std::string_view TagOf(std::string_view text);
// The text Dovecot has for command `name`: "Error in IMAP command NAME: WHAT."
std::string CommandErrorText(std::string_view name, std::string_view what);

// A date-time with its quotes undone: "17-Jul-1996 02:44:25 -0700" (a space or a zero before a one-digit day).
std::optional<DateTime> ParseDateTime(std::string_view text);

// The canonical form of a command, without tag and line end, strings as quoted strings or literals (LITERAL+): what
// tests, traces and simulated clients send. ParseCommand of "a " + Format gives the same value. Appends.
void FormatCommand(const CommandBody& body, std::string* out);

}  // namespace postern::imap
