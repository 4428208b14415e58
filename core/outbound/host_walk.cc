#include "core/outbound/host_walk.h"

namespace postern::outbound {

HostWalk::HostWalk(NetworkHop hop, std::shared_ptr<const config::Config> config)
    : hop_(std::move(hop)),
      config_(std::move(config)),
      client_(hop_.lmtp ? config_->lmtp_client : config_->smtp_client) {
  BeginSite();
}

void HostWalk::BeginSite() {
  state_ = State::kLookup;
  list_ = {};
  address_ = 0;
  sessions_ = 0;
  choice_.emplace(hop_.sites[site_], hop_.lmtp, config_);
}

void HostWalk::Answer(const DnsQuestion& question, DnsReply reply) {
  if (state_ == State::kLookup) choice_->Answer(question, std::move(reply));
}

HostWalk::Step HostWalk::Next(Entropy& entropy) {
  // Each turn leaves a site behind, or the loop.
  for (;;) {
    if (state_ == State::kLookup) {
      if (!choice_->done()) return Ask{choice_->TakeQuestions()};
      OnLookup(choice_->Conclude(entropy));
    }
    if (state_ == State::kTrying) return MakeTry();
    if (state_ == State::kEnd) return MakeEnd();
    if (address_ < list_.addresses.size()) {
      state_ = State::kTrying;
    } else if (IsLastSite()) {
      state_ = State::kEnd;
    } else {
      ++site_;
      BeginSite();
    }
  }
}

void HostWalk::OnLookup(HostResult result) {
  state_ = State::kReady;
  status_.clear();
  text_.clear();
  loops_ = false;
  if (auto* failure = std::get_if<HostFailure>(&result)) {
    if (!failure->warning.empty()) warnings_.push_back(std::move(failure->warning));
    loops_ = failure->loops();
    final_site_ = final_site_ || failure->found_self || loops_;
    status_ = std::move(failure->status);
    text_ = std::move(failure->text);
  } else {
    list_ = std::get<HostList>(std::move(result));
    final_site_ = final_site_ || list_.found_self;
  }
}

void HostWalk::Settle(std::string status, std::string text) {
  if (state_ != State::kTrying) return;
  state_ = State::kReady;
  plaintext_ = false;
  ++address_;
  status_ = std::move(status);
  text_ = std::move(text);
}

void HostWalk::OnSession(std::string status, std::string text) {
  if (state_ != State::kTrying) return;
  Settle(std::move(status), std::move(text));
  if (++sessions_ == client_.mx_session_limit) address_ = list_.addresses.size();
}

void HostWalk::RetryInPlaintext() {
  if (state_ == State::kTrying) plaintext_ = true;
}

HostWalk::Try HostWalk::MakeTry() const {
  const HostAddress& address = list_.addresses[address_];
  Try attempt{.address = address, .site = hop_.sites[site_], .plaintext = plaintext_};
  attempt.facts = {.best_preference = list_.best_preference,
                   .by_mx = list_.by_mx,
                   .mx_secure = list_.mx_secure,
                   .mx_name = list_.mx_name,
                   .mx_canonical_name = list_.mx_canonical_name,
                   .found_self = list_.found_self};
  attempt.best_mx = address.preference == list_.best_preference;
  const bool last_address = address_ + 1 == list_.addresses.size();
  attempt.final_before_transaction = IsLastSite() && last_address;
  attempt.final_in_transaction = IsLastSite() && (last_address || sessions_ + 1 == client_.mx_session_limit);
  return attempt;
}

HostWalk::End HostWalk::MakeEnd() {
  if (status_.empty()) return {.status = "4.3.0", .text = "server unavailable or unable to receive mail"};
  if (status_.starts_with('4')) return {.status = status_, .text = text_};
  if (site_ >= hop_.fallback_begin) {
    warnings_.push_back(std::string(hop_.lmtp ? "lmtp" : "smtp") + "_fallback_relay configuration problem");
    return {.status = "4.3.5", .text = text_};
  }
  if (hop_.is_relayhost) {
    warnings_.push_back("relayhost configuration problem");
    return {.status = "4.3.5", .text = text_};
  }
  if (!hop_.lmtp && loops_ && !client_.best_mx_transport.empty()) return {.transport = client_.best_mx_transport};
  return {.status = status_, .text = text_};
}

}  // namespace postern::outbound
