// Goal: the laws of the IMAP grammar. Method: RapidCheck over values, and over bytes drawn mostly from those that
// matter.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>

#include "core/imap/client_codec.h"
#include "core/imap/list_match.h"
#include "core/imap/mailbox_name.h"
#include "core/imap/parser.h"
#include "core/imap/response.h"
#include "core/imap/sequence_set.h"
#include "tests/core/imap/framed_commands.h"

namespace postern::imap {
namespace {

// ---- Sets -------------------------------------------------------------------------------------------------------

rc::Gen<std::vector<SequenceRange>> Ranges() {
  const auto number = rc::gen::inRange<uint32_t>(1, 60);
  return rc::gen::container<std::vector<SequenceRange>>(rc::gen::map(rc::gen::pair(number, number), [](auto pair) {
    return SequenceRange{std::min(pair.first, pair.second), std::max(pair.first, pair.second)};
  }));
}

std::set<uint32_t> Members(const NumberSet& set) {
  std::set<uint32_t> members;
  set.ForEach([&](uint32_t number) { return members.insert(number).second; });
  return members;
}

bool IsNormal(const NumberSet& set) {
  const auto ranges = set.ranges();
  for (size_t i = 0; i < ranges.size(); ++i) {
    if (ranges[i].first > ranges[i].last) return false;
    if (i > 0 && ranges[i].first <= uint64_t{ranges[i - 1].last} + 1) return false;
  }
  return true;
}

RC_GTEST_PROP(SetLaws, AddAndRemoveAreThoseOfASet, ()) {
  NumberSet set;
  std::set<uint32_t> model;
  for (const SequenceRange& range : *Ranges()) {
    const bool add = *rc::gen::weightedElement<bool>({{2, true}, {1, false}});
    for (uint32_t number = range.first; number <= range.last; ++number) {
      if (add) {
        model.insert(number);
      } else {
        model.erase(number);
      }
    }
    if (add) {
      set.Add(range);
    } else {
      set.Remove(range);
    }
    RC_ASSERT(IsNormal(set));
    RC_ASSERT(Members(set) == model);
  }
  RC_ASSERT(set.Count() == model.size());
  for (uint32_t number = 1; number < 62; ++number) RC_ASSERT(set.Contains(number) == (model.count(number) == 1));
}

RC_GTEST_PROP(SetLaws, UnionAndIntersection, ()) {
  NumberSet a, b;
  for (const SequenceRange& range : *Ranges()) a.Add(range);
  for (const SequenceRange& range : *Ranges()) b.Add(range);
  const std::set<uint32_t> in_a = Members(a), in_b = Members(b);
  std::set<uint32_t> both, either = in_a;
  for (const uint32_t number : in_b) {
    if (in_a.count(number) == 1) both.insert(number);
    either.insert(number);
  }
  RC_ASSERT(Members(a.IntersectionWith(b)) == both);
  RC_ASSERT(Members(a.IntersectionWith(std::vector<uint32_t>(in_b.begin(), in_b.end()))) == both);
  RC_ASSERT(IsNormal(a.IntersectionWith(b)));
  NumberSet sum = a;
  sum.AddAll(b);
  RC_ASSERT(Members(sum) == either);
  RC_ASSERT(IsNormal(sum));
}

RC_GTEST_PROP(SetLaws, FormatAndParseAreInverse, ()) {
  NumberSet set;
  for (const SequenceRange& range : *Ranges()) set.Add(range);
  RC_PRE(!set.empty());
  RC_ASSERT(NumberSet::Parse(set.ToString()) == set);
  RC_ASSERT(SequenceSet::Parse(set.ToString())->Resolve(1) == set);
}

RC_GTEST_PROP(SetLaws, SequenceSetsComeBackAsWritten, ()) {
  const auto text = *rc::gen::container<std::string>(rc::gen::element('1', '2', '0', '9', ':', ',', '*', '$'));
  const auto set = SequenceSet::Parse(text);
  if (!set) return;
  RC_ASSERT(SequenceSet::Parse(set->ToString()) == set);
  RC_ASSERT(IsNormal(set->Resolve(7)));
}

// ---- Names ------------------------------------------------------------------------------------------------------

rc::Gen<std::string> Utf8() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
          "a", "&", "-", ",", "/", "\xc3\xa8", "\xd0\x9d", "\xe5\x8f\xb0", "\xf0\x9f\x98\x80", "\t", " ", "\x7f")),
      [](const std::vector<std::string>& parts) { return std::accumulate(parts.begin(), parts.end(), std::string()); });
}

