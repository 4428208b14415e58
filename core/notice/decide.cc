#include "core/notice/decide.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"

namespace postern::notice {
namespace {

using Indexes = std::vector<size_t>;

// Whose message it is decides who may hear of it.
enum class Origin : uint8_t { kAuthor, kNull, kDoubleBounce };

Origin OriginOf(const queue::Envelope& envelope, const Settings& settings) {
  if (envelope.null_sender) return Origin::kNull;
  return IsDoubleBounceSender(envelope.sender, settings) ? Origin::kDoubleBounce : Origin::kAuthor;
}

class Decider {
 public:
  Decider(const queue::Envelope& envelope, std::span<const Outcome> outcomes, const Settings& settings,
          const Moment& moment)
      : envelope_(envelope),
        outcomes_(outcomes),
        settings_(settings),
        moment_(moment),
        origin_(OriginOf(envelope, settings)) {}

  Decision Run() {
    decision_.delay_told = moment_.delay_told;
    Failures();
    Successes();
    Delays();
    return std::move(decision_);
  }

 private:
  void Failures() {
    Indexes all = Where([](const Outcome& o) { return o.fate == Fate::kFailed; });
    if (all.empty()) return;
    switch (origin_) {
      case Origin::kAuthor: {
        // RFC 3461 section 6.2: the whole message comes back unless RET says otherwise.
        ToAuthor(NoticeKind::kFailure, envelope_.ret != "HDRS", Wanting(all, kNotifyFailure));
        if (Wants(kClassBounce))
          ToPostmaster(NoticeKind::kFailure, settings_.bounce_notice_recipient, false, std::move(all));
        break;
      }
      case Origin::kNull:  // the last chance for the message to reach anybody, so all of it goes
        if (Wants(kClass2Bounce | kClassBounce) || PLANTED("bounce_of_null_sender")) {
          ToPostmaster(NoticeKind::kFailure, settings_.double_bounce_notice_recipient, true, std::move(all));
        }
        break;
      case Origin::kDoubleBounce:
        decision_.discarded = true;
        break;
    }
  }

  void Successes() {
    Indexes asked = Where([this](const Outcome& o) { return IsSuccessToTell(o); });
    switch (origin_) {
      case Origin::kAuthor:
        ToAuthor(NoticeKind::kSuccess, false, std::move(asked));
        break;
      // RFC 3461 section 6.1 knows no such thing; Postfix tells the postmaster, in the author's words.
      case Origin::kNull:
        if (Wants(kClass2Bounce) && !asked.empty()) {
          ToPostmaster(NoticeKind::kSuccess, settings_.double_bounce_notice_recipient, false, std::move(asked));
          decision_.notices.back().postmaster_copy = false;
        }
        break;
      case Origin::kDoubleBounce:
        break;
    }
  }

  void Delays() {
    if (moment_.delay_told || settings_.delay_warning_time.ns <= 0) return;
    if (moment_.now.us < envelope_.arrived_us + settings_.delay_warning_time.ns / 1000) return;
    Indexes all = Where([](const Outcome& o) { return o.fate == Fate::kDelayed; });
    if (all.empty()) return;
    decision_.delay_told = true;  // once for a message, as Postfix does
    switch (origin_) {
      case Origin::kAuthor:
        ToAuthor(NoticeKind::kDelay, false, Wanting(all, kNotifyDelay));
        if (Wants(kClassDelay))
          ToPostmaster(NoticeKind::kDelay, settings_.delay_notice_recipient, false, std::move(all));
        break;
      case Origin::kNull:
        if (Wants(kClassDelay))
          ToPostmaster(NoticeKind::kDelay, settings_.delay_notice_recipient, true, std::move(all));
        break;
      case Origin::kDoubleBounce:
        break;
    }
  }

  bool IsSuccessToTell(const Outcome& outcome) const {
    const uint8_t notify = outcome.recipient.notify;
    switch (outcome.fate) {
      case Fate::kDelivered:
      case Fate::kRelayed:
        return (notify & kNotifySuccess) != 0 || ClearsDelay(notify);
      case Fate::kPassedOn:
        return ClearsDelay(notify);
      case Fate::kExpanded:
        return (notify & kNotifySuccess) != 0;
      case Fate::kDelayed:
      case Fate::kFailed:
        return false;
    }
    return false;
  }
  // confirm_delay_cleared: who was told of a delay is told of its end.
  bool ClearsDelay(uint8_t notify) const {
    return settings_.confirm_delay_cleared && moment_.delay_told &&
           (notify == kNotifyDefault || (notify & kNotifyDelay) != 0);
  }

  template <class Predicate>
  Indexes Where(Predicate predicate) const {
    Indexes found;
    for (size_t i = 0; i < outcomes_.size(); ++i) {
      if (predicate(outcomes_[i])) found.push_back(i);
    }
    return found;
  }
  // RFC 3461 section 4.1: without NOTIFY, failures are told, and delays by our choice.
  Indexes Wanting(const Indexes& all, uint8_t bit) const {
    Indexes wanting;
    for (const size_t i : all) {
      const uint8_t notify = outcomes_[i].recipient.notify;
      if (notify == kNotifyDefault || (notify & bit) != 0 || PLANTED("notify_ignored")) wanting.push_back(i);
    }
    return wanting;
  }
  bool Wants(int classes) const { return (settings_.notify_classes & classes) != 0; }

  void ToAuthor(NoticeKind kind, bool full, Indexes outcomes) {
    if (outcomes.empty() || moment_.sender_is_forged) return;
    decision_.notices.push_back({.kind = kind, .to = envelope_.sender, .full = full, .outcomes = std::move(outcomes)});
  }
  // Whatever NOTIFY says: it is the author's wish, not the postmaster's.
  void ToPostmaster(NoticeKind kind, std::string_view recipient, bool full, Indexes outcomes) {
    decision_.notices.push_back({.kind = kind,
                                 .postmaster_copy = true,
                                 .null_sender = false,
                                 .sender = DoubleBounceSender(settings_),
                                 .to = NoticeRecipient(recipient, settings_),
                                 .full = full,
                                 .outcomes = std::move(outcomes)});
  }

  const queue::Envelope& envelope_;
  const std::span<const Outcome> outcomes_;
  const Settings& settings_;
  const Moment& moment_;
  const Origin origin_;
  Decision decision_;
};

}  // namespace

Decision Decide(const queue::Envelope& envelope, std::span<const Outcome> outcomes, const Settings& settings,
                const Moment& moment) {
  return Decider(envelope, outcomes, settings, moment).Run();
}

routing::Mailbox DoubleBounceSender(const Settings& settings) {
  return {.local = settings.double_bounce_sender, .domain = settings.myhostname};
}

bool IsDoubleBounceSender(const routing::Mailbox& address, const Settings& settings) {
  return EqualsIgnoringCase(address.Key(), DoubleBounceSender(settings).Key());
}

routing::Mailbox NoticeRecipient(std::string_view setting, const Settings& settings) {
  routing::Mailbox recipient = routing::ParseMailbox(setting).value_or(routing::Mailbox{.local = "postmaster"});
  if (!recipient.has_domain()) recipient.domain = settings.myorigin;
  return recipient;
}

std::string_view LogName(const Notice& notice) {
  switch (notice.kind) {
    case NoticeKind::kFailure:
      return notice.postmaster_copy ? "postmaster non-delivery notification" : "sender non-delivery notification";
    case NoticeKind::kSuccess:
      return "sender delivery status notification";
    case NoticeKind::kDelay:
      return notice.postmaster_copy ? "postmaster delay notification" : "sender delay notification";
  }
  return "";
}

}  // namespace postern::notice
