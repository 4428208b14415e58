// Goal: laws of whole sessions: input may be cut anywhere without changing what is answered; garbage never breaks the
// grammar of the answers; every command gets exactly one tagged answer. Method: random dialogues in a world of memory.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "core/imap/client_codec.h"
#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

const std::vector<std::string> kCommands = {"NOOP",
                                            "CHECK",
                                            "SELECT INBOX",
                                            "EXAMINE INBOX",
                                            "SELECT other",
                                            "UNSELECT",
                                            "CLOSE",
                                            "CREATE other",
                                            "DELETE other",
                                            "RENAME other new",
                                            "LIST \"\" *",
                                            "LIST (SUBSCRIBED) \"\" % RETURN (STATUS (MESSAGES))",
                                            "LSUB \"\" %",
                                            "SUBSCRIBE other",
                                            "STATUS INBOX (MESSAGES UNSEEN SIZE)",
                                            "FETCH 1:* (FLAGS UID)",
                                            "FETCH 1:* (BODY[] ENVELOPE)",
                                            "FETCH 1 (BODYSTRUCTURE BODY.PEEK[1]<0.5> RFC822.SIZE INTERNALDATE)",
                                            "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (From)])",
                                            "STORE 1:* +FLAGS (\\Seen kw)",
                                            "STORE 1 FLAGS.SILENT (\\Deleted)",
                                            "UID STORE 1:2 -FLAGS (\\Seen)",
                                            "EXPUNGE",
                                            "UID EXPUNGE 1:*",
                                            "COPY 1:* other",
                                            "UID MOVE 1 other",
                                            "SEARCH OR SUBJECT a BODY b",
                                            "UID SEARCH RETURN (ALL SAVE) ALL",
                                            "SORT (SUBJECT) UTF-8 ALL",
                                            "THREAD REFERENCES UTF-8 ALL",
                                            "APPEND INBOX {7+}\r\nabc\r\n\r\n",
                                            "APPEND other (\\Seen) {3+}\r\nabc",
                                            "ENABLE QRESYNC",
                                            "ENABLE CONDSTORE",
                                            "CAPABILITY",
                                            "ID NIL",
                                            "NAMESPACE",
                                            "IDLE\r\nDONE",
                                            "FOO",
                                            "FETCH",
                                            "FETCH 1 (FLAGS",
                                            "SELECT {5+}\r\nINBOX",
                                            "SELECT {3+}\r\nfoo"};

std::string Dialogue(const std::vector<std::string>& commands) {
  std::string input = "l LOGIN u1 pw\r\n";
  for (size_t i = 0; i < commands.size(); ++i) {
    const std::string& command = commands[i];
    const std::string tag = "t" + std::to_string(i);
    // DONE stands alone.
    input += tag + " " + command + "\r\n";
  }
  return input;
}

std::string Play(const std::string& input, const std::vector<size_t>& cuts) {
  ImapWorld world;
  for (int i = 1; i <= 3; ++i) world.Deliver("u1", "", "From: a@x\nSubject: a" + std::to_string(i) + "\n\nb\n");
  auto& client = world.Connect();
  std::string output = world.Take(client);
  size_t at = 0;
  for (const size_t cut : cuts) {
    if (cut <= at || cut >= input.size()) continue;
    output += world.Say(client, std::string_view(input).substr(at, cut - at));
    at = cut;
  }
  output += world.Say(client, std::string_view(input).substr(at));
  return WithoutTimes(output);
}

rc::Gen<std::vector<std::string>> Commands() {
  return rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(kCommands));
}

RC_GTEST_PROP(SessionLaws, CutsDoNotMatter, ()) {
  const std::string input = Dialogue(*Commands());
  auto cuts = *rc::gen::container<std::vector<size_t>>(rc::gen::inRange<size_t>(0, input.size() + 1));
  std::sort(cuts.begin(), cuts.end());
  RC_ASSERT(Play(input, cuts) == Play(input, {}));
}

RC_GTEST_PROP(SessionLaws, EveryCommandHasOneTaggedAnswerAndEveryAnswerParses, ()) {
  const auto commands = *Commands();
  const std::string output = Play(Dialogue(commands), {});
  ResponseReader reader(/*expect_greeting=*/true, {.utf8_text = true});
  std::vector<Response> responses;
  RC_ASSERT(reader.Feed(output, &responses));
  RC_ASSERT(!reader.pending());
  std::multiset<std::string> tags;
  bool bye = false;
  for (const Response& response : responses) {
    if (response.kind == Response::Kind::kTagged) tags.insert(response.tag);
    bye = bye || response.condition == "BYE";
  }
  for (size_t i = 0; i < commands.size() && !bye; ++i) RC_ASSERT(tags.count("t" + std::to_string(i)) == 1u);
}

RC_GTEST_PROP(SessionLaws, GarbageIsAnsweredInTheGrammar, ()) {
  // Pieces of commands, broken in any way.
  std::string input = "l LOGIN u1 pw\r\ns SELECT INBOX\r\n";
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::oneOf(rc::gen::elementOf(kCommands), rc::gen::arbitrary<std::string>(),
                     rc::gen::elementOf<std::vector<std::string>>(
                         {"a ", "\r\n", "{5}", "{3+}\r\n", "(", "\"", "*", "\\", "UID ", "[", "<0.1>"})));
  for (const std::string& piece : pieces) input += piece;
  input += "\r\nz NOOP\r\n";
  const std::string output = Play(input, {});
  ResponseReader reader(true, {.utf8_text = true});
  std::vector<Response> responses;
  const bool valid = reader.Feed(output, &responses);
  if (!valid) RC_LOG() << reader.error() << " in " << output.substr(reader.offset(), 200);
  RC_ASSERT(valid);
}

}  // namespace
}  // namespace postern::imap
