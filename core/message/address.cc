#include "core/message/address.h"

#include <utility>

#include "core/message/lexer.h"

namespace postern::message {
namespace {

using Status = Lexer::Status;

// One address list. The grammar is RFC 5322's; what happens where it is broken follows Dovecot, so that a client sees
// the same fragments from both.
class ListParser {
 public:
  ListParser(std::string_view text, const AddressOptions& options, std::vector<Address>* out)
      : lexer_(text, kReplacementCharacter), options_(options), out_(out), room_(options.count_max) {
    lexer_.set_collect_comments(true);
  }

  void Run() {
    if (lexer_.SkipCfws() != Status::kMore) return;
    while (room_ > 0) {
      --room_;
      if (ReadAddress() == Status::kEnd || lexer_.peek() != ',') return;
      lexer_.skip();
      const Status status = lexer_.SkipCfws();
      if (status == Status::kMore) continue;
      if (status == Status::kFailed) AddMailbox();  // ends with an open comment
      return;
    }
  }

 private:
  Status ReadAddress() {
    const size_t begin = lexer_.position();
    const Status status = ReadGroup();
    if (status != Status::kFailed) return status;
    lexer_.set_position(begin);
    return ReadMailbox();
  }

  // kFailed only where it is no group at all; a broken one ends where it can.
  Status ReadGroup() {
    text_.clear();
    if (lexer_.ReadPhrase(&text_) != Status::kMore || lexer_.peek() != ':') return Status::kFailed;
    lexer_.skip();
    Status status = lexer_.SkipCfws();
    if (status != Status::kMore) address_.invalid = true;
    address_.mailbox = text_;
    Add();
    if (status == Status::kMore && lexer_.peek() != ';') status = ReadGroupMembers();
    if (status != Status::kFailed) {
      if (lexer_.peek() == ';') {
        lexer_.skip();
        status = lexer_.SkipCfws();
      } else {
        status = Status::kFailed;
      }
    }
    if (status == Status::kFailed) address_.invalid = true;
    Add();
    return status == Status::kEnd ? Status::kEnd : Status::kMore;
  }

  Status ReadGroupMembers() {
    while (room_ > 0) {
      --room_;
      ReadMailbox();  // a broken one is kept as it is
      if (lexer_.peek() != ',') break;
      lexer_.skip();
      if (lexer_.SkipCfws() != Status::kMore) return Status::kFailed;
    }
    return Status::kMore;
  }

  Status ReadMailbox() {
    const size_t begin = lexer_.position();
    Status status = ReadNameAddress();
    if (status == Status::kFailed) {
      lexer_.set_position(begin);
      status = ReadAddressSpec();
      if (address_.invalid && !address_.name && address_.mailbox && !address_.host) {
        address_.name = std::exchange(address_.mailbox, std::nullopt);
      }
    }
    if (status == Status::kFailed) address_.invalid = true;
    AddMailbox();
    return status;
  }

  // [phrase] "<" ... ">". kFailed: there was no "<".
  Status ReadNameAddress() {
    text_.clear();
    if (lexer_.ReadPhrase(&text_) != Status::kMore || lexer_.peek() != '<') return Status::kFailed;
    if (!text_.empty()) address_.name = text_;
    if (ReadAngleAddress() == Status::kFailed) {
      if (options_.fill_missing) address_.host = "SYNTAX_ERROR";
      address_.invalid = true;
    }
    return lexer_.done() ? Status::kEnd : Status::kMore;
  }

  // "<" [route ":"] local-part ["@" domain] ">"
  Status ReadAngleAddress() {
    lexer_.skip();
    if (lexer_.SkipCfws() != Status::kMore) return Status::kFailed;
    if (lexer_.peek() == '@') {
      if (ReadRoute() == Status::kMore && lexer_.peek() == ':') {
        lexer_.skip();
      } else {
        if (options_.fill_missing) address_.route = "INVALID_ROUTE";
        if (lexer_.done()) return Status::kFailed;
      }
      if (lexer_.SkipCfws() != Status::kMore) return Status::kFailed;
    }
    if (lexer_.peek() != '>') {
      if (ReadLocalPart() != Status::kMore) return Status::kFailed;
      if (lexer_.peek() == '@' && ReadHost() != Status::kMore) return Status::kFailed;
    }
    if (lexer_.peek() != '>') return Status::kFailed;
    lexer_.skip();
    return lexer_.SkipCfws();
  }

  // RFC 5322 section 4.4: obs-route.
  Status ReadRoute() {
    text_.clear();
    while (lexer_.peek() == '@') {
      if (!text_.empty()) text_.push_back(',');
      text_.push_back('@');
      const Status status = lexer_.ReadDomain(&text_);
      if (status != Status::kMore) return status;
      while (lexer_.SkipCfws() == Status::kMore && lexer_.peek() == ',') lexer_.skip();
    }
    if (lexer_.done()) return Status::kEnd;
    address_.route = text_;
    return Status::kMore;
  }

