#include "core/message/envelope.h"

#include <charconv>

#include "core/message/lexer.h"

namespace postern::message {
namespace {

// More escapes than this make a literal shorter than a quoted string; Dovecot's choice.
constexpr int kQuotedEscapeCountMax = 4;

void AppendLiteral(std::string_view text, std::string* out) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, text.size()).ptr;
  out->push_back('{');
  out->append(digits, end);
  out->append("}\r\n");
  out->append(text);
}

bool IsQuotable(std::string_view text) {
  int escapes = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n' || static_cast<unsigned char>(c) >= 0x80 || c == '\0') return false;
    if ((c == '"' || c == '\\') && ++escapes > kQuotedEscapeCountMax) return false;
  }
  return true;
}

// The text of a header field for IMAP: folds as they are, NULs replaced.
std::string FieldText(std::string_view value) {
  value = SkipInitialSpace(value);
  if (value.find('\0') == std::string_view::npos) return std::string(value);
  std::string text;
  for (const char c : value) {
    if (c == '\0') {
      text.append(kReplacementCharacter);
    } else {
      text.push_back(c);
    }
  }
  return text;
}

// RFC 3501 section 2.3.5 wants one line: CR and LF go; where no white space follows a space takes their place.
std::string WithoutLineEnds(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r' && text[i] != '\n') {
      line.push_back(text[i]);
    } else if (i + 1 < text.size() && !IsWhiteSpace(text[i + 1])) {
      line.push_back(' ');
    }
  }
  return line;
}

void AppendAddresses(const std::vector<Address>& addresses, std::string* out) {
  if (addresses.empty()) {
    out->append("NIL");
    return;
  }
  const auto append = [out](const std::optional<std::string>& text) {
    if (text) {
      AppendImapString(*text, out);
    } else {
      out->append("NIL");
    }
  };
  out->push_back('(');
  for (const Address& address : addresses) {
    out->push_back('(');
    if (address.name) {
      AppendImapHumanString(*address.name, out);
    } else {
      out->append("NIL");
    }
    out->push_back(' ');
    append(address.route);
    out->push_back(' ');
    append(address.mailbox);
    out->push_back(' ');
    append(address.host);
    out->push_back(')');
  }
  out->push_back(')');
}

}  // namespace

void Envelope::Add(const Field& field) {
  const auto text = [&](std::string_view name, std::optional<std::string>* member) {
    if (field.Is(name)) *member = FieldText(field.value);
  };
  const auto addresses = [&](std::string_view name, std::vector<Address>* member) {
    if (field.Is(name)) ParseAddressList(field.value, {.fill_missing = true}, member);
  };
  switch (field.name.empty() ? '\0' : field.name[0] | 0x20) {
    case 'b':
      return addresses("Bcc", &bcc);
    case 'c':
      return addresses("Cc", &cc);
    case 'd':
      return text("Date", &date);
    case 'f':
      return addresses("From", &from);
    case 'i':
      return text("In-Reply-To", &in_reply_to);
    case 'm':
      return text("Message-ID", &message_id);
    case 'r':
      return addresses("Reply-To", &reply_to);
    case 's':
      text("Subject", &subject);
      return addresses("Sender", &sender);
    case 't':
      return addresses("To", &to);
    default:
      return;
  }
}

Envelope ParseEnvelope(std::string_view header) {
  Envelope envelope;
  HeaderReader reader(header);
  for (Field field; reader.Next(&field);) envelope.Add(field);
  return envelope;
}

void AppendEnvelope(const Envelope& envelope, std::string* out) {
  out->push_back('(');
  AppendImapNString(envelope.date, out);
  out->push_back(' ');
  if (envelope.subject) {
    AppendImapHumanString(*envelope.subject, out);
  } else {
    out->append("NIL");
  }
  // RFC 9051 section 7.5.2: Sender and Reply-To are From where they are missing or empty.
  const std::vector<Address>* const lists[] = {&envelope.from,
                                               envelope.sender.empty() ? &envelope.from : &envelope.sender,
                                               envelope.reply_to.empty() ? &envelope.from : &envelope.reply_to,
                                               &envelope.to,
                                               &envelope.cc,
                                               &envelope.bcc};
  for (const auto* list : lists) {
    out->push_back(' ');
    AppendAddresses(*list, out);
  }
  out->push_back(' ');
  AppendImapNString(envelope.in_reply_to, out);
  out->push_back(' ');
  AppendImapNString(envelope.message_id, out);
  out->push_back(')');
}

void AppendImapString(std::string_view text, std::string* out) {
  // RFC 9051 section 9: no string but literal8 holds NUL. Texts come here without; a name with one loses what follows.
  text = text.substr(0, text.find('\0'));
  if (!IsQuotable(text)) {
    AppendLiteral(text, out);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

void AppendImapNString(const std::optional<std::string>& text, std::string* out) {
  if (!text) {
    out->append("NIL");
  } else if (text->find_first_of("\r\n") == std::string::npos) {
    AppendImapString(*text, out);
  } else {
    AppendImapString(WithoutLineEnds(*text), out);
  }
}

void AppendImapHumanString(std::string_view text, std::string* out) {
  std::string packed;
  packed.reserve(text.size());
  bool plain = true;
  for (const char c : text) {
    if (IsWhiteSpace(c)) {
      if (!packed.empty() && packed.back() != ' ') packed.push_back(' ');
      continue;
    }
    const bool nul = c == '\0';
    plain = plain && !nul && c != '"' && c != '\\' && static_cast<unsigned char>(c) < 0x80;
    packed.push_back(nul ? '\x80' : c);
  }
  if (!packed.empty() && packed.back() == ' ') packed.pop_back();
  // Dovecot writes a literal also where only white space had to change; a quoted string says the same.
  if (plain) {
    out->push_back('"');
    out->append(packed);
    out->push_back('"');
  } else {
    AppendLiteral(packed, out);
  }
}

}  // namespace postern::message
