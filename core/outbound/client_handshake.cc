// From the greeting to the first job: EHLO, HELO, LHLO, STARTTLS (RFC 3207), AUTH (RFC 4954).
#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/ascii.h"
#include "core/base/base64.h"
#include "core/outbound/client.h"
#include "core/routing/address.h"

namespace postern::outbound {
namespace {

constexpr int kSaslStepsMax = 100;            // Postfix's
constexpr size_t kCommandLineBytesMax = 512;  // RFC 5321 section 4.5.3.1.4, with CRLF

// The next word of `*text` between bytes of `separators`; empty: there is none.
std::string_view TakeToken(std::string_view* text, std::string_view separators) {
  text->remove_prefix(std::min(text->find_first_not_of(separators), text->size()));
  const std::string_view word = text->substr(0, text->find_first_of(separators));
  text->remove_prefix(word.size());
  return word;
}

bool Contains(const std::vector<std::string>& words, std::string_view word) {
  return std::any_of(words.begin(), words.end(), [word](const std::string& w) { return EqualsIgnoringCase(w, word); });
}

}  // namespace

void ClientDialogue::OnGreeting(const ServerReply& reply, ClientActions* out) {
  if (reply.code_class() != 2) {
    Failure failure{.stage = ClientStage::kHelo,
                    .blames_host = true,
                    .reply = &reply,
                    .text = "host " + server_.Name() + " refused to talk to me: " + reply.OneLine()};
    if (reply.code_class() == 5 && settings_.skip_5xx_greeting) failure.status = "4" + reply.status.substr(1);
    SettleAll(failure, out);
    SendQuit(out);
    return;
  }
  // A Cisco PIX masks the greeting with asterisks, and EHLO, too.
  const bool pix = settings_.pix_disable_esmtp && reply.text.find_first_not_of("20 *\t\n") == std::string::npos;
  std::string_view words = reply.text;
  TakeToken(&words, "- \t\n");
  for (std::string_view word = TakeToken(&words, " \t\n"); !word.empty(); word = TakeToken(&words, " \t\n")) {
    if (EqualsIgnoringCase(word, "ESMTP")) features_.esmtp = true;
  }
  if (settings_.always_send_ehlo) features_.esmtp = true;
  if (settings_.never_send_ehlo || pix) features_.esmtp = false;
  SendHello(out);
}

void ClientDialogue::SendHello(ClientActions* out) {
  state_ = State::kHello;
  if (settings_.lmtp) {
    features_.esmtp = true;
    SendLine("LHLO " + settings_.helo_name, out);
    Await(Awaited::kLhlo);
  } else {
    SendLine((features_.esmtp ? "EHLO " : "HELO ") + settings_.helo_name, out);
    Await(features_.esmtp ? Awaited::kEhlo : Awaited::kHelo);
  }
}

void ClientDialogue::OnHello(Awaited kind, const ServerReply& reply, const ClientMoment& moment, ClientActions* out) {
  if (reply.code_class() != 2) {
    if (kind == Awaited::kEhlo && reply.code != 421) {  // RFC 5321 section 3.2
      features_.esmtp = false;
      SendHello(out);
      return;
    }
    SettleAll({.stage = ClientStage::kHelo,
               .blames_host = true,
               .reply = &reply,
               .text = "host " + server_.Name() + " refused to talk to me: " + reply.OneLine()},
              out);
    SendQuit(out);
    return;
  }
  if (kind != Awaited::kHelo && !ReadFeatures(reply, out)) return;
  AfterHello(moment, out);
}

// False: the server is ourselves.
bool ClientDialogue::ReadFeatures(const ServerReply& reply, ClientActions* out) {
  std::string_view lines = reply.text;
  bool first = true;
  while (!lines.empty()) {
    std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(line.size() + 1, lines.size()));
    TakeToken(&line, "- ");
    line.remove_prefix(std::min<size_t>(1, line.size()));
    // Microsoft implemented AUTH from an old draft: "AUTH=LOGIN".
    const std::string_view keyword = TakeToken(&line, " \t=");
    if (keyword.empty()) continue;
    if (!std::exchange(first, false)) {
      ReadFeature(keyword, line, out);
    } else if (server_.detect_loop && EqualsIgnoringCase(keyword, settings_.my_hostname)) {
      Note(true, "host " + server_.Relay() + " replied to HELO/EHLO with my own hostname " + settings_.my_hostname,
           out);
      SettleAll(
          {.stage = ClientStage::kHelo,
           .blames_host = true,
           .status = server_.best_mx ? "5.4.6" : "4.4.6",
           .text = "mail for " + (transaction_ ? transaction_->job.nexthop : server_.host) + " loops back to myself"},
          out);
      SendQuit(out);
      return false;
    }
  }
  // Postfix: a server that takes UTF-8 takes eight bits.
  if (features_.smtputf8 && !features_.eight_bit_mime) {
    Note(false, "host " + server_.Name() + " offers SMTPUTF8 support, but not 8BITMIME", out);
    features_.eight_bit_mime = true;
  }
  return true;
}

