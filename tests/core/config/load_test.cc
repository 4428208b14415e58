// Load() by example: typed values of the reference configuration and of small hosts that turn one screw at a time.
#include "core/config/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "tests/core/config/reference_host.h"

namespace postern::config {
namespace {

const Listener* Find(const Config& config, std::string_view name) {
  for (const Listener& listener : config.listeners) {
    if (listener.name == name) return &listener;
  }
  return nullptr;
}

std::vector<std::string> Ids(const Loaded& loaded, FindingSeverity at_least) {
  std::vector<std::string> ids;
  for (const Finding& finding : loaded.findings) {
    if (finding.severity >= at_least) ids.push_back(finding.id);
  }
  return ids;
}

bool Has(const Loaded& loaded, std::string_view id) {
  return std::any_of(loaded.findings.begin(), loaded.findings.end(), [id](const Finding& f) { return f.id == id; });
}

// working/ with lines added: to main.cf, to dovecot.conf.
Loaded LoadWorking(const std::string& main_lines, const std::string& dovecot_lines = "", MemoryFiles* with = nullptr) {
  MemoryFiles files = with == nullptr ? ReferenceHost("working") : *with;
  files.Add("/etc/postfix/main.cf", *files.Read("/etc/postfix/main.cf") + main_lines);
  files.Add("/etc/dovecot/dovecot.conf", *files.Read("/etc/dovecot/dovecot.conf") + dovecot_lines);
  return Load(files, {});
}

TEST(Load, WorkingListeners) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {.port_offset = 10000});
  ASSERT_NE(loaded.config, nullptr);
  std::vector<std::string> all;
  for (const Listener& listener : loaded.config->listeners) {
    if (listener.is_unix()) continue;
    all.push_back(listener.name + " " + listener.endpoint.address.ToString() + ":" +
                  std::to_string(listener.endpoint.port) +
                  (listener.implicit_tls ? " implicit"
                   : listener.tls        ? " starttls"
                                         : " clear"));
  }
  EXPECT_EQ(all, (std::vector<std::string>{"smtp 0.0.0.0:10025 starttls", "submission 0.0.0.0:10587 starttls",
                                           "smtps 0.0.0.0:10465 implicit", "imaps 0.0.0.0:10993 implicit",
                                           "pop3s 0.0.0.0:10995 implicit"}));
}

TEST(Load, WorkingServicesHaveTheirOwnOverrides) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const SmtpService& smtp = *Find(*loaded.config, "smtp")->smtp;
  const SmtpService& submission = *Find(*loaded.config, "submission")->smtp;
  EXPECT_EQ(smtp.banner, "mail.example.test ESMTP unknown");
  EXPECT_FALSE(smtp.sasl_auth_enable);
  EXPECT_EQ(smtp.tls_level, TlsLevel::kMay);
  EXPECT_TRUE(smtp.tls_auth_only);
  EXPECT_TRUE(smtp.helo_required);
  EXPECT_TRUE(smtp.disable_vrfy);
  EXPECT_EQ(smtp.recipient_limit, 100u);
  EXPECT_EQ(smtp.message_size_limit, 52428800u);
  EXPECT_FALSE(smtp.relay_before_recipient_restrictions) << "compatibility_level 2";
  ASSERT_EQ(smtp.relay_restrictions.size(), 3u);
  EXPECT_EQ(smtp.relay_restrictions[2].name, "defer_unauth_destination");
  EXPECT_TRUE(submission.sasl_auth_enable);
  EXPECT_EQ(submission.tls_level, TlsLevel::kEncrypt);
  ASSERT_EQ(submission.recipient_restrictions.size(), 3u);
  EXPECT_EQ(submission.recipient_restrictions[0].name, "reject_sender_login_mismatch");
  EXPECT_EQ(submission.sender_login_maps.Find("ALICE@example.test").value_or(""), "alice@example.test");
  EXPECT_TRUE(Find(*loaded.config, "smtps")->smtp->tls_wrappermode);
}

