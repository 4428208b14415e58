#include "sim/remote/auth_host.h"

#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "core/auth/auth_socket_codec.h"
#include "core/base/base64.h"

namespace postern::sim {
namespace {

using auth::FormatServerLine;

constexpr size_t kLongLineBytes = 65536;

}  // namespace

AuthBehaviour DrawAuthBehaviour(Random& random) {
  AuthBehaviour behaviour;
  for (uint32_t* const chance :
       {&behaviour.refuses, &behaviour.no_answer, &behaviour.silent_handshakes, &behaviour.broken_handshakes,
        &behaviour.closes, &behaviour.closes_midway, &behaviour.stalls, &behaviour.nonsense, &behaviour.long_lines,
        &behaviour.wrong_ids, &behaviour.early_oks, &behaviour.slow}) {
    if (random.Chance(300)) *chance = static_cast<uint32_t>(random.Between(20, 400));
  }
  return behaviour;
}

// One connection. A request waits for an answer of ours, or for one of the user's after a prompt of LOGIN.
class AuthDialogue final : public RemoteDialogue {
 public:
  explicit AuthDialogue(AuthHost& host) : host_(host) { ++host_.open_connections_; }
  ~AuthDialogue() override { --host_.open_connections_; }

  void OnConnected(RemoteActions* out) override {
    if (Chance(host_.behaviour_.silent_handshakes)) return;
    std::string hello = "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t7\nCUID\t1\n";
    if (Chance(host_.behaviour_.broken_handshakes)) {
      constexpr std::string_view kBroken[] = {"", "VERSION\t2\t0\n", "VERSION\t1\t2\nSPID\t7\n", "220 mail ESMTP\r\n"};
      Say(std::string(kBroken[host_.random_.Below(4)]), {}, out);
      if (Chance(500)) out->push_back({.kind = RemoteAction::Kind::kClose});
      return;
    }
    Say(hello + "COOKIE\t00\nDONE\n", {}, out);
  }

  void OnBytes(std::string_view bytes, Instant, RemoteActions* out) override {
    while (const auto text = lines_.Next(&bytes)) {
      const auto line = auth::ParseClientLine(*text);
      if (!line.ok()) {
        out->push_back({.kind = RemoteAction::Kind::kClose});
        return;
      }
      if (const auto* asked = std::get_if<auth::AuthLine>(&*line)) OnAuth(*asked, out);
      if (const auto* answer = std::get_if<auth::ContinueLine>(&*line)) OnContinue(*answer, out);
      if (const auto* cancelled = std::get_if<auth::CancelLine>(&*line)) {
        ++host_.cancelled_count_;
        prompts_.erase(cancelled->id);
      }
    }
  }

 private:
  // A request of LOGIN: its user, once he has said it.
  struct Prompted {
    std::optional<std::string> user;
  };

  bool Chance(uint32_t parts) { return parts != 0 && host_.random_.Chance(parts); }

  void OnAuth(const auth::AuthLine& asked, RemoteActions* out) {
    ++host_.asked_count_;
    if (asked.mechanism == "LOGIN") {
      prompts_[asked.id] = {};
      return Prompt(asked.id, "Username:", out);
    }
    const std::string message = asked.response ? DecodeBase64(asked.response->Reveal()).value_or("") : "";
    if (message.empty()) {
      prompts_[asked.id] = Prompted{.user = "?"};  // PLAIN without an initial response
      return Prompt(asked.id, "", out);
    }
    Judge(asked.id, message, out);
  }

  void OnContinue(const auth::ContinueLine& answer, RemoteActions* out) {
    const auto found = prompts_.find(answer.id);
    if (found == prompts_.end()) return;
    const std::string message = DecodeBase64(answer.response.Reveal()).value_or("");
    if (!found->second.user) {
      found->second.user = message;
      return Prompt(answer.id, "Password:", out);
    }
    const std::string user = *found->second.user;
    prompts_.erase(found);
    Judge(answer.id, user == "?" ? message : std::string(1, '\0') + user + '\0' + message, out);
  }

  // A PLAIN message: NUL, user, NUL, password.
  void Judge(uint32_t id, std::string_view message, RemoteActions* out) {
    const size_t nul = message.rfind('\0');
    const std::string password(nul == std::string_view::npos ? "" : message.substr(nul + 1));
    const std::string user(nul == std::string_view::npos || nul == 0 ? "nobody" : message.substr(1, nul - 1));
    if (password.starts_with("right-")) {
      if (Answer(id, FormatServerLine(auth::SuccessLine{.id = id, .user = user}), out)) host_.granted_.insert(password);
    } else {
      Answer(id, FormatServerLine(auth::FailureLine{.id = id, .user = user}), out);
    }
  }

  void Prompt(uint32_t id, std::string_view challenge, RemoteActions* out) {
    std::string line = FormatServerLine(auth::ChallengeLine{.id = id, .challenge = std::string(challenge)});
    if (Chance(host_.behaviour_.early_oks)) {
      line += FormatServerLine(auth::SuccessLine{.id = id, .user = "too-early"});
    }
    Answer(id, std::move(line), out);
  }

  // True where the whole of `line` is on its way.
  bool Answer(uint32_t id, std::string line, RemoteActions* out) {
    const AuthBehaviour& behaviour = host_.behaviour_;
    if (Chance(behaviour.stalls)) return false;
    if (Chance(behaviour.wrong_ids)) {
      line = FormatServerLine(auth::SuccessLine{.id = id + 1 + static_cast<uint32_t>(host_.random_.Below(1000)) + 4096,
                                                .user = "somebody-else"}) +
             line;
    }
    if (Chance(behaviour.nonsense)) Say(Nonsense(), {}, out);
    if (Chance(behaviour.long_lines)) Say("OK\t" + std::string(kLongLineBytes, 'x') + "\n", {}, out);
    const Duration delay = Chance(behaviour.slow) ? Milliseconds(host_.random_.Between(1, 15'000))
                                                  : Milliseconds(host_.random_.Between(0, 5));
    if (Chance(behaviour.closes_midway)) {
      Say(line.substr(0, host_.random_.Below(line.size())), delay, out);
      out->push_back({.kind = RemoteAction::Kind::kClose});
      return false;
    }
    if (Chance(behaviour.closes)) {
      out->push_back({.kind = RemoteAction::Kind::kClose});
      return false;
    }
    Say(std::move(line), delay, out);
    return true;
  }

  std::string Nonsense() {
    constexpr std::string_view kLines[] = {
        "OK\n",      "OK\t\n",         "OK\tx\tuser=root\n", "CONT\n", "\n",
        "FAIL\t0\n", "CONT\t1\t***\n", "NEWS\t1\n",          "DONE\n", "OK\t0\tuser=root\n"};
    return std::string(kLines[host_.random_.Below(10)]);
  }

  static void Say(std::string text, Duration delay, RemoteActions* out) {
    out->push_back({.kind = RemoteAction::Kind::kSay, .text = std::move(text), .delay = delay});
  }

  AuthHost& host_;
  auth::AuthLineReader lines_;
  std::map<uint32_t, Prompted> prompts_;
};

AuthHost::Welcome AuthHost::welcome() const {
  if (behaviour_.refuses != 0 && random_.Chance(behaviour_.refuses)) return Welcome::kRefuses;
  if (behaviour_.no_answer != 0 && random_.Chance(behaviour_.no_answer)) return Welcome::kNoAnswer;
  return Welcome::kAccepts;
}

std::unique_ptr<RemoteDialogue> AuthHost::Open(Instant, uint64_t) { return std::make_unique<AuthDialogue>(*this); }

}  // namespace postern::sim
