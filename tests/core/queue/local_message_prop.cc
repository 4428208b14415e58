// However the input is cut into pieces, the same message and the same recipients come out, and it is never longer than
// the input and one line end.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/queue/local_message.h"

namespace postern::queue {
namespace {

// Lines of a few kinds, so that headers, dots and CRs meet.
std::string Input() {
  const auto lines = *rc::gen::container<std::vector<std::string>>(rc::gen::oneOf(
      rc::gen::element<std::string>("From x", ">From y", ".", "..", "To: a@x.example", "Bcc: b@x.example,",
                                    " c@x.example", "Resent-To: d@x.example", "To: <", "", "text", "\r", "\t", "To:"),
      rc::gen::string<std::string>()));
  std::string text;
  for (const std::string& line : lines) text += line + *rc::gen::element<std::string>("\n", "\r\n", "\r", "");
  return text;
}

LocalMessage::Options SomeOptions() {
  return {.dot_ends = *rc::gen::arbitrary<bool>(),
          .extract_recipients = *rc::gen::arbitrary<bool>(),
          .line_ends = *rc::gen::element(LocalMessage::LineEnds::kAlways, LocalMessage::LineEnds::kStrict,
                                         LocalMessage::LineEnds::kNever)};
}

RC_GTEST_PROP(LocalMessageLaws, PiecesMakeNoDifference, ()) {
  const std::string input = Input();
  const LocalMessage::Options options = SomeOptions();
  LocalMessage whole(options), pieces(options);
  std::string expected, text;
  whole.Feed(input, &expected);
  whole.Finish(&expected);
  for (size_t at = 0; at < input.size();) {
    const size_t size = *rc::gen::inRange<size_t>(1, 9);
    pieces.Feed(std::string_view(input).substr(at, size), &text);
    at += size;
  }
  pieces.Finish(&text);
  RC_ASSERT(text == expected);
  RC_ASSERT(pieces.recipients() == whole.recipients());
  RC_ASSERT(pieces.status() == whole.status());
  RC_ASSERT(text.size() <= input.size() + 1);
}

RC_GTEST_PROP(LocalMessageLaws, WhatCameOutStays, ()) {
  const LocalMessage::Options options{.dot_ends = false};
  std::string once, twice;
  LocalMessage first(options), second(options);
  first.Feed(Input(), &once);
  first.Finish(&once);
  RC_PRE(once.find("From ") == std::string::npos);
  second.Feed(once, &twice);
  second.Finish(&twice);
  RC_ASSERT(twice == once);
}

}  // namespace
}  // namespace postern::queue
