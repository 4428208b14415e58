// The client exchanges that have a file of their own. See sasl_client.h.
#pragma once

#include <memory>

#include "core/auth/sasl_client.h"
#include "core/base/hash.h"

namespace postern::auth {

std::unique_ptr<ClientExchange> MakeScramClient(HashKind kind, ClientCredentials credentials);
std::unique_ptr<ClientExchange> MakeDigestMd5Client(ClientCredentials credentials);

}  // namespace postern::auth
