// A self-signed certificate for the host "vm" with its key, made for tests only.
#pragma once

namespace postern::config {

inline constexpr char kTestCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBbjCCARWgAwIBAgIUawpzv/fNIVxIeAoHfe233YMrKFgwCgYIKoZIzj0EAwIw\n"
    "DTELMAkGA1UEAwwCdm0wHhcNMjYxMTI0MDcwMjAxWhcNMzYxMTIxMDcwMjAxWjAN\n"
    "MQswCQYDVQQDDAJ2bTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEW42sR9lVOS\n"
    "Pi3lVVMbyKIhJOEkm9ZQFe0s6OJi6LhIBqHQ0y0BCvPolfnQrD0EhdTJ2wny4zqO\n"
    "3YfHMaCXuBijUzBRMB0GA1UdDgQWBBQ6SVfCSi/SndKsozANeI0TYXpnODAfBgNV\n"
    "HSMEGDAWgBQ6SVfCSi/SndKsozANeI0TYXpnODAPBgNVHRMBAf8EBTADAQH/MAoG\n"
    "CCqGSM49BAMCA0cAMEQCICg435MkQ+uGtf40xKqIRWHs1im2hIRXAcivhqHobu4Z\n"
    "AiAD7+a8kJErSPnawPs8+Rl7LNh4ZB9W/NEYgNcI5I2LOA==\n"
    "-----END CERTIFICATE-----\n";

inline constexpr char kTestKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTceMFjdWrgPX106z\n"
    "8daHjNYl9R8t78r9wV3NCeNmQOGhRANCAARFuNrEfZVTkj4t5VVTG8iiISThJJvW\n"
    "UBXtLOjiYui4SAah0NMtAQrz6JX50Kw9BIXUydsJ8uM6jt2HxzGgl7gY\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace postern::config
