// Goal: the laws of notices, whatever was sent, refused and said. Method: RapidCheck over envelopes, outcomes and
// messages that hold what could break a report: boundaries, fields, bytes; our own MIME parser as the judge.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

#include "core/message/header.h"
#include "core/message/line_ends.h"
#include "core/message/mime.h"
#include "tests/core/notice/sample.h"

namespace postern::notice {
namespace {

// Remote and client texts: mostly what means something to a parser of reports.
rc::Gen<std::string> Said() {
  return rc::gen::resize(
      12, rc::gen::map(
              rc::gen::container<std::vector<std::string>>(rc::gen::weightedOneOf<std::string>(
                  {{4, rc::gen::element<std::string>(
                           "550 ", "\r\n", "\n", "--", "--58363A7A461.1795526821/mail.example.test",
                           "\n\nAction: delivered", "Content-Type: multipart/mixed; boundary=x\n", "\xc3\xbc", "\xff",
                           "$myhostname", ";", "\\x{FC}", std::string(1, '\0'), " ", std::string(1500, 'w'))},
                   {1, rc::gen::string<std::string>()}})),
              [](const std::vector<std::string>& words) {
                std::string text;
                for (const auto& word : words) text += word;
                return text;
              }));
}

// Messages that try to end the report: multiparts whose boundary is a part of ours, headers only, no header, no line
// end.
rc::Gen<std::string> Messages() {
  const auto line = rc::gen::weightedOneOf<std::string>(
      {{3, rc::gen::element<std::string>("Subject: a\n", "MIME-Version: 1.0\n", "\n", "text\n", "\ttext\n",
                                         "gr\xc3\xbc\xc3\x9f"
                                         "e\n",
                                         "no end", "\r\n")},
       {2, rc::gen::element<std::string>(
               "Content-Type: multipart/mixed; boundary=\"58363A7A461\"\n",
               "Content-Type: multipart/mixed; boundary=\"5\"\n",
               "Content-Type: multipart/mixed; boundary=\"58363A7A461.1795526821/mail.example.test\"\n",
               "Content-Type: message/rfc822\n", "--58363A7A461\n", "--58363A7A461--\n", "--5\n",
               "--58363A7A461.1795526821/mail.example.test\n", "--58363A7A461.1795526821/mail.example.test--\n",
               "58363A7A461.1795526821.1/mail.example.test\n")},
       {1, rc::gen::map(Said(), [](std::string text) { return text + "\n"; })}});
  return rc::gen::map(rc::gen::container<std::vector<std::string>>(line), [](const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& one : lines) text += one;
    return text;
  });
}

rc::Gen<Outcome> Outcomes() {
  return rc::gen::map(
      rc::gen::tuple(rc::gen::element(Fate::kDelivered, Fate::kRelayed, Fate::kPassedOn, Fate::kExpanded,
                                      Fate::kDelayed, Fate::kFailed, Fate::kFailed),
                     rc::gen::element<uint8_t>(0, 0, kNotifyNever, kNotifySuccess, kNotifyFailure, kNotifyDelay,
                                               kNotifySuccess | kNotifyFailure | kNotifyDelay),
                     rc::gen::element<std::string>("a@x.example", "fail\xc3\xbc@dsn.example", "\"odd one\"@y.example",
                                                   "b+c@z.example"),
                     Said(), Said(),
                     rc::gen::element<std::string>("", "rfc822;orig@x.example", "utf-8;\\x{FC}@x.example", "\n\n",
                                                   "rfc822;" + std::string(1200, 'o'))),
      [](const auto& drawn) {
        const auto& [fate, notify, address, text, reply, orcpt] = drawn;
        Outcome outcome{
            .recipient = Recipient(address, notify), .fate = fate, .status = reply.substr(0, 5), .text = text};
        outcome.recipient.original_recipient = orcpt;
        outcome.recipient.original = text.substr(0, 20);
        if (reply.size() % 2 == 0) {
          outcome.remote_mta_type = "dns", outcome.remote_mta = text, outcome.diagnostic_type = "smtp",
          outcome.diagnostic = reply;
        }
        return outcome;
      });
}

struct Drawn {
  queue::Envelope envelope;
  std::vector<Outcome> outcomes;
  Settings settings = SampleSettings();
  Moment moment;
  std::string message;
};

Drawn Draw() {
  Drawn drawn;
  drawn.envelope = SampleEnvelope(*rc::gen::element<std::string>(
      "", "alice@example.test", "double-bounce@mail.example.test", "m\xc3\xbcnch@example.test"));
  drawn.envelope.smtputf8 = *rc::gen::arbitrary<bool>();
  drawn.envelope.ret = *rc::gen::element<std::string>("", "FULL", "HDRS");
  drawn.envelope.envelope_id = *Said();
  drawn.outcomes = *rc::gen::resize(12, rc::gen::container<std::vector<Outcome>>(Outcomes()));
  drawn.settings.notify_classes = *rc::gen::arbitrary<uint8_t>();
  drawn.settings.delay_warning_time = Seconds(*rc::gen::element(0, 1, 100));
  drawn.settings.confirm_delay_cleared = *rc::gen::arbitrary<bool>();
  drawn.settings.enable_threaded_bounces = *rc::gen::arbitrary<bool>();
  drawn.settings.smtputf8_enable = *rc::gen::arbitrary<bool>();
  drawn.settings.bounce_size_limit_bytes = static_cast<uint64_t>(*rc::gen::element(0, 20, 50000));
  drawn.moment = At(*rc::gen::element(0, 50, 100), *rc::gen::arbitrary<bool>());
  drawn.message = *Messages();
  return drawn;
}

std::string BoundaryOf(const message::Part& root) {
  const std::string* boundary = root.FindParameter("boundary");
  return boundary == nullptr ? "" : *boundary;
}

// ---- decisions ---------------------------------------------------------------------------------------------------

// RFC 5321 section 4.5.5: what a bounce or a double bounce meets reaches postmasters only, from double_bounce_sender
// only, only where notify_classes asks.
RC_GTEST_PROP(NoticeLaws, NobodyAnswersANullSender, ()) {
  const Drawn drawn = Draw();
  const Decision decision = Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment);
  const bool double_bounce = drawn.envelope.sender.Key() == "double-bounce@mail.example.test";
  if (double_bounce) RC_ASSERT(decision.notices.empty());
  for (const Notice& notice : decision.notices) {
    const bool to_postmaster = notice.to.Key() == "postmaster@example.test";
    RC_ASSERT(to_postmaster || (!drawn.envelope.null_sender && notice.to == drawn.envelope.sender));
    RC_ASSERT(notice.null_sender != to_postmaster);
    if (to_postmaster) {
      RC_ASSERT(notice.sender.Key() == "double-bounce@mail.example.test");
      RC_ASSERT((drawn.settings.notify_classes & (kClassBounce | kClass2Bounce | kClassDelay)) != 0);
    }
  }
}

