// Goal: every command becomes the value it means, and every fault the text Dovecot has for it. Method: examples from
// the RFCs and from clients; the texts were observed on Dovecot 2.3.19.
#include "core/imap/parser.h"

#include <gtest/gtest.h>

namespace postern::imap {
namespace {

std::string ErrorOf(std::string_view line) {
  ParseResult result = ParseCommand(line);
  return std::holds_alternative<ParseError>(result) ? std::get<ParseError>(result).text : "parsed";
}

template <class Body>
Body Parsed(std::string_view line) {
  ParseResult result = ParseCommand(line);
  if (const auto* error = std::get_if<ParseError>(&result)) {
    ADD_FAILURE() << line << ": " << error->text;
    return {};
  }
  const auto* body = std::get_if<Body>(&std::get<Command>(result).body);
  if (body == nullptr) {
    ADD_FAILURE() << line << ": another command";
    return {};
  }
  return *body;
}

// The canonical form of what `line` means.
std::string Canonical(std::string_view line) {
  ParseResult result = ParseCommand(line);
  if (const auto* error = std::get_if<ParseError>(&result)) return error->text;
  std::string text;
  FormatCommand(std::get<Command>(result).body, &text);
  return text;
}

TEST(Parser, TagsAndNames) {
  const Command command = std::get<Command>(ParseCommand("A.1]} uid FeTcH 1 flags"));
  EXPECT_EQ(command.tag, "A.1]}");
  EXPECT_EQ(command.name, "UID FETCH");
  for (const char* line :
       {"", " noop", "+ noop", "a+ noop", "a(b noop", "\"a\" noop", "f%x noop", "\xc3\xa9 noop", "a\tb c"}) {
    ParseResult result = ParseCommand(line);
    ASSERT_TRUE(std::holds_alternative<ParseError>(result)) << line;
    EXPECT_EQ(std::get<ParseError>(result).kind, ParseError::Kind::kTag);
    EXPECT_EQ(std::get<ParseError>(result).text, "Error in IMAP tag: Invalid tag.");
  }
  for (const char* line :
       {"a", "a ", "a  noop", "a uid", "a uid ", "a uid  fetch", "a \"noop\"", "a no\"op", "a {5}", "a n\xc3\xb6op"}) {
    ParseResult result = ParseCommand(line);
    ASSERT_TRUE(std::holds_alternative<ParseError>(result)) << line;
    EXPECT_EQ(std::get<ParseError>(result).kind, ParseError::Kind::kName);
    EXPECT_EQ(std::get<ParseError>(result).tag, "a");
    EXPECT_EQ(std::get<ParseError>(result).text, "Error in IMAP command: Invalid command name.");
  }
}

TEST(Parser, UnknownCommandsKeepTheirArguments) {
  EXPECT_EQ(Parsed<UnknownCommand>("a XFOO (b \"c\" {1}\r\nd").arguments, "(b \"c\" {1}\r\nd");
  EXPECT_EQ(std::get<Command>(ParseCommand("a uid foo 1")).name, "UID FOO");
  Parsed<UnknownCommand>("a UID NOOP");
}

TEST(Parser, CommandsWithoutArguments) {
  Parsed<CapabilityCommand>("a capability");
  Parsed<NoopCommand>("a NOOP  ");
  Parsed<LogoutCommand>("a LOGOUT");
  Parsed<StartTlsCommand>("a STARTTLS");
  Parsed<CheckCommand>("a CHECK");
  Parsed<CloseCommand>("a CLOSE");
  Parsed<UnselectCommand>("a UNSELECT");
  Parsed<IdleCommand>("a IDLE");
  Parsed<NamespaceCommand>("a NAMESPACE");
  EXPECT_FALSE(Parsed<ExpungeCommand>("a EXPUNGE").uids);
  EXPECT_EQ(ErrorOf("a NOOP x"), "Error in IMAP command NOOP: Invalid arguments.");
}

TEST(Parser, Strings) {
  EXPECT_EQ(Parsed<LoginCommand>("a LOGIN mrc secret").password, "secret");
  EXPECT_EQ(Parsed<LoginCommand>("a LOGIN \"m r\\\"c\" \"\\\\\"").user, "m r\"c");
  EXPECT_EQ(Parsed<LoginCommand>("a LOGIN \"m r\\\"c\" \"\\\\\"").password, "\\");
  EXPECT_EQ(Parsed<LoginCommand>("a LOGIN {4}\r\nm\r\nc {0+}\n").user, "m\r\nc");
  EXPECT_EQ(Parsed<LoginCommand>("a LOGIN \"\xc3\xa9\" x]*%\\").user, "\xc3\xa9");
}

TEST(Parser, FaultyStrings) {
  EXPECT_EQ(ErrorOf("a SELECT \"a"), "Error in IMAP command SELECT: Missing '\"'.");
  EXPECT_EQ(ErrorOf("a SELECT \"a\\"), "Error in IMAP command SELECT: Missing '\"'.");
  EXPECT_EQ(ErrorOf("a SELECT \"a\rb\""), "Error in IMAP command SELECT: Missing '\"'.");
  EXPECT_EQ(ErrorOf("a SELECT a\"b"), "Error in IMAP command SELECT: Invalid characters in atom.");
  EXPECT_EQ(ErrorOf("a SELECT a{b"), "Error in IMAP command SELECT: Invalid characters in atom.");
  EXPECT_EQ(ErrorOf("a SELECT a\tb"), "Error in IMAP command SELECT: Invalid characters in atom.");
  EXPECT_EQ(ErrorOf("a SELECT a\xc3\xb6"), "Error in IMAP command SELECT: 8bit data in atom.");
  EXPECT_EQ(ErrorOf("a SELECT {x}"), "Error in IMAP command SELECT: Invalid literal size.");
  EXPECT_EQ(ErrorOf("a SELECT {5"), "Error in IMAP command SELECT: Invalid literal size.");
  EXPECT_EQ(ErrorOf("a SELECT {5}\r\nabc"), "Error in IMAP command SELECT: Invalid literal size.");
  EXPECT_EQ(ErrorOf("a SELECT {3}abc"), "Error in IMAP command SELECT: Missing LF after literal size.");
  EXPECT_EQ(ErrorOf(std::string_view("a SELECT {1}\r\n\0", 15)), "Error in IMAP command SELECT: NUL in literal.");
  EXPECT_EQ(ErrorOf("a SELECT a )"), "Error in IMAP command SELECT: Invalid arguments.");
  EXPECT_EQ(ErrorOf("a SELECT a)"), "Error in IMAP command SELECT: Unexpected ')'.");
  EXPECT_EQ(ErrorOf("a SELECT"), "Error in IMAP command SELECT: Invalid arguments.");
}

TEST(Parser, Mailboxes) {
  EXPECT_EQ(Parsed<SelectCommand>("a SELECT inBox").mailbox, "INBOX");
  EXPECT_EQ(Parsed<SelectCommand>("a SELECT \"inbox\"").mailbox, "INBOX");
  EXPECT_TRUE(Parsed<SelectCommand>("a EXAMINE x").examine);
  EXPECT_EQ(Parsed<CreateCommand>("a CREATE NIL").mailbox, "NIL");
  EXPECT_EQ(Parsed<DeleteCommand>("a DELETE x&y").mailbox, "x&y") << "whether it is valid is not syntax";
  EXPECT_EQ(Parsed<RenameCommand>("a RENAME inbox \"old mail\"").from, "INBOX");
  EXPECT_EQ(Parsed<RenameCommand>("a RENAME inbox \"old mail\"").to, "old mail");
  EXPECT_EQ(Parsed<SubscribeCommand>("a SUBSCRIBE #news.x").mailbox, "#news.x");
  EXPECT_EQ(Parsed<UnsubscribeCommand>("a UNSUBSCRIBE x").mailbox, "x");
  EXPECT_EQ(ErrorOf("a RENAME x"), "Error in IMAP command RENAME: Missing arguments.");
  EXPECT_EQ(ErrorOf("a CREATE"), "Error in IMAP command CREATE: Missing arguments.");
  EXPECT_EQ(ErrorOf("a CREATE (a)"), "Error in IMAP command CREATE: Invalid arguments.");
  EXPECT_EQ(Parsed<CreateCommand>("a CREATE x (USE (\\Sent \\Drafts))").special_use,
            (std::vector<std::string>{"\\Sent", "\\Drafts"}));
}

TEST(Parser, SelectParameters) {
  EXPECT_TRUE(Parsed<SelectCommand>("a SELECT x (CONDSTORE)").condstore);
  const auto select =
      Parsed<SelectCommand>("a SELECT x (QRESYNC (67890007 90060115194045000 41:211,214:541 (1,3 7,9)))");
  ASSERT_TRUE(select.qresync);
  EXPECT_EQ(select.qresync->uid_validity, 67890007u);
  EXPECT_EQ(select.qresync->mod_sequence, 90060115194045000u);
  EXPECT_EQ(select.qresync->known_uids->ToString(), "41:211,214:541");
  EXPECT_EQ(select.qresync->sequence_match->second.ToString(), "7,9");
  EXPECT_FALSE(Parsed<SelectCommand>("a SELECT x (QRESYNC (1 2))").qresync->known_uids);
  EXPECT_TRUE(Parsed<SelectCommand>("a SELECT x (QRESYNC (1 2 (1 2)))").qresync->sequence_match);
  EXPECT_EQ(ErrorOf("a SELECT x (QRESYNC)"), "Error in IMAP command SELECT: QRESYNC parameters missing.");
  EXPECT_EQ(ErrorOf("a SELECT x (QRESYNC (1))"), "Error in IMAP command SELECT: Invalid QRESYNC parameters.");
  EXPECT_EQ(ErrorOf("a SELECT x (QRESYNC (1 1 1:*))"), "Error in IMAP command SELECT: Invalid QRESYNC known-uids.");
  EXPECT_EQ(ErrorOf("a SELECT x (QRESYNC (1 1 (1:2 1)))"), "Error in IMAP command SELECT: Invalid QRESYNC sets.");
  EXPECT_EQ(ErrorOf("a SELECT x (FOO)"), "Error in IMAP command SELECT: Unknown select options.");
}

TEST(Parser, IdIsTakenAsItComes) {
  EXPECT_TRUE(Parsed<IdCommand>("a ID NIL").parameters.empty());
  EXPECT_TRUE(Parsed<IdCommand>("a ID").parameters.empty());
  EXPECT_TRUE(Parsed<IdCommand>("a ID ()").parameters.empty());
  const auto id = Parsed<IdCommand>("a ID (\"name\" \"sodr\" \"version\" NIL \"odd\")");
  ASSERT_EQ(id.parameters.size(), 3u);
  EXPECT_EQ(id.parameters[0].second, "sodr");
  EXPECT_EQ(id.parameters[1].second, std::nullopt);
  EXPECT_EQ(id.parameters[2].first, "odd");
  EXPECT_EQ(ErrorOf("a ID (a"), "Error in IMAP command ID: Missing ')'.");
}

TEST(Parser, Authenticate) {
  EXPECT_EQ(Parsed<AuthenticateCommand>("a AUTHENTICATE plain").mechanism, "PLAIN");
  EXPECT_FALSE(Parsed<AuthenticateCommand>("a AUTHENTICATE plain").initial_response);
  EXPECT_EQ(Parsed<AuthenticateCommand>("a AUTHENTICATE PLAIN dGVzdA==").initial_response, "dGVzdA==");
  EXPECT_EQ(Parsed<AuthenticateCommand>("a AUTHENTICATE EXTERNAL =").initial_response, "");
  EXPECT_EQ(Parsed<EnableCommand>("a ENABLE condstore X-y").capabilities,
            (std::vector<std::string>{"CONDSTORE", "X-Y"}));
}

TEST(Parser, Status) {
  EXPECT_EQ(Parsed<StatusCommand>("a STATUS blurdybloop (UIDNEXT MESSAGES)").items, kStatusUidNext | kStatusMessages);
  EXPECT_EQ(Canonical("a STATUS x (size highestmodseq recent unseen uidvalidity)"),
            "STATUS x (RECENT UIDVALIDITY UNSEEN HIGHESTMODSEQ SIZE)");
  EXPECT_EQ(ErrorOf("a STATUS inbox"), "Error in IMAP command STATUS: Missing arguments.");
  EXPECT_EQ(ErrorOf("a STATUS inbox ()"), "Error in IMAP command STATUS: Empty status list.");
  EXPECT_EQ(ErrorOf("a STATUS inbox (foo)"), "Error in IMAP command STATUS: Invalid status item FOO.");
  EXPECT_EQ(ErrorOf("a STATUS inbox foo"), "Error in IMAP command STATUS: Invalid arguments.");
}

TEST(Parser, List) {
  auto list = Parsed<ListCommand>("a LIST \"\" %");
  EXPECT_FALSE(list.extended);
  EXPECT_EQ(list.patterns, std::vector<std::string>{"%"});
  list = Parsed<ListCommand>(
      "a LIST (SUBSCRIBED RECURSIVEMATCH) \"ref\" (\"a\" b*) RETURN (CHILDREN STATUS (MESSAGES UNSEEN))");
  EXPECT_TRUE(list.extended && list.select_subscribed && list.select_recursive_match && list.return_children);
  EXPECT_EQ(list.patterns, (std::vector<std::string>{"a", "b*"}));
  EXPECT_EQ(list.return_status, kStatusMessages | kStatusUnseen);
  EXPECT_TRUE(Parsed<ListCommand>("a LIST () \"\" *").extended);
  EXPECT_TRUE(Parsed<ListCommand>("a LIST \"\" * RETURN ()").extended);
  EXPECT_EQ(Parsed<ListCommand>("a LSUB \"#news.\" \"comp.mail.*\"").kind, ListCommand::Kind::kLsub);
  EXPECT_EQ(Parsed<ListCommand>("a XLIST \"\" *").kind, ListCommand::Kind::kXlist);
  EXPECT_EQ(ErrorOf("a LIST"), "Error in IMAP command LIST: Invalid reference.");
  EXPECT_EQ(ErrorOf("a LIST \"\""), "Error in IMAP command LIST: Invalid pattern.");
  EXPECT_EQ(ErrorOf("a LIST \"\" * x"), "Error in IMAP command LIST: Extra arguments.");
  EXPECT_EQ(ErrorOf("a LIST \"\" * RETURN"), "Error in IMAP command LIST: Extra arguments.");
  EXPECT_EQ(ErrorOf("a LIST \"\" * RETURN (foo)"), "Error in IMAP command LIST: Unknown return options.");
  EXPECT_EQ(ErrorOf("a LIST \"\" * RETURN (STATUS)"), "Error in IMAP command LIST: Unknown return options.");
  EXPECT_EQ(ErrorOf("a LIST \"\" * RETURN (STATUS (foo))"), "Error in IMAP command LIST: Invalid status item FOO.");
  EXPECT_EQ(ErrorOf("a LIST (foo) \"\" *"), "Error in IMAP command LIST: Unknown select options.");
  EXPECT_EQ(ErrorOf("a LIST (RECURSIVEMATCH) \"\" *"),
            "Error in IMAP command LIST: RECURSIVEMATCH must not be the only selection.");
  EXPECT_EQ(ErrorOf("a LIST (RECURSIVEMATCH REMOTE) \"\" *"),
            "Error in IMAP command LIST: RECURSIVEMATCH must not be the only selection.");
}

TEST(Parser, Append) {
  auto append = Parsed<AppendCommand>("a APPEND saved-messages (\\Seen $MDNSent) \" 7-Feb-1994 21:52:25 -0800\" {310}");
  EXPECT_EQ(append.mailbox, "saved-messages");
  EXPECT_EQ(append.first.flags, (FlagList{kSeen, {"$MDNSent"}}));
  EXPECT_EQ(append.first.date_time, (DateTime{760686745, -480}));
  EXPECT_EQ(append.first.literal_bytes, 310u);
  EXPECT_FALSE(append.first.binary);
  append = Parsed<AppendCommand>("a APPEND x ~{5+}");
  EXPECT_TRUE(append.first.binary);
  append = Parsed<AppendCommand>("a APPEND {1}\r\nx UTF8 (~{5+}");
  EXPECT_TRUE(append.first.utf8);
  EXPECT_TRUE(IsAppendEnd(")", append.first));
  EXPECT_FALSE(IsAppendEnd("", append.first));
  EXPECT_TRUE(ParseAppendMessage(") {1}", append.first));
  EXPECT_TRUE(IsAppendEnd("  ", AppendMessage{}));
  EXPECT_FALSE(IsAppendEnd(" x", AppendMessage{}));
  const auto next = ParseAppendMessage(" (\\Draft) {7+}", AppendMessage{});
  ASSERT_TRUE(next);
  EXPECT_EQ(next->flags.system, kDraft);
  EXPECT_EQ(next->literal_bytes, 7u);
  EXPECT_FALSE(ParseAppendMessage("{7+}", AppendMessage{}));
  EXPECT_FALSE(ParseAppendMessage(" foo {7+}", AppendMessage{}));
  EXPECT_EQ(ErrorOf("a APPEND"), "Error in IMAP command APPEND: Missing arguments.");
  EXPECT_EQ(ErrorOf("a APPEND inbox"), "Error in IMAP command APPEND: Missing message size.");
  EXPECT_EQ(ErrorOf("a APPEND inbox (\\Seen)"), "Error in IMAP command APPEND: Invalid arguments.");
  EXPECT_EQ(ErrorOf("a APPEND inbox foo {3}"), "Error in IMAP command APPEND: Invalid arguments.");
  EXPECT_EQ(ErrorOf("a APPEND inbox \"x\" {3}"), "Error in IMAP command APPEND: Invalid internal date.");
  EXPECT_EQ(ErrorOf("a APPEND inbox (\\Foo) {3}"), "Error in IMAP command APPEND: Invalid system flag \\FOO.");
}

TEST(Parser, DateTimes) {
  EXPECT_EQ(ParseDateTime("17-Jul-1996 02:44:25 -0700"), (DateTime{837596665, -420}));
  EXPECT_EQ(ParseDateTime(" 1-Jan-1970 00:00:00 +0000"), (DateTime{0, 0}));
  EXPECT_EQ(ParseDateTime("01-jan-1970 05:30:00 +0530"), (DateTime{0, 330}));
  EXPECT_EQ(ParseDateTime("1-Jan-1970 00:00:01 +0000"), (DateTime{1, 0}));
  for (const char* text :
       {"", "17-Jul-1996", "17-Jul-1996 02:44:25", "17-Jul-1996 24:44:25 -0700", "17-Jul-1996 02:60:25 -0700",
        "17-Xxx-1996 02:44:25 -0700", "32-Jul-1996 02:44:25 -0700", "00-Jul-1996 02:44:25 -0700",
        "17-Jul-1996 02:44:25 -0799", "17-Jul-1996 02:44:25  0700", "17 Jul 1996 02:44:25 -0700"}) {
    EXPECT_FALSE(ParseDateTime(text)) << text;
  }
}

TEST(Parser, Fetch) {
  const auto fetch = Parsed<FetchCommand>("A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])");
  EXPECT_EQ(fetch.set.ToString(), "2:4");
  ASSERT_EQ(fetch.items.size(), 2u);
  EXPECT_EQ(fetch.items[1].section.header_names, (std::vector<std::string>{"DATE", "FROM"}));
  EXPECT_EQ(Canonical("a FETCH 1 ALL"), "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)");
  EXPECT_EQ(Canonical("a FETCH 1 fast"), "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE)");
  EXPECT_EQ(Canonical("a FETCH 1 FULL"), "FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODY)");
  EXPECT_EQ(Canonical("a fetch  *  ( FLAGS  UID FLAGS )  "), "FETCH * (FLAGS UID)");
  EXPECT_EQ(Canonical("a UID FETCH 1:* body.peek[4.2.2.1.mime]<5.100>"),
            "UID FETCH 1:* (BODY.PEEK[4.2.2.1.MIME]<5.100>)");
  EXPECT_EQ(Canonical("a FETCH 1 (BODY BODYSTRUCTURE BODY[] BODY[TEXT] BODY[1.HEADER.FIELDS.NOT (x-y \"a b\")])"),
            "FETCH 1 (BODY BODYSTRUCTURE BODY[] BODY[TEXT] BODY[1.HEADER.FIELDS.NOT (X-Y \"A B\")])");
  EXPECT_EQ(
      Canonical("a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT MODSEQ EMAILID THREADID SAVEDATE PREVIEW (LAZY) UID)"),
      "FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT MODSEQ EMAILID THREADID SAVEDATE PREVIEW (LAZY) UID)");
  EXPECT_EQ(Canonical("a FETCH 1 (BINARY[1.2] BINARY.PEEK[1]<0.5> BINARY.SIZE[3])"),
            "FETCH 1 (BINARY[1.2] BINARY.PEEK[1]<0.5> BINARY.SIZE[3])");
  EXPECT_EQ(Canonical("a UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"),
            "UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)");
  EXPECT_EQ(Canonical("a FETCH 1 PREVIEW (CHANGEDSINCE 5)"), "FETCH 1 (PREVIEW) (CHANGEDSINCE 5)");
  EXPECT_EQ(Canonical("a FETCH 1 BODY[HEADER.FIELDS ({3+}\r\nA B)]"), "FETCH 1 (BODY[HEADER.FIELDS (\"A B\")])");
  EXPECT_TRUE(Parsed<FetchCommand>("a FETCH $ FLAGS").set.is_saved_result());
}

TEST(Parser, FaultyFetch) {
  const std::pair<const char*, const char*> faults[] = {
      {"a FETCH 1", "Invalid arguments."},
      {"a FETCH 1 ()", "FETCH list is empty."},
      {"a FETCH 1 (FOO)", "Unknown parameter: FOO."},
      {"a FETCH 1 (ALL)", "Unknown parameter: ALL."},
      {"a FETCH 1 (FLAGS (X))", "FETCH list contains non-atoms."},
      {"a FETCH 1 BODY[", "Invalid BODY[..] parameter: Missing ']'."},
      {"a FETCH 1 BODY[FOO]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[MIME]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[0]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[1.]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[1TEXT]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[HEADER.FIELDS]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[HEADER.FIELDS ()]", "Invalid BODY[..] section."},
      {"a FETCH 1 BODY[HEADER.FIELDS (A B]", "Missing ')'."},
      {"a FETCH 1 BODY[HEADER.FIELDS (A)", "Invalid BODY[..] parameter: Missing ']'."},
      {"a FETCH 1 BODY[1]x", "Invalid BODY[..] parameter: Unexpected data after ']'."},
      {"a FETCH 1 BODY[1]<0.5", "Invalid BODY[..] parameter: Missing '>' in partial."},
      {"a FETCH 1 BODY[1]<0.5>x", "Invalid BODY[..] parameter: Unexpected data after '>'."},
      {"a FETCH 1 BODY[1]<0.0>", "Invalid BODY[..] parameter: Invalid partial length."},
      {"a FETCH 1 BODY.PEEK", "Invalid BODY[..] parameter: Missing '['."},
      {"a FETCH 1 BINARY[TEXT]", "Invalid BINARY[..] section."},
      {"a FETCH 1 (FLAGS", "Missing ')'."},
      {"a FETCH 1 FLAGS)", "Unexpected ')'."},
      {"a FETCH 1 (FLAGS)UID", "Invalid arguments."},
      {"a FETCH 1 \"FLAGS\"", "Invalid arguments."},
      {"a FETCH 1 FAST UID", "Invalid arguments."},
      {"a FETCH \"1\" FLAGS", "Invalid arguments."},
      {"a FETCH 1,,2 FLAGS", "Invalid messageset."},
      {"a FETCH 0 FLAGS", "Invalid messageset."},
      {"a FETCH 1 FLAGS (CHANGEDSINCE x)", "Invalid CHANGEDSINCE modseq."},
      {"a FETCH 1 FLAGS (CHANGEDSINCE)", "Invalid CHANGEDSINCE modseq."},
      {"a FETCH 1 FLAGS (FOO 1)", "Unknown FETCH modifier."},
      {"a FETCH 1 FLAGS (VANISHED)", "VANISHED used without CHANGEDSINCE."},
  };
  for (const auto& [line, what] : faults)
    EXPECT_EQ(ErrorOf(line), std::string("Error in IMAP command FETCH: ") + what) << line;
  EXPECT_EQ(ErrorOf("a UID FETCH x FLAGS"), "Error in IMAP command UID FETCH: Invalid uidset.");
}

TEST(Parser, Store) {
  auto store = Parsed<StoreCommand>("A003 STORE 2:4 +FLAGS (\\Deleted)");
  EXPECT_EQ(store.mode, StoreCommand::Mode::kAdd);
  EXPECT_EQ(store.flags.system, kDeleted);
  EXPECT_FALSE(store.silent);
  EXPECT_EQ(Canonical("a uid store 1 -flags.silent \\seen $Junk $junk \\Recent"),
            "UID STORE 1 -FLAGS.SILENT (\\Seen $Junk)");
  EXPECT_EQ(Canonical("a STORE 1 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\\Deleted)"),
            "STORE 1 (UNCHANGEDSINCE 320162338) +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(Canonical("a STORE 1 FLAGS ()"), "STORE 1 FLAGS ()");
  const std::pair<const char*, const char*> faults[] = {
      {"a STORE 1 FLAGS (\\Foo)", "Invalid system flag \\FOO."},
      {"a STORE 1 FOO (\\Seen)", "Invalid arguments."},
      {"a STORE 1 FLAGS.SILENTX (x)", "Invalid arguments."},
      {"a STORE 1 FLAGS", "Missing arguments."},
      {"a STORE 1 (FOO 1) FLAGS (x)", "Unknown STORE modifier."},
      {"a STORE 1 (UNCHANGEDSINCE x) FLAGS (x)", "Invalid modseq."},
      {"a STORE 1 (UNCHANGEDSINCE) FLAGS (x)", "Invalid STORE modifiers."},
      {"a STORE 1 FLAGS \"\\Seen\"", "Flags list contains non-atoms."},
      {"a STORE 1 FLAGS (a (b))", "Flags list contains non-atoms."},
      {"a STORE 1 FLAGS (a{b)", "Invalid characters in atom."},
      {"a STORE 1 FLAGS (\"a\")", "Flags list contains non-atoms."},
      {"a STORE x FLAGS (a)", "Invalid messageset."},
  };
  for (const auto& [line, what] : faults)
    EXPECT_EQ(ErrorOf(line), std::string("Error in IMAP command STORE: ") + what) << line;
}

TEST(Parser, CopyMoveExpunge) {
  EXPECT_EQ(Canonical("A003 COPY 2:4 MEETING"), "COPY 2:4 MEETING");
  EXPECT_EQ(Canonical("a UID MOVE 42:69 foo"), "UID MOVE 42:69 foo");
  EXPECT_EQ(Canonical("A101 UID EXPUNGE 3000:3002"), "UID EXPUNGE 3000:3002");
  EXPECT_EQ(ErrorOf("a COPY 1"), "Error in IMAP command COPY: Missing arguments.");
  EXPECT_EQ(ErrorOf("a MOVE 0 y"), "Error in IMAP command MOVE: Invalid messageset.");
  EXPECT_EQ(ErrorOf("a UID COPY x y"), "Error in IMAP command UID COPY: Invalid uidset.");
  EXPECT_EQ(ErrorOf("a UID EXPUNGE"), "Error in IMAP command UID EXPUNGE: Missing arguments.");
}

TEST(Parser, Search) {
  EXPECT_EQ(Canonical("A282 SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\""),
            "SEARCH (FLAGGED SINCE 1-Feb-1994 NOT From Smith)");
  EXPECT_EQ(Canonical("a SEARCH NEW"), "SEARCH (RECENT NOT SEEN)");
  EXPECT_EQ(Canonical("a SEARCH OLD UNSEEN UNKEYWORD x RECENT"), "SEARCH (NOT RECENT NOT SEEN NOT KEYWORD x RECENT)");
  EXPECT_EQ(Canonical("a SEARCH OR 1 OR (2 3) OR 4 5"), "SEARCH OR 1 OR (2 3) OR 4 5");
  EXPECT_EQ(Canonical("a SEARCH OR OR OR 1 2 3 4"), "SEARCH OR 1 OR 2 OR 3 4");
  EXPECT_EQ(Canonical("a SEARCH ((1 (2) 3))"), "SEARCH (1 2 3)");
  EXPECT_EQ(Canonical("a SEARCH NOT NOT NOT ALL"), "SEARCH NOT ALL");
  EXPECT_EQ(Canonical("a SEARCH NOT UNSEEN"), "SEARCH SEEN");
  EXPECT_EQ(Canonical("a UID SEARCH HEADER Message-ID <x@y> UID 5:* LARGER 10 YOUNGER 172800"),
            "UID SEARCH (HEADER Message-ID <x@y> UID 5:* LARGER 10 YOUNGER 172800)");
  EXPECT_EQ(Canonical("a SEARCH BEFORE \"1-jan-2020\" SENTON 30-Feb-2020 SAVEDSINCE 02-Mar-1999"),
            "SEARCH (BEFORE 1-Jan-2020 SENTON 30-Feb-2020 SAVEDSINCE 2-Mar-1999)");
  EXPECT_EQ(Canonical("a SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338"),
            "SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338");
  EXPECT_EQ(Canonical("a SEARCH CHARSET UTF-8 TEXT {6}\r\n\xd0\xb0\xd0\xb1\xd0\xb2"),
            "SEARCH CHARSET UTF-8 TEXT {6+}\r\n\xd0\xb0\xd0\xb1\xd0\xb2");
  EXPECT_EQ(Canonical("a SEARCH FUZZY (SUBJECT \"IMAP break\")"), "SEARCH FUZZY Subject \"IMAP break\"");
  EXPECT_EQ(Canonical("a SEARCH RETURN (MIN COUNT) 1:*"), "SEARCH RETURN (MIN COUNT) 1:*");
  EXPECT_EQ(Canonical("a SEARCH RETURN () $"), "SEARCH RETURN (ALL) $");
  EXPECT_EQ(Canonical("a UID SEARCH RETURN (PARTIAL -100:-1) UNDELETED"),
            "UID SEARCH RETURN (PARTIAL -1:-100) NOT DELETED");
}

TEST(Parser, FaultySearch) {
  const std::pair<const char*, const char*> faults[] = {
      {"a SEARCH", "Missing search parameters."},
      {"a SEARCH ", "Missing search parameters."},
      {"a SEARCH CHARSET", "Invalid charset argument."},
      {"a SEARCH CHARSET utf-8", "Missing search parameters."},
      {"a SEARCH (", "Missing ')'."},
      {"a SEARCH ALL)", "Unexpected ')'."},
      {"a SEARCH ()", "No search parameters inside list."},
      {"a SEARCH OR ALL", "Missing argument."},
      {"a SEARCH NOT", "Missing argument."},
      {"a SEARCH BEFORE x", "Invalid search date parameter."},
      {"a SEARCH BEFORE 32-Jan-2020", "Invalid search date parameter."},
      {"a SEARCH BEFORE 1-Jan-20", "Invalid search date parameter."},
      {"a SEARCH LARGER x", "Invalid search size parameter."},
      {"a SEARCH OLDER 0", "Invalid search interval parameter."},
      {"a SEARCH 1:x", "Invalid messageset."},
      {"a SEARCH UID 0", "Invalid UID messageset."},
      {"a SEARCH FROM", "Missing parameter for search key (for search key: FROM)."},
      {"a SEARCH SUBJECT (x)", "Unexpected ( (for search key: SUBJECT)."},
      {"a SEARCH \"SUBJECT\" x", "Unexpected string as search key: SUBJECT."},
      {"a SEARCH XFOO y", "Unknown argument XFOO."},
      {"a SEARCH RETURN ALL", "Unknown argument RETURN."},
      {"a SEARCH RETURN (FOO) ALL", "Unknown SEARCH return option."},
      {"a SEARCH RETURN (PARTIAL 0:1) ALL", "PARTIAL range broken."},
      {"a SEARCH MODSEQ x", "Invalid MODSEQ value."},
      {"a SEARCH MODSEQ \"/flags/x\" foo 5", "Invalid MODSEQ type."},
      {"a SEARCH (ALL)ALL", "Invalid arguments."},
  };
  for (const auto& [line, what] : faults)
    EXPECT_EQ(ErrorOf(line), std::string("Error in IMAP command SEARCH: ") + what) << line;
}

TEST(Parser, SearchDepthIsBounded) {
  const auto nested = [](int depth) {
    return "a SEARCH " + std::string(static_cast<size_t>(depth), '(') + "ALL" +
           std::string(static_cast<size_t>(depth), ')');
  };
  EXPECT_EQ(ErrorOf(nested(kSearchDepthMax)), "parsed");
  EXPECT_EQ(ErrorOf(nested(kSearchDepthMax + 1)), "Error in IMAP command SEARCH: Too deeply nested search.");
  EXPECT_EQ(ErrorOf(nested(30000)), "Error in IMAP command SEARCH: Too deeply nested search.");
  std::string chain = "a SEARCH", left = "a SEARCH", negations = "a SEARCH";
  for (int i = 0; i < 5000; ++i) {
    chain += " OR HEADER Message-ID x";
    left += " OR";
    negations += " NOT";
  }
  for (int i = 0; i < 5000; ++i) left += " SEEN";
  EXPECT_EQ(Parsed<SearchCommand>(chain + " ALL").key.children.size(), 5001u) << "long chains of OR are one node";
  EXPECT_EQ(Parsed<SearchCommand>(left + " ALL").key.children.size(), 5001u);
  EXPECT_EQ(Canonical(negations + " SEEN"), "SEARCH SEEN");
}

TEST(Parser, SortAndThread) {
  EXPECT_EQ(Canonical("A282 SORT (SUBJECT REVERSE DATE) UTF-8 ALL"), "SORT (SUBJECT REVERSE DATE) UTF-8 ALL");
  EXPECT_EQ(Canonical("a UID SORT RETURN (COUNT) (displayfrom SIZE reverse size) us-ascii SEEN 1"),
            "UID SORT RETURN (COUNT) (DISPLAYFROM SIZE) us-ascii (SEEN 1)");
  EXPECT_EQ(Canonical("a THREAD references UTF-8 ALL"), "THREAD REFERENCES UTF-8 ALL");
  const std::pair<const char*, const char*> faults[] = {
      {"a SORT", "Invalid sort argument."},
      {"a SORT date utf-8 all", "Invalid sort argument."},
      {"a SORT (foo) utf-8 all", "Unknown sort argument: FOO."},
      {"a SORT () utf-8 all", "Empty sort program."},
      {"a SORT (REVERSE) utf-8 all", "Sort list ends with REVERSE."},
      {"a SORT (DATE)", "Invalid charset argument."},
      {"a SORT (DATE) utf-8", "Missing search parameters."},
  };
  for (const auto& [line, what] : faults)
    EXPECT_EQ(ErrorOf(line), std::string("Error in IMAP command SORT: ") + what) << line;
  EXPECT_EQ(ErrorOf("a THREAD foo utf-8 all"), "Error in IMAP command THREAD: Unknown thread algorithm.");
  EXPECT_EQ(ErrorOf("a THREAD references"), "Error in IMAP command THREAD: Invalid arguments.");
}

TEST(Parser, QuotaAndCompress) {
  EXPECT_EQ(Canonical("a GETQUOTAROOT inbox"), "GETQUOTAROOT INBOX");
  EXPECT_EQ(Canonical("a GETQUOTA \"\""), "GETQUOTA \"\"");
  EXPECT_EQ(Canonical("a SETQUOTA \"\" (storage 512 MESSAGE 5)"), "SETQUOTA \"\" (STORAGE 512 MESSAGE 5)");
  EXPECT_EQ(Canonical("a COMPRESS deflate"), "COMPRESS DEFLATE");
}

TEST(Parser, ManyItemsStayCheap) {
  std::string line = "a FETCH 1 (";
  for (int i = 1; i <= 2000; ++i) line += "BODY[" + std::to_string(i) + "] ";
  EXPECT_EQ(ErrorOf(line + ")"), "Error in IMAP command FETCH: Too many FETCH items.");
  line = "a STORE 1 FLAGS (";
  for (int i = 1; i <= 2000; ++i) line += "k" + std::to_string(i) + " ";
  EXPECT_EQ(ErrorOf(line + ")"), "Error in IMAP command STORE: Too many keywords.");
}

}  // namespace
}  // namespace postern::imap
