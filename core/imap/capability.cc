// CAPABILITY: what works, in Dovecot's order. A name stands here only once everything behind it does.
#include "core/imap/session.h"

namespace postern::imap {
namespace {

// IDLE before login is no use, and yet old phones look for it there.
constexpr std::string_view kBeforeLogin = "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+";
constexpr std::string_view kAfterLogin =
    "IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS "
    "THREAD=ORDEREDSUBJECT MULTIAPPEND UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE QRESYNC "
    "ESEARCH ESORT SEARCHRES WITHIN LIST-STATUS BINARY MOVE STATUS=SIZE LITERAL+ SPECIAL-USE";

}  // namespace

std::string ImapSession::CapabilityText() const {
  const std::string& configured = config_->imap.capability;
  if (account_ != nullptr) {
    if (configured.empty()) return std::string(kAfterLogin);
    if (configured[0] != '+') return configured;
    std::string text(kAfterLogin);
    const size_t from = configured.find_first_not_of(" +");
    if (from != std::string::npos) text += " " + configured.substr(from);
    return text;
  }
  std::string text(kBeforeLogin);
  if (StartTlsAvailable()) text += " STARTTLS";
  const bool plaintext = PlaintextAllowed();
  if (!plaintext) text += " LOGINDISABLED";
  if (config_->imap.ssl_required && !tls_.active()) return text;
  for (const std::string_view mechanism : auth::OfferedMechanisms(config_->auth, plaintext)) {
    text += " AUTH=";
    text += mechanism;
  }
  return text;
}

void ImapSession::HandleCapability(Context& context) {
  Write("* CAPABILITY " + CapabilityText() + "\r\n", context);
  Finish({.text = "Capability completed."}, context);
}

}  // namespace postern::imap