RC_GTEST_PROP(NameLaws, ThereAndBack, ()) {
  const std::string utf8 = *Utf8();
  const auto wire = MailboxNameFromUtf8(utf8);
  RC_ASSERT(wire.has_value());
  RC_ASSERT(IsValidMailboxName(*wire));
  RC_ASSERT(MailboxNameToUtf8(*wire) == utf8);
}

RC_GTEST_PROP(NameLaws, OneSpellingOnly, ()) {
  const auto wire =
      *rc::gen::container<std::string>(rc::gen::element('&', '-', 'A', 'O', 'g', 'a', ',', '2', 'D', '3', 'e'));
  const auto utf8 = MailboxNameToUtf8(wire);
  RC_ASSERT(utf8.has_value() == IsValidMailboxName(wire));
  if (utf8) RC_ASSERT(MailboxNameFromUtf8(*utf8) == wire);
}

// Asks each pair of rests once: the plain recursion has exponential cost.
class ObviousMatcher {
 public:
  ObviousMatcher(std::string_view pattern, std::string_view name)
      : pattern_(pattern), name_(name), known_((pattern.size() + 1) * (name.size() + 1)) {}

  bool Matches(size_t p = 0, size_t n = 0) {
    std::optional<bool>& known = known_[p * (name_.size() + 1) + n];
    if (!known) known = Ask(p, n);
    return *known;
  }

 private:
  bool Ask(size_t p, size_t n) {
    if (p == pattern_.size()) return n == name_.size();
    const char c = pattern_[p];
    if (c == '*' || c == '%') {
      if (Matches(p + 1, n)) return true;
      return n < name_.size() && (c == '*' || name_[n] != '.') && Matches(p, n + 1);
    }
    return n < name_.size() && c == name_[n] && Matches(p + 1, n + 1);
  }

  std::string_view pattern_, name_;
  std::vector<std::optional<bool>> known_;
};

bool SlowMatch(std::string_view pattern, std::string_view name) { return ObviousMatcher(pattern, name).Matches(); }

RC_GTEST_PROP(ListLaws, MatchesLikeTheObviousMatcher, ()) {
  const auto pattern = *rc::gen::container<std::string>(rc::gen::element('*', '%', 'a', 'b', '.'));
  const auto name = *rc::gen::container<std::string>(rc::gen::element('a', 'b', '.'));
  const ListPattern list("", {pattern}, '.');
  const bool matches = SlowMatch(pattern, name);
  RC_ASSERT(list.Matches(name) == matches);
  if (matches) RC_ASSERT(name.substr(0, list.literal_prefix().size()) == list.literal_prefix());
  std::string_view parent;
  for (size_t i = 1; i < name.size() && parent.empty(); ++i) {
    if (name[i] == '.' && SlowMatch(pattern, name.substr(0, i))) parent = std::string_view(name).substr(0, i);
  }
  RC_ASSERT(list.MatchingParent(name) == parent);
  // Whoever is told that no child matches may stop there.
  const auto below = name + "." + *rc::gen::container<std::string>(rc::gen::element('a', 'b', '.'));
  if (below.size() > name.size() + 1 && SlowMatch(pattern, below)) RC_ASSERT(list.Match(name) != ListMatch::kNo);
}

// ---- Framer -----------------------------------------------------------------------------------------------------

rc::Gen<std::string> WireBytes() {
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(rc::gen::weightedOneOf<std::string>(
                          {{8, rc::gen::element<std::string>("a ", "APPEND ", "x ", "LOGIN ", "\"", "\\", "URL ", "(",
                                                             " ", "{3}", "{3+}", "~{2+}", "{0+}", "{12+}", "{99+}", "{",
                                                             "}", "+", "\r\n", "\r\n", "\n", "\r")},
                           {1, rc::gen::container<std::string>(rc::gen::arbitrary<char>())}})),
                      [](const std::vector<std::string>& parts) {
                        std::string bytes;
                        for (const auto& part : parts) bytes += part;
                        return bytes;
                      });
}

