// Goal: SEARCH, SORT and THREAD find what they should, in every form of answer. Method: a mailbox of memory; threads
// also by themselves, with the examples of RFC 5256.
#include <gtest/gtest.h>

#include "core/imap/thread_tree.h"
#include "tests/core/imap/session_world.h"

namespace postern::imap {
namespace {

class SessionSearch : public testing::Test {
 protected:
  void SetUp() override {
    Put("alice", "Zebra", "Mon, 01 Jan 2024 12:00:00 +0000", "<1@x>", "", "the quick fox");
    Put("bob", "Re: Apple", "Tue, 02 Jan 2024 12:00:00 +0000", "<2@x>", "<3@x>", "lazy dog");
    Put("carol", "Apple", "Mon, 01 Jan 2024 13:00:00 +0000", "<3@x>", "", "caf\xc3\xa9");
    client_ = &world_.LogIn();
    Do("s SELECT INBOX");
    Do("t STORE 2 +FLAGS.SILENT (\\Seen kw)");
  }
  void Put(std::string from, std::string subject, std::string date, std::string id, std::string reply,
           std::string body) {
    world_.Deliver("u1", "",
                   "From: " + from + "@x\nSubject: " + subject + "\nDate: " + date + "\nMessage-ID: " + id +
                       (reply.empty() ? "" : "\nIn-Reply-To: " + reply) +
                       "\nContent-Type: text/plain; charset=utf-8\n\n" + body + "\n");
  }
  std::string Do(std::string_view line) { return world_.Command(*client_, line); }
  // The numbers of a plain SEARCH.
  std::string Found(std::string_view program) {
    const std::string answer = Do("f SEARCH " + std::string(program));
    const size_t end = answer.find("\r\n");
    return answer.starts_with("* SEARCH") ? answer.substr(8, end - 8) : answer;
  }

