// Which socket is our own, and what `postern check` says about it: one host in its variants.
#include "core/config/sasl_socket.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/config/sound_host.h"

namespace postern::config {
namespace {

constexpr std::string_view kOwnPath = "smtpd_sasl_path = private/auth";

Loaded LoadSound(const std::vector<Edit>& edits, LoadOptions options = {}) {
  MemoryFiles files = SoundHost();
  Apply(edits, &files);
  files.hosts["dovecot.example"] = {*IpAddress::Parse("192.0.2.9"), *IpAddress::Parse("2001:db8::9")};
  files.Add("/run/dovecot/auth-client", "");  // a socket, as far as Stat can tell
  return Load(files, options);
}

// Of the service that offers AUTH; a failure where there is none.
SmtpService Submission(const Loaded& loaded) {
  EXPECT_NE(loaded.config, nullptr);
  if (loaded.config != nullptr) {
    for (const Listener& listener : loaded.config->listeners) {
      if (listener.smtp != nullptr && listener.smtp->sasl_auth_enable) return *listener.smtp;
    }
  }
  ADD_FAILURE() << "no service with AUTH";
  return {};
}

std::optional<SaslSocket> SocketOf(const Loaded& loaded) { return Submission(loaded).sasl_socket; }

bool Has(const Loaded& loaded, std::string_view id) {
  return std::any_of(loaded.findings.begin(), loaded.findings.end(), [id](const Finding& f) { return f.id == id; });
}

TEST(SaslSocket, WhatOurDovecotConfMakesIsOurOwn) {
  const Loaded loaded = LoadSound({});
  EXPECT_EQ(SocketOf(loaded), std::nullopt);
  const auto said = DescribeLogins(*loaded.config);
  ASSERT_FALSE(said.empty());
  EXPECT_NE(said[0].find("are checked here, against the passdbs of dovecot.conf, since smtpd_sasl_path (private/auth)"),
            std::string::npos)
      << said[0];
  for (const char* path :
       {"unix:private/auth", "/var/spool/postfix/private/auth", "unix:/var/spool/postfix//private/auth"}) {
    EXPECT_EQ(SocketOf(LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = " + std::string(path)}})),
              std::nullopt)
        << path;
  }
}

TEST(SaslSocket, AnyOtherIsAForeignOne) {
  const Loaded loaded = LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = /run/dovecot/auth-client"}});
  EXPECT_EQ(SocketOf(loaded), (SaslSocket{.name = "/run/dovecot/auth-client", .path = "/run/dovecot/auth-client"}));
  EXPECT_FALSE(Has(loaded, "auth-socket-missing"));
  const auto said = DescribeLogins(*loaded.config);
  ASSERT_FALSE(said.empty());
  EXPECT_NE(
      said[0].find("are checked by the Dovecot that listens at /run/dovecot/auth-client (smtpd_sasl_path), since no"),
      std::string::npos)
      << said[0];
}

TEST(SaslSocket, OneThatIsNotThereIsAWarning) {
  const Loaded loaded = LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = private/other"}});
  EXPECT_EQ(SocketOf(loaded), (SaslSocket{.name = "private/other", .path = "/var/spool/postfix/private/other"}));
  EXPECT_TRUE(Has(loaded, "auth-socket-missing"));
}

TEST(SaslSocket, ASocketThatIsSwitchedOffIsNotOurs) {
  const Loaded loaded =
      LoadSound({{kDovecot, "unix_listener /var/spool/postfix/private/auth {",
                  "unix_listener /var/spool/postfix/private/auth {\n    mode = 0\n  }\n  unix_listener x {"}});
  EXPECT_NE(SocketOf(loaded), std::nullopt);
}

TEST(SaslSocket, InetOfOurOwnIsOurOwn) {
  const std::string listener = "service auth {\n  inet_listener {\n    address = 127.0.0.1\n    port = 4000\n  }";
  const Edit dovecot{kDovecot, "service auth {", listener};
  const auto with = [&](std::string_view path, uint16_t port_offset = 0) {
    return SocketOf(LoadSound({dovecot, {kMain, std::string(kOwnPath), "smtpd_sasl_path = " + std::string(path)}},
                              {.port_offset = port_offset}));
  };
  EXPECT_EQ(with("inet:127.0.0.1:4000"), std::nullopt);
  EXPECT_EQ(with("inet:127.0.0.1:4000", 10000), std::nullopt);  // both move
  EXPECT_NE(with("inet:127.0.0.2:4000"), std::nullopt);
  EXPECT_NE(with("inet:127.0.0.1:4001"), std::nullopt);
}

TEST(SaslSocket, InetHasEveryAddressOfItsHost) {
  const Loaded loaded = LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = inet:dovecot.example:4000"}});
  const auto socket = SocketOf(loaded);
  ASSERT_NE(socket, std::nullopt);
  EXPECT_EQ(socket->endpoints,
            (std::vector<Endpoint>{{*IpAddress::Parse("192.0.2.9"), 4000}, {*IpAddress::Parse("2001:db8::9"), 4000}}));
  EXPECT_TRUE(socket->path.empty());
  EXPECT_TRUE(Has(loaded, "auth-socket-inet"));
  const auto bracketed = SocketOf(LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = inet:[::1]:4000"}}));
  ASSERT_NE(bracketed, std::nullopt);
  EXPECT_EQ(bracketed->endpoints, (std::vector<Endpoint>{{*IpAddress::Parse("::1"), 4000}}));
}

TEST(SaslSocket, AHostWithoutAddressOrPortStopsTheStart) {
  const auto with = [](std::string_view path) {
    return LoadSound({{kMain, std::string(kOwnPath), "smtpd_sasl_path = " + std::string(path)}});
  };
  EXPECT_TRUE(Has(with("inet:nowhere.example:4000"), "sasl-path-unknown-host"));
  EXPECT_EQ(with("inet:nowhere.example:4000").config, nullptr);
  EXPECT_TRUE(Has(with("inet:127.0.0.1"), "unknown-port"));
}

TEST(SaslSocket, WithoutDovecotConfEverySocketIsForeign) {
  const Loaded loaded = LoadSound({}, {.dovecot_file = std::string(kNoDovecot)});
  EXPECT_EQ(SocketOf(loaded), (SaslSocket{.name = "private/auth", .path = "/var/spool/postfix/private/auth"}));
  for (const Listener& listener : loaded.config->listeners) EXPECT_EQ(listener.protocol, Protocol::kSmtp);
  for (const Finding& finding : loaded.findings) {
    EXPECT_TRUE(finding.id == "auth-socket-missing") << finding.id << ": " << finding.what;
  }
}

TEST(SaslSocket, AServiceMayHaveOneOfItsOwn) {
  const Loaded loaded = LoadSound({{kMaster, "-o smtpd_sasl_auth_enable=yes",
                                    "-o smtpd_sasl_auth_enable=yes -o smtpd_sasl_path=private/of-this-one"}});
  EXPECT_EQ(SocketOf(loaded)->name, "private/of-this-one");
  const auto found = std::find_if(loaded.findings.begin(), loaded.findings.end(),
                                  [](const Finding& f) { return f.id == "auth-socket-missing"; });
  ASSERT_NE(found, loaded.findings.end());
  EXPECT_EQ(found->file, "/etc/postfix/master.cf");
}

}  // namespace
}  // namespace postern::config