std::vector<size_t> Cuts(size_t size) {
  std::vector<size_t> cuts = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, size + 1));
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

Framer::Limits SmallLimits() {
  return {.line_bytes_max = *rc::gen::inRange<size_t>(3, 40),
          .literal_bytes_max = *rc::gen::inRange<size_t>(1, 20),
          .command_bytes_max = *rc::gen::inRange<size_t>(10, 60),
          .skipped_bytes_max = 50,
          .stream_append = *rc::gen::arbitrary<bool>()};
}

RC_GTEST_PROP(FramerLaws, CutsDoNotMatter, ()) {
  const std::string bytes = *WireBytes();
  const Framer::Limits limits = SmallLimits();
  const bool refuse = *rc::gen::arbitrary<bool>();
  Framer whole(limits), cut(limits);
  auto expected = FrameAll(&whole, bytes, {}, refuse);
  auto found = FrameAll(&cut, bytes, Cuts(bytes.size()), refuse);
  RC_ASSERT(found == expected);
}

RC_GTEST_PROP(FramerLaws, APrefixSaysNothingElse, ()) {
  const std::string bytes = *WireBytes();
  const Framer::Limits limits = SmallLimits();
  const size_t length = *rc::gen::inRange<size_t>(0, bytes.size() + 1);
  Framer whole(limits), part(limits);
  const auto all = FrameAll(&whole, bytes);
  auto some = FrameAll(&part, bytes.substr(0, length));
  RC_ASSERT(some.size() <= all.size());
  for (size_t i = 0; i < some.size(); ++i) {
    RC_ASSERT(some[i].kind == all[i].kind);
    const bool unfinished = some[i].kind == Framer::Kind::kChunk && i + 1 == some.size();
    const bool same = unfinished ? all[i].text.starts_with(some[i].text) : all[i].text == some[i].text;
    RC_ASSERT(same);
  }
}

RC_GTEST_PROP(FramerLaws, MemoryIsBounded, ()) {
  const Framer::Limits limits = SmallLimits();
  Framer framer(limits);
  const std::string bytes = *WireBytes();
  for (const char c : bytes) {
    FrameAll(&framer, std::string_view(&c, 1));
    RC_ASSERT(framer.held_bytes() <= 2 * (limits.command_bytes_max + 64) + 256);
  }
}

// Whatever came before, a client that ends its line and then keeps quiet about literals is understood again.
RC_GTEST_PROP(FramerLaws, GarbageIsOverAtTheEndOfItsCommand, ()) {
  std::string garbage = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{3, rc::gen::element('"', '\\', ' ', '(', ')', 'a', '{', '5', '\r')}, {1, rc::gen::arbitrary<char>()}}));
  garbage.erase(std::remove(garbage.begin(), garbage.end(), '}'), garbage.end());
  Framer framer(SmallLimits());
  const auto framed = FrameAll(&framer, garbage + "\r\nok NOOP\r\n");
  RC_ASSERT(!framed.empty());
  const Framed& last = framed.back();
  const bool understood = last == Framed{Framer::Kind::kCommand, "ok NOOP"};
  const bool too_long = last.kind == Framer::Kind::kError;  // for line limits below its seven bytes
  RC_ASSERT(understood || too_long);
}

// ---- Commands ---------------------------------------------------------------------------------------------------

rc::Gen<std::string> CommandBytes() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::weightedOneOf<std::string>(
          {{12, rc::gen::element<std::string>(
                    " ", " ", " ", " ", "(", ")", "UID", "FETCH", "STORE", "SEARCH", "SORT", "LIST", "APPEND", "SELECT",
                    "STATUS", "1:*", "5", "FLAGS", "BODY.PEEK[", "HEADER.FIELDS", "]", "<0.5>", "OR", "NOT", "FROM",
                    "BEFORE 1-Jan-2020", "RETURN (", "CHANGEDSINCE 5", "QRESYNC (", "\"x\"", "\"", "{1}\r\nx", "\\Seen",
                    "\\", "INBOX", "%", "KEYWORD", "MODSEQ", "ID", "AUTHENTICATE", "LOGIN", "THREAD REFERENCES utf-8",
                    "(DATE)", "CHARSET utf-8", "ALL", "NIL")},
           {1, rc::gen::container<std::string>(rc::gen::arbitrary<char>())}})),
      [](const std::vector<std::string>& parts) {
        std::string bytes = "a ";
        for (const auto& part : parts) bytes += part;
        return bytes;
      });
}

