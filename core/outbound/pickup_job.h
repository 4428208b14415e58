// One file of maildrop/ on its way into the queue. Private to the pickup.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/mailbox/message_writer.h"
#include "core/outbound/pickup.h"
#include "core/queue/maildrop.h"
#include "core/smtp/delivery.h"
#include "core/smtp/header_filter.h"

namespace postern::outbound {

struct Pickup::Job {
  std::string name;
  Path path;
  std::shared_ptr<const config::Config> config;  // of the time it was begun
  std::string id, trace_id;                      // in the queue; empty until its envelope is read
  // The file, as it was at first: it may not change.
  uint32_t uid = 0;
  uint64_t inode = 0, file_bytes = 0;
  bool large_head = false;  // in large_
  queue::Submission submission;
  uint64_t message_at_bytes = 0, message_end_bytes = 0;

  uint64_t read_bytes = 0;    // up to here
  queue::Checksum checksum;   // of these
  bool after_cr = false;      // the last of them was a CR
  bool sealed = false;        // what follows the message fits it
  bool trailer_read = false;  // by a read of its own
  bool cut = false;           // too large: only its beginning is read, nothing tells whether the rest is whole
  std::string refusal;        // "5.3.4 words": nobody gets it, it comes back
  std::unique_ptr<smtp::HeaderFilter> filter;
  std::string filtered;  // until there is a writer

  size_t next_recipient = 0;
  std::set<std::string> seen;  // final addresses
  smtp::OutgoingMessage outgoing;
  std::optional<mailbox::MessageWriter> writer;
  std::vector<queue::Checksum> checksums;  // of what was spilled
  bool ended = false;
  std::unique_ptr<smtp::MessageDelivery> delivery;
};

}  // namespace postern::outbound
