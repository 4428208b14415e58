// One mail transaction: from MAIL to the end of its message (RFC 5321 section 3.3). Private to core/smtp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/time.h"
#include "core/mailbox/message_writer.h"
#include "core/routing/resolve.h"
#include "core/smtp/command.h"
#include "core/smtp/delivery.h"
#include "core/smtp/dot_reader.h"
#include "core/smtp/header_filter.h"
#include "core/smtp/onward.h"
#include "core/smtp/restrictions.h"

namespace postern::smtp {

// A recipient that was answered 250.
struct Recipient {
  routing::Mailbox given;
  routing::Mailbox rewritten;
  RcptParameters parameters;
  // Where it leads: Maildirs of virtual(8) or of users, and the queue.
  std::vector<LocalRecipient> locals;  // without target.base and prefix
  std::vector<RemoteRecipient> remotes;
  std::vector<routing::Mailbox> passed;  // names of the local class on the way: a loop where the message knows one
};

// The message under way.
struct Incoming {
  Incoming(DotReader dot_reader, HeaderFilter header_filter) : reader(dot_reader), filter(std::move(header_filter)) {}

  DotReader reader;
  HeaderFilter filter;
  std::vector<mailbox::MessageWriter> writers;  // one an owner; the queue's is the last one where has_queue_writer
  bool has_queue_writer = false;
  std::vector<queue::Checksum> queue_checksums;  // of what was spilled, a file of the queue's writer each
  OutgoingMessage outgoing;
  std::string unfolded, edited;  // buffers between the three, kept to spare allocations
  bool discard = false;          // read, but kept nowhere

  bool must_wait() const {
    for (const auto& writer : writers) {
      if (writer.must_wait()) return true;
    }
    return false;
  }
  bool plan_open() const {
    for (const auto& writer : writers) {
      if (writer.plan_open()) return true;
    }
    return false;
  }
  bool complete() const {
    for (const auto& writer : writers) {
      if (!writer.complete() && writer.status().ok()) return false;
    }
    return true;
  }
};

struct Transaction {
  bool null_sender = false;
  routing::Mailbox sender, sender_rewritten;
  MailParameters parameters;
  bool smtputf8 = false;  // asked for, or needed by an address
  std::vector<Recipient> recipients;
  uint32_t overshoot_count = 0;
  std::string queue_id;  // from the first recipient on
  std::string trace_id;
  Now began;
  Actions actions;
  std::optional<Reply> deferred;  // of MAIL's rules
  std::unique_ptr<Incoming> incoming;
};

}  // namespace postern::smtp
