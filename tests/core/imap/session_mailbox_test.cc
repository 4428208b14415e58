// Goal: a selected mailbox looks to clients as Dovecot 2.3.19 shows it: SELECT, FETCH, STORE, COPY, MOVE, EXPUNGE,
// APPEND. Method: dialogues in a world of memory; expected answers were observed on Dovecot, but for the times in
// tagged lines.
#include <gtest/gtest.h>

#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

constexpr std::string_view kOne =
    "From: a@x\r\nTo: b@y\r\nSubject: one\r\nDate: Mon, 01 Jan 2024 12:00:00 +0000\r\nMessage-ID: "
    "<1@x>\r\n\r\nhello\r\n";
constexpr std::string_view kTwo =
    "From: a@x\r\nSubject: two\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=bb\r\n\r\n--bb\r\n\r\n"
    "part1\r\n--bb\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--bb--\r\n";

std::string Append(std::string_view tag, std::string_view mailbox, std::string_view options, std::string_view message) {
  return std::string(tag) + " APPEND " + std::string(mailbox) + " " + std::string(options) + "{" +
         std::to_string(message.size()) + "+}\r\n" + std::string(message);
}

// The number behind `name` in a response code.
std::string CodeNumber(const std::string& answer, std::string_view name) {
  const size_t at = answer.find(std::string(name) + " ");
  if (at == std::string::npos) return "";
  const size_t begin = at + name.size() + 1;
  return answer.substr(begin, answer.find_first_not_of("0123456789", begin) - begin);
}

class SessionMailbox : public testing::Test {
 protected:
  // Two messages in INBOX, selected.
  void SetUp() override {
    client_ = &world_.LogIn();
    validity_ = CodeNumber(Do("s SELECT INBOX"), "UIDVALIDITY");
    EXPECT_EQ(Do(Append("p", "INBOX", "", kOne)),
              "* 1 EXISTS\r\n* 1 RECENT\r\np OK [APPENDUID " + validity_ + " 1] Append completed.\r\n");
    EXPECT_EQ(Do(Append("q", "INBOX", "(\\Seen $Kw) \"01-Feb-2020 00:00:00 +0000\" ", kTwo)),
              "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw)\r\n"
              "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw \\*)] Flags permitted.\r\n"
              "* 2 EXISTS\r\n* 2 RECENT\r\nq OK [APPENDUID " +
                  validity_ + " 2] Append completed.\r\n");
  }

  std::string Do(std::string_view line) { return world_.Command(*client_, line); }

  ImapWorld world_;
  ImapWorld::Client* client_ = nullptr;
  std::string validity_;
};

TEST_F(SessionMailbox, SelectSaysWhatThereIs) {
  const std::string answer = Do("a SELECT INBOX");
  const std::string modseq = CodeNumber(answer, "HIGHESTMODSEQ");
  EXPECT_EQ(answer,
            "* OK [CLOSED] Previous mailbox closed.\r\n"
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw)\r\n"
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw \\*)] Flags permitted.\r\n"
            "* 2 EXISTS\r\n* 0 RECENT\r\n* OK [UNSEEN 1] First unseen.\r\n"
            "* OK [UIDVALIDITY " +
                validity_ +
                "] UIDs valid\r\n* OK [UIDNEXT 3] Predicted next UID\r\n"
                "* OK [HIGHESTMODSEQ " +
                modseq + "] Highest\r\na OK [READ-WRITE] Select completed.\r\n");
  EXPECT_EQ(Do("b SELECT nope"), "* OK [CLOSED] Previous mailbox closed.\r\nb NO Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("c FETCH 1 UID"), "c BAD No mailbox selected.\r\n");
  EXPECT_EQ(Do("d SELECT a&b"), "d NO Mailbox name is not valid mUTF-7.\r\n");
  EXPECT_EQ(Do("e SELECT a..b"), "e NO [CANNOT] Invalid mailbox name: Has adjacent hierarchy separators.\r\n");
}

TEST_F(SessionMailbox, ExamineIsReadOnly) {
  const std::string answer = Do("a EXAMINE INBOX");
  EXPECT_NE(answer.find("* OK [PERMANENTFLAGS ()] Read-only mailbox.\r\n"), std::string::npos) << answer;
  EXPECT_NE(answer.find("a OK [READ-ONLY] Examine completed.\r\n"), std::string::npos) << answer;
  EXPECT_EQ(Do("b STORE 1 +FLAGS (\\Seen)"), "b OK Store ignored with read-only mailbox.\r\n");
  EXPECT_EQ(Do("c FETCH 1 BODY[TEXT]"), "* 1 FETCH (BODY[TEXT] {7}\r\nhello\r\n)\r\nc OK Fetch completed.\r\n");
  EXPECT_EQ(Do("d EXPUNGE"), "d OK Expunge completed.\r\n");
}

