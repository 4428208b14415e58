#include "adapters/record/redaction.h"

#include <algorithm>
#include <optional>

#include "core/base/ascii.h"
#include "core/base/base64.h"

namespace postern::record {
namespace {

// What a base64 message is, as far as the dialogue tells.
enum class Form : uint8_t { kUnknown, kPlainOrFirst, kUserName, kCramMd5, kDigestMd5, kScramFinal, kChallenge };

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); });
}

Form FormOfAnswerTo(std::string_view prompt) {
  if (!prompt.starts_with("334") && !prompt.starts_with("+")) return Form::kUnknown;
  const size_t space = prompt.find(' ');
  const auto challenge = DecodeBase64(space == std::string_view::npos ? std::string_view() : prompt.substr(space + 1));
  if (!challenge) return Form::kUnknown;
  const std::string text = LowerCase(*challenge);
  if (text.empty()) return Form::kPlainOrFirst;
  if (text.starts_with("user")) return Form::kUserName;
  if (text.find("nonce=") != std::string::npos) return Form::kDigestMd5;
  if (text.starts_with("r=")) return Form::kScramFinal;
  if (text.starts_with('<') && text.ends_with('>')) return Form::kCramMd5;
  return Form::kUnknown;
}

// Of an initial response: by the mechanism, the last word before it on its line. Behind a tab it is another server's
// challenge for a client of ours ("CONT", TAB, a number, TAB).
Form FormOfInitial(std::string_view before) {
  if (before.ends_with('\t'))
    return before.substr(before.rfind('\n') + 1).starts_with("CONT\t") ? Form::kChallenge : Form::kUnknown;
  if (!before.ends_with(' ')) return Form::kUnknown;
  before.remove_suffix(1);
  const size_t word = before.find_last_of(" \n");
  if (word == std::string_view::npos || before[word] != ' ') return Form::kUnknown;
  const std::string mechanism = LowerCase(before.substr(word + 1)), verb = LowerCase(before.substr(0, word));
  if (!verb.ends_with("auth") && !verb.ends_with("authenticate")) return Form::kUnknown;
  if (mechanism == "plain" || mechanism.starts_with("scram-")) return Form::kPlainOrFirst;
  return mechanism == "login" ? Form::kUserName : Form::kUnknown;
}

void Fill(std::string* text, size_t begin, size_t end) {
  for (size_t i = begin; i < end && i < text->size(); ++i) (*text)[i] = 'x';
}

// What a server proves itself with, and the salt by which guesses could be checked (as codec_effect.cc hides them on
// their way on to the client); the rest of a challenge is no secret.
void FillProof(std::string* message) {
  constexpr std::string_view kSalt = ",s=";
  size_t begin = std::string::npos;
  if (message->starts_with("v=")) begin = 2;
  if (message->starts_with("rspauth=")) begin = 8;
  if (message->starts_with("r=")) {
    begin = message->find(kSalt);
    if (begin != std::string::npos) begin += kSalt.size();
  }
  if (begin == std::string::npos) return;
  const size_t end = std::min(message->find(',', begin), message->size());
  std::fill(message->begin() + static_cast<std::ptrdiff_t>(begin), message->begin() + static_cast<std::ptrdiff_t>(end),
            'A');
}

