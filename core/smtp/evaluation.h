// One evaluation of restriction lists: the state the rules share, and the rules by family. Private to core/smtp.
#pragma once

#include <string>
#include <string_view>

#include "core/smtp/restrictions.h"

namespace postern::smtp {

// What one rule, or a list, decided.
enum class Outcome : uint8_t { kDunno, kPermit, kReject, kNeed };

// Which list is read: the class a reply names ("Sender address"), and the name before it ("<a@b>").
enum class List : uint8_t { kClient, kHelo, kSender, kRelay, kRecipient, kData, kEndOfData, kEtrn };

class Evaluation {
 public:
  explicit Evaluation(const Facts& facts) : facts_(facts), defer_if_permit_(facts.deferred) {}

  Verdict Run();

 private:
  // ---- restrictions.cc ----
  Outcome RunList(List list, const config::Restrictions& restrictions);
  Outcome RunRestrictions(const config::Restrictions& restrictions, int depth);
  Outcome RunRestriction(const config::Restriction& restriction, int depth);
  Outcome RunRcpt();
  Outcome Reject(int code, std::string_view enhanced, std::string text);
  // Reject with "<name>: Class rejected: text".
  Outcome RejectNamed(int code, std::string_view enhanced, std::string_view text);
  void Note(std::string_view kind, std::string text);
  void Reset();  // what defer_if_reject left, at the start of a list
  std::string_view ClassOfReply() const;
  std::string NameOfReply() const;

  // ---- client and HELO (session_rules.cc) ----
  Outcome RejectInvalidHelo();
  Outcome RejectNonFqdnHelo();
  Outcome RejectUnknownClient(bool forward);
  Outcome RejectPlaintextSession();
  Outcome RejectUnauthPipelining();
  Outcome RejectMultiRecipientBounce();

  // ---- addresses (address_rules.cc) ----
  bool IsAuthDestination() const;
  Outcome RejectUnauthDestination(int code, std::string_view enhanced);
  Outcome RejectNonFqdn(const routing::Mailbox& mailbox, bool sender);
  Outcome RejectUnlisted(const routing::Mailbox& mailbox, const routing::Mailbox& rewritten, bool sender);
  Outcome RejectSenderLoginMismatch(bool when_logged_in, bool when_not, bool only_known);

  // ---- tables (access_rules.cc) ----
  Outcome CheckAccess(const config::Restriction& restriction, int depth);
  Outcome CheckClientAccess(const config::Table& table, std::string_view name, int depth);
  Outcome CheckDomainAccess(const config::Table& table, std::string_view domain, int depth);
  Outcome CheckAddressAccess(const config::Table& table, const routing::Mailbox& mailbox, bool null_address, int depth);
  Outcome TableResult(const config::Table& table, std::string_view value, std::string_view key, int depth);
  Outcome TableReject(std::string_view text, int code, char first_digit);

  const Facts& facts_;
  List list_ = List::kClient;
  // Two lists may name the thing a reply is about: rules on addresses switch them.
  std::string name_override_;
  std::string_view class_override_;
  bool warn_only_ = false;
  bool recipient_checked_ = false, sender_checked_ = false;  // the unlisted checks were made by a rule
  std::optional<Reply> defer_if_permit_;
  bool defer_if_reject_ = false;
  Verdict verdict_;
  friend class NameScope;
};

// For the time of one rule, replies are about `name` as `reply_class`.
class NameScope {
 public:
  NameScope(Evaluation* evaluation, std::string name, std::string_view reply_class)
      : evaluation_(evaluation), name_(std::move(evaluation->name_override_)), class_(evaluation->class_override_) {
    evaluation->name_override_ = std::move(name);
    evaluation->class_override_ = reply_class;
  }
  ~NameScope() {
    evaluation_->name_override_ = std::move(name_);
    evaluation_->class_override_ = class_;
  }
  NameScope(const NameScope&) = delete;
  NameScope& operator=(const NameScope&) = delete;

 private:
  Evaluation* evaluation_;
  std::string name_;
  std::string_view class_;
};

inline constexpr std::string_view kClientClass = "Client host";
inline constexpr std::string_view kHeloClass = "Helo command";
inline constexpr std::string_view kSenderClass = "Sender address";
inline constexpr std::string_view kRecipientClass = "Recipient address";

}  // namespace postern::smtp
