// Address lists of From, To, Cc and their like (RFC 5322 section 3.4, obsolete forms of section 4.4), as the flat list
// that an IMAP envelope holds (RFC 9051 section 7.5.2): a group is opened by an entry without a host and closed by an
// entry without anything.
//
// Never fails: what cannot be understood yields entries marked invalid, in the shape in which Dovecot shows them. The
// result is bounded by the input's length; nothing recurses.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace postern::message {

struct Address {
  std::optional<std::string> name;     // display name, or the comment where there is none; encoded words as they were
  std::optional<std::string> route;    // "@a,@b" (obsolete, section 4.4)
  std::optional<std::string> mailbox;  // local part without quotes; the group's name where it opens one
  std::optional<std::string> host;     // domain; nullopt: the entry opens or closes a group
  bool invalid = false;                // syntax error; the fields hold what could be saved

  bool opens_group() const { return !host && mailbox; }
  bool closes_group() const { return !host && !mailbox; }
  bool operator==(const Address&) const = default;
};

struct AddressOptions {
  // Dovecot's envelope shows MISSING_MAILBOX, MISSING_DOMAIN, INVALID_ROUTE and SYNTAX_ERROR for what is not there;
  // otherwise it is "".
  bool fill_missing = false;
  size_t count_max = 10'000;
};

// Appends the addresses of one field's value to `*out`.
void ParseAddressList(std::string_view value, const AddressOptions& options, std::vector<Address>* out);
std::vector<Address> ParseAddressList(std::string_view value, const AddressOptions& options = {});

// The addresses as a field value on one line: `"A B" <a@b>, group: c@d;`. What IMAP SEARCH FROM and TO look into.
void AppendAddressList(const std::vector<Address>& addresses, std::string* out);

// `local@domain`, the local part quoted where it must be (RFC 5321 section 4.1.2); "" for groups and what is
// incomplete.
std::string MailboxOf(const Address& address);

}  // namespace postern::message
