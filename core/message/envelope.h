// ENVELOPE (RFC 9051 section 7.5.2, RFC 3501 section 7.4.2): a message's main fields, parsed.
//
// Texts are raw as in the header (encoded words are the client's affair), unfolded; a NUL is U+FFFD. Sender and
// Reply-To default to From. Several fields of one name: addresses are joined, of texts the last counts, as Dovecot has
// it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/message/address.h"
#include "core/message/header.h"

namespace postern::message {

struct Envelope {
  std::optional<std::string> date;
  std::optional<std::string> subject;
  std::vector<Address> from;
  std::vector<Address> sender;    // as in the message: no default
  std::vector<Address> reply_to;  // as in the message: no default
  std::vector<Address> to;
  std::vector<Address> cc;
  std::vector<Address> bcc;
  std::optional<std::string> in_reply_to;
  std::optional<std::string> message_id;

  // Takes `field` in, if it belongs here.
  void Add(const Field& field);
};

// `header`: a header block.
Envelope ParseEnvelope(std::string_view header);

// `("date" "subject" ((...)) ... "message-id")` with the parentheses. Appends. Literals stand inline.
void AppendEnvelope(const Envelope& envelope, std::string* out);

// ---- IMAP strings as Dovecot chooses them; also for BODYSTRUCTURE ---------------------------------------------------

// Quoted where it is 7-bit without CR, LF and with at most four '"' and '\'; otherwise a literal.
void AppendImapString(std::string_view text, std::string* out);
// The same or NIL; CR and LF are removed before.
void AppendImapNString(const std::optional<std::string>& text, std::string* out);
// For subjects and names: white space runs become one space, none at the ends; a literal unless all is plain.
void AppendImapHumanString(std::string_view text, std::string* out);

}  // namespace postern::message
