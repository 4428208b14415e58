#include "sim/replay/challenge_answer.h"

#include <algorithm>
#include <vector>

#include "core/base/ascii.h"
#include "core/base/base64.h"

namespace postern::sim {
namespace {

std::vector<std::string_view> CommandWords(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t begin = line.find_first_not_of(" \r\n");
    if (begin == std::string_view::npos) return words;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \r\n"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

// Which word of a command line begins a login, and which one.
enum class Login : uint8_t { kNone, kSasl, kPassword };
struct LoginWords {
  Login kind = Login::kNone;
  size_t verb = 0;
};
LoginWords FindLogin(const std::vector<std::string_view>& words, config::Protocol protocol) {
  const size_t verb = protocol == config::Protocol::kImap ? 1 : 0;
  if (words.size() <= verb) return {};
  const std::string name = UpperCase(words[verb]);
  if (name == (protocol == config::Protocol::kImap ? "AUTHENTICATE" : "AUTH")) return {Login::kSasl, verb};
  if (name == "PASS" || (protocol == config::Protocol::kImap && name == "LOGIN")) return {Login::kPassword, verb};
  return {};
}

bool NeedsChallenge(std::string_view mechanism) {
  return mechanism == "CRAM-MD5" || mechanism == "DIGEST-MD5" || mechanism.starts_with("SCRAM-");
}

// The value of `key` in DIGEST-MD5's (key="value") or SCRAM's (key=value) lists.
std::string ListValue(std::string_view list, std::string_view key) {
  for (size_t at = list.find(key); at != std::string_view::npos; at = list.find(key, at + 1)) {
    if (at != 0 && list[at - 1] != ',') continue;
    std::string_view value = list.substr(at + key.size());
    if (value.starts_with('"')) return std::string(value.substr(1, value.find('"', 1) - 1));
    return std::string(value.substr(0, value.find(',')));
  }
  return "";
}

}  // namespace

std::string WithoutSecrets(std::string_view line, config::Protocol protocol) {
  const std::vector<std::string_view> words = CommandWords(line);
  const LoginWords login = FindLogin(words, protocol);
  if (login.kind == Login::kNone) return std::string(line);
  const size_t shown = login.verb + (login.kind == Login::kSasl ? 2 : 1);
  if (words.size() <= shown) return std::string(line);
  std::string text;
  for (size_t i = 0; i < shown; ++i) text += std::string(words[i]) + " ";
  return text + "***";
}

std::string ChallengeAnswer::Translate(std::string_view bytes, std::string_view challenge_line) {
  if (!in_exchange_) {
    LearnFromLogin(bytes);
    const std::vector<std::string_view> words = CommandWords(bytes);
    const LoginWords login = FindLogin(words, protocol_);
    if (login.kind != Login::kSasl || words.size() <= login.verb + 1) return std::string(bytes);
    const bool initial = words.size() > login.verb + 2;
    Begin(words[login.verb + 1], initial ? words[login.verb + 2] : "");
    if (!initial || !mechanism_.starts_with("SCRAM-") || !MakeExchange()) return std::string(bytes);
    const std::string_view before = bytes.substr(0, static_cast<size_t>(words[login.verb + 2].data() - bytes.data()));
    return std::string(before) + EncodeBase64(exchange_->Initial(entropy_).value_or("")) + "\r\n";
  }
  const std::string_view line = bytes.substr(0, std::min(bytes.find_first_of("\r\n"), bytes.size()));
  if (line == "*") return std::string(bytes);
  if (const auto message = DecodeBase64(line)) Learn(*message);
  const size_t space = challenge_line.find(' ');
  const auto challenge = DecodeBase64(space == std::string_view::npos ? "" : challenge_line.substr(space + 1));
  if (!NeedsChallenge(mechanism_) || !challenge || (exchange_ == nullptr && !MakeExchange())) return std::string(bytes);
  const auto answer = exchange_->Respond(*challenge, entropy_);
  return answer.ok() ? EncodeBase64(*answer) + "\r\n" : std::string(bytes);
}

void ChallengeAnswer::OnRecordedServer(std::string_view bytes) {
  if (!bytes.starts_with("334") && !bytes.starts_with("+ ") && !bytes.starts_with("+\r")) in_exchange_ = false;
}

void ChallengeAnswer::Begin(std::string_view mechanism, std::string_view initial) {
  in_exchange_ = true;
  mechanism_ = UpperCase(mechanism);
  exchange_ = nullptr;
  if (const auto message = DecodeBase64(initial)) Learn(*message);
}

void ChallengeAnswer::Learn(std::string_view message) {
  if (mechanism_ == "CRAM-MD5") {
    const size_t space = message.rfind(' ');
    if (space != std::string_view::npos) user_ = std::string(message.substr(0, space));
  } else if (mechanism_ == "DIGEST-MD5") {
    if (const std::string name = ListValue(message, "username="); !name.empty()) user_ = name;
  } else if (mechanism_.starts_with("SCRAM-")) {
    if (const std::string name = ListValue(message, "n="); !name.empty()) user_ = name;
  } else {
    LearnFromLogin(message);
  }
}

// The first configured name that stands in it.
void ChallengeAnswer::LearnFromLogin(std::string_view line) {
  if (!user_.empty()) return;
  for (const config::PassDb& passdb : config_.auth.passdbs) {
    if (passdb.users == nullptr) continue;
    passdb.users->ForEach([&](std::string_view name, const config::UserRecord&) {
      if (user_.empty() && line.find(name) != std::string_view::npos && line.find("FROM") == std::string_view::npos)
        user_ = name;
    });
  }
}

bool ChallengeAnswer::MakeExchange() {
  constexpr std::string_view kPlain = "{PLAIN}";
  for (const config::PassDb& passdb : config_.auth.passdbs) {
    const config::UserRecord* const record = passdb.users == nullptr ? nullptr : passdb.users->Find(user_);
    if (record == nullptr || !record->password.Reveal().starts_with(kPlain)) continue;
    const char* const service = protocol_ == config::Protocol::kImap   ? "imap"
                                : protocol_ == config::Protocol::kPop3 ? "pop"
                                                                       : "smtp";
    exchange_ =
        auth::MakeClientExchange(mechanism_, {.user = user_,
                                              .password = Secret(record->password.Reveal().substr(kPlain.size())),
                                              .service = service,
                                              .host_name = config_.routing.myhostname});
    return exchange_ != nullptr;
  }
  return false;
}

}  // namespace postern::sim
