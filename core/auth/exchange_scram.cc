#include "core/auth/exchange_base.h"
namespace postern::auth {
std::unique_ptr<Exchange> MakeScramSha1(const config::Auth&, const ClientFacts&) { return nullptr; }
std::unique_ptr<Exchange> MakeScramSha256(const config::Auth&, const ClientFacts&) { return nullptr; }
}  // namespace postern::auth