TEST(Load, WorkingRoutingAndStorage) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const Routing& routing = loaded.config->routing;
  EXPECT_EQ(routing.myorigin, "example.test");
  EXPECT_TRUE(routing.virtual_mailbox_domains.MatchesName("EXAMPLE.test"));
  EXPECT_FALSE(routing.virtual_mailbox_domains.MatchesName("sub.example.test"));
  EXPECT_FALSE(routing.mydestination.MatchesName("localhost"));
  EXPECT_EQ(routing.virtual_mailbox_maps.Find("bob@example.test").value_or(""), "example.test/bob/Maildir/");
  EXPECT_EQ(routing.virtual_uid_maps.Find("x").value_or(""), "15000");
  EXPECT_EQ(loaded.config->queue.maximal_queue_lifetime.ns, Seconds(5 * 86400).ns);
  EXPECT_FALSE(routing.append_dot_mydomain);
  EXPECT_EQ(routing.own_addresses.size(), 2u);
  EXPECT_EQ(loaded.config->storage.mail_location, "maildir:/home/vmail/%d/%n/Maildir");
  ASSERT_EQ(loaded.config->storage.namespaces.size(), 1u);
  EXPECT_TRUE(loaded.config->storage.namespaces[0].inbox);
  EXPECT_EQ(loaded.config->smtp_client.tls_level, ClientTlsLevel::kMay);
}

TEST(Load, WorkingUsers) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const Auth& auth = loaded.config->auth;
  EXPECT_EQ(auth.mechanisms, (std::vector<std::string>{"PLAIN", "LOGIN"}));
  ASSERT_EQ(auth.passdbs.size(), 1u);
  EXPECT_EQ(auth.passdbs[0].default_scheme, "CRYPT");
  ASSERT_NE(auth.passdbs[0].users, nullptr);
  const UserRecord* alice = auth.passdbs[0].users->Find("alice@example.test");
  ASSERT_NE(alice, nullptr);
  EXPECT_EQ(alice->password.Reveal().substr(0, 14), "{SHA512-CRYPT}");
  EXPECT_NE(auth.passdbs[0].users->Sample(), nullptr);
  EXPECT_EQ(auth.passdbs[0].users->Find("Alice@example.test"), nullptr);
  ASSERT_EQ(auth.userdbs.size(), 1u);
  EXPECT_EQ(auth.userdbs[0].uid, "15000");
  EXPECT_EQ(auth.userdbs[0].home, "/home/vmail/%d/%n");
  EXPECT_FALSE(auth.decoy_key.empty());
}

TEST(Load, WorkingRemembersWhatItRead) {
  MemoryFiles files = ReferenceHost("working");
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const auto& read = loaded.config->files_read;
  for (const std::string path : {"/etc/postfix/main.cf", "/etc/postfix/vmailbox", "/etc/dovecot/conf.d/10-mail.conf",
                                 "/etc/dovecot/users", "/etc/ssl/private/ssl-cert-snakeoil.key"}) {
    EXPECT_EQ(std::count(read.begin(), read.end(), path), 1) << path;
  }
}

TEST(Load, TheRecordingsConfiguration) {
  MemoryFiles files = BareHost();
  AddFolder(SharedFolder() + "/recordings/config/postfix", "/etc/postfix", &files);
  AddFolder(SharedFolder() + "/recordings/config/dovecot", "/etc/dovecot", &files);
  files.Add("/etc/postfix/aliases", "postmaster: root\n");
  files.Add("/etc/ssl/mail/chain.pem", kTestCertificate);
  files.Add("/etc/ssl/mail/key.pem", kTestKey);
  const Loaded loaded = Load(files, {});
  EXPECT_EQ(Ids(loaded, FindingSeverity::kError), std::vector<std::string>{});
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(loaded.config->listeners.size(), 7u + 2u);  // with the sockets of auth and lmtp
  EXPECT_EQ(loaded.config->listeners[0].endpoint.address.ToString(), "127.0.0.1");
  EXPECT_EQ(loaded.config->routing.relayhost, "[127.0.0.1]:11024");
  EXPECT_EQ(loaded.config->log.maillog_file, "/var/log/mail.log");
  ASSERT_EQ(loaded.config->storage.namespaces[0].mailboxes.size(), 5u);
  EXPECT_EQ(loaded.config->storage.namespaces[0].mailboxes[4].name, "Sent Messages");
  EXPECT_EQ(loaded.config->storage.namespaces[0].mailboxes[0].special_use, std::vector<std::string>{"\\Drafts"});
}

