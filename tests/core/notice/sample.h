// The host and the message that tests of notices share: as a Postfix 3.7 was set up whose notices the goldens were
// compared with.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/notice/compose.h"
#include "core/notice/decide.h"
#include "core/routing/address.h"

namespace postern::notice {

inline constexpr int64_t kArrivedS = 1795526821;  // Tue, 24 Nov 2026 13:27:01 +0000

inline Settings SampleSettings() {
  return {.myhostname = "mail.example.test", .mydomain = "example.test", .myorigin = "example.test"};
}

inline routing::Mailbox Address(std::string_view text) { return routing::ParseMailbox(text).value(); }

inline queue::Envelope SampleEnvelope(std::string_view sender = "alice@example.test") {
  queue::Envelope envelope;
  envelope.id = "58363A7A461";
  envelope.arrived_us = kArrivedS * 1'000'000 + 250'000;
  envelope.null_sender = sender.empty();
  if (!sender.empty()) envelope.sender = Address(sender);
  return envelope;
}

inline constexpr std::string_view kSampleMessage =
    "Received: from client.example.test (localhost [127.0.0.1])\n"
    "\tby mail.example.test (Postfix) with ESMTP id 58363A7A461\n"
    "\tfor <fail1@dsn.example>; Tue, 24 Nov 2026 13:27:01 +0000 (UTC)\n"
    "From: alice@example.test\n"
    "Message-ID: <orig@example.test>\n"
    "\n"
    "Hello body\n";

inline queue::QueuedRecipient Recipient(std::string_view address, uint8_t notify = 0) {
  const routing::Mailbox mailbox = Address(address);
  return {.address = mailbox, .transport = "smtp", .original = mailbox.Key(), .notify = notify};
}

inline Outcome Refused(std::string_view address, uint8_t notify = 0) {
  const std::string reply = "550 5.1.1 <" + std::string(address) + ">: Recipient address rejected: User unknown";
  return {.recipient = Recipient(address, notify),
          .fate = Fate::kFailed,
          .status = "5.1.1",
          .remote_mta_type = "dns",
          .remote_mta = "127.0.0.1",
          .diagnostic_type = "smtp",
          .diagnostic = reply,
          .relay = "127.0.0.1[127.0.0.1]:44026",
          .text = "host 127.0.0.1[127.0.0.1] said: " + reply + " (in reply to RCPT TO command)"};
}

inline Outcome Waiting(std::string_view address, uint8_t notify = 0) {
  return {.recipient = Recipient(address, notify),
          .fate = Fate::kDelayed,
          .status = "4.4.1",
          .relay = "none",
          .text = "connect to 127.0.0.1[127.0.0.1]:44099: Connection refused"};
}

inline Outcome Kept(std::string_view address, uint8_t notify = 0) {
  return {.recipient = Recipient(address, notify),
          .fate = Fate::kDelivered,
          .status = "2.0.0",
          .relay = "virtual",
          .text = "delivered to maildir"};
}

inline Outcome Sent(Fate fate, std::string_view address, uint8_t notify = 0) {
  const std::string reply = "250 2.0.0 Ok: queued as ABC123";
  return {.recipient = Recipient(address, notify),
          .fate = fate,
          .status = "2.0.0",
          .remote_mta_type = "dns",
          .remote_mta = "127.0.0.1",
          .diagnostic_type = "smtp",
          .diagnostic = reply,
          .relay = "127.0.0.1[127.0.0.1]:44027",
          .text = reply};
}

inline Writing SampleWriting(int64_t seconds_after_arrival = 0) {
  return {.id = "6F320A7A1D3", .now = {.wall = {(kArrivedS + seconds_after_arrival) * 1'000'000 + 300'000}}};
}

inline Moment At(int64_t seconds_after_arrival, bool delay_told = false) {
  return {.now = {(kArrivedS + seconds_after_arrival) * 1'000'000 + 300'000}, .delay_told = delay_told};
}

}  // namespace postern::notice
