#include "core/smtp/header_addresses.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/routing/address.h"
#include "core/routing/rewrite.h"

namespace postern::smtp {
namespace {

// Those of Postfix's header_opts(3) that are of senders or recipients; Bcc is dropped elsewhere.
constexpr std::array<std::string_view, 16> kAddressFields{"From",
                                                          "Sender",
                                                          "Reply-To",
                                                          "To",
                                                          "Cc",
                                                          "Resent-From",
                                                          "Resent-Sender",
                                                          "Resent-To",
                                                          "Resent-Cc",
                                                          "Resent-Reply-To",
                                                          "Errors-To",
                                                          "Apparently-To",
                                                          "Mail-Followup-To",
                                                          "Return-Receipt-To",
                                                          "Bcc",
                                                          "Disposition-Notification-To"};

constexpr size_t kFullNameBytesMax = 300;  // RFC 5322 section 2.1.1 allows 998 in a line

bool IsFieldBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// Walks over the list and puts together what it becomes.
class AddressCompleter {
 public:
  AddressCompleter(std::string_view value, const config::Routing& routing) : value_(value), routing_(routing) {}

  std::string Run() {
    while (at_ < value_.size()) TakeOne();
    EndElement();
    out_.append(value_, copied_);
    return std::move(out_);
  }

 private:
  void TakeOne() {
    const char c = value_[at_];
    const size_t begin = at_;
    switch (c) {
      case '(':
        return SkipCommentOfList();
      case ',':
      case ';':
        EndElement();
        ++at_;
        return;
      case ':':  // the name of a group ends; elsewhere no address has one
        Forget();
        ++at_;
        return;
      case '<':
        return TakeBrackets();
      case '"':
      case '[':
        SkipTo(c == '"' ? '"' : ']');
        return TakeWord(begin, at_);
      default:
        break;
    }
    if (IsFieldBlank(c)) {
      ++at_;
      return;
    }
    while (at_ < value_.size() && !IsFieldBlank(value_[at_]) &&
           std::string_view("(),;:<\"[").find(value_[at_]) == std::string_view::npos) {
      ++at_;
    }
    TakeWord(begin, at_);
  }

  // Section 3.2.2: comments nest.
  void SkipCommentOfList() {
    for (size_t depth = 0; at_ < value_.size();) {
      const char c = value_[at_++];
      if (c == '\\' && at_ < value_.size()) ++at_;
      if (c == '(') ++depth;
      if (c == ')' && --depth == 0) return;
    }
  }

  // Past the closing character of what begins here.
  void SkipTo(char closing) {
    ++at_;
    while (at_ < value_.size() && value_[at_] != closing) at_ += value_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_ + 1, value_.size());
  }

  // Pieces that touch are one word: "a b"@example.org.
  void TakeWord(size_t begin, size_t end) {
    if (has_brackets_) return;
    if (words_ == 0) begin_ = begin;
    if (words_ == 0 || begin != end_) ++words_;
    end_ = end;
  }

  void TakeBrackets() {
    const size_t begin = ++at_;
    while (at_ < value_.size() && value_[at_] != '>') {
      if (value_[at_] == '"') {
        SkipTo('"');
      } else {
        ++at_;
      }
    }
    const bool closed = at_ < value_.size();
    begin_ = begin;
    end_ = at_;
    words_ = closed && !has_brackets_ ? 1 : 2;  // what has two of them can't be read
    has_brackets_ = true;
    if (closed) ++at_;
  }

  void Forget() {
    words_ = 0;
    has_brackets_ = false;
  }

  void EndElement() {
    const bool one = words_ == 1 && end_ > begin_;
    Forget();
    if (!one) return;
    const std::string_view text = value_.substr(begin_, end_ - begin_);
    const auto mailbox = routing::ParseMailbox(text);
    if (!mailbox) return;
    const routing::Mailbox complete = routing::Complete(*mailbox, routing_);
    if (complete == *mailbox) return;
    out_.append(value_, copied_, begin_ - copied_);
    out_ += complete.Quoted();
    copied_ = end_;
  }

  const std::string_view value_;
  const config::Routing& routing_;
  size_t at_ = 0;
  size_t begin_ = 0, end_ = 0;  // what may be the address of the element under way
  size_t words_ = 0;            // 1: it may
  bool has_brackets_ = false;
  size_t copied_ = 0;  // of value_, into out_
  std::string out_;
};

bool IsPhraseText(char c) {  // RFC 5322 section 3.2.3, atext and the blanks between atoms
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(" !#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// RFC 2047 section 2: words of at most 75 octets, characters whole.
std::string EncodedPhrase(std::string_view name) {
  constexpr size_t kBytesPerWord = 42;  // 56 as base64, and "=?utf-8?B?" "?="
  std::string out;
  while (!name.empty()) {
    size_t bytes = std::min(name.size(), kBytesPerWord);
    while (bytes > 1 && bytes < name.size() && (static_cast<uint8_t>(name[bytes]) & 0xc0) == 0x80) --bytes;
    if (!out.empty()) out += ' ';
    out += "=?utf-8?B?" + EncodeBase64(name.substr(0, bytes)) + "?=";
    name.remove_prefix(bytes);
  }
  return out;
}

}  // namespace

bool HoldsAddresses(std::string_view field_name) {
  return std::any_of(kAddressFields.begin(), kAddressFields.end(),
                     [field_name](std::string_view known) { return EqualsIgnoringCase(field_name, known); });
}

std::string WithCompleteAddresses(std::string_view value, const config::Routing& routing) {
  return AddressCompleter(value, routing).Run();
}

std::string NameAndAddress(std::string_view name, std::string_view address) {
  std::string phrase;
  for (const char c : name.substr(0, kFullNameBytesMax)) phrase += static_cast<uint8_t>(c) < ' ' || c == 127 ? ' ' : c;
  while (!phrase.empty() && phrase.back() == ' ') phrase.pop_back();
  phrase.erase(0, phrase.find_first_not_of(' '));
  if (phrase.empty()) return std::string(address);
  const bool ascii = std::all_of(phrase.begin(), phrase.end(), [](char c) { return static_cast<uint8_t>(c) < 128; });
  if (!ascii) {
    phrase = EncodedPhrase(phrase);
  } else if (!std::all_of(phrase.begin(), phrase.end(), IsPhraseText)) {
    std::string quoted = "\"";
    for (const char c : phrase) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    phrase = quoted + "\"";
  }
  return phrase + " <" + std::string(address) + ">";
}

}  // namespace postern::smtp