TEST_F(SessionMailbox, FetchOfSets) {
  EXPECT_EQ(Do("a FETCH 1:* (FLAGS)"),
            "* 1 FETCH (FLAGS (\\Recent))\r\n* 2 FETCH (FLAGS (\\Seen \\Recent $Kw))\r\na OK Fetch completed.\r\n");
  EXPECT_EQ(Do("b FETCH 9 FLAGS"), "b BAD Error in IMAP command FETCH: Invalid messageset.\r\n");
  EXPECT_EQ(Do("c FETCH 1:9 FLAGS"), "c BAD Error in IMAP command FETCH: Invalid messageset.\r\n");
  EXPECT_EQ(Do("d UID FETCH 99 FLAGS"), "d OK Fetch completed.\r\n");
  EXPECT_EQ(Do("e UID FETCH 99:* FLAGS"), "* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent $Kw))\r\ne OK Fetch completed.\r\n");
  EXPECT_EQ(Do("f FETCH 2,1 UID"), "* 1 FETCH (UID 1)\r\n* 2 FETCH (UID 2)\r\nf OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, FetchOrdersItemsAsDovecot) {
  EXPECT_EQ(Do("a FETCH 2 (BODY.PEEK[1] ENVELOPE INTERNALDATE UID BODY RFC822.SIZE)"),
            "* 2 FETCH (INTERNALDATE \"01-Feb-2020 00:00:00 +0000\" UID 2 RFC822.SIZE 191 BODY[1] {5}\r\npart1 "
            "ENVELOPE (NIL \"two\" ((NIL NIL \"a\" \"x\")) ((NIL NIL \"a\" \"x\")) ((NIL NIL \"a\" \"x\")) NIL NIL NIL "
            "NIL NIL) "
            "BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 5 0)(\"text\" \"html\" (\"charset\" "
            "\"us-ascii\") NIL NIL \"base64\" 8 0) \"mixed\"))\r\na OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, FetchOfSections) {
  EXPECT_EQ(Do("a FETCH 2 (BODY.PEEK[2] BODY.PEEK[3] BODY.PEEK[2.MIME])"),
            "* 2 FETCH (BODY[2] {8}\r\naGVsbG8= BODY[3] {0}\r\n BODY[2.MIME] {62}\r\nContent-Type: text/html\r\n"
            "Content-Transfer-Encoding: base64\r\n\r\n)\r\na OK Fetch completed.\r\n");
  EXPECT_EQ(
      Do("b FETCH 1 (BODY.PEEK[HEADER.FIELDS (SUBJECT from)] BODY.PEEK[TEXT]<2.2> BODY.PEEK[]<5000.10>)"),
      "* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT FROM)] {27}\r\nFrom: a@x\r\nSubject: one\r\n\r\n BODY[TEXT]<2> {2}\r\nll "
      "BODY[]<5000> {0}\r\n)\r\nb OK Fetch completed.\r\n");
  EXPECT_EQ(Do("c FETCH 1 RFC822.HEADER"),
            "* 1 FETCH (RFC822.HEADER {94}\r\n" + std::string(kOne.substr(0, 94)) + ")\r\nc OK Fetch completed.\r\n");
  EXPECT_EQ(Do("d FETCH 2 (BINARY.PEEK[2] BINARY.SIZE[2])"),
            "* 2 FETCH (BINARY[2] {5}\r\nhello BINARY.SIZE[2] 5)\r\nd OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, LiteralsHoldNoNul) {
  const std::string nul(1, '\0');
  world_.Deliver("u1", "", "Subject: a" + nul + "b\r\n\r\nx" + nul + "y\r\n");
  world_.Deliver("u1", "", "Subject: c\r\n\r\n" + std::string(40'000, 'z') + nul);
  world_.Deliver("u1", "", "Subject: d\r\n\r\n" + std::string(1'200'000, 'z') + nul);
  Do("a NOOP");
  EXPECT_EQ(Do("b FETCH 3 (BODY.PEEK[] BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1])"),
            "* 3 FETCH (BODY[] {21}\r\nSubject: a\x80"
            "b\r\n\r\nx\x80y\r\n BODY[HEADER] {16}\r\nSubject: a\x80"
            "b\r\n\r\n "
            "BODY[TEXT] {5}\r\nx\x80y\r\n BODY[1] {5}\r\nx\x80y\r\n)\r\nb OK Fetch completed.\r\n");
  EXPECT_TRUE(Do("c FETCH 4 BODY.PEEK[]").ends_with("zz\x80)\r\nc OK Fetch completed.\r\n"));
  EXPECT_TRUE(Do("d FETCH 5 BODY.PEEK[]").ends_with("zz\x80)\r\nd OK Fetch completed.\r\n"));
  EXPECT_EQ(Do("e FETCH 3 BINARY.PEEK[1]"),
            "* 3 FETCH (BINARY[1] ~{5}\r\nx" + nul + "y\r\n)\r\ne OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, AWrongSizeInANameCutsNothing) {
  const std::string message = "Subject: long\r\n\r\n" + std::string(1'500'000, 'z') + "\r\n";
  world_.PutFile(world_.MaildirOf("u1") + "/cur/1700000900.M1P1.mail,S=1200000,W=1200000:2,S", message);
  world_.Advance(Seconds(60));
  Do("a NOOP");
  EXPECT_EQ(Do("b FETCH 3 BODY.PEEK[]"), "* 3 FETCH (BODY[] {" + std::to_string(message.size()) + "}\r\n" + message +
                                             ")\r\nb OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, BodySetsSeen) {
  EXPECT_EQ(Do("a FETCH 1 BODY[TEXT]"),
            "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {7}\r\nhello\r\n)\r\na OK Fetch completed.\r\n");
  EXPECT_EQ(Do("b FETCH 1 BODY[TEXT]"), "* 1 FETCH (BODY[TEXT] {7}\r\nhello\r\n)\r\nb OK Fetch completed.\r\n");
  Do("c STORE 1 -FLAGS (\\Seen)");
  EXPECT_EQ(Do("d UID FETCH 1 BODY[TEXT]"),
            "* 1 FETCH (UID 1 FLAGS (\\Seen \\Recent) BODY[TEXT] {7}\r\nhello\r\n)\r\nd OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, RepeatedSectionsReadTheFileOnce) {
  Do("a FETCH 1 BODY.PEEK[TEXT]<0.2>");
  const size_t reads = world_.reads_done;
  EXPECT_EQ(Do("b FETCH 1 BODY.PEEK[TEXT]<2.2>"), "* 1 FETCH (BODY[TEXT]<2> {2}\r\nll)\r\nb OK Fetch completed.\r\n");
  EXPECT_EQ(world_.reads_done, reads);
  Do("c NOOP");  // nothing is kept of a session that does other things
  Do("d FETCH 1 BODY.PEEK[TEXT]<2.2>");
  EXPECT_GT(world_.reads_done, reads);
}

TEST_F(SessionMailbox, StoreTellsWhatChanged) {
  EXPECT_EQ(Do("a STORE 1 +FLAGS (\\Flagged)"), "* 1 FETCH (FLAGS (\\Flagged \\Recent))\r\na OK Store completed.\r\n");
  EXPECT_EQ(Do("b STORE 1 +FLAGS (\\Flagged)"), "b OK Store completed.\r\n");
  EXPECT_EQ(Do("c STORE 1 FLAGS.SILENT (\\Deleted)"), "c OK Store completed.\r\n");
  EXPECT_EQ(Do("d UID STORE 1 FLAGS (\\Deleted foo)"),
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw foo)\r\n"
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw foo \\*)] Flags permitted.\r\n"
            "* 1 FETCH (UID 1 FLAGS (\\Deleted \\Recent foo))\r\nd OK Store completed.\r\n");
  EXPECT_EQ(Do("e STORE 9 FLAGS ()"), "e BAD Error in IMAP command STORE: Invalid messageset.\r\n");
  EXPECT_EQ(Do("f UID STORE 99 FLAGS ()"), "f OK Store completed.\r\n");
  for (const char* keyword : {"a]b", "a%b", "a*b", "a\\b", "%", "*", "]"}) {
    EXPECT_EQ(Do("g STORE 1 FLAGS (" + std::string(keyword) + ")"), "g NO [CANNOT] Invalid characters in keyword.\r\n");
  }
  EXPECT_EQ(Do("h STORE 1 FLAGS.SILENT (a[b)"),
            "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw foo a[b)\r\n"
            "* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $Kw foo a[b \\*)] Flags permitted.\r\n"
            "h OK Store completed.\r\n");
}

TEST_F(SessionMailbox, ConditionalStore) {
  const std::string enabled = Do("a FETCH 1 MODSEQ");
  const std::string highest = CodeNumber(enabled, "HIGHESTMODSEQ");
  EXPECT_NE(highest, "") << enabled;
  EXPECT_EQ(Do("b STORE 1 (UNCHANGEDSINCE 1) FLAGS (\\Seen)"), "b OK [MODIFIED 1] Conditional store failed.\r\n");
  const std::string stored = Do("c STORE 1 (UNCHANGEDSINCE " + highest + ") +FLAGS.SILENT (\\Seen)");
  EXPECT_TRUE(stored.starts_with("* 1 FETCH (MODSEQ (")) << stored;
  const std::string changed = Do("d FETCH 1:* (FLAGS) (CHANGEDSINCE " + highest + ")");
  EXPECT_TRUE(changed.starts_with("* 1 FETCH (FLAGS (\\Seen \\Recent) MODSEQ (")) << changed;
  EXPECT_EQ(changed.find("* 2 FETCH"), std::string::npos);
  const std::string plain = Do("e STORE 2 +FLAGS (\\Flagged)");
  EXPECT_TRUE(plain.starts_with("* 2 FETCH (MODSEQ (")) << plain;
  EXPECT_NE(plain.find(") FLAGS (\\Flagged \\Seen \\Recent $Kw))"), std::string::npos) << plain;
}

TEST_F(SessionMailbox, CopyMoveExpunge) {
  EXPECT_EQ(Do("a COPY 1 nope"), "a NO [TRYCREATE] Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("b UID COPY 99 INBOX"), "b OK No messages found.\r\n");
  EXPECT_EQ(Do("c CREATE other"), "c OK Create completed.\r\n");
  const std::string copied = Do("d COPY 1:2 other");
  const std::string other_validity = CodeNumber(copied, "COPYUID");
  EXPECT_EQ(copied, "d OK [COPYUID " + other_validity + " 1:2 1:2] Copy completed.\r\n");
  EXPECT_EQ(Do("e MOVE 1 other"), "* OK [COPYUID " + other_validity +
                                      " 1 3] Moved UIDs.\r\n* 1 EXPUNGE\r\n* 1 RECENT\r\ne OK Move completed.\r\n");
  EXPECT_EQ(Do("f STORE 1 +FLAGS.SILENT (\\Deleted)"), "f OK Store completed.\r\n");
  EXPECT_EQ(Do("g UID EXPUNGE 99"), "g OK Expunge completed.\r\n");
  EXPECT_EQ(Do("h UID EXPUNGE 1:*"), "* 1 EXPUNGE\r\n* 0 RECENT\r\nh OK Expunge completed.\r\n");
  EXPECT_EQ(Do("i FETCH 1:* FLAGS"), "i BAD Error in IMAP command FETCH: Invalid messageset.\r\n");
}

TEST_F(SessionMailbox, ExpungeGoesFromTheLastToTheFirst) {
  Do("a STORE 1:2 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(Do("b EXPUNGE"), "* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 0 RECENT\r\nb OK Expunge completed.\r\n");
}

TEST_F(SessionMailbox, CloseExpungesInSilence) {
  Do("a STORE 1 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(Do("b CLOSE"), "b OK Close completed.\r\n");
  EXPECT_NE(Do("c SELECT INBOX").find("* 1 EXISTS"), std::string::npos);
  Do("d STORE 1 +FLAGS.SILENT (\\Deleted)");
  EXPECT_EQ(Do("e UNSELECT"), "e OK Unselect completed.\r\n");
  EXPECT_NE(Do("f SELECT INBOX").find("* 1 EXISTS"), std::string::npos);
}

TEST_F(SessionMailbox, QresyncTellsVanished) {
  EXPECT_EQ(Do("a SELECT INBOX (QRESYNC (" + validity_ + " 1))"),
            "a BAD Error in IMAP command SELECT: QRESYNC not enabled.\r\n");
  Do("b UNSELECT");
  EXPECT_EQ(Do("c ENABLE QRESYNC"), "* ENABLED QRESYNC\r\nc OK Enabled.\r\n");
  const std::string modseq = CodeNumber(Do("d SELECT INBOX"), "HIGHESTMODSEQ");
  Do("e STORE 1 +FLAGS.SILENT (\\Deleted)");
  const std::string expunged = Do("f EXPUNGE");
  EXPECT_TRUE(expunged.starts_with("* VANISHED 1\r\n")) << expunged;
  EXPECT_NE(expunged.find("f OK [HIGHESTMODSEQ "), std::string::npos) << expunged;
  const std::string back = Do("g SELECT INBOX (QRESYNC (" + validity_ + " " + modseq + " 1:2))");
  EXPECT_NE(back.find("* VANISHED (EARLIER) 1\r\n"), std::string::npos) << back;
  EXPECT_EQ(back.find("FETCH"), std::string::npos) << back;
  const std::string changed = Do("h UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)");
  EXPECT_TRUE(changed.starts_with("* VANISHED (EARLIER) 1\r\n* 1 FETCH (UID 2 FLAGS (")) << changed;
}

TEST_F(SessionMailbox, AppendRefusals) {
  EXPECT_EQ(Do(Append("a", "nope", "", kOne)), "a NO [TRYCREATE] Mailbox doesn't exist: nope.\r\n");
  EXPECT_EQ(Do("b APPEND nope {5}"),
            "b NO [TRYCREATE] Mailbox doesn't exist: nope.\r\n");  // before the literal is sent
  EXPECT_EQ(Do("c APPEND INBOX {0}"), "c NO Can't save a zero byte message.\r\n");
  EXPECT_EQ(Do("d NOOP"), "d OK NOOP completed.\r\n");
  EXPECT_EQ(Do("e APPEND INBOX"), "e BAD Error in IMAP command APPEND: Missing message size.\r\n");
  world_.failing_paths.insert("/tmp/");
  const std::string full = Do(Append("f", "INBOX", "", kOne));
  EXPECT_TRUE(full.starts_with("f NO [OVERQUOTA] ")) << full;
}

TEST_F(SessionMailbox, AppendOfSeveralAtOnce) {
  EXPECT_EQ(world_.Say(*client_, "a APPEND INBOX {101+}\r\n" + std::string(kOne) + " (\\Seen) {3+}\r\nabc"), "");
  EXPECT_EQ(Do(""), "* 4 EXISTS\r\n* 4 RECENT\r\na OK [APPENDUID " + validity_ + " 3:4] Append completed.\r\n");
  EXPECT_EQ(Do("b FETCH 4 (FLAGS BODY.PEEK[])"),
            "* 4 FETCH (FLAGS (\\Seen \\Recent) BODY[] {3}\r\nabc)\r\nb OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, LongAppendGoesThroughTmpAndComesBack) {
  std::string message = "Subject: long\r\n\r\n";
  while (message.size() < 3'000'000) message += "line " + std::to_string(message.size()) + "\r\n";
  EXPECT_EQ(world_.Say(*client_, "a APPEND INBOX {" + std::to_string(message.size()) + "}\r\n"), "+ OK\r\n");
  for (size_t at = 0; at < message.size(); at += 60'000) {
    EXPECT_EQ(world_.Say(*client_, message.substr(at, 60'000)), "");
    EXPECT_EQ(std::count_if(world_.files.begin(), world_.files.end(),
                            [](const auto& file) { return file.first.find("/tmp/") != std::string::npos; }),
              at < 240'000 ? 0 : 1);
  }
  EXPECT_EQ(Do(""), "* 3 EXISTS\r\n* 3 RECENT\r\na OK [APPENDUID " + validity_ + " 3] Append completed.\r\n");
  const std::string size = std::to_string(message.size());
  EXPECT_EQ(Do("b FETCH 3 BODY.PEEK[]"),
            "* 3 FETCH (BODY[] {" + size + "}\r\n" + message + ")\r\nb OK Fetch completed.\r\n");
  EXPECT_EQ(Do("c FETCH 3 (RFC822.SIZE BODY.PEEK[]<2000000.30> BODY.PEEK[TEXT]<10.20> BODY.PEEK[HEADER])"),
            "* 3 FETCH (RFC822.SIZE " + size + " BODY[]<2000000> {30}\r\n" + message.substr(2'000'000, 30) +
                " BODY[TEXT]<10> {20}\r\n" + message.substr(17 + 10, 20) +
                " BODY[HEADER] {17}\r\nSubject: long\r\n\r\n)\r\n"
                "c OK Fetch completed.\r\n");
  EXPECT_EQ(Do("d FETCH 3 BODY.PEEK[1]<0.4>"), "* 3 FETCH (BODY[1]<0> {4}\r\nline)\r\nd OK Fetch completed.\r\n");
}

TEST_F(SessionMailbox, PiecesOfALongMessageAreReadOnce) {
  std::string message = "Subject: long\r\n\r\n";
  while (message.size() < 3'000'000) message += "line " + std::to_string(message.size()) + "\r\n";
  world_.Deliver("u1", "", message);
  Do("a NOOP");
  world_.bytes_read = 0;
  std::string got;
  for (size_t at = 0; at < message.size(); at += 100'000) {
    const std::string answer = Do("b FETCH 3 BODY.PEEK[]<" + std::to_string(at) + ".100000>");
    const size_t begin = answer.find("}\r\n") + 3;
    got += answer.substr(begin, answer.rfind(")\r\nb OK") - begin);
  }
  EXPECT_EQ(got, message);
  // Each piece looks at the first megabyte for the header, but nothing reads the whole again and again (45 million).
  EXPECT_LT(world_.bytes_read, 31 * (uint64_t{1} << 20) + 2 * 3'100'000 + 30 * 131'072);
}

TEST_F(SessionMailbox, AbandonedAppendLeavesNothing) {
  std::string message(600'000, 'x');
  world_.Say(*client_, "a APPEND INBOX {900000+}\r\n" + message);
  const auto in_tmp = [&] {
    return std::count_if(world_.files.begin(), world_.files.end(),
                         [](const auto& file) { return file.first.find("/tmp/") != std::string::npos; });
  };
  EXPECT_EQ(in_tmp(), 1);
  world_.hold_plans = true;
  world_.Say(*client_, message.substr(0, 200'000));
  world_.Disconnect(*client_);
  EXPECT_FALSE(client_->session->ended());  // a plan is under way
  world_.hold_plans = false;
  world_.Run();
  world_.Run();
  EXPECT_TRUE(client_->session->ended());
  EXPECT_EQ(in_tmp(), 0);
}

TEST_F(SessionMailbox, OutputIsBounded) {
  for (int i = 0; i < 40; ++i) world_.Deliver("u1", "", "Subject: x\n\n" + std::string(50'000, 'y') + "\n");
  Do("a NOOP");
  client_->hold_drain = true;
  const std::string first = world_.Say(*client_, "b FETCH 1:* BODY.PEEK[]\r\nc NOOP\r\n");
  EXPECT_LT(first.size(), kUnsentBytesMax + 100'000);
  EXPECT_GT(first.size(), kUnsentBytesMax / 2);
  client_->hold_drain = false;
  world_.ReleaseDrain(*client_);
  const std::string rest = WithoutTimes(world_.Take(*client_));
  EXPECT_TRUE(rest.ends_with("b OK Fetch completed.\r\nc OK NOOP completed.\r\n"));
  EXPECT_GT(first.size() + rest.size(), 40 * 50'000);
}

TEST_F(SessionMailbox, WhatIsTooLongIsNotTakenApart) {
  std::string message = "Subject: long\n\nfirst\n";
  message.reserve(kStructuredMessageBytesMax + 100);
  while (message.size() <= kStructuredMessageBytesMax) message.append(100'000, 'y').append("\n");
  message += "last\n";
  world_.Deliver("u1", "", std::move(message));
  Do("a NOOP");
  EXPECT_EQ(
      Do("b FETCH 3 (UID BODYSTRUCTURE)"),
      "* 3 FETCH (UID 3)\r\nb NO [LIMIT] A message is too long to be taken apart: BODY[] gives the whole of it.\r\n");
  EXPECT_EQ(Do("c FETCH 3 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"),
            "* 3 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {17}\r\nSubject: long\r\n\r\n)\r\nc OK Fetch completed.\r\n");
  EXPECT_EQ(Do("d FETCH 3 BODY.PEEK[]<15.7>"), "* 3 FETCH (BODY[]<15> {7}\r\n\r\nfirst)\r\nd OK Fetch completed.\r\n");
  EXPECT_EQ(Do("e SEARCH BODY last"), "* SEARCH\r\ne OK Search completed.\r\n");  // beyond what is looked at
}

TEST_F(SessionMailbox, LogoutLineCounts) {
  Do("a FETCH 1 BODY.PEEK[]");
  EXPECT_EQ(Do("b LOGOUT"), "* BYE Logging out\r\nb OK Logout completed.\r\n");
  EXPECT_TRUE(client_->closed);
  EXPECT_TRUE(world_.HasLog(">: Disconnected: Logged out in="));
  EXPECT_TRUE(world_.HasLog("deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=1 body_bytes="));
}

}  // namespace
}  // namespace postern::imap