void ClientDialogue::ReadFeature(std::string_view keyword, std::string_view parameters, ClientActions* out) {
  if (Contains(settings_.discard_ehlo_keywords, keyword)) return;
  if (EqualsIgnoringCase(keyword, "8BITMIME")) {
    features_.eight_bit_mime = true;
  } else if (EqualsIgnoringCase(keyword, "PIPELINING")) {
    features_.pipelining = true;
  } else if (EqualsIgnoringCase(keyword, "DSN")) {
    features_.dsn = true;
  } else if (EqualsIgnoringCase(keyword, "SMTPUTF8")) {
    features_.smtputf8 = true;
  } else if (EqualsIgnoringCase(keyword, "STARTTLS")) {
    features_.starttls = true;
  } else if (EqualsIgnoringCase(keyword, "SIZE")) {
    features_.size = true;
    const std::string_view limit = TakeToken(&parameters, " \t");
    if (limit.empty()) return;
    uint64_t bytes = 0;
    const auto parsed = std::from_chars(limit.data(), limit.data() + limit.size(), bytes);
    if (parsed.ptr != limit.data() + limit.size()) {
      Note(true, "bad EHLO SIZE limit \"" + std::string(limit) + "\" from " + server_.Relay(), out);
    } else if (parsed.ec == std::errc()) {  // one that no number holds is no limit
      features_.size_limit_bytes = bytes;
    }
  } else if (EqualsIgnoringCase(keyword, "AUTH") && settings_.sasl.enabled) {
    std::vector<std::string> offered;
    parameters.remove_prefix(std::min<size_t>(1, parameters.size()));
    const std::string_view all = parameters;
    for (std::string_view word = TakeToken(&parameters, " \t"); !word.empty(); word = TakeToken(&parameters, " \t")) {
      offered.emplace_back(word);
    }
    std::vector<std::string> kept = FilterMechanisms(offered, settings_.sasl.mechanism_filter);
    if (kept.empty() && !features_.auth) {
      Note(true,
           offered.empty() ? server_.Relay() + " offered null AUTH mechanism list"
                           : server_.Relay() + " offered no supported AUTH mechanisms: '" + std::string(all) + "'",
           out);
    }
    features_.auth = true;
    for (std::string& name : kept) {
      if (!Contains(features_.mechanisms, name)) features_.mechanisms.push_back(std::move(name));
    }
  }
}

// ---- TLS ----------------------------------------------------------------------------------------------------------

void ClientDialogue::AfterHello(const ClientMoment& moment, ClientActions* out) {
  if (!tls_ && settings_.tls != TlsUse::kNone && features_.starttls) {
    state_ = State::kStartTls;
    SendLine("STARTTLS", out);
    Await(Awaited::kStartTls);
    return;
  }
  // Never in plaintext where TLS is required.
  if (!tls_ && settings_.tls != TlsUse::kNone && settings_.tls != TlsUse::kMay) {
    SettleAll({.stage = ClientStage::kTls,
               .blames_host = true,
               .status = "4.7.4",
               .text = "TLS is required, but was not offered by host " + server_.Name()},
              out);
    SendQuit(out);
    return;
  }
  BeginAuth(moment, out);
}

void ClientDialogue::OnStartTls(const ServerReply& reply, const ClientMoment& moment, ClientActions* out) {
  if (reply.code_class() == 2) {
    state_ = State::kTlsHandshake;
    out->push_back(BeginTls{settings_.tls_server_name});
    return;
  }
  features_.starttls = false;
  if (settings_.tls != TlsUse::kMay) {
    SettleAll({.stage = ClientStage::kTls,
               .blames_host = true,
               .reply = &reply,
               .text = "TLS is required, but host " + server_.Name() + " refused to start TLS: " + reply.OneLine()},
              out);
    SendQuit(out);
    return;
  }
  BeginAuth(moment, out);
}

void ClientDialogue::OnTlsReady(const TlsVerdict& verdict, const ClientMoment& moment, ClientActions* out) {
  if (state_ != State::kTlsHandshake) return;
  tls_ = true;
  certificate_matched_ = verdict.matched;
  if (!verdict.acceptable) {
    SettleAll({.stage = ClientStage::kTls,
               .blames_host = true,
               .status = verdict.status.empty() ? "4.7.5" : verdict.status,
               .text = verdict.text.empty() ? "Server certificate not verified" : verdict.text},
              out);
    SendQuit(out);
    return;
  }
  // RFC 3207 section 4.2: what was said before counts for nothing.
  features_ = {};
  if (settings_.tls_wrappermode) {
    state_ = State::kGreeting;
    Await(Awaited::kGreeting);
  } else {
    features_.esmtp = true;
    SendHello(out);
  }
  Arm(moment.now);
}