TEST(Load, ConditionalDefaultsFollowTheLevel) {
  const auto level = [](const std::string& value) {
    MemoryFiles files = ReferenceHost("working");
    std::string main = *files.Read("/etc/postfix/main.cf");
    main.replace(main.find("compatibility_level = 2"), 23, "compatibility_level = " + value);
    files.Add("/etc/postfix/main.cf", main);
    return Load(files, {});
  };
  const Loaded old = level("0"), present = level("3.6");
  ASSERT_NE(old.config, nullptr);
  EXPECT_TRUE(old.config->routing.append_dot_mydomain);
  EXPECT_FALSE(Find(*old.config, "smtp")->smtp->smtputf8);
  EXPECT_TRUE(Find(*old.config, "smtp")->smtp->relay_restrictions.empty());
  ASSERT_NE(present.config, nullptr);
  EXPECT_FALSE(present.config->routing.append_dot_mydomain);
  EXPECT_TRUE(Find(*present.config, "smtp")->smtp->relay_before_recipient_restrictions);
}

TEST(Load, MynetworksDefaultsToTheHostItself) {
  MemoryFiles files = ReferenceHost("working");
  std::string main = *files.Read("/etc/postfix/main.cf");
  main.erase(main.find("mynetworks = 127.0.0.0/8\n"), 25);
  files.Add("/etc/postfix/main.cf", main);
  const Loaded loaded = Load(files, {});
  ASSERT_NE(loaded.config, nullptr);
  const MatchList& networks = Find(*loaded.config, "smtp")->smtp->mynetworks;
  EXPECT_TRUE(networks.MatchesClient(*IpAddress::Parse("127.9.9.9"), ""));
  EXPECT_TRUE(networks.MatchesClient(*IpAddress::Parse("192.0.2.10"), ""));
  EXPECT_FALSE(networks.MatchesClient(*IpAddress::Parse("192.0.2.11"), ""));
}

TEST(Load, MatchListsNegateReadFilesAndAskTables) {
  MemoryFiles files = ReferenceHost("working");
  files.Add("/etc/postfix/nets", "# ours\n198.51.100.0/24\n .partner.test [2001:db8::]/32\n");
  files.Add("/etc/postfix/trusted", "203.0.113.5 ok\nhost.test ok\n");
  const Loaded loaded = LoadWorking(
      "mynetworks = !198.51.100.7, /etc/postfix/nets, hash:/etc/postfix/trusted, friend.test\n", "", &files);
  ASSERT_NE(loaded.config, nullptr);
  const MatchList& networks = Find(*loaded.config, "smtp")->smtp->mynetworks;
  const auto trusts = [&](std::string_view address, std::string_view name) {
    return networks.MatchesClient(*IpAddress::Parse(address), name);
  };
  EXPECT_FALSE(trusts("198.51.100.7", ""));
  EXPECT_TRUE(trusts("198.51.100.8", ""));
  EXPECT_TRUE(trusts("2001:db8::1", ""));
  EXPECT_TRUE(trusts("203.0.113.5", ""));
  EXPECT_TRUE(trusts("203.0.113.6", "HOST.test"));
  EXPECT_TRUE(trusts("203.0.113.6", "a.partner.test"));
  EXPECT_FALSE(trusts("203.0.113.6", "partner.test"));
  EXPECT_TRUE(trusts("203.0.113.6", "friend.test"));
  EXPECT_FALSE(trusts("203.0.113.6", ""));
}

TEST(Load, RestrictionsWithTablesClassesAndWarnings) {
  MemoryFiles files = ReferenceHost("working");
  files.Add("/etc/postfix/access", "bad.test REJECT\n");
  const Loaded loaded = LoadWorking(
      "smtpd_restriction_classes = strict\nstrict = reject_non_fqdn_sender, reject\n"
      "smtpd_sender_restrictions = check_sender_access hash:/etc/postfix/access, warn_if_reject "
      "check_client_access static:OK, strict, hash:/etc/postfix/access\n",
      "", &files);
  ASSERT_NE(loaded.config, nullptr);
  const Restrictions& rules = Find(*loaded.config, "smtp")->smtp->sender_restrictions;
  ASSERT_EQ(rules.size(), 4u);
  EXPECT_EQ(rules[0].name, "check_sender_access");
  EXPECT_EQ(rules[0].table->Find("bad.test").value_or(""), "REJECT");
  EXPECT_EQ(rules[1].name, "check_client_access");
  EXPECT_EQ(rules[1].argument, "static:OK");
  EXPECT_TRUE(rules[1].warn_only);
  EXPECT_EQ(rules[2].name, "strict");
  ASSERT_EQ(rules[2].restriction_class.size(), 2u);
  EXPECT_EQ(rules[2].restriction_class[1].name, "reject");
  EXPECT_EQ(rules[3].name, "check_sender_access") << "a table alone";
}

