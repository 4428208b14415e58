// Goal: the laws of the client side. Every recipient is told exactly once whatever a server does; cuts don't matter;
// what is sent is what our own server side reads; nothing a job holds gets into the command stream. Method: RapidCheck
// draws servers that answer with anything, jobs with any bytes, and messages; core/smtp's parsers read what was sent.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "core/message/decode.h"
#include "core/message/line_ends.h"
#include "core/outbound/client.h"
#include "core/smtp/command.h"
#include "core/smtp/dot_reader.h"
#include "tests/core/outbound/client_fixture.h"

namespace postern::outbound {
namespace {

// ---- jobs ---------------------------------------------------------------------------------------------------------

rc::Gen<std::string> AnyText(size_t bytes_max) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(0, bytes_max), [](size_t size) {
    return rc::gen::container<std::string>(
        size, rc::gen::weightedOneOf<char>(
                  {{8, rc::gen::inRange('a', 'g')},
                   {3, rc::gen::element('\r', '\n', '\0', ' ', '<', '>', '"', '\\', '@', '.', '+', '=')},
                   {1, rc::gen::arbitrary<char>()}}));
  });
}

Job AnyJob() {
  Job job;
  job.null_sender = *rc::gen::arbitrary<bool>();
  job.sender = {*AnyText(8), *AnyText(8)};
  const auto count = *rc::gen::inRange<size_t>(1, 5);
  for (size_t i = 0; i < count; ++i) {
    job.recipients.push_back({.address = {*AnyText(8), *AnyText(8)},
                              .original = *AnyText(8),
                              .original_recipient = *rc::gen::arbitrary<bool>() ? "rfc822;" + *AnyText(8) : "",
                              .notify = *rc::gen::element<uint8_t>(0, 1, 2, 4, 8, 14)});
  }
  // Control characters never come in: core/smtp refuses them in ENVID.
  if (*rc::gen::arbitrary<bool>()) job.envelope_id = "id+= 7\xC3\xBC";
  job.smtputf8 = *rc::gen::arbitrary<bool>();
  job.body = *rc::gen::element(smtp::BodyKind::kUnspecified, smtp::BodyKind::k7Bit, smtp::BodyKind::k8BitMime);
  job.ret = *rc::gen::element(smtp::Return::kUnspecified, smtp::Return::kFull, smtp::Return::kHeaders);
  job.size_bytes = *rc::gen::inRange<uint64_t>(0, 2000);
  job.keep_open = *rc::gen::arbitrary<bool>();
  job.plaintext_fallback = *rc::gen::arbitrary<bool>();
  return job;
}

std::string AnyMessage() {
  const auto words = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      ".", "..", "\n", "\n.\n", "a", "bc ", "\xC3\xBC", "\t", "Content-Transfer-Encoding: 8bit\n", "X: y\n", "\n\n"));
  std::string message;
  for (const std::string& word : words) message += word;
  return message;
}

ClientSettings AnySettings() {
  ClientSettings settings = TestSettings();
  settings.lmtp = *rc::gen::arbitrary<bool>();
  settings.tls = *rc::gen::element(TlsUse::kNone, TlsUse::kMay, TlsUse::kMust);
  settings.tls_wrappermode = *rc::gen::weightedElement<bool>({{5, false}, {1, true}});
  settings.skip_quit_response = *rc::gen::arbitrary<bool>();
  settings.per_request_deadline = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) {
    settings.sasl = {.enabled = true,
                     .user = "u",
                     .password = Secret(std::string_view("p")),
                     .security = 0,
                     .tls_security = 0,
                     .tls_verified_security = 0};
  }
  return settings;
}

// ---- servers ------------------------------------------------------------------------------------------------------

std::string AnyReply() {
  return *rc::gen::weightedOneOf<std::string>(
      {{12, rc::gen::element<std::string>("250 2.0.0 Ok\r\n", "250 Ok\r\n", "354 go on\r\n", "220 mx ESMTP\r\n",
                                          "235 2.7.0 in\r\n")},
       {6, rc::gen::just<std::string>("250-mx\r\n250-PIPELINING\r\n250-STARTTLS\r\n250-AUTH PLAIN "
                                      "SCRAM-SHA-256\r\n250-DSN\r\n250 SIZE 1000\r\n")},
       {4, rc::gen::element<std::string>("451 4.7.1 later\r\n", "550 5.1.1 no\r\n", "421 bye\r\n", "221 bye\r\n",
                                         "552\r\n", "334 \r\n", "334 AAAA\r\n", "100 x\r\n", "999 5.1.1 x\r\n",
                                         "250 5.7.1 x\r\n")},
       {1, rc::gen::element<std::string>("250-never", "\r\n", "2", "hello\r\n", "250\n", std::string("\0\r\n", 3),
                                         "250-a\r\nb\r\n")},
       {1, AnyText(20)}});
}

