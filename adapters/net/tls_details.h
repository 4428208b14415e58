// How the keys of a TLS 1.3 connection were agreed on, in Postfix's words.
#pragma once

#include <openssl/ssl.h>

#include <string>

namespace postern::net {

// "key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256". Empty before TLS 1.3; without the
// signature where the session was resumed. Of a handshake that is done; either side.
std::string TlsDetails(SSL* ssl);

}  // namespace postern::net