TEST(Load, WhatProtectsAndCannotBeDoneStopsTheStart) {
  for (const std::string line :
       {"smtpd_milters = inet:localhost:8891\n", "content_filter = smtp-amavis:[127.0.0.1]:10024\n",
        "header_checks = regexp:/etc/postfix/header_checks\n", "smtpd_tls_req_ccert = yes\n",
        "smtpd_client_message_rate_limit = 10\n", "smtp_tls_per_site = hash:/etc/postfix/policy\n",
        "sender_bcc_maps = hash:/etc/postfix/bcc\n", "smtpd_sasl_mechanism_filter = plain\n"}) {
    const Loaded loaded = LoadWorking(line);
    EXPECT_EQ(loaded.config, nullptr) << line;
    EXPECT_TRUE(Has(loaded, "setting-unsupported")) << line;
  }
  EXPECT_TRUE(Has(LoadWorking("smtpd_sender_restrictions = check_policy_service unix:private/policy\n"),
                  "postfix-restriction-unsupported"));
  EXPECT_TRUE(Has(LoadWorking("smtpd_sender_restrictions = reject_nonsense\n"), "postfix-restriction-unknown"));
  EXPECT_TRUE(Has(LoadWorking("smtp_tls_security_level = dnae\n"), "postfix-smtp-tls-level"));
}

TEST(Load, DefaultsOfWhatIsUnsupportedAreNoTrouble) {
  const Loaded loaded = LoadWorking(
      "smtpd_milters =\nsmtpd_client_message_rate_limit = 0\nsoft_bounce = no\n"
      "smtpd_tls_req_ccert = no\nsmtp_sasl_auth_enable = no\n");
  EXPECT_NE(loaded.config, nullptr);
}

TEST(Load, NamesNobodyKnows) {
  const Loaded loaded = LoadWorking(
      "smtpd_helo_requierd = yes\nmua_rules = permit\nsmtpd_helo_restrictions = $mua_rules\n"
      "smtp_destination_recipient_limit = 5\n");
  ASSERT_NE(loaded.config, nullptr);
  std::vector<std::string> mends;
  for (const Finding& finding : loaded.findings) {
    if (finding.id == "postfix-unknown-parameter") mends.push_back(finding.mend);
  }
  EXPECT_EQ(mends, std::vector<std::string>{"did you mean smtpd_helo_required?"});
  EXPECT_TRUE(Has(LoadWorking("postern_nonsense = 1\n"), "postfix-unknown-own-setting"));
  const Loaded dovecot = LoadWorking("", "mail_locatoin = maildir:/x\n");
  EXPECT_EQ(dovecot.config, nullptr);
  EXPECT_TRUE(Has(dovecot, "dovecot-unknown-setting"));
}

TEST(Load, BadValuesAreErrorsOnTheirLine) {
  const Loaded loaded =
      LoadWorking("smtpd_recipient_limit = many\nsmtpd_timeout = 5 minutes\ndisable_vrfy_command = maybe\n");
  EXPECT_EQ(loaded.config, nullptr);
  size_t count = 0;
  for (const Finding& finding : loaded.findings) count += finding.id == "postfix-bad-value" && finding.line > 60;
  EXPECT_EQ(count, 3u);
}

std::vector<std::string> Sockets(const Config& config) {
  std::vector<std::string> all;
  for (const Listener& listener : config.listeners) {
    if (!listener.is_unix()) continue;
    char mode[8];
    std::snprintf(mode, sizeof mode, "%04o", listener.mode);
    all.push_back(listener.name + " " + listener.path + " " + mode + " " + std::to_string(listener.uid) + ":" +
                  std::to_string(listener.gid));
  }
  return all;
}