// What happens next to `talk`, chosen blindly, or with an eye to what a sane server does.
void AnyTurn(Talk* talk) {
  switch (*rc::gen::weightedElement<int>({{20, 0}, {1, 1}, {1, 2}, {4, 3}, {2, 4}})) {
    case 0:
      talk->Server(AnyReply());
      break;
    case 1:
      talk->ServerCloses();
      break;
    case 2:
      talk->Tick(*rc::gen::inRange(0, 700));
      break;
    case 3:
      talk->Tls(*rc::gen::arbitrary<bool>());
      break;
    default:
      if (talk->dialogue.accepts_job()) talk->Deliver(AnyJob());
      break;
  }
}

RC_GTEST_PROP(ClientLaws, EveryRecipientIsToldExactlyOnce, ()) {
  Talk talk(AnySettings());
  talk.message = AnyMessage();
  talk.matched = *rc::gen::arbitrary<bool>();
  talk.acceptable = *rc::gen::arbitrary<bool>();
  talk.message_fails = *rc::gen::weightedElement<bool>({{9, false}, {1, true}});
  size_t given = 0;
  Job job = AnyJob();
  given += job.recipients.size();
  talk.Start(std::move(job));
  const auto turns = *rc::gen::inRange(0, 40);
  for (int i = 0; i < turns && !talk.dialogue.closed(); ++i) {
    if (talk.dialogue.accepts_job()) {
      Job next = AnyJob();
      given += next.recipients.size();
      talk.Deliver(std::move(next));
      continue;
    }
    AnyTurn(&talk);
    RC_ASSERT(talk.done.size() <= given);
    RC_ASSERT(talk.dialogue.closed() || talk.dialogue.deadline());
  }
  talk.ServerCloses();
  RC_ASSERT(talk.dialogue.closed());
  RC_ASSERT(talk.closed_count == 1);
  RC_ASSERT(talk.done.size() == given);
  for (const RecipientDone& done : talk.done) {
    RC_ASSERT(done.status.size() >= 5);
    RC_ASSERT(done.status[0] == (done.fate == Fate::kSent ? '2' : done.fate == Fate::kFailed ? '5' : '4'));
    RC_ASSERT(done.text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  }
}

// A server that keeps to the protocol and answers as drawn, one reply to each command, at its own pace.
class SaneServer {
 public:
  SaneServer(bool lmtp, std::string hello) : lmtp_(lmtp), hello_(std::move(hello)) {}

  // What it says to the commands in `*sent`, which it takes.
  std::string Answer(std::string* sent) {
    std::string replies;
    for (size_t end = sent->find('\n'); end != std::string::npos; end = sent->find('\n')) {
      const std::string line = sent->substr(0, end - 1);
      sent->erase(0, end + 1);
      replies += AnswerLine(line);
    }
    return replies;
  }
  std::map<std::string, int> accepted;  // command line: how often answered with 2xx
  std::vector<std::string> lines;

 private:
  std::string AnswerLine(const std::string& line) {
    lines.push_back(line);
    const smtp::Command command = smtp::ParseCommand(line);
    const bool yes = *rc::gen::weightedElement<bool>({{5, true}, {1, false}});
    const std::string no = *rc::gen::element<std::string>("450 4.2.0 no\r\n", "550 5.7.1 no\r\n");
    if (line == ".") {
      std::string replies;
      for (int i = 0; i < (lmtp_ ? recipients_ : 1); ++i) {
        replies += *rc::gen::weightedElement<std::string>({{5, "250 2.0.0 Ok\r\n"}, {1, no}});
      }
      return replies;
    }
    if (line.starts_with("LHLO")) return hello_;
    switch (command.verb) {
      case smtp::Verb::kEhlo:
        return hello_;
      case smtp::Verb::kMail:
        recipients_ = 0;
        return yes ? "250 2.1.0 Ok\r\n" : no;
      case smtp::Verb::kRcpt:
        if (yes) ++recipients_;
        return yes ? "250 2.1.5 Ok\r\n" : no;
      case smtp::Verb::kData:
        return recipients_ > 0 && yes ? "354 go on\r\n" : "554 5.5.1 no valid recipients\r\n";
      case smtp::Verb::kQuit:
        return "221 bye\r\n";
      default:
        return "250 Ok\r\n";
    }
  }

  bool lmtp_;
  std::string hello_;
  int recipients_ = 0;
};

std::string AnyHello() {
  std::string hello = "250-mx.example.test\r\n";
  for (const char* keyword : {"PIPELINING", "8BITMIME", "DSN", "SMTPUTF8", "SIZE 1000"}) {
    if (*rc::gen::arbitrary<bool>()) hello += std::string("250-") + keyword + "\r\n";
  }
  return hello + "250 HELP\r\n";
}

// Whatever addresses and texts a job holds: each line that was sent is a command that our own server side understands,
// and it says what the job says.
RC_GTEST_PROP(ClientLaws, WhatIsSentParses, ()) {
  ClientSettings settings = TestSettings();
  settings.lmtp = *rc::gen::arbitrary<bool>();
  Talk talk(settings);
  Job job = AnyJob();
  talk.message = AnyMessage();
  SaneServer server(settings.lmtp, AnyHello());
  const Job given = job;
  talk.Start(std::move(job));
  talk.Server("220 mx ESMTP\r\n");
  for (int i = 0; i < 30 && !talk.sent.empty(); ++i) talk.Server(server.Answer(&talk.sent));
  talk.ServerCloses();
  RC_ASSERT(talk.done.size() == given.recipients.size());
  size_t recipient = 0;
  for (const std::string& line : server.lines) {
    RC_ASSERT(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    if (line == "." || line.starts_with("LHLO ")) continue;
    const smtp::Command command = smtp::ParseCommand(line);
    RC_ASSERT(command.verb != smtp::Verb::kUnknown);
    std::string_view text = command.arguments;
    if (command.verb == smtp::Verb::kMail) {
      text.remove_prefix(5);
      const auto path = routing::TakePath(&text, routing::PathForm::kStrict);
      RC_ASSERT(path.has_value());
      RC_ASSERT(path->null == given.null_sender);
      if (!path->null) RC_ASSERT(path->mailbox.local == given.sender.local);
      smtp::MailParameters parameters;
      RC_ASSERT(!smtp::ParseMailParameters(text, {}, &parameters));
      if (parameters.size_bytes) RC_ASSERT(*parameters.size_bytes == given.size_bytes);
    } else if (command.verb == smtp::Verb::kRcpt) {
      text.remove_prefix(3);
      const auto path = routing::TakePath(&text, routing::PathForm::kStrict);
      RC_ASSERT(path.has_value());
      while (recipient < given.recipients.size() && given.recipients[recipient].address.local != path->mailbox.local)
        ++recipient;
      RC_ASSERT(recipient < given.recipients.size());
    }
  }
}

// The message that core/smtp reads is the message that was given; with a server of seven bits it decodes to it.
RC_GTEST_PROP(ClientLaws, TheMessageArrives, ()) {
  Talk talk;
  talk.message = AnyMessage();
  talk.piece_bytes = *rc::gen::inRange<size_t>(1, 20);
  Job job = TestJob();
  job.keep_open = *rc::gen::arbitrary<bool>();
  talk.Start(job);
  RC_ASSERT(talk.Play("S: 220 mx\nC: EHLO client.example.test\nS: 250-mx\nS: 250-PIPELINING\nS: 250 8BITMIME\nS: 250 "
                      "Ok\nS: 250 Ok\n"
                      "S: 354 go on\nS: 250 Ok\n",
                      false)
                .empty());
  RC_ASSERT(talk.done.size() == 1u);
  RC_ASSERT(talk.done[0].fate == Fate::kSent);
  smtp::DotReader reader(smtp::DotReader::BareLineEnd::kRefuse, {});
  std::string read;
  const auto progress = reader.Feed(talk.data, &read);
  RC_ASSERT(reader.ended());
  RC_ASSERT(progress.consumed_bytes == talk.data.size());
  std::string wanted = message::ToCrlf(talk.message);
  if (!wanted.empty() && !wanted.ends_with("\n")) wanted += "\r\n";
  RC_ASSERT(read == wanted);
}

// Any bytes at all: what leaves is one message with good line ends, and nothing behind it.
RC_GTEST_PROP(ClientLaws, NoMessageEndsEarly, ()) {
  const auto message = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{6, rc::gen::element('\r', '\n', '.')}, {2, rc::gen::element('a', ' ')}, {1, rc::gen::arbitrary<char>()}}));
  const size_t limit = *rc::gen::element<size_t>(0, 16, 20, 998);
  DataWriter whole(limit), cut(limit);
  std::string whole_out, cut_out;
  whole.Feed(message, &whole_out);
  whole.Finish(&whole_out);
  for (size_t at = 0; at < message.size();) {
    const auto piece = *rc::gen::inRange<size_t>(1, message.size() - at + 1);
    cut.Feed(std::string_view(message).substr(at, piece), &cut_out);
    at += piece;
  }
  cut.Finish(&cut_out);
  RC_ASSERT(cut_out == whole_out);
  smtp::DotReader reader(smtp::DotReader::BareLineEnd::kRefuse, {});
  std::string read;
  RC_ASSERT(reader.Feed(whole_out, &read).consumed_bytes == whole_out.size());
  RC_ASSERT(reader.ended());
  RC_ASSERT(!reader.refused());
  size_t line_bytes = 0;
  for (const char c : read) {
    line_bytes = c == '\n' ? 0 : line_bytes + 1;
    RC_ASSERT(limit == 0 || line_bytes <= limit + 1);  // with its CR
  }
}

