#include "core/auth/exchange_base.h"
namespace postern::auth {
std::unique_ptr<Exchange> MakeDigestMd5(const config::Auth&, const ClientFacts&) { return nullptr; }
}  // namespace postern::auth