// Each recipient that failed and may be told of is told of once; none that asked for silence is.
RC_GTEST_PROP(NoticeLaws, EveryFailureIsToldOnce, ()) {
  const Drawn drawn = Draw();
  RC_PRE(!drawn.envelope.null_sender && drawn.envelope.sender.Key() != "double-bounce@mail.example.test");
  std::map<size_t, int> told;
  int failures = 0;
  for (const Notice& notice : Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment).notices) {
    if (!notice.null_sender) continue;
    if (notice.kind == NoticeKind::kFailure) ++failures;
    for (const size_t i : notice.outcomes) ++told[i];
  }
  RC_ASSERT(failures <= 1);
  for (size_t i = 0; i < drawn.outcomes.size(); ++i) {
    const Outcome& outcome = drawn.outcomes[i];
    const uint8_t notify = outcome.recipient.notify;
    if (outcome.fate == Fate::kFailed) RC_ASSERT(told[i] == (notify == 0 || (notify & kNotifyFailure) != 0 ? 1 : 0));
    if (notify == kNotifyNever) RC_ASSERT(told[i] == 0);
    RC_ASSERT(told[i] <= 1);
  }
}

RC_GTEST_PROP(NoticeLaws, ADelayIsToldOnce, ()) {
  Drawn drawn = Draw();
  drawn.settings.delay_warning_time = Seconds(1);
  Moment moment = At(*rc::gen::inRange(0, 5));
  int told = 0;
  for (int attempt = 0; attempt < 4; ++attempt) {
    const Decision decision = Decide(drawn.envelope, drawn.outcomes, drawn.settings, moment);
    for (const Notice& notice : decision.notices)
      told += notice.kind == NoticeKind::kDelay && notice.null_sender ? 1 : 0;
    moment.delay_told = decision.delay_told;
    moment.now.us += *rc::gen::inRange<int64_t>(-10'000'000, 10'000'000);  // clocks jump
  }
  RC_ASSERT(told <= 1);
}

// ---- messages ----------------------------------------------------------------------------------------------------

RC_GTEST_PROP(NoticeLaws, ANoticeIsAReportOfThreeParts, ()) {
  const Drawn drawn = Draw();
  const Subject subject{.envelope = drawn.envelope, .message = drawn.message, .outcomes = drawn.outcomes};
  for (const Notice& notice : Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment).notices) {
    const std::string stored = Compose(notice, subject, drawn.settings, DefaultTemplates(), SampleWriting());
    const std::string wire = message::ToCrlf(stored);
    const message::Part root = message::ParseMessage(wire);
    RC_ASSERT(root.type == "multipart");
    RC_ASSERT(root.subtype == "report");
    RC_ASSERT(root.FindParameter("report-type") != nullptr && *root.FindParameter("report-type") == "delivery-status");
    RC_ASSERT(root.children.size() == 3u);
    RC_ASSERT(root.children[0].type == "text");
    RC_ASSERT(root.children[0].subtype == "plain");
    RC_ASSERT(root.children[1].type == "message");
    RC_ASSERT(root.children[1].subtype == (drawn.envelope.smtputf8 ? "global-delivery-status" : "delivery-status"));
    RC_ASSERT(root.children[2].type == (root.children[2].subtype == "rfc822-headers" ? "text" : "message"));
    // The end of the last part is the end of the report. (Of a message without a body the last line end may be taken
    // for the empty line behind its header.)
    RC_ASSERT(wire.ends_with("\r\n--" + BoundaryOf(root) + "--\r\n"));
    const size_t end = root.children[2].body.end + BoundaryOf(root).size() + 8;
    RC_ASSERT(end == wire.size() || end == wire.size() + 2);
  }
}

