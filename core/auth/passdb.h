// The walk through the passdb sections for one login or lookup, with Dovecot 2.3's rules (doc: "Passdb: result
// values"): which sections are skipped, what a section's answer means, when the next one is asked.
//
//   Start --> [section: skipped | looked up --(kPassword: kVerify, Verified)--> rule] * --> kDone
//
// State that goes from section to section: `success` (what continue-ok and continue-fail set; at first failure) and
// `skip_check` (a section before has verified the password, so the following ones only add their fields).
// A failed section leaves no field behind, but the name that it gave the user (`user=`) stays, as in Dovecot. Owner:
// one exchange, or one LookupUser. Bounded by the number of sections.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/auth/sasl.h"
#include "core/base/secret.h"
#include "core/config/settings.h"

namespace postern::auth {

enum class PassResult : uint8_t {
  kOk,
  kUserUnknown,
  kPasswordMismatch,
  kUserDisabled,
  kSchemeNotAvailable,
  kInternalFailure,
  kNext,  // the record has `noauthenticate`
};

using FieldList = std::vector<std::pair<std::string, std::string>>;

class PassDbWalk {
 public:
  enum class Purpose : uint8_t {
    kPassword,     // compare a password with the stored one
    kCredentials,  // find stored credentials for the mechanism
    kExistence,    // find the user and his fields, without a password; allow_nets does not matter
  };
  enum class Turn : uint8_t { kVerify, kDone };

  // `mechanism` in upper case; it names the scheme that kCredentials wants. `auth` must outlive the walk.
  PassDbWalk(const config::Auth& auth, const ClientFacts& client, Purpose purpose, std::string_view mechanism);

  // `user` normalized, `original_user` as the client sent it. `login_user` not empty: `user` wants to be this other
  // user and must be found in a passdb with master = yes.
  Turn Start(std::string_view user, std::string_view original_user, std::string_view login_user = {});
  // After kVerify: whether the password matches stored().
  Turn Verified(bool matches);

  // kVerify: what to compare with, "{SCHEME}data". After kDone and kOk of kCredentials: the credentials, in the wanted
  // scheme or in PLAIN; empty if a rule made a success without any.
  const Secret& stored() const { return stored_; }
  PassResult result() const { return result_; }
  bool asked() const { return asked_; }  // was there a kVerify, or were credentials found?

  const std::string& user() const { return user_; }
  const std::string& master_user() const { return master_user_; }
  const FieldList& fields() const { return fields_.extra; }          // without `user` and other consumed ones
  const FieldList& userdb_fields() const { return fields_.userdb; }  // without the prefix userdb_
  bool no_delay() const { return no_delay_; }                        // the record looked at last has `nodelay`
  const std::vector<LogLine>& lines() const { return lines_; }
  const std::string& last_driver() const { return last_driver_; }  // of the section looked at last

 private:
  struct Fields {
    FieldList extra, userdb;
    bool no_password = false, no_authenticate = false, denied_by_net = false;
  };

  Turn Advance();
  const config::PassDb* NextSection();
  bool IsSkipped(const config::PassDb& section) const;
  // False: the password must be verified first; otherwise *result is the answer.
  bool Look(const config::PassDb& section, PassResult* result);
  bool UseRecord(const config::PassDb& section, const config::UserRecord& record, PassResult* result);
  // True: the walk is over, result_ is set.
  bool Settle(const config::PassDb& section, PassResult result);
  // After a master's password was right. True: the walk is over.
  bool BecomeAnother(const config::PassDb& section);
  void FinishWithoutNext();
  bool SetFields(const config::PassDb& section, const FieldList& fields);
  void SetField(std::string_view source, std::string_view name, std::string value);
  void CheckNetworks(std::string_view source, std::string_view name, std::string_view networks);
  void Say(std::string_view source, std::string text, bool is_error = false);

  const config::Auth& auth_;
  const ClientFacts client_;
  const Purpose purpose_;
  const std::string mechanism_;

  std::string user_, original_user_, login_user_, master_user_;
  size_t next_section_ = 0;
  const config::PassDb* section_ = nullptr;  // the one waiting for Verified
  std::string last_driver_;
  bool in_masters_ = false;
  bool no_delay_ = false;
  bool success_ = false, skip_check_ = false;
  bool tried_any_ = false, seen_internal_failure_ = false, asked_ = false;
  PassResult last_ = PassResult::kUserUnknown, result_ = PassResult::kUserUnknown;
  Fields fields_, fields_before_;
  Secret stored_;
  std::vector<LogLine> lines_;
};

// The scheme of stored passwords that name none.
std::string_view DefaultScheme(const config::PassDb& section);

// The log's words for what a user name has in it: bytes that are not printable ASCII become '?'.
std::string Printable(std::string_view text);

}  // namespace postern::auth