// Fills the secret in a decoded message; false where its shape is another.
bool FillMessage(Form form, std::string* message, std::string* answered) {
  switch (form) {
    case Form::kUnknown:
      return false;
    case Form::kUserName:
      return message->find('\0') == std::string::npos;  // a name is no secret
    case Form::kPlainOrFirst: {
      // RFC 4616 section 2: authorization id, NUL, name, NUL, password. RFC 5802 section 7: the first message has no
      // secret.
      if ((message->starts_with("n,") || message->starts_with("y,")) && message->find('\0') == std::string::npos &&
          message->find(",n=") != std::string::npos && message->find(",r=") != std::string::npos) {
        return true;
      }
      const size_t first = message->find('\0');
      const size_t second = first == std::string::npos ? first : message->find('\0', first + 1);
      if (second == std::string::npos) return false;
      Fill(message, second + 1, message->size());
      return true;
    }
    case Form::kCramMd5: {
      const size_t space = message->rfind(' ');
      if (space == std::string::npos || message->size() - space != 33 ||
          !IsHex(std::string_view(*message).substr(space + 1)))
        return false;
      std::fill(message->begin() + static_cast<std::ptrdiff_t>(space) + 1, message->end(), '0');
      *answered = "CRAM-MD5";
      return true;
    }
    case Form::kDigestMd5: {
      constexpr std::string_view kName = "response=";
      const size_t at = message->find(kName);
      if (at == std::string::npos || message->find("username=") == std::string::npos) return false;
      const size_t begin = at + kName.size();
      if (begin + 32 > message->size() || !IsHex(std::string_view(*message).substr(begin, 32))) return false;
      std::fill_n(message->begin() + static_cast<std::ptrdiff_t>(begin), 32, '0');
      *answered = "DIGEST-MD5";
      return true;
    }
    case Form::kChallenge:
      FillProof(message);
      return true;
    case Form::kScramFinal: {
      const size_t at = message->rfind(",p=");
      if (!message->starts_with("c=") || at == std::string::npos) return false;
      // Base64 of zeros, of the same length, stays base64.
      const size_t padding =
          static_cast<size_t>(std::count(message->begin() + static_cast<std::ptrdiff_t>(at) + 3, message->end(), '='));
      std::fill(message->begin() + static_cast<std::ptrdiff_t>(at) + 3,
                message->end() - static_cast<std::ptrdiff_t>(padding), 'A');
      *answered = "SCRAM";
      return true;
    }
  }
  return false;
}

// What ends and frames stays, so that the grammar around a password does.
void FillPassword(std::string* text, size_t begin, size_t end) {
  for (size_t i = begin; i < end; ++i) {
    if (std::string_view("\r\n\"\\").find((*text)[i]) == std::string_view::npos) (*text)[i] = 'x';
  }
}

class Redactor {
 public:
  Redactor(std::string_view bytes, std::string_view prompt) : bytes_(bytes), prompt_(prompt) {}

  void Hide(size_t begin, size_t end) {
    // Only the first line behind a prompt answers it.
    const bool answers = begin == 0;
    while (!answers && begin < end && bytes_[begin] == ' ') ++begin;  // what frames a response is none of it
    const std::string_view before = std::string_view(bytes_).substr(0, begin);
    const size_t line_end = std::min(bytes_.find_first_of("\r\n", begin), end);
    const Form form = answers ? FormOfAnswerTo(prompt_) : FormOfInitial(before);
    const std::string_view word = std::string_view(bytes_).substr(begin, line_end - begin);
    const bool says_nothing = word == "*" || word == "=" || word.empty();  // cancelled, empty
    if (!says_nothing && !HideMessage(form, begin, line_end)) FillPassword(&bytes_, begin, line_end);
    FillPassword(&bytes_, line_end, end);
  }

  Redacted Take() && { return {.bytes = std::move(bytes_), .answered = std::move(answered_)}; }

 private:
  bool HideMessage(Form form, size_t begin, size_t end) {
    auto message = DecodeBase64(std::string_view(bytes_).substr(begin, end - begin));
    if (!message || !FillMessage(form, &*message, &answered_)) return false;
    const std::string encoded = EncodeBase64(*message);
    if (encoded.size() != end - begin) return false;
    bytes_.replace(begin, end - begin, encoded);
    return true;
  }

  std::string bytes_;
  const std::string_view prompt_;
  std::string answered_;
};

}  // namespace

Redacted RedactReceived(std::string_view bytes, const std::vector<Redact>& spans, std::string_view prompt) {
  Redactor redactor(bytes, prompt);
  for (const Redact& span : spans) {
    const size_t begin = std::min<uint64_t>(span.offset_bytes, bytes.size());
    redactor.Hide(begin, begin + std::min<uint64_t>(span.length_bytes, bytes.size() - begin));
  }
  return std::move(redactor).Take();
}

}  // namespace postern::record
