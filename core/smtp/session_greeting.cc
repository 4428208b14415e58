// The greeting, HELO and EHLO, STARTTLS, ETRN.
#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/boundary/planted.h"
#include "core/smtp/session.h"

namespace postern::smtp {

bool SmtpSession::client_is_trusted() const {
  return service_->mynetworks.MatchesClient(peer_.remote.address,
                                            client_name_ ? std::string_view(client_name_->name) : "");
}

void SmtpSession::OnClientName(const ClientName& name, Context& context) {
  client_name_ = name;
  if (service_->peername_lookup && name.name.empty() && !name.reverse.empty()) {
    Log(context,
        "warning: hostname " + EscapeForLog(name.reverse, 255) + " does not resolve to address " +
            peer_.remote.address.ToString(),
        Severity::kWarning);
  }
  Log(context, "connect from " + ClientForLog(), Severity::kInfo, {{"event.action", "smtp.connect"}});
  if (tls_.active()) OnTlsReady(tls_, context);
  if (service_->client_connection_count_limit != 0 && !client_is_trusted()) {
    entered_ = directory_.Enter("smtp", "", peer_.remote.address, service_->client_connection_count_limit);
    if (!entered_) {
      Log(context,
          "warning: Connection concurrency limit exceeded: " +
              std::to_string(service_->client_connection_count_limit + 1) + " from " + ClientForLog() +
              " for service " + service_->service_name,
          Severity::kWarning);
      SendReply({421, "4.7.0",
                 config_->routing.myhostname + " Error: too many connections from " + peer_.remote.address.ToString()},
                context);
      return End(Ending::kOther, context);
    }
  }
  Greet(context);
}

void SmtpSession::Greet(Context& context) {
  state_ = Commands{};
  last_activity_ = context.now.mono;
  connect_refusal_ = Judge(MakeFacts(Phase::kConnect), context);
  if (!connect_refusal_) return SendReply({220, "", service_->banner}, context);
  SendReply(*connect_refusal_, context);
  ++error_count_;
  if (connect_refusal_->closes()) End(Ending::kOther, context);
}

bool SmtpSession::Offers(std::string_view keyword) const {
  const auto& discarded = service_->discard_ehlo_keywords;
  return std::find(discarded.begin(), discarded.end(), keyword) == discarded.end();
}

void SmtpSession::HandleHello(const Command& command, bool extended, Context& context) {
  if (command.arguments.empty())
    return Answer({501, "", extended ? "Syntax: EHLO hostname" : "Syntax: HELO hostname"}, context);
  // RFC 5321 section 4.1.4: it clears all state, as RSET does.
  ResetTransaction(context);
  std::string name(command.arguments);
  for (char& c : name) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  const std::string before = std::exchange(helo_, std::move(name));
  helo_verb_ = is_lmtp() ? "LHLO" : extended ? "EHLO" : "HELO";
  if (const auto refusal = Judge(MakeFacts(Phase::kHelo), context)) {
    helo_ = before;
    return Answer(*refusal, context);
  }
  esmtp_ = extended;
  login_is_undecided_ = false;
  mechanisms_.clear();
  if (!extended) return Answer({250, "", config_->routing.myhostname}, context);
  if (AnnouncesAuth()) {
    auto offer = verifier_->AskOffer(SecurityOptions(), MachineOf(conn_));
    if (!offer) {
      state_ = AwaitingOffer{};
      return;
    }
    TakeOffer(*std::move(offer));
  }
  AnswerHello(context);
}

void SmtpSession::AnswerHello(Context& context) {
  Answer({250, "", config_->routing.myhostname + Extensions()}, context);
}

// RFC 5321 section 4.1.1.1, in Postfix's order: some clients look no further than they know it.
std::string SmtpSession::Extensions() const {
  std::string text;
  const auto add = [&](std::string_view keyword, std::string_view line) {
    if (Offers(keyword)) text += "\n" + std::string(line);
  };
  add("pipelining", "PIPELINING");
  add("size", service_->message_size_limit != 0 ? "SIZE " + std::to_string(service_->message_size_limit) : "SIZE");
  if (!service_->disable_vrfy) add("vrfy", "VRFY");
  add("etrn", "ETRN");
  const bool tls_here = config_->listeners[static_cast<size_t>(peer_.listener)].tls != nullptr;
  if (service_->tls_level != config::TlsLevel::kNone && tls_here && !tls_.active()) add("starttls", "STARTTLS");
  if (!mechanisms_.empty()) {
    std::string mechanisms;
    for (const std::string& mechanism : mechanisms_) mechanisms += (mechanisms.empty() ? "" : " ") + mechanism;
    add("auth", "AUTH " + mechanisms);
    if (service_->broken_sasl_auth_clients) add("auth", "AUTH=" + mechanisms);
  }
  add("enhancedstatuscodes", "ENHANCEDSTATUSCODES");
  add("8bitmime", "8BITMIME");
  add("dsn", "DSN");
  if (service_->smtputf8) add("smtputf8", "SMTPUTF8");
  add("chunking", "CHUNKING");
  return text;
}

// smtpd_tls_security_level = encrypt: before TLS only what leads there (RFC 3207 section 4).
bool SmtpSession::RefusedForLackOfTls(const Command& command) const {
  if (service_->tls_level != config::TlsLevel::kEncrypt || tls_.active()) return false;
  switch (command.verb) {
    case Verb::kHelo:
    case Verb::kEhlo:
    case Verb::kStartTls:
    case Verb::kNoop:
    case Verb::kQuit:
    case Verb::kUnknown:
      return false;
    case Verb::kAuth:
    case Verb::kMail:
    case Verb::kRcpt:
    case Verb::kData:
    case Verb::kRset:
    case Verb::kVrfy:
    case Verb::kEtrn:
      return true;
    case Verb::kBdat:
      return false;  // refused there: its bytes are to be read
  }
  return true;
}

void SmtpSession::HandleStartTls(const Command& command, Context& context) {
  if (!command.arguments.empty()) return Answer(Syntax("STARTTLS"), context);
  if (tls_.active()) return Answer({554, "5.5.1", "Error: TLS already active"}, context);
  if (service_->tls_level == config::TlsLevel::kNone || !Offers("starttls")) {
    return Answer({502, "5.5.1", "Error: command not implemented"}, context);
  }
  if (config_->listeners[static_cast<size_t>(peer_.listener)].tls == nullptr) {
    return Answer({454, "4.7.0", "TLS not available due to local problem"}, context);
  }
  ResetTransaction(context);
  ++counts_[static_cast<size_t>(verb_)].all;
  SendReply({220, "2.0.0", "Ready to start TLS"}, context);
  context.out.Put(StartTls{conn_});
  state_ = StartingTls{};
  if (!PLANTED("bytes_after_starttls_kept")) input_.clear();
}

void SmtpSession::OnTlsReady(const TlsFacts& facts, Context& context) {
  tls_ = facts;
  if (std::holds_alternative<StartingTls>(state_)) {
    ++counts_[static_cast<size_t>(Verb::kStartTls)].ok;
    // RFC 3207 section 4.2: all that was known is forgotten.
    helo_.clear();
    esmtp_ = false;
    sasl_user_.clear();
    sasl_method_.clear();
    ResetTransaction(context);
    state_ = Commands{};
    last_activity_ = context.now.mono;
  }
  Log(context,
      "Anonymous TLS connection established from " + ClientForLog() + ": " + facts.protocol + " with cipher " +
          facts.cipher + " (" + std::to_string(facts.secret_bits) + "/" + std::to_string(facts.algorithm_bits) +
          " bits)" + (facts.details.empty() ? "" : " " + facts.details),
      Severity::kInfo, {{"event.action", "tls.done"}, {"tls.version", facts.protocol}, {"tls.cipher", facts.cipher}});
}

void SmtpSession::HandleEtrn(const Command& command, Context& context) {
  if (service_->helo_required && helo_.empty()) return Answer({503, "", "Error: send HELO/EHLO first"}, context);
  if (transaction_) return Answer({503, "", "Error: MAIL transaction in progress"}, context);
  std::string_view rest = command.arguments;
  std::string_view domain = TakeWord(&rest);
  if (domain.empty() || !rest.empty()) return Answer({500, "", "Syntax: ETRN domain"}, context);
  if (domain.front() == '@' || domain.front() == '#') domain.remove_prefix(1);  // RFC 1985 section 5.3
  if (!routing::IsHostName(domain) && !routing::IsAddressLiteral(domain)) {
    return Answer({501, "", "Error: invalid parameter syntax"}, context);
  }
  Facts facts = MakeFacts(Phase::kEtrn);
  facts.etrn_domain = domain;
  if (const auto refusal = Judge(facts, context)) return Answer(*refusal, context);
  // parent_domain_matches_subdomains names fast_flush_domains by default.
  if (!config_->routing.fast_flush_domains.MatchesName(domain, true)) {
    Log(context, "warning: reject: ETRN " + EscapeForLog(domain, 100) + "... from " + ClientForLog(),
        Severity::kWarning);
    return Answer({459, "", "<" + std::string(domain) + ">: service unavailable"}, context);
  }
  directory_.FlushSite(LowerCase(domain), context);
  Answer({250, "", "Queuing started"}, context);
}

}  // namespace postern::smtp
