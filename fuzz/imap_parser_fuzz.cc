// What stands between an IMAP client's bytes and the session: framer, parser, and on the way back the formatter; and
// the small grammars: sequence sets, mailbox names, list patterns. The client's side of it, too: the reader of
// responses that the simulator and the other targets rely on.
//
// Input: one character chooses what is read, one the size of pieces; the rest are the bytes.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/imap/client_codec.h"
#include "core/imap/framer.h"
#include "core/imap/list_match.h"
#include "core/imap/mailbox_name.h"
#include "core/imap/parser.h"
#include "core/imap/sequence_set.h"
#include "fuzz/fuzz.h"

namespace postern::imap {
namespace {

using fuzz::InPieces;
using fuzz::Require;
using fuzz::RequireEqual;

struct Framed {
  Framer::Kind kind;
  std::string text;
  bool operator==(const Framed&) const = default;
};

std::vector<Framed> FrameAll(std::string_view bytes, const Framer::Limits& limits, size_t piece_bytes, bool refuse) {
  Framer framer(limits);
  std::vector<Framed> framed;
  bool dead = false;
  InPieces(bytes, piece_bytes, [&](std::string_view input) {
    while (!dead) {
      const Framer::Step step = framer.Next(input);
      Require(step.consumed_bytes <= input.size(), "no more is taken than there is");
      if (step.kind == Framer::Kind::kChunk && !framed.empty() && framed.back().kind == Framer::Kind::kChunk) {
        framed.back().text.append(step.text);
      } else if (step.kind != Framer::Kind::kNeedInput) {
        framed.push_back({step.kind, std::string(step.text)});
      }
      input.remove_prefix(step.consumed_bytes);
      if (step.kind == Framer::Kind::kNeedInput) break;
      dead = step.kind == Framer::Kind::kFatal;
      if (refuse && (step.kind == Framer::Kind::kContinue || step.kind == Framer::Kind::kAppendLiteral)) {
        framer.RefuseLiteral();
      }
    }
    Require(framer.held_bytes() <= 2 * (limits.command_bytes_max + input.size()) + 4096,
            "no more is held than a command may have");
  });
  return framed;
}

void CheckCommand(std::string_view text) {
  ParseResult result = ParseCommand(text);
  const auto* command = std::get_if<Command>(&result);
  if (command == nullptr) {
    const ParseError& error = std::get<ParseError>(result);
    Require(!error.text.empty() && error.text.find_first_of("\r\n") == std::string::npos, "an error is one line",
            error.text);
    return;
  }
  if (std::holds_alternative<UnknownCommand>(command->body)) return;
  std::string once = "a ", twice = "a ";
  FormatCommand(command->body, &once);
  ParseResult again = ParseCommand(once);
  Require(std::holds_alternative<Command>(again), "a command that is written is read again", once);
  FormatCommand(std::get<Command>(again).body, &twice);
  RequireEqual(once, twice, "a command is read as it was written");
}

void CheckClientBytes(fuzz::Input& input) {
  const size_t kind = input.Choose(8), piece_bytes = 1 + input.Choose(64);
  const std::string_view bytes = input.Rest();
  const bool small = kind & 1, refuse = kind & 2;
  const Framer::Limits limits = small ? Framer::Limits{.line_bytes_max = 64,
                                                       .literal_bytes_max = 32,
                                                       .command_bytes_max = 128,
                                                       .skipped_bytes_max = 256,
                                                       .stream_append = (kind & 4) == 0}
                                      : Framer::Limits{.skipped_bytes_max = 4096};
  const std::vector<Framed> whole = FrameAll(bytes, limits, SIZE_MAX / 4, refuse);
  Require(FrameAll(bytes, limits, piece_bytes, refuse) == whole, "cuts don't matter", bytes);
  for (const Framed& framed : whole) {
    if (framed.kind == Framer::Kind::kCommand || framed.kind == Framer::Kind::kAppendLiteral) CheckCommand(framed.text);
    if (framed.kind == Framer::Kind::kAppendLiteral) (void)ParseAppendMessage(framed.text, {});
    if (framed.kind == Framer::Kind::kAppendEnd) (void)IsAppendEnd(framed.text, {});
  }
}

void CheckServerBytes(fuzz::Input& input) {
  const size_t piece_bytes = 1 + input.Choose(64);
  const std::string_view bytes = input.Rest();
  for (const bool utf8 : {false, true}) {
    ResponseReader whole(false, {.utf8_text = utf8}), cut(false, {.utf8_text = utf8});
    std::vector<Response> expected, found;
    whole.Feed(bytes, &expected);
    InPieces(bytes, piece_bytes, [&](std::string_view piece) { cut.Feed(piece, &found); });
    Require(found.size() == expected.size(), "cuts don't matter to a client", bytes);
    RequireEqual(cut.error(), whole.error(), "cuts don't matter to a client");
    std::string raw;
    for (const Response& response : expected) raw += response.raw;
    Require(bytes.starts_with(raw), "responses are the stream's bytes", raw);
  }
}

void CheckSets(std::string_view text) {
  if (const auto set = SequenceSet::Parse(text)) {
    Require(SequenceSet::Parse(set->ToString()) == set, "a sequence set comes back", text);
    for (const uint32_t largest : {0u, 1u, 7u, UINT32_MAX}) {
      const NumberSet numbers = set->Resolve(largest);
      for (size_t i = 0; i < numbers.ranges().size(); ++i) {
        const SequenceRange& range = numbers.ranges()[i];
        Require(range.first >= 1 && range.first <= range.last, "a range rises", text);
        Require(i == 0 || range.first > uint64_t{numbers.ranges()[i - 1].last} + 1, "ranges rise and don't touch",
                text);
      }
      if (!numbers.empty()) Require(NumberSet::Parse(numbers.ToString()) == numbers, "numbers come back", text);
    }
  }
  const auto numbers = NumberSet::Parse(text);
  if (!numbers) return;
  const std::vector<uint32_t> some = {1, 2, 3, 5, 8, 100, 4'000'000'000};
  for (const uint32_t number : some) {
    NumberSet one, without = *numbers;
    one.Add(number);
    without.Remove({number, number});
    Require(numbers->IntersectionWith(one).Contains(number) == numbers->Contains(number), "an intersection is one",
            text);
    Require(!without.Contains(number), "what is removed is gone", text);
    Require(without.Count() + (numbers->Contains(number) ? 1 : 0) == numbers->Count(), "nothing else is gone", text);
  }
  size_t found = 0;
  for (const NumberSet::IndexRange& range : numbers->IndexesIn(some)) found += range.last - range.first;
  Require(found == static_cast<size_t>(
                       std::count_if(some.begin(), some.end(), [&](uint32_t n) { return numbers->Contains(n); })),
          "indexes are those of the members", text);
}

// By the words of RFC 3501 section 6.3.8, one rest at a time.
bool Matches(std::string_view pattern, std::string_view name) {
  std::vector<bool> now(pattern.size() + 1, false);
  now[0] = true;
  const auto spread = [&](std::vector<bool>& at) {
    for (size_t i = 0; i < pattern.size(); ++i)
      at[i + 1] = at[i + 1] || (at[i] && (pattern[i] == '*' || pattern[i] == '%'));
  };
  spread(now);
  for (const char c : name) {
    std::vector<bool> next(pattern.size() + 1, false);
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (!now[i]) continue;
      if (pattern[i] == '*' || (pattern[i] == '%' && c != '.')) {
        next[i] = true;
      } else if (pattern[i] == c) {
        next[i + 1] = true;
      }
    }
    spread(next);
    now = std::move(next);
  }
  return now.back();
}

void CheckNames(fuzz::Input& input) {
  const std::string_view name = input.Line(), pattern = input.Line(), reference = input.Line();
  if (const auto utf8 = MailboxNameToUtf8(name)) {
    Require(IsValidMailboxName(name), "a name that is read is valid", name);
    RequireEqual(MailboxNameFromUtf8(*utf8).value_or("(none)"), name, "a name has one spelling");
  } else {
    Require(!IsValidMailboxName(name), "a valid name can be read", name);
  }
  if (const auto wire = MailboxNameFromUtf8(pattern))
    RequireEqual(MailboxNameToUtf8(*wire).value_or("(none)"), pattern, "a name comes back");
  const ListPattern list(reference, {std::string(pattern)}, '.');
  const std::string complete = std::string(reference) + std::string(pattern);
  if (complete.size() > kListPatternBytesMax || name.size() > 4096) return;
  const bool inbox = name.size() >= 5 && IsInbox(name.substr(0, 5)) && (name.size() == 5 || name[5] == '.');
  if (inbox) return;  // INBOX is compared without regard to case
  Require(list.Matches(name) == Matches(complete, name), "a pattern matches by the RFC's words", complete);
  if (list.Match(name) == ListMatch::kParent) {
    const std::string_view parent = list.MatchingParent(name);
    Require(name.starts_with(parent) && Matches(complete, parent), "a parent that matches is one", parent);
  }
  if (list.Matches(name)) Require(name.starts_with(list.literal_prefix()), "what matches begins with the prefix", name);
}

void Run(fuzz::Input input) {
  switch (input.Choose(5)) {
    case 0:
      return CheckClientBytes(input);
    case 1:
      return CheckServerBytes(input);
    case 2:
      return CheckSets(input.Rest());
    case 3:
      return CheckNames(input);
    default:
      return CheckCommand(input.Rest());
  }
}

}  // namespace
}  // namespace postern::imap

POSTERN_FUZZ_TARGET(postern::imap::Run)