  // local-part ["@" domain], maybe with the name in a comment.
  Status ReadAddressSpec() {
    lexer_.clear_last_comment();
    const bool quoted = lexer_.peek() == '"';
    bool has_host = false;
    Status status = ReadLocalPart();
    if (status != Status::kMore) address_.invalid = true;
    if (status != Status::kEnd && lexer_.peek() == '@') {
      has_host = true;
      const Status host_status = ReadHost();
      if (host_status != Status::kMore) status = host_status;
    }
    if (!lexer_.last_comment().empty()) {
      address_.name = lexer_.last_comment();
      return status;
    }
    if (has_host) return status;
    // A single word is a mailbox; followed by more it was a display name.
    text_.push_back(' ');
    const size_t word_bytes = text_.size();
    lexer_.ReadPhrase(&text_);
    if (text_.size() != word_bytes) {
      address_.mailbox.reset();
      address_.name = text_;
    } else if (!quoted) {
      address_.host = "";
    }
    address_.invalid = true;
    return Status::kFailed;
  }

  Status ReadLocalPart() {
    text_.clear();
    const Status status = lexer_.peek() == '"' ? lexer_.ReadQuotedString(&text_) : ReadDottedAtoms();
    if (status != Status::kFailed) address_.mailbox = text_;
    return status;
  }

  // Atoms with dots anywhere between, before and behind them: what many systems really use.
  Status ReadDottedAtoms() {
    Status status = Status::kFailed;
    do {
      while (lexer_.peek() == '.') {
        text_.push_back('.');
        lexer_.skip();
        if (lexer_.done()) return Status::kEnd;
        status = Status::kMore;
      }
      if (lexer_.peek() == '@') break;
      status = lexer_.ReadAtom(&text_);
    } while (status == Status::kMore && lexer_.peek() == '.');
    return status;
  }

  Status ReadHost() {
    text_.clear();
    const Status status = lexer_.ReadDomain(&text_);
    if (status != Status::kFailed) address_.host = text_;
    return status;
  }

  void AddMailbox() {
    if (!address_.mailbox) {
      address_.mailbox = options_.fill_missing ? "MISSING_MAILBOX" : "";
      address_.invalid = true;
    }
    if (!address_.host || address_.host->empty()) {
      address_.host = options_.fill_missing ? "MISSING_DOMAIN" : "";
      address_.invalid = true;
    }
    Add();
  }

  void Add() {
    out_->push_back(std::move(address_));
    address_ = {};
  }

  Lexer lexer_;
  const AddressOptions& options_;
  std::vector<Address>* out_;
  size_t room_;  // addresses that may yet be read
  std::string text_;
  Address address_;
};

bool IsAtomOrDots(std::string_view text, bool dots) {
  for (const char c : text) {
    if (!Lexer::IsAtomText(static_cast<unsigned char>(c)) && !(dots && c == '.')) return false;
  }
  return true;
}

void AppendWord(std::string_view text, bool dots, std::string* out) {
  if (IsAtomOrDots(text, dots)) {
    out->append(text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\' || c == '\'') out->push_back('\\');
    out->push_back(c);
  }
  out->push_back('"');
}

// RFC 2047 section 5: no encoded word may stand inside quotes.
void AppendDisplayName(std::string_view name, std::string* out) {
  if (name.find("=?") != std::string_view::npos) {
    out->append(name);
  } else {
    AppendWord(name, false, out);
  }
}

void AppendOne(const Address& address, std::string* out) {
  if (address.name) AppendDisplayName(*address.name, out);
  const std::string_view mailbox = address.mailbox ? std::string_view(*address.mailbox) : std::string_view();
  if (!address.route && mailbox.empty() && address.host->empty()) return;
  if (address.name && !address.name->empty()) out->push_back(' ');
  out->push_back('<');
  if (address.route) out->append(*address.route).push_back(':');
  if (mailbox.empty()) {
    out->append("\"\"");
  } else {
    AppendWord(mailbox, true, out);
  }
  if (!address.host->empty()) {
    out->push_back('@');
    out->append(*address.host);
  }
  out->push_back('>');
}

}  // namespace

void ParseAddressList(std::string_view value, const AddressOptions& options, std::vector<Address>* out) {
  ListParser(value, options, out).Run();
}

std::vector<Address> ParseAddressList(std::string_view value, const AddressOptions& options) {
  std::vector<Address> addresses;
  ParseAddressList(value, options, &addresses);
  return addresses;
}

void AppendAddressList(const std::vector<Address>& addresses, std::string* out) {
  bool comma = false;
  for (const Address& address : addresses) {
    if (address.closes_group()) {
      if (out->ends_with(": ")) out->pop_back();
      out->push_back(';');
      comma = true;
      continue;
    }
    if (comma) out->append(", ");
    comma = true;
    if (address.opens_group()) {
      if (address.mailbox->empty()) {
        out->append("\"\"");
      } else {
        AppendDisplayName(*address.mailbox, out);
      }
      out->append(": ");
      comma = false;
    } else {
      AppendOne(address, out);
    }
  }
}

std::string MailboxOf(const Address& address) {
  std::string out;
  if (!address.host || address.host->empty() || !address.mailbox || address.mailbox->empty()) return out;
  const std::string& local = *address.mailbox;
  // RFC 5321 section 4.1.2: a Dot-string has no dots at its ends nor two in a row.
  const bool dot_string =
      IsAtomOrDots(local, true) && local.front() != '.' && local.back() != '.' && local.find("..") == std::string::npos;
  if (dot_string) {
    out.append(local);
  } else {
    out.push_back('"');
    for (const char c : local) {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
    out.push_back('"');
  }
  out.push_back('@');
  out.append(*address.host);
  return out;
}

}  // namespace postern::message