RC_GTEST_PROP(ParserLaws, WhatParsesComesBackTheSame, ()) {
  ParseResult result = ParseCommand(*CommandBytes());
  if (!std::holds_alternative<Command>(result)) return;
  const Command& command = std::get<Command>(result);
  if (std::holds_alternative<UnknownCommand>(command.body)) return;
  std::string once = "a ", twice = "a ";
  FormatCommand(command.body, &once);
  ParseResult again = ParseCommand(once);
  if (!std::holds_alternative<Command>(again)) RC_FAIL(once + ": " + std::get<ParseError>(again).text);
  RC_ASSERT(std::get<Command>(again).body.index() == command.body.index());
  FormatCommand(std::get<Command>(again).body, &twice);
  RC_ASSERT(twice == once);
}

rc::Gen<SearchKey> Key(int depth) {
  using Kind = SearchKey::Kind;
  return rc::gen::exec([depth] {
    SearchKey key;
    key.kind =
        depth > 0
            ? *rc::gen::element(Kind::kAnd, Kind::kOr, Kind::kNot, Kind::kFuzzy, Kind::kFlag, Kind::kHeader)
            : *rc::gen::element(Kind::kFlag, Kind::kKeyword, Kind::kUid, Kind::kSequence, Kind::kSince, Kind::kLarger,
                                Kind::kHeader, Kind::kBody, Kind::kModSeq, Kind::kYounger, Kind::kAll);
    switch (key.kind) {
      case Kind::kAnd:
      case Kind::kOr:
        for (int i = *rc::gen::inRange(2, 4); i > 0; --i) {
          SearchKey child = *Key(depth - 1);
          if (child.kind == key.kind) child = *Key(0);
          key.children.push_back(std::move(child));
        }
        break;
      case Kind::kNot: {
        SearchKey child = *Key(depth - 1);
        if (child.kind == key.kind) child = *Key(0);
        key.children.push_back(std::move(child));
        break;
      }
      case Kind::kFuzzy:
        key.children.push_back(*Key(depth - 1));
        break;
      case Kind::kFlag:
        key.flag = *rc::gen::element(kSeen, kAnswered, kDeleted, kFlagged, kDraft, kRecent);
        break;
      case Kind::kHeader:
        key.envelope = *rc::gen::arbitrary<bool>();
        key.header = key.envelope ? "From" : "X y";
        key.text = *rc::gen::element<std::string>("", "a b", "\xc3\xa9", "NIL", "a\r\nb");
        break;
      case Kind::kKeyword:
        key.text = "$k";
        break;
      case Kind::kUid:
      case Kind::kSequence:
        key.set = *SequenceSet::Parse(*rc::gen::element<std::string>("1:*", "3,1", "$", "*:4"));
        break;
      case Kind::kSince:
        key.date = {2020, 2, *rc::gen::inRange<int8_t>(1, 32)};
        break;
      case Kind::kBody:
        key.text = "x";
        break;
      default:
        if (key.kind != Kind::kAll) key.number = *rc::gen::inRange(1, 1000);
    }
    return key;
  });
}

RC_GTEST_PROP(ParserLaws, SearchProgramsComeBackTheSame, ()) {
  const SearchKey key = *Key(4);
  std::string text = "a SEARCH ";
  FormatSearchKey(key, &text);
  ParseResult result = ParseCommand(text);
  if (!std::holds_alternative<Command>(result)) RC_FAIL(text + ": " + std::get<ParseError>(result).text);
  RC_ASSERT(std::get<SearchCommand>(std::get<Command>(result).body).key == key);
}

RC_GTEST_PROP(ParserLaws, OrderDoesNotChangeTheMeaning, ()) {
  const SearchKey key = *Key(4);
  SearchKey ordered = key;
  OrderByCost(&ordered);
  const auto values = *rc::gen::container<std::vector<uint8_t>>(16, rc::gen::inRange<uint8_t>(0, 2));
  const auto leaf = [&](const SearchKey& k) {
    const size_t which =
        (static_cast<size_t>(k.kind) * 7 + k.flag + k.number + k.text.size() + k.set.ToString().size()) % 16;
    return values[which] == 1 ? Ternary::kTrue : Ternary::kFalse;
  };
  const Ternary full = Evaluate(key, Cost::kBody, leaf);
  RC_ASSERT(full != Ternary::kUnknown);
  RC_ASSERT(Evaluate(ordered, Cost::kBody, leaf) == full);
  for (const Cost cost : {Cost::kIndex, Cost::kCached, Cost::kHeader}) {
    const Ternary early = Evaluate(key, cost, leaf);
    RC_ASSERT(early == Ternary::kUnknown || early == full);
    RC_ASSERT(Evaluate(ordered, cost, leaf) == early);
  }
}