// The same server, its bytes cut anywhere: the same actions, but that a wait may begin anew.
RC_GTEST_PROP(ClientLaws, CutsDoNotMatter, ()) {
  ClientSettings settings = TestSettings();
  settings.lmtp = *rc::gen::arbitrary<bool>();
  Talk whole(settings), cut(settings);
  whole.message = cut.message = AnyMessage();
  Job job = AnyJob();
  whole.Start(job);
  cut.Start(job);
  SaneServer server(settings.lmtp, AnyHello());
  std::string answer = "220-mx\r\n220 mx ESMTP\r\n";
  for (int i = 0; i < 30 && !answer.empty(); ++i) {
    whole.Server(answer);
    for (size_t at = 0; at < answer.size();) {
      const auto piece = *rc::gen::inRange<size_t>(1, answer.size() - at + 1);
      cut.Server(std::string_view(answer).substr(at, piece));
      at += piece;
    }
    RC_ASSERT(whole.sent == cut.sent);
    RC_ASSERT(whole.done == cut.done);
    RC_ASSERT(whole.dialogue.deadline() == cut.dialogue.deadline());
    cut.sent.clear();
    answer = server.Answer(&whole.sent);
  }
  RC_ASSERT(whole.wire == cut.wire);
  RC_ASSERT(whole.closed_count == cut.closed_count);
  RC_ASSERT(whole.ready_count == cut.ready_count);
}