TEST(Load, DovecotsSocketsForPostfix) {
  const Loaded reference = LoadWorking("", "");
  ASSERT_NE(reference.config, nullptr);
  ASSERT_EQ(Sockets(*reference.config).size(), 1u);
  EXPECT_TRUE(Sockets(*reference.config)[0].starts_with("auth /var/spool/postfix/private/auth 0660 "));

  const Loaded loaded = LoadWorking("",
                                    "protocols = imap lmtp\nbase_dir = /run/dv\n"
                                    "service auth {\n unix_listener auth-userdb {\n mode = 0666\n }\n"
                                    " unix_listener auth-client {\n user = 12\n }\n"
                                    " unix_listener login/login {\n }\n"
                                    " unix_listener off {\n mode = 0\n }\n"
                                    " inet_listener {\n port = 4000\n address = 127.0.0.1\n }\n}\n"
                                    "service auth {\n unix_listener auth-client {\n mode = 0640\n group = 13\n }\n}\n"
                                    "service lmtp {\n unix_listener /var/spool/postfix/private/lmtp {\n }\n}\n");
  ASSERT_NE(loaded.config, nullptr);
  const auto sockets = Sockets(*loaded.config);
  ASSERT_EQ(sockets.size(), 4u);
  EXPECT_EQ(
      std::vector<std::string>(sockets.begin() + 1, sockets.end()),
      (std::vector<std::string>{"auth /run/dv/auth-client 0640 12:13",
                                "lmtp /var/spool/postfix/private/lmtp 0600 -1:-1", "lmtp /run/dv/lmtp 0666 -1:-1"}));
  const auto& own = loaded.config->routing.own_lmtp;
  EXPECT_EQ(own, (std::set<std::string, std::less<>>{"unix:/run/dv/lmtp", "unix:/var/spool/postfix/private/lmtp",
                                                     "unix:private/lmtp"}));
  EXPECT_TRUE(Has(loaded, "auth-socket-without-effect"));
  EXPECT_FALSE(Has(loaded, "auth-socket-inet"));
  const auto inet = std::find_if(loaded.config->listeners.begin(), loaded.config->listeners.end(),
                                 [](const Listener& l) { return l.protocol == Protocol::kAuth && !l.is_unix(); });
  ASSERT_NE(inet, loaded.config->listeners.end());
  EXPECT_EQ(inet->endpoint, (Endpoint{*IpAddress::Parse("127.0.0.1"), 4000}));
}

TEST(Load, WhatIsWrongWithASocket) {
  const auto with = [](const std::string& text) { return LoadWorking("", "service auth {\n " + text + " }\n"); };
  EXPECT_TRUE(Has(with("inet_listener {\n port = 4000\n address = 0.0.0.0\n }\n"), "auth-socket-inet"));
  const Loaded unknown = with("unix_listener x {\n user = nobody-knows-him\n }\n");
  EXPECT_TRUE(Has(unknown, "dovecot-socket-owner"));
  EXPECT_NE(unknown.config, nullptr);
  EXPECT_NE(with("unix_listener /" + std::string(106, 'x') + " {\n }\n").config, nullptr);
  const Loaded too_long = with("unix_listener /" + std::string(107, 'x') + " {\n }\n");
  EXPECT_TRUE(Has(too_long, "dovecot-socket-path"));
  EXPECT_EQ(too_long.config, nullptr);
}

TEST(Load, DovecotServicesAddressesAndProtocols) {
  const Loaded loaded =
      LoadWorking("",
                  "protocols = imap lmtp\nlisten = 127.0.0.1 [::1]\n"
                  "service imap-login {\n inet_listener imap {\n address = 192.0.2.1\n port = 1143\n }\n"
                  " inet_listener extra {\n port = 2143\n ssl = yes\n }\n}\n"
                  "service lmtp {\n inet_listener lmtp {\n port = 24\n address = 127.0.0.1\n }\n}\n");
  ASSERT_NE(loaded.config, nullptr);
  std::vector<std::string> all;
  for (const Listener& listener : loaded.config->listeners) {
    if (listener.protocol == Protocol::kSmtp || listener.is_unix()) continue;
    all.push_back(listener.name + " " + listener.endpoint.address.ToString() + ":" +
                  std::to_string(listener.endpoint.port) + (listener.implicit_tls ? " implicit" : ""));
  }
  EXPECT_EQ(
      all, (std::vector<std::string>{"imap 192.0.2.1:1143", "imaps 127.0.0.1:993 implicit", "imaps ::1:993 implicit",
                                     "extra 127.0.0.1:2143 implicit", "extra ::1:2143 implicit", "lmtp 127.0.0.1:24"}));
  const Listener* lmtp = Find(*loaded.config, "lmtp");
  EXPECT_EQ(lmtp->protocol, Protocol::kLmtp);
  ASSERT_NE(lmtp->smtp, nullptr);
  EXPECT_EQ(lmtp->smtp->message_size_limit, 52428800u);
  for (const char* hop : {"127.0.0.1:24", "inet:127.0.0.1:24", "inet:[localhost]:24"}) {
    EXPECT_TRUE(loaded.config->routing.own_lmtp.contains(hop)) << hop;
  }
  EXPECT_FALSE(loaded.config->routing.own_lmtp.contains("inet:192.0.2.1:24"));
}