// It stands in the header once, before each part and at the end; at most 70 octets (RFC 2046 section 5.1.1).
RC_GTEST_PROP(NoticeLaws, TheBoundaryBoundsNothingElse, ()) {
  const Drawn drawn = Draw();
  const Subject subject{.envelope = drawn.envelope, .message = drawn.message, .outcomes = drawn.outcomes};
  for (const Notice& notice : Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment).notices) {
    const std::string stored = Compose(notice, subject, drawn.settings, DefaultTemplates(), SampleWriting());
    const std::string boundary = BoundaryOf(message::ParseMessage(message::ToCrlf(stored)));
    RC_ASSERT(!boundary.empty() && boundary.size() <= 70u);
    int count = 0;
    for (size_t at = stored.find(boundary); at != std::string::npos; at = stored.find(boundary, at + 1)) ++count;
    RC_ASSERT(count == 5);
  }
}

// RFC 3464 section 2.1: a group for the message, one for each recipient, apart by one empty line; each field of each
// group is a field, whatever was said. A 7-bit report holds ASCII only, and no line is longer than 998 (RFC 5322).
RC_GTEST_PROP(NoticeLaws, TheReportHasAGroupForEachRecipient, ()) {
  const Drawn drawn = Draw();
  const Subject subject{.envelope = drawn.envelope, .message = drawn.message, .outcomes = drawn.outcomes};
  for (const Notice& notice : Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment).notices) {
    const std::string wire =
        message::ToCrlf(Compose(notice, subject, drawn.settings, DefaultTemplates(), SampleWriting()));
    const message::Part root = message::ParseMessage(wire);
    RC_ASSERT(root.children.size() == 3u);
    const message::Range body = root.children[1].body;
    std::string_view status = std::string_view(wire).substr(body.begin, body.size());
    size_t groups = 0;
    while (!status.empty()) {
      std::map<std::string, int> fields;
      message::HeaderReader reader(status);
      for (message::Field field; reader.Next(&field);) {
        RC_ASSERT(!field.name.empty());
        ++fields[std::string(field.name)];
        RC_ASSERT(drawn.envelope.smtputf8 || std::all_of(field.raw.begin(), field.raw.end(),
                                                         [](char c) { return static_cast<unsigned char>(c) < 0x80; }));
      }
      for (const char* name :
           groups == 0
               ? std::vector<const char*>{"Reporting-MTA", "X-Postfix-Queue-ID", "X-Postfix-Sender", "Arrival-Date"}
               : std::vector<const char*>{"Final-Recipient", "Action", "Status", "Diagnostic-Code"}) {
        RC_ASSERT(fields[name] == 1);
      }
      RC_ASSERT(fields["Action"] == (groups == 0 ? 0 : 1));
      status.remove_prefix(reader.position());
      ++groups;
    }
    RC_ASSERT(groups == notice.outcomes.size() + 1);
    size_t line_bytes = 0;
    for (size_t i = 0; i < root.children[2].header.begin; ++i) {
      line_bytes = wire[i] == '\n' ? 0 : line_bytes + 1;
      RC_ASSERT(line_bytes <= 999u);
    }
  }
}

// The returned message is the message: all of it, or fields from its beginning.
RC_GTEST_PROP(NoticeLaws, WhatComesBackIsWhatWasSent, ()) {
  const Drawn drawn = Draw();
  const Subject subject{.envelope = drawn.envelope, .message = drawn.message, .outcomes = drawn.outcomes};
  for (const Notice& notice : Decide(drawn.envelope, drawn.outcomes, drawn.settings, drawn.moment).notices) {
    const std::string stored = Compose(notice, subject, drawn.settings, DefaultTemplates(), SampleWriting());
    const std::string mark = "\n\nReturn-Path: <";
    const size_t begin = stored.find(
        '\n',
        stored.rfind(mark, stored.find("\nContent-Description: ", stored.find("Reporting-MTA")) + 400) + mark.size());
    const std::string boundary = BoundaryOf(message::ParseMessage(message::ToCrlf(stored)));
    std::string back = stored.substr(begin + 1, stored.rfind("\n--" + boundary) - begin - 1);
    const uint64_t limit = drawn.settings.bounce_size_limit_bytes;
    if (notice.full && (limit == 0 || drawn.message.size() <= limit)) {
      RC_ASSERT(back == drawn.message + (drawn.message.empty() || drawn.message.ends_with('\n') ? "" : "\n"));
    } else {
      if (!drawn.message.starts_with(back)) back.pop_back();  // the line end that a last line got
      RC_ASSERT(drawn.message.starts_with(back));
      RC_ASSERT(back.find("\n\n") == std::string::npos);
    }
  }
}

}  // namespace
}  // namespace postern::notice
