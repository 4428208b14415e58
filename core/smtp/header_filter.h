// HeaderFilter reads a message's header on its way from the client to the disk, field by field, and does there what
// Postfix's cleanup does: drops the fields that must not travel, counts Received, puts in what a local client left out,
// and parts header and body where the empty line is missing. The body passes untouched.
//
//   kHeader --- empty line, or a line that is no field --> kBody
//
// CRLF in, CRLF out, pieces of any size. Memory: one field, at most header_size_limit bytes; what is longer is cut off
// (postconf(5)). Owner: one SMTP session, one message.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/time.h"
#include "core/config/settings.h"

namespace postern::smtp {

inline constexpr size_t kDeliveredToMax = 1000;  // as many as local(8) looks at

class HeaderFilter {
 public:
  struct Options {
    uint32_t field_bytes_max = 102400;                                                    // header_size_limit
    std::vector<std::string> drop{"bcc", "content-length", "resent-bcc", "return-path"};  // message_drop_headers
    // Of a client whose headers are completed (local_header_rewrite_clients); all empty: none is added.
    std::string message_id;  // "<id@host>"
    std::string date;        // a trace date
    std::string from;        // an address
    // Of a local client: addresses without a domain are completed (header_addresses.h). Null: they stay as they are.
    std::shared_ptr<const config::Config> completes;
  };
  explicit HeaderFilter(Options options) : options_(std::move(options)) {}

  void Feed(std::string_view in, std::string* out);
  // The message is over: a header that never ended is closed.
  void Finish(std::string* out);

  bool header_ended() const { return in_body_; }
  uint32_t received_count() const { return received_count_; }
  // The addresses of Delivered-To fields, lower case, at most kDeliveredToMax: who has passed the message on already.
  const std::vector<std::string>& delivered_to() const { return delivered_to_; }
  // As the message says it, or as it was added; empty: there is none.
  const std::string& message_id() const { return message_id_; }

 private:
  size_t TakeHeaderBytes(std::string_view in, std::string* out);
  void EndLine(std::string* out);
  void FlushField(std::string* out);
  void EndHeader(std::string* out);

  Options options_;
  bool in_body_ = false;
  bool first_line_ = true;
  std::string field_;      // whole lines of the field so far
  std::string line_;       // the line under way
  bool line_cut_ = false;  // more of it is thrown away
  uint32_t received_count_ = 0;
  std::vector<std::string> delivered_to_;
  bool has_date_ = false, has_from_ = false, has_message_id_ = false;
  std::string message_id_;
};

// What cleanup(8) puts into mail of local clients where it is missing: `from` as it is to stand there, a Message-ID
// made of `when` and the queue id.
void AskForMissingFields(const config::Routing& routing, const std::string& queue_id, const Now& when, std::string from,
                         HeaderFilter::Options* options);

}  // namespace postern::smtp
