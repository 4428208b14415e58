// The configuration as typed values: what main.cf, master.cf, dovecot.conf, their tables and users files say, once all
// defaults, overrides and expansions are settled. Made by Load() (load.h), immutable afterwards, replaced as a whole
// when a file changes. Names are Postfix's and Dovecot's own where a value is one parameter.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ip.h"
#include "core/base/secret.h"
#include "core/base/time.h"
#include "core/boundary/file_plan.h"
#include "core/config/local_settings.h"
#include "core/config/queue_settings.h"
#include "core/config/smtp_client.h"
#include "core/config/table.h"

namespace postern::config {

// ---- lists ----------------------------------------------------------------------------------------------------------

// A Postfix match list (mynetworks, mydestination, virtual_mailbox_domains ...): patterns in order, the first match
// decides. postconf(5): "!pattern" negates; "type:table" is a membership test; "/file" was inlined by the loader.
struct MatchPattern {
  enum class Kind : uint8_t {
    kName,          // exact domain or host name, lower case
    kParentDomain,  // ".domain": any sub-domain
    kNetwork,       // address/bits
    kTable,         // a key of the table
  };
  Kind kind = Kind::kName;
  bool negated = false;
  std::string text;
  Network network;
  TablePtr table;
};
struct MatchList {
  std::vector<MatchPattern> patterns;
  bool empty() const { return patterns.empty(); }
  // Is this domain or host name in the list? Case does not matter. With `subdomains` "domain" also matches below it
  // (parent_domain_matches_subdomains).
  bool MatchesName(std::string_view name, bool subdomains = false) const;
  // Is this client in the list, by address or by its forward-confirmed host name (empty: unknown)?
  bool MatchesClient(const IpAddress& address, std::string_view host_name) const;
};

// One entry of an smtpd_*_restrictions list, e.g. {"check_client_access", table} or {"reject_unauth_destination"}.
// Deprecated names arrive as their present ones (reject_invalid_hostname: reject_invalid_helo_hostname).
struct Restriction {
  std::string name;
  std::string argument;                        // "zen.spamhaus.org", "hash:/etc/postfix/access" ...; empty: none
  TablePtr table;                              // for check_*_access
  bool warn_only = false;                      // the entry after warn_if_reject
  std::vector<Restriction> restriction_class;  // the body, where `name` is one of smtpd_restriction_classes
};
using Restrictions = std::vector<Restriction>;

// ---- one smtpd service of master.cf, with its -o overrides ----------------------------------------------------------

enum class TlsLevel : uint8_t { kNone, kMay, kEncrypt };

// A Dovecot auth server that is not this program: where smtpd_sasl_path leads then (sasl_socket.h has the rule).
struct SaslSocket {
  std::string name;                 // as main.cf writes it, for the log
  Path path;                        // of a unix socket, absolute; empty: `endpoints`
  std::vector<Endpoint> endpoints;  // of inet:host:port, to be tried in this order
  bool operator==(const SaslSocket&) const = default;
};

struct SmtpService {
  std::string service_name;  // "smtp", "submission", "smtps", as master.cf writes it
  std::string syslog_name;   // "postfix", "postfix/submission"
  std::string banner;        // smtpd_banner, expanded; goes after "220 "
  bool helo_required = false;
  bool disable_vrfy = false;
  bool strict_rfc821_envelopes = false;
  bool smtputf8 = true;
  bool delay_reject = true;               // smtpd_delay_reject
  bool reject_unlisted_recipient = true;  // smtpd_reject_unlisted_recipient
  bool reject_unlisted_sender = false;
  std::vector<std::string> discard_ehlo_keywords;  // lower case
  TlsLevel tls_level = TlsLevel::kNone;
  bool tls_wrappermode = false;
  bool tls_auth_only = false;
  bool sasl_auth_enable = false;
  bool broken_sasl_auth_clients = false;
  bool sasl_authenticated_header = false;          // smtpd_sasl_authenticated_header
  bool tls_received_header = false;                // smtpd_tls_received_header
  std::vector<std::string> sasl_security_options;  // "noanonymous", "noplaintext" ...
  std::vector<std::string> sasl_tls_security_options;
  MatchList sasl_exceptions_networks;
  std::string sasl_service = "smtp";      // smtpd_sasl_service: what the login is for, as the passdb sees it
  std::string sasl_path;                  // smtpd_sasl_path, as written
  std::optional<SaslSocket> sasl_socket;  // who checks logins; nullopt: this program
  uint32_t recipient_limit = 1000;
  uint32_t recipient_overshoot_limit = 1000;
  uint64_t message_size_limit = 10240000;  // bytes; 0: none
  uint32_t header_size_limit = 102400;
  uint32_t line_length_limit = 2048;  // of commands and of body lines (longer body lines are passed on)
  uint32_t hopcount_limit = 50;
  uint32_t soft_error_limit = 10, hard_error_limit = 20, junk_command_limit = 100;
  Duration error_sleep_time = Seconds(1);
  Duration timeout = Seconds(300);  // smtpd_timeout, per command or read
  Duration starttls_timeout = Seconds(300);
  uint32_t client_connection_count_limit = 50;  // per address, not for mynetworks; 0: none
  enum class BareNewline : uint8_t { kNormalize, kReject } forbid_bare_newline = BareNewline::kNormalize;
  bool forbid_unauth_pipelining = true;
  std::vector<std::string> forbidden_commands;  // smtpd_forbidden_commands: CONNECT GET POST
  Restrictions client_restrictions, helo_restrictions, sender_restrictions, relay_restrictions, recipient_restrictions,
      data_restrictions, end_of_data_restrictions, etrn_restrictions;
  bool relay_before_recipient_restrictions = true;  // compatibility_level >= 3.6
  MatchList mynetworks;
  LocalClients local_header_clients;  // local_header_rewrite_clients
  TableList sender_login_maps;
  bool peername_lookup = true;  // smtpd_peername_lookup
  // Reply codes an administrator may change.
  int access_map_reject_code = 554, maps_rbl_reject_code = 554, relay_domains_reject_code = 554,
      invalid_hostname_reject_code = 501, non_fqdn_reject_code = 504, unknown_client_reject_code = 450,
      unknown_hostname_reject_code = 450, unknown_address_reject_code = 450, reject_code = 554, defer_code = 450,
      plaintext_reject_code = 450, unknown_local_recipient_reject_code = 550, unknown_relay_recipient_reject_code = 550,
      unknown_virtual_alias_reject_code = 550, unknown_virtual_mailbox_reject_code = 550,
      multi_recipient_bounce_reject_code = 550, unverified_sender_reject_code = 450,
      unverified_recipient_reject_code = 450;
};

// ---- addresses, classes, delivery (main.cf) -------------------------------------------------------------------------

struct Routing {
  std::string myhostname, mydomain, myorigin;
  std::string mail_name = "Postfix", mail_version;
  MatchList mydestination, relay_domains, virtual_alias_domains, virtual_mailbox_domains;
  std::vector<IpAddress> own_addresses;  // inet_interfaces and proxy_interfaces, for user@[address]
  TableList virtual_alias_maps, virtual_mailbox_maps, alias_maps, local_recipient_maps, relay_recipient_maps,
      canonical_maps, sender_canonical_maps, recipient_canonical_maps, transport_maps;
  MatchList fast_flush_domains;  // whose queued mail ETRN asks for
  LocalDelivery local;
  ExtensionPropagation propagate_extensions;
  HeaderSettings headers;
  SubmissionLimits submission_limits;
  std::string recipient_delimiter;  // set of characters; empty: none
  bool allow_percent_hack = true, swap_bangpath = true, allow_untrusted_routing = false;
  bool append_at_myorigin = true, append_dot_mydomain = false, resolve_dequoted_address = true;
  uint32_t virtual_alias_expansion_limit = 1000, virtual_alias_recursion_limit = 1000,
           virtual_alias_address_length_limit = 1000;
  std::string virtual_transport = "virtual";
  std::string default_transport = "smtp", relay_transport = "relay", local_transport, relayhost;
  TableList sender_dependent_relayhost_maps, sender_dependent_default_transport_maps;
  // What those two are asked for the null reverse-path.
  std::string null_sender_relayhost_key = "<>", null_sender_transport_key = "<>";
  bool transport_maps_match_subdomains = false;  // parent_domain_matches_subdomains names transport_maps
  // Transports of master.cf by name, each with its agent: smtp lmtp error discard virtual local.
  std::map<std::string, std::string, std::less<>> transports;
  // Next hops of an lmtp transport behind which our own LMTP service listens, in every spelling: "unix:private/lmtp".
  std::set<std::string, std::less<>> own_lmtp;
  // virtual(8): where a mailbox is and whose files it has.
  std::string virtual_mailbox_base;
  TableList virtual_uid_maps, virtual_gid_maps;
  int64_t virtual_minimum_uid = 100;
  uint64_t virtual_mailbox_limit = 51200000;
  Path queue_directory = "/var/spool/postfix";
  bool enable_long_queue_ids = false;
  bool enable_original_recipient = true;
};

// ---- Dovecot: authentication ----------------------------------------------------------------------------------------

// The users of one passwd-file, by name after username_format. Immutable; replaced when the file changes.
struct UserRecord {
  Secret password;  // "{SCHEME}data", or plain data in the passdb's default scheme; empty: no password is right
  int64_t uid = -1, gid = -1;
  std::string home;
  std::vector<std::pair<std::string, std::string>> extra_fields;  // userdb_* ones keep their prefix
};
class UserTable {
 public:
  virtual ~UserTable() = default;
  virtual const UserRecord* Find(std::string_view name) const = 0;
  virtual void ForEach(const std::function<void(std::string_view name, const UserRecord&)>& visit) const = 0;
  // A record whose password scheme is the most common here: what an unknown user is compared with, so that the time a
  // login takes does not tell who exists. Null: no record, or not known.
  virtual const UserRecord* Sample() const { return nullptr; }
};
using UserTablePtr = std::shared_ptr<const UserTable>;

// passdb and userdb sections, in order.
struct PassDb {
  std::string driver;           // "passwd-file", "static"
  std::string default_scheme;   // "CRYPT" unless args say scheme=
  std::string username_format;  // "%u"
  UserTablePtr users;
  std::string static_password;  // driver static: args password= or nopassword
  bool static_nopassword = false;
  bool deny = false, master = false, pass = false;
  std::string skip = "never", result_success = "return-ok", result_failure = "continue",
              result_internalfail = "continue";
  std::vector<std::string> mechanisms;  // upper case; empty: all
  std::vector<std::pair<std::string, std::string>> default_fields, override_fields;
};
struct UserDb {
  std::string driver;  // "static", "passwd-file"
  std::string username_format;
  UserTablePtr users;
  std::string uid, gid, home;  // driver static: templates with % variables; uid and gid are numbers here
  bool allow_all_users = false;
  std::vector<std::pair<std::string, std::string>> fields, default_fields, override_fields;
};

struct Auth {
  std::vector<std::string> mechanisms{"PLAIN"};  // upper case, in the order announced
  std::vector<PassDb> passdbs;
  std::vector<UserDb> userdbs;
  std::string username_format = "%Lu";
  std::string username_chars;  // empty: all allowed
  std::string username_translation;
  std::string default_realm;
  std::vector<std::string> realms;
  bool allow_weak_schemes = false;
  Secret decoy_key;  // makes up what unknown users' SCRAM salts are; the same after a restart. Empty: new each time
  Duration failure_delay = Seconds(2);
  bool disable_plaintext_auth = true;
  std::vector<Network> login_trusted_networks;
};

// ---- Dovecot: mail storage and its two protocols --------------------------------------------------------------------

struct SpecialMailbox {  // namespace { mailbox NAME { auto = ... special_use = ... } }
  std::string name;
  enum class Auto : uint8_t { kNo, kCreate, kSubscribe } auto_create = Auto::kNo;
  std::vector<std::string> special_use;  // "\\Sent" ...
};
struct Namespace {
  std::string prefix;    // "" or "INBOX."
  char separator = '.';  // '\0' in the file: the storage's own, '.' for Maildir++
  bool inbox = true, hidden = false, list = true, subscriptions = true;
  std::string location;  // empty: mail_location
  std::vector<SpecialMailbox> mailboxes;
};

enum class MailFsync : uint8_t { kOptimized, kAlways, kNever };

struct Storage {
  std::string mail_location;  // "maildir:/home/vmail/%d/%n/Maildir", variables not expanded
  std::vector<Namespace> namespaces;
  MailFsync fsync = MailFsync::kOptimized;
  int64_t first_valid_uid = 500, last_valid_uid = 0, first_valid_gid = 1;
  int64_t mail_uid = -1, mail_gid = -1;  // used where the userdb gives none
  bool maildir_copy_with_hardlinks = true, maildir_broken_filename_sizes = false, maildir_very_dirty_syncs = false;
  bool mailbox_list_index = true;
  uint32_t mail_max_keyword_length = 50;
  uint32_t mail_max_userip_connections = 10;  // per protocol
  std::string pop3_uidl_format = "%08Xu%08Xv";
};

struct ImapService {
  std::string capability;                   // imap_capability: empty: ours; "+X" adds; else replaces
  std::string greeting = "Dovecot ready.";  // login_greeting
  std::string id_send = "name *";
  Duration idle_notify_interval = Seconds(120);
  uint32_t max_line_length = 65536;
  std::string logout_format =
      "in=%i out=%o deleted=%{deleted} expunged=%{expunged} trashed=%{trashed} hdr_count=%{fetch_hdr_count} "
      "hdr_bytes=%{fetch_hdr_bytes} body_count=%{fetch_body_count} body_bytes=%{fetch_body_bytes}";
  std::vector<std::string> client_workarounds;
  uint32_t max_userip_connections = 10;
  bool ssl_required = false;
};
struct Pop3Service {
  std::string greeting = "Dovecot ready.";
  bool no_flag_updates = false, enable_last = false, reuse_xuidl = false, lock_session = false,
       fast_size_lookups = false;
  // Not empty: messages with this keyword are hidden; with `delete_type_flag`, DELE gives it and deletes nothing.
  std::string deleted_flag;
  bool delete_type_flag = false;
  std::string uidl_duplicates = "allow";
  std::vector<std::string> client_workarounds;
  std::string logout_format = "top=%t/%p, retr=%r/%b, del=%d/%m, size=%s";
  uint32_t max_userip_connections = 10;
  bool ssl_required = false;
};

// ---- TLS (given to the adapter; the core only knows whether it is there) --------------------------------------------

struct TlsContext {
  std::string certificate_pem, key_pem;    // contents, not paths
  std::string certificate_path, key_path;  // for messages and for watching
  std::string min_protocol = "TLSv1.2";
  std::string ciphers;  // OpenSSL list for TLS 1.2; empty: our default
  bool prefer_server_ciphers = false;
  bool session_tickets = true;
  std::string name;  // "smtpd" or "dovecot", for messages
};

// ---- the whole ------------------------------------------------------------------------------------------------------

enum class Protocol : uint8_t { kSmtp, kImap, kPop3, kLmtp, kAuth };  // kAuth: Dovecot's auth client protocol

struct Listener {
  Protocol protocol = Protocol::kSmtp;
  Endpoint endpoint;  // port offset already added
  bool implicit_tls = false;
  std::shared_ptr<const SmtpService> smtp;  // kSmtp
  std::shared_ptr<const TlsContext> tls;    // null: no TLS to be had here
  std::string name;                         // "submission", "imaps"
  // A unix socket (unix_listener) instead: its path with base_dir in front where it was relative; `endpoint` is empty.
  std::string path;
  uint32_t mode = 0600;
  int64_t uid = -1, gid = -1;  // who gets the socket; -1: as the server runs
  bool is_unix() const { return !path.empty(); }
};

struct LogSettings {
  // Where lines go: empty means syslog (/dev/log), "-" standard error, else a file.
  std::string maillog_file;      // Postfix lines (maillog_file)
  std::string dovecot_log_path;  // Dovecot lines (log_path; "syslog" means syslog)
  std::string syslog_facility = "mail";
  uint64_t records_bytes_max = 0;  // of the records that `postern trace` reads; 0: none are kept
};

struct Config {
  uint64_t generation = 0;  // counts re-reads
  std::vector<Listener> listeners;
  Routing routing;
  SmtpClient smtp_client, lmtp_client;
  QueueSettings queue;
  NoticeSettings notices;
  Auth auth;
  Storage storage;
  ImapService imap;
  Pop3Service pop3;
  LogSettings log;
  Path state_directory = "/var/lib/postfix";  // data_directory: start counter, session ticket keys
  // Every file that was read, for watching: main.cf, tables, users, certificates ... as absolute configuration paths.
  std::vector<std::string> files_read;
};

}  // namespace postern::config
