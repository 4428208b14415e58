// LMTP (RFC 2033) where it differs from SMTP: the answers after a message.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/smtp/session.h"

namespace postern::smtp {

bool SmtpSession::is_lmtp() const {
  return config_->listeners[static_cast<size_t>(peer_.listener)].protocol == config::Protocol::kLmtp;
}

void SmtpSession::AnswerMessage(const std::vector<Reply>& replies, Context& context) {
  for (size_t i = 0; i + 1 < replies.size(); ++i) SendReply(replies[i], context);
  Answer(replies.back(), context);
}

// `reply` is what an SMTP client would hear. An LMTP client: for each recipient the worst that befell an address he
// leads to.
std::vector<Reply> SmtpSession::DeliveryReplies(const MessageDelivery& delivery, const Reply& reply) const {
  if (!is_lmtp()) return {reply};
  std::vector<Reply> replies;
  for (const Recipient& recipient : transaction_->recipients) {
    replies.push_back(reply);
    if (!delivery.status().ok()) continue;
    const std::string name = "<" + recipient.given.Quoted() + "> ";
    replies.back().text = name + transaction_->queue_id + " Saved";
    for (const auto& [failed, why] : delivery.rescued()) {
      const std::string address = delivery.message().locals[failed].address.Key();
      const bool his = std::any_of(recipient.locals.begin(), recipient.locals.end(), [&](const LocalRecipient& local) {
        return EqualsIgnoringCase(local.address.Key(), address);
      });
      if (!his) continue;
      replies.back() = why.code() == StatusCode::kResourceExhausted
                           ? Reply{452, "4.2.2", name + "Mailbox is full"}
                           : Reply{451, "4.2.0", name + "Mailbox cannot be written"};
    }
  }
  return replies;
}

}  // namespace postern::smtp
