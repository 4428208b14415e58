// Certificates with their keys, made for tests only: one for the host "vm" signed by itself, and one for
// mail.example.test that an authority signed.
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

inline constexpr char kSignedCertificate[] =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBkjCCATigAwIBAgIUVwftLgsN5CXhsALWN1+o5Nv+0sMwCgYIKoZIzj0EAwIw\n"
    "EjEQMA4GA1UEAwwHVGVzdCBDQTAgFw0yNjExMjQwOTM1NDJaGA8yMTI2MTAzMTA5\n"
    "MzU0MlowHDEaMBgGA1UEAwwRbWFpbC5leGFtcGxlLnRlc3QwWTATBgcqhkjOPQIB\n"
    "BggqhkjOPQMBBwNCAAR7/RmtXs+eq3QHinPb+KFY60nEpU/aBD83/1z/Aud2EoW1\n"
    "hk1CCpHojqrFDyTq7jyJFCrYuEP9Nnc4IASfsP/5o2AwXjAcBgNVHREEFTATghFt\n"
    "YWlsLmV4YW1wbGUudGVzdDAdBgNVHQ4EFgQUAabZwlX1tbTLm4QIycqSkSu7W38w\n"
    "HwYDVR0jBBgwFoAURrIj4ToaW9K/bzI9hnVfgokrcEkwCgYIKoZIzj0EAwIDSAAw\n"
    "RQIgf4f5hbvKLjQ6dnKIxEUGPS//Fw08JwsJ0lGSnFkigEkCIQDsc90p8intPpZp\n"
    "+vClP7sryYWwsdLygP5mSIO/nAAAMg==\n"
    "-----END CERTIFICATE-----\n";

inline constexpr char kSignedKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgF3aJd6mKxvNtF3fR\n"
    "iDroBfT3OYGVX8ZMxQACaLdHBpahRANCAAR7/RmtXs+eq3QHinPb+KFY60nEpU/a\n"
    "BD83/1z/Aud2EoW1hk1CCpHojqrFDyTq7jyJFCrYuEP9Nnc4IASfsP/5\n"
    "-----END PRIVATE KEY-----\n";

}  // namespace postern::config