  ImapWorld world_;
  ImapWorld::Client* client_ = nullptr;
};

TEST_F(SessionSearch, Keys) {
  EXPECT_EQ(Found("ALL"), " 1 2 3");
  EXPECT_EQ(Found("2:3"), " 2 3");
  EXPECT_EQ(Found("9"), "");
  EXPECT_EQ(Found("UID 3:99"), " 3");
  EXPECT_EQ(Found("SEEN"), " 2");
  EXPECT_EQ(Found("UNSEEN KEYWORD KW"), "");
  EXPECT_EQ(Found("KEYWORD Kw"), " 2");
  EXPECT_EQ(Found("UNKEYWORD nope"), " 1 2 3");
  EXPECT_EQ(Found("RECENT NOT SEEN"), " 1 3");
  EXPECT_EQ(Found("FROM ALICE"), " 1");
  EXPECT_EQ(Found("SUBJECT apple"), " 2 3");
  EXPECT_EQ(Found("OR SUBJECT zebra BODY \"lazy dog\" UNDELETED"), " 1 2");
  EXPECT_EQ(Found("NOT SUBJECT apple"), " 1");
  EXPECT_EQ(Found("HEADER Message-ID 3@x"), " 3");
  EXPECT_EQ(Found("HEADER In-Reply-To \"\""), " 2");
  EXPECT_EQ(Found("TEXT quick"), " 1");
  EXPECT_EQ(Found("SENTON 1-Jan-2024"), " 1 3");
  EXPECT_EQ(Found("SENTBEFORE 2-Jan-2024 BODY fox"), " 1");
  EXPECT_EQ(Found("LARGER 10 SMALLER 100000"), " 1 2 3");
  EXPECT_EQ(Found("SMALLER 10"), "");
  EXPECT_EQ(Found("YOUNGER 60"), " 1 2 3");
  EXPECT_EQ(Found("SINCE 14-Nov-2023 BEFORE 15-Nov-2023"), " 1 2 3");
  EXPECT_EQ(Found("BEFORE 14-Nov-2023"), "");
}

TEST_F(SessionSearch, ColumnsDecideWithoutFiles) {
  Found("LARGER 1 SINCE 1-Jan-2000");  // sizes and dates are known from here on
  const size_t reads = world_.reads_done;
  EXPECT_EQ(Found("UNSEEN"), " 1 3");
  EXPECT_EQ(Found("OR ALL BODY fox"), " 1 2 3");
  EXPECT_EQ(Found("SEEN UNSEEN BODY fox"), "");
  EXPECT_EQ(world_.reads_done, reads);
}

TEST_F(SessionSearch, Charsets) {
  EXPECT_EQ(Do("a SEARCH CHARSET FOO ALL"), "a NO [BADCHARSET] Unknown charset.\r\n");
  EXPECT_EQ(Found("CHARSET UTF-8 BODY {5+}\r\ncaf\xc3\xa9"), " 3");
  EXPECT_EQ(Found("CHARSET ISO-8859-1 BODY {4+}\r\nCAF\xe9"), " 3");
}

TEST_F(SessionSearch, Extended) {
  EXPECT_EQ(Do("a SEARCH RETURN () ALL"), "* ESEARCH (TAG \"a\") ALL 1:3\r\na OK Search completed.\r\n");
  EXPECT_EQ(Do("b UID SEARCH RETURN (MIN MAX COUNT) ALL"),
            "* ESEARCH (TAG \"b\") UID MIN 1 MAX 3 COUNT 3\r\nb OK Search completed.\r\n");
  EXPECT_EQ(Do("c SEARCH RETURN (MIN) SUBJECT zzz"), "* ESEARCH (TAG \"c\")\r\nc OK Search completed.\r\n");
  EXPECT_EQ(Do("d SEARCH RETURN (COUNT) SUBJECT zzz"), "* ESEARCH (TAG \"d\") COUNT 0\r\nd OK Search completed.\r\n");
}

TEST_F(SessionSearch, SavedResults) {
  EXPECT_EQ(Do("a SEARCH RETURN (SAVE) UNSEEN"), "a OK Search completed.\r\n");
  EXPECT_EQ(Do("b FETCH $ UID"), "* 1 FETCH (UID 1)\r\n* 3 FETCH (UID 3)\r\nb OK Fetch completed.\r\n");
  EXPECT_EQ(Do("c UID SEARCH RETURN (SAVE MIN) ALL"), "* ESEARCH (TAG \"c\") UID MIN 1\r\nc OK Search completed.\r\n");
  EXPECT_EQ(Do("d SEARCH $"), "* SEARCH 1\r\nd OK Search completed.\r\n");
  EXPECT_EQ(Do("e SEARCH RETURN (ALL SAVE) UID 99"), "* ESEARCH (TAG \"e\")\r\ne OK Search completed.\r\n");
  EXPECT_EQ(Do("f FETCH $ UID"), "f OK Fetch completed.\r\n");
}

TEST_F(SessionSearch, ModSeq) {
  const std::string answer = Do("a SEARCH MODSEQ 1");
  EXPECT_NE(answer.find("* OK [HIGHESTMODSEQ "), std::string::npos) << answer;
  EXPECT_NE(answer.find("* SEARCH 1 2 3 (MODSEQ "), std::string::npos) << answer;
}

TEST_F(SessionSearch, Sort) {
  EXPECT_EQ(Do("a SORT (SUBJECT) UTF-8 ALL"), "* SORT 2 3 1\r\na OK Sort completed.\r\n");
  EXPECT_EQ(Do("b SORT (REVERSE DATE) UTF-8 ALL"), "* SORT 2 3 1\r\nb OK Sort completed.\r\n");
  EXPECT_EQ(Do("c UID SORT (SUBJECT REVERSE FROM) UTF-8 ALL"), "* SORT 3 2 1\r\nc OK Sort completed.\r\n");
  EXPECT_EQ(Do("d SORT (SIZE) UTF-8 SUBJECT zzz"), "* SORT\r\nd OK Sort completed.\r\n");
  EXPECT_EQ(Do("e SORT RETURN (COUNT ALL) (REVERSE ARRIVAL) UTF-8 ALL"),
            "* ESEARCH (TAG \"e\") ALL 3,2,1 COUNT 3\r\ne OK Sort completed.\r\n");
}

// Mail that came through many hosts has Subject and Date behind more than what is read at first.
TEST_F(SessionSearch, SortsByAFieldBehindALongTrace) {
  std::string trace;
  for (int i = 0; i < 400; ++i) trace += "Received: from a.example by b.example; Mon, 01 Jan 2024 12:00:00 +0000\n";
  world_.Deliver(
      "u1", "",
      trace + "Subject: Middle\nDate: Sun, 31 Dec 2023 12:00:00 +0000\n\nbody\n" + std::string(100'000, 'x') + "\n");
  Do("n NOOP");
  EXPECT_EQ(Do("a SORT (SUBJECT) UTF-8 ALL"), "* SORT 2 3 4 1\r\na OK Sort completed.\r\n");
  EXPECT_EQ(Do("b SORT (DATE) UTF-8 ALL"), "* SORT 4 1 3 2\r\nb OK Sort completed.\r\n");
  EXPECT_EQ(Do("c THREAD REFERENCES UTF-8 ALL"), "* THREAD (4)(1)(3 2)\r\nc OK Thread completed.\r\n");
}

// Dovecot adds the empty line that a message lacks to the fields asked for, not to the others.
TEST_F(SessionSearch, FieldsOfAMessageWithoutAnEmptyLine) {
  world_.Deliver("u1", "", "Subject: bare\nX: y\n");
  Do("n NOOP");
  EXPECT_EQ(Do("a FETCH 4 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"),
            "* 4 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {17}\r\nSubject: bare\r\n\r\n)\r\na OK Fetch completed.\r\n");
  EXPECT_EQ(Do("b FETCH 4 BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]"),
            "* 4 FETCH (BODY[HEADER.FIELDS.NOT (SUBJECT)] {6}\r\nX: y\r\n)\r\nb OK Fetch completed.\r\n");
}

TEST_F(SessionSearch, Thread) {
  EXPECT_EQ(Do("a THREAD REFERENCES UTF-8 ALL"), "* THREAD (1)(3 2)\r\na OK Thread completed.\r\n");
  EXPECT_EQ(Do("b THREAD ORDEREDSUBJECT UTF-8 ALL"), "* THREAD (1)(3 2)\r\nb OK Thread completed.\r\n");
  EXPECT_EQ(Do("c UID THREAD REFS UTF-8 SUBJECT zzz"), "* THREAD\r\nc OK Thread completed.\r\n");
}

ThreadMessage Node(uint32_t number, std::string id, std::vector<std::string> references, std::string subject = "",
                   bool reply = false) {
  ThreadMessage message{.number = number, .sent_seconds = number};
  message.facts.message_id = std::move(id);
  message.facts.references = std::move(references);
  message.facts.base_subject = std::move(subject);
  message.facts.is_reply_or_forward = reply;
  return message;
}

std::string Threads(const std::vector<ThreadMessage>& messages,
                    ThreadCommand::Algorithm algorithm = ThreadCommand::Algorithm::kReferences) {
  std::string out;
  AppendThreads(messages, algorithm, &out);
  return out;
}

TEST(ThreadTree, BranchesAndChains) {
  // RFC 5256 section 4: (3 6 (4 23)(44 7 96))
  EXPECT_EQ(Threads({Node(3, "3", {}), Node(4, "4", {"6"}), Node(6, "6", {"3"}), Node(7, "7", {"44"}),
                     Node(23, "23", {"4"}), Node(44, "44", {"6"}), Node(96, "96", {"7"})}),
            "(3 6 (4 23)(44 7 96))");
}

TEST(ThreadTree, MissingParentJoinsSiblings) {
  EXPECT_EQ(Threads({Node(1, "1", {"gone"}), Node(2, "2", {"gone"})}), "((1)(2))");
  EXPECT_EQ(Threads({Node(1, "1", {"gone"})}), "(1)");
}

TEST(ThreadTree, LoopsAndDuplicates) {
  EXPECT_EQ(Threads({Node(1, "1", {"2"}), Node(2, "2", {"1"})}), "(2 1)");
  EXPECT_EQ(Threads({Node(1, "1", {"1"})}), "(1)");
  // What a message says of its parent breaks the link that others gave it, also where it then has none.
  EXPECT_EQ(Threads({Node(1, "a", {}), Node(2, "b", {"a", "c"}), Node(3, "c", {"b"})}), "(1)(3 2)");
  EXPECT_EQ(Threads({Node(1, "same", {}), Node(2, "same", {}), Node(3, "", {})}), "(1)(2)(3)");
}

TEST(ThreadTree, SubjectsJoin) {
  EXPECT_EQ(Threads({Node(1, "1", {}, "a"), Node(2, "2", {}, "a", true)}), "(1 2)");
  EXPECT_EQ(Threads({Node(1, "1", {}, "a"), Node(2, "2", {}, "a")}), "((1)(2))");
  EXPECT_EQ(Threads({Node(1, "1", {}, "a"), Node(2, "2", {}, "a", true)}, ThreadCommand::Algorithm::kRefs), "(1)(2)");
  EXPECT_EQ(Threads({Node(1, "1", {}, "a"), Node(2, "2", {}, "a"), Node(3, "3", {}, "a")},
                    ThreadCommand::Algorithm::kOrderedSubject),
            "(1 (2)(3))");
}

TEST(ThreadTree, LongChainsAreCutNotRecursed) {
  std::vector<ThreadMessage> messages{Node(1, "1", {})};
  for (uint32_t i = 2; i <= 5000; ++i) messages.push_back(Node(i, std::to_string(i), {std::to_string(i - 1)}));
  const std::string out = Threads(messages);
  EXPECT_TRUE(out.starts_with("(1 2 3 "));
}

}  // namespace
}  // namespace postern::imap