RC_GTEST_PROP(ParserLaws, LoginsComeBackWhateverTheirBytes, ()) {
  LoginCommand login;
  const auto bytes =
      rc::gen::container<std::string>(rc::gen::suchThat(rc::gen::arbitrary<char>(), [](char c) { return c != 0; }));
  login.user = *bytes;
  login.password = *bytes;
  std::string text = "a ";
  FormatCommand(login, &text);
  Framer framer({});
  const auto framed = FrameAll(&framer, text + "\r\n", Cuts(text.size()));
  RC_ASSERT(framed == (std::vector<Framed>{{Framer::Kind::kCommand, text}}));
  ParseResult result = ParseCommand(framed[0].text);
  RC_ASSERT(std::holds_alternative<Command>(result));
  RC_ASSERT(std::get<LoginCommand>(std::get<Command>(result).body).user == login.user);
  RC_ASSERT(std::get<LoginCommand>(std::get<Command>(result).body).password == login.password);
}

RC_GTEST_PROP(ParserLaws, DateTimesComeBack, ()) {
  const DateTime when{*rc::gen::inRange<int64_t>(-2208988800, 4102444800),
                      static_cast<int16_t>(*rc::gen::inRange(-1439, 1440))};
  std::string text;
  AppendDateTime(when, &text);
  RC_ASSERT(text.size() == 28u);
  RC_ASSERT(ParseDateTime(std::string_view(text).substr(1, 26)) == when);
}

// ---- The client's side ------------------------------------------------------------------------------------------

rc::Gen<std::string> ServerBytes() {
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::weightedOneOf<std::string>(
          {{10, rc::gen::element<std::string>("* ", "a ", "+ ", "OK ", "NO ", "1 ", "FETCH (", "UID 1", ")", "\r\n",
                                              "\r\n", " ", "BODY[] {3}\r\nabc", "x", "LIST () \"/\" ", "SEARCH", "(",
                                              "NIL", "\"x\"", "[UIDNEXT 1] ", "EXISTS", "{1}\r\n", "FLAGS ()")},
           {1, rc::gen::container<std::string>(rc::gen::arbitrary<char>())}})),
      [](const std::vector<std::string>& parts) {
        std::string bytes;
        for (const auto& part : parts) bytes += part;
        return bytes;
      });
}

RC_GTEST_PROP(ClientLaws, CutsDoNotMatter, ()) {
  const std::string bytes = *ServerBytes();
  ResponseReader whole(false), cut(false);
  std::vector<Response> expected, found;
  const bool good = whole.Feed(bytes, &expected);
  size_t begin = 0;
  for (const size_t end : Cuts(bytes.size())) {
    cut.Feed(std::string_view(bytes).substr(begin, end - begin), &found);
    begin = end;
  }
  RC_ASSERT(cut.Feed(std::string_view(bytes).substr(begin), &found) == good);
  RC_ASSERT(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) RC_ASSERT(found[i].raw == expected[i].raw);
  RC_ASSERT(cut.error() == whole.error());
  RC_ASSERT(cut.offset() == whole.offset());
}

RC_GTEST_PROP(ClientLaws, StringsOfTheServerReachTheClient, ()) {
  std::string text = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{2, rc::gen::element('"', '\\', '\r', '\n', '{', 'a')}, {1, rc::gen::arbitrary<char>()}}));
  std::string line = "* LIST () NIL ";
  AppendAString(text, &line);
  const ResponseParse parsed = ParseResponse(line + "\r\n", false);
  RC_ASSERT(parsed.response.has_value());
  std::replace(text.begin(), text.end(), '\0', '\x80');
  RC_ASSERT(parsed.response->values.at(2).text == text);
}

}  // namespace
}  // namespace postern::imap