// ---- AUTH ---------------------------------------------------------------------------------------------------------

void ClientDialogue::FailAuth(std::string status, const ServerReply* reply, std::string text, ClientActions* out) {
  SettleAll({.stage = ClientStage::kAuth,
             .blames_host = true,
             .reply = reply,
             .status = std::move(status),
             .text = "SASL authentication failed" + std::move(text)},
            out);
  SendQuit(out);
}

void ClientDialogue::BeginAuth(const ClientMoment& moment, ClientActions* out) {
  if (!features_.auth || !HasCredentials()) {
    BecomeReady(moment.now, out);
    return;
  }
  if (features_.mechanisms.empty()) {
    FailAuth("4.7.0", nullptr,
             ": server " + server_.Name() +
                 " offered no compatible authentication mechanisms for this type of connection security",
             out);
    return;
  }
  const SaslSettings& sasl = settings_.sasl;
  const uint8_t security = !tls_                  ? sasl.security
                           : certificate_matched_ ? sasl.tls_verified_security
                                                  : sasl.tls_security;
  const std::string mechanism = ChooseClientMechanism(features_.mechanisms, security);
  if (!mechanism.empty()) {
    sasl_ = auth::MakeClientExchange(mechanism, {.user = sasl.user,
                                                 .password = sasl.password,
                                                 .service = settings_.lmtp ? "lmtp" : "smtp",
                                                 .host_name = server_.host});
  }
  if (sasl_ == nullptr) {
    FailAuth("4.7.0", nullptr, "; cannot authenticate to server " + server_.Name() + ": no mechanism available", out);
    return;
  }
  state_ = State::kAuth;
  std::string command = "AUTH " + mechanism;
  bool secret = false;
  if (auto initial = sasl_->Initial(*moment.entropy)) {
    // RFC 4954 section 4: an empty response is "=".
    std::string encoded = initial->empty() ? "=" : EncodeBase64(*initial);
    if (command.size() + 1 + encoded.size() + 2 <= kCommandLineBytesMax) {
      command += " " + encoded;
      secret = true;
    } else {
      sasl_initial_ = std::move(encoded);
    }
  }
  SendLine(command, out, secret);
  Await(Awaited::kAuth);
  Arm(moment.now);
}

void ClientDialogue::OnAuth(const ServerReply& reply, const ClientMoment& moment, ClientActions* out) {
  if (reply.code_class() == 3) {
    if (++sasl_steps_ > kSaslStepsMax) {
      FailAuth("4.3.0", nullptr, "; authentication protocol loop with server " + server_.Name(), out);
      return;
    }
    std::string_view challenge = reply.text;
    TakeToken(&challenge, "- \t\n");
    challenge.remove_prefix(std::min(challenge.find_first_not_of(" \t\n-"), challenge.size()));
    if (sasl_initial_) {
      if (!challenge.empty()) {
        FailAuth("4.7.0", nullptr,
                 "; non-empty initial " + std::string(sasl_->mechanism()) + " challenge from server " + server_.Name(),
                 out);
        return;
      }
      SendLine(*std::exchange(sasl_initial_, std::nullopt), out, true);
      Await(Awaited::kAuth);
      return;
    }
    const auto decoded = DecodeBase64(challenge);
    if (!decoded) {
      FailAuth("4.7.0", nullptr, "; cannot authenticate to server " + server_.Name() + ": malformed challenge", out);
      return;
    }
    const auto response = sasl_->Respond(*decoded, *moment.entropy);
    if (!response.ok()) {
      FailAuth("4.7.0", nullptr,
               "; cannot authenticate to server " + server_.Name() + ": " + std::string(Message(response.status())),
               out);
      return;
    }
    SendLine(EncodeBase64(*response), out, true);
    Await(Awaited::kAuth);
    return;
  }
  if (reply.code_class() != 2) {
    std::string status = reply.status;
    if (reply.code_class() == 5 && settings_.sasl.soft_bounce) status.front() = '4';
    FailAuth(std::move(status), &reply, "; server " + server_.Name() + " said: " + reply.OneLine(), out);
    return;
  }
  // RFC 5802 section 3: who cannot sign does not know the password, and is somebody else.
  if (!sasl_->complete()) {
    FailAuth("4.7.0", nullptr, "; server " + server_.Name() + " did not prove that it knows the password", out);
    return;
  }
  sasl_.reset();
  BecomeReady(moment.now, out);
}

void ClientDialogue::BecomeReady(Instant now, ClientActions* out) {
  state_ = State::kReady;
  Arm(now);
  if (transaction_ && transaction_->open > 0) {
    BeginTransaction(now, out);
    return;
  }
  transaction_.reset();
  out->push_back(ReadyForJob{});
}

}  // namespace postern::outbound