RC_GTEST_PROP(ReplyReaderLaws, CutsDoNotMatterAndNothingIsTooMuch, ()) {
  const auto wire = *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
      {{6, rc::gen::element('2', '5', '0', '.', '-', ' ', '\r', '\n')}, {1, rc::gen::arbitrary<char>()}}));
  const auto read_all = [&wire](bool in_pieces) {
    ReplyReader reader;
    std::vector<std::pair<int, std::string>> replies;
    for (size_t at = 0; at < wire.size();) {
      const size_t piece = in_pieces ? *rc::gen::inRange<size_t>(1, wire.size() - at + 1) : wire.size();
      std::string_view in = std::string_view(wire).substr(at, piece);
      at += piece;
      while (!in.empty()) {
        ServerReply reply;
        if (reader.Read(&in, &reply) == ReplyReader::Result::kReply)
          replies.emplace_back(reply.code, reply.status + reply.text);
      }
    }
    return replies;
  };
  const auto whole = read_all(false);
  RC_ASSERT(read_all(true) == whole);
  for (const auto& [code, text] : whole) {
    RC_ASSERT(code >= 0);
    RC_ASSERT(code <= 999);
    RC_ASSERT(text.size() <= kReplyTextBytesMax + 20);
  }
}

}  // namespace
}  // namespace postern::outbound