TEST(Load, MailboxesOfAnLmtpServer) {
  MemoryFiles files = ReferenceHost("working");
  files.Add("/etc/postfix/master.cf", *files.Read("/etc/postfix/master.cf") + "dovecot unix - - n - - lmtp\n");
  for (const char* transport :
       {"lmtp:unix:private/other", "lmtp:inet:[lmtp.example]:24", "dovecot:unix:private/other"}) {
    const Loaded loaded = LoadWorking(std::string("virtual_transport = ") + transport + "\n", "", &files);
    ASSERT_NE(loaded.config, nullptr) << transport;
    EXPECT_EQ(loaded.config->routing.virtual_transport, transport);
  }
}

TEST(Load, ProtocolSectionsOverrideForTheirProtocol) {
  const Loaded loaded =
      LoadWorking("",
                  "mail_max_userip_connections = 7\nprotocol imap {\n mail_max_userip_connections = 20\n"
                  " imap_idle_notify_interval = 29 mins\n}\n");
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(loaded.config->imap.max_userip_connections, 20u);
  EXPECT_EQ(loaded.config->pop3.max_userip_connections, 7u);
  EXPECT_EQ(loaded.config->imap.idle_notify_interval.ns, Seconds(29 * 60).ns);
}

TEST(Load, TlsVersionsAndCiphers) {
  const Loaded loaded = LoadWorking(
      "smtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, "
      "!TLSv1.1, !TLSv1.2\nsmtpd_tls_ciphers = high\nsmtpd_tls_exclude_ciphers = aNULL, 3DES\n",
      "ssl_min_protocol = TLSv1.3\n");
  ASSERT_NE(loaded.config, nullptr);
  EXPECT_EQ(Find(*loaded.config, "smtp")->tls->min_protocol, "TLSv1.2");
  EXPECT_EQ(Find(*loaded.config, "submission")->tls->min_protocol, "TLSv1.3");
  EXPECT_EQ(Find(*loaded.config, "smtp")->tls->ciphers, "aNULL:-aNULL:HIGH:@STRENGTH:!aNULL:!3DES");
  EXPECT_EQ(Find(*loaded.config, "imaps")->tls->min_protocol, "TLSv1.3");
  EXPECT_EQ(Find(*loaded.config, "smtps")->tls->certificate_pem, kTestCertificate);
}

TEST(Load, MissingFilesAreFindings) {
  MemoryFiles empty;
  const Loaded nothing = Load(empty, {});
  EXPECT_EQ(nothing.config, nullptr);
  EXPECT_TRUE(Has(nothing, "file-unreadable"));
  MemoryFiles files = ReferenceHost("working");
  files.Remove("/etc/ssl/private/ssl-cert-snakeoil.key");
  files.Remove("/etc/dovecot/users");
  files.Remove("/etc/postfix/vmailbox");
  const Loaded loaded = Load(files, {});
  EXPECT_EQ(loaded.config, nullptr);
  EXPECT_TRUE(Has(loaded, "tls-file-unreadable"));
  EXPECT_TRUE(Has(loaded, "dovecot-users-unreadable"));
  EXPECT_TRUE(Has(loaded, "table-unreadable"));
}

TEST(Load, FindingsNeverShowAPassword) {
  MemoryFiles files = ReferenceHost("as-written");
  files.Add("/etc/dovecot/users", "alice:{PLAIN}canary-1\nalice:{PLAIN}canary-2:nobody-there\n");
  const Loaded loaded = Load(files, {});
  for (const Finding& finding : loaded.findings) {
    EXPECT_EQ((finding.what + finding.mend).find("canary"), std::string::npos) << finding.what;
  }
}

}  // namespace
}  // namespace postern::config
