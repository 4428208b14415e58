// What the sendmail command leaves for the server, as a file of maildrop/: an envelope and a message with LF line ends,
// sealed like a queue file (queue_file.h).
//
//   POSTERN-MAILDROP 1
//   arrived 1795499624123456              microseconds since 1970
//   uid 1000                              who called, as the caller's file says: the file's owner is what is true
//   login alice                           and the name that goes with it
//   sender a@b.example                    "-": the null reverse-path; no such line: the login name at myorigin
//   full_name Alice+20Miller              for a From field that is missing
//   body 8BITMIME   ret HDRS   envid ...   smtputf8 1   notify 4      as of ESMTP; notify as smtp::Notify, for all
//   recipients recipient u1@example.test             one line each; a name without a domain is completed by the server
//   message
//   ...
//
// The file is written as maildrop/tmp-*, flushed, and named maildrop/ID (queue_id.h) when it is whole. Everybody may
// make files there: nothing in one is believed before it was looked at, and everything in it is bounded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/status.h"
#include "core/routing/address.h"

namespace postern::queue {

inline constexpr size_t kMaildropRecipientsMax = 100'000;
inline constexpr size_t kMaildropTextBytesMax = 1000;       // of each text
inline constexpr size_t kMaildropHeadBytesMax = 16u << 20;  // of all before the message

enum class SenderKind : uint8_t { kCaller, kNull, kGiven };

struct Submission {
  int64_t arrived_us = 0;
  uint32_t uid = 0;
  std::string login;
  SenderKind sender_kind = SenderKind::kCaller;
  routing::Mailbox sender;  // of kGiven; may lack its domain, as recipients may
  std::string full_name;
  std::string body;         // "", "7BIT", "8BITMIME"
  std::string ret;          // "", "FULL", "HDRS"
  std::string envelope_id;  // ENVID, decoded
  bool smtputf8 = false;
  uint8_t notify = 0;
  std::vector<routing::Mailbox> recipients;
  bool operator==(const Submission&) const = default;
};

// All up to the message's first byte. What follows the message is FormatTrailer's.
std::string FormatSubmission(const Submission& submission);

struct MaildropFile {
  Submission submission;
  std::string_view message;  // into the text that was parsed
};
// kDataLoss: torn, changed, or of another version. kInvalidArgument: whole, but not to be believed: no recipients, too
// many of them, a value that the sendmail command never writes.
StatusOr<MaildropFile> ParseMaildropFile(std::string_view text);

// The same of a file's beginning alone, for those who only ask what waits. kNotFound: `text` ends before the message.
struct MaildropHead {
  Submission submission;
  uint64_t message_at_bytes = 0;
};
StatusOr<MaildropHead> ParseMaildropHead(std::string_view text);

}  // namespace postern::queue
