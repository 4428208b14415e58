#include "core/outbound/sasl_passwords.h"

#include "core/base/ascii.h"
#include "core/routing/lookup.h"

namespace postern::outbound {
namespace {

// What the table says for the sender alone.
std::optional<std::string> FindForSender(const SaslPeer& peer, const routing::Mailbox* sender,
                                         const config::Config& config) {
  const config::ClientSasl& sasl = (peer.lmtp ? config.lmtp_client : config.smtp_client).sasl;
  if (!sasl.enabled || peer.lmtp || !sasl.sender_dependent || sender == nullptr) return std::nullopt;
  auto found =
      routing::FindAddress(sasl.password_maps, *sender, {.bare_user = true, .at_domain = true}, config.routing);
  if (!found) return std::nullopt;
  return std::move(found->value);
}

}  // namespace

std::optional<SaslLogin> FindSaslLogin(const SaslPeer& peer, const routing::Mailbox* sender,
                                       const config::Config& config) {
  const config::ClientSasl& sasl = (peer.lmtp ? config.lmtp_client : config.smtp_client).sasl;
  if (!sasl.enabled) return std::nullopt;
  std::optional<std::string> value = FindForSender(peer, sender, config);
  if (!value) value = sasl.password_maps.Find(peer.host);
  if (!value) value = sasl.password_maps.Find(peer.destination);
  if (!value) return std::nullopt;
  const Secret whole(std::move(*value));
  const std::string_view text = whole.Reveal();
  const size_t colon = text.find(':');
  SaslLogin login{.user = std::string(text.substr(0, colon)), .password = Secret()};
  if (colon != std::string_view::npos) login.password = Secret(text.substr(colon + 1));
  return login;
}

std::string LoginScope(const SaslPeer& peer, const routing::Mailbox* sender, const config::Config& config) {
  return FindForSender(peer, sender, config) ? LowerCase(sender->Key()) : "";
}

}  // namespace postern::outbound
