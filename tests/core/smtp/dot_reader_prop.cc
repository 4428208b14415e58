// Goal: the laws of DotReader. Method: RapidCheck over bytes drawn mostly from the few that matter.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "core/smtp/dot_reader.h"

namespace postern::smtp {
namespace {

using BareLineEnd = DotReader::BareLineEnd;

rc::Gen<std::string> WireBytes() {
  return rc::gen::container<std::string>(
      rc::gen::weightedOneOf<char>({{6, rc::gen::element('\r', '\n', '.')}, {1, rc::gen::arbitrary<char>()}}));
}

std::string Stuffed(const std::string& lines) {  // the sender's side, written apart from the reader
  std::string wire;
  bool line_start = true;
  for (char c : lines) {
    if (line_start && c == '.') wire += '.';
    wire += c;
    line_start = c == '\n';
  }
  return wire + ".\r\n";
}

RC_GTEST_PROP(DotReaderLaws, UndoesWhatASenderDid, ()) {
  const auto words =
      *rc::gen::container<std::vector<std::string>>(rc::gen::container<std::string>(rc::gen::element('.', 'a', ' ')));
  std::string message;
  for (const auto& word : words) message += word + "\r\n";
  DotReader reader(BareLineEnd::kRefuse, {});
  std::string out;
  reader.Feed(Stuffed(message), &out);
  RC_ASSERT(reader.ended());
  RC_ASSERT(out == message);
}

RC_GTEST_PROP(DotReaderLaws, CutsDoNotMatter, ()) {
  const auto wire = *WireBytes();
  const auto policy = *rc::gen::element(BareLineEnd::kRefuse, BareLineEnd::kNormalize);
  DotReader whole(policy, {}), cut(policy, {});
  std::string whole_out, cut_out;
  const size_t whole_bytes = whole.Feed(wire, &whole_out).consumed_bytes;
  size_t cut_bytes = 0;
  while (cut_bytes < wire.size()) {
    const auto piece = *rc::gen::inRange<size_t>(1, wire.size() - cut_bytes + 1);
    const size_t took = cut.Feed(std::string_view(wire).substr(cut_bytes, piece), &cut_out).consumed_bytes;
    cut_bytes += took;
    if (took < piece) break;
  }
  RC_ASSERT(cut_bytes == whole_bytes);
  RC_ASSERT(cut_out == whole_out);
  RC_ASSERT(cut.ended() == whole.ended());
  RC_ASSERT(cut.refused() == whole.refused());
}

RC_GTEST_PROP(DotReaderLaws, OnlyTheFiveBytesEndIt, ()) {
  const auto wire = "\r\n" + *WireBytes();
  DotReader reader(BareLineEnd::kNormalize, {});
  std::string out;
  const size_t end = reader.Feed(wire, &out).consumed_bytes;
  if (reader.ended()) RC_ASSERT(wire.substr(end - 5, 5) == "\r\n.\r\n");
}

}  // namespace
}  // namespace postern::smtp
