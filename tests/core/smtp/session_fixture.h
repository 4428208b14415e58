// One SMTP session without a world: a configuration in memory, a directory that knows nobody, a disk that is a map, and a
// driver that answers what the session asks.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/auth/sasl.h"
#include "core/config/load.h"
#include "core/config/memory_files.h"
#include "core/smtp/session.h"
#include "tests/core/config/test_certificate.h"

namespace postern::smtp {

// ---- the host that the real Postfix was asked with -----------------------------------------------------------------------

inline constexpr char kMainCf[] = R"(compatibility_level = 2
myhostname = mail.example.test
mydomain = example.test
myorigin = $mydomain
mynetworks = 127.0.0.99/32
relay_domains = relay.test
relay_recipient_maps = hash:/etc/postfix/relayrcpt
smtpd_banner = $myhostname ESMTP unknown
inet_protocols = ipv4
inet_interfaces = 127.0.0.1
mydestination = localhost.example.test
local_recipient_maps = hash:/etc/postfix/localrcpt
alias_maps =
smtpd_tls_cert_file = /etc/ssl/certs/ssl-cert-snakeoil.pem
smtpd_tls_key_file = /etc/ssl/private/ssl-cert-snakeoil.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_helo_required = yes
smtpd_recipient_restrictions = permit_mynetworks,permit_sasl_authenticated,reject_unauth_destination
smtpd_recipient_limit = 100
disable_vrfy_command = no
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
virtual_mailbox_domains = example.test
virtual_mailbox_base = /home/vmail
virtual_mailbox_maps = hash:/etc/postfix/vmailbox
virtual_alias_maps = hash:/etc/postfix/virtual
virtual_alias_domains = alias.test
virtual_uid_maps = static:15000
virtual_gid_maps = static:15000
recipient_delimiter = +
smtpd_peername_lookup = no
smtpd_sender_login_maps = hash:/etc/postfix/logins
smtpd_forbid_unauth_pipelining = no
smtpd_hard_error_limit = 200
smtpd_soft_error_limit = 100
)";
inline constexpr char kMasterCf[] = R"(
127.0.0.1:12025 inet n - n - - smtpd
127.0.0.1:12026 inet n - n - - smtpd
  -o strict_rfc821_envelopes=yes -o disable_vrfy_command=yes
127.0.0.1:12027 inet n - n - - smtpd
  -o mynetworks=127.0.0.0/8
127.0.0.1:12028 inet n - n - - smtpd
  -o smtpd_helo_restrictions=reject_invalid_helo_hostname,reject_non_fqdn_helo_hostname
  -o smtpd_sender_restrictions=reject_non_fqdn_sender,reject_unlisted_sender
  -o smtpd_recipient_restrictions=reject_non_fqdn_recipient,reject_unauth_destination
127.0.0.1:12029 inet n - n - - smtpd
  -o smtpd_delay_reject=no
  -o smtpd_client_restrictions=check_client_access,hash:/etc/postfix/caccess
  -o smtpd_helo_restrictions=reject_invalid_helo_hostname,reject_non_fqdn_helo_hostname,check_helo_access,hash:/etc/postfix/haccess
  -o smtpd_sender_restrictions=check_sender_access,hash:/etc/postfix/saccess,reject_non_fqdn_sender,reject_unlisted_sender
  -o smtpd_recipient_restrictions=check_recipient_access,hash:/etc/postfix/raccess,reject_non_fqdn_recipient,defer_unauth_destination
  -o smtpd_data_restrictions=reject_unauth_pipelining,reject_multi_recipient_bounce
127.0.0.1:12030 inet n - n - - smtpd
  -o smtpd_relay_restrictions=
  -o smtpd_recipient_restrictions=permit_mynetworks,reject_unauth_destination,warn_if_reject,reject_non_fqdn_helo_hostname,check_sender_access,hash:/etc/postfix/saccess,reject_plaintext_session
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_tls_auth_only=no
127.0.0.1:12031 inet n - n - - smtpd
  -o smtpd_soft_error_limit=2 -o smtpd_hard_error_limit=4 -o smtpd_junk_command_limit=3
127.0.0.1:12032 inet n - n - - smtpd
  -o smtpd_forbid_unauth_pipelining=yes -o smtpd_forbid_bare_newline=reject -o smtpd_peername_lookup=yes
127.0.0.1:12033 inet n - n - - smtpd
  -o message_size_limit=2000 -o hopcount_limit=2
127.0.0.1:12587 inet n - n - - smtpd
  -o smtpd_tls_security_level=encrypt
  -o smtpd_recipient_restrictions=reject_sender_login_mismatch,permit_sasl_authenticated,reject
127.0.0.1:12465 inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes
)";
inline constexpr char kSenderAccess[] = R"(reject@s.test REJECT
rejecttext@s.test REJECT no thanks
enh@s.test REJECT 5.7.9 enhanced text
code@s.test 554 5.7.2 coded text
code2@s.test 450 plain code text
defer@s.test DEFER
defertext@s.test DEFER try later please
dip@s.test DEFER_IF_PERMIT dip text
dir@s.test DEFER_IF_REJECT dir text
disc@s.test DISCARD because
hold@s.test HOLD held because
warn@s.test WARN warned text
redirect@s.test REDIRECT u2@example.test
filter@s.test FILTER smtp:[127.0.0.1]:1
prepend@s.test PREPEND X-Prepended: yes
ok@s.test OK
num@s.test 12345
dunno@s.test DUNNO
info@s.test INFO info text
bcc@s.test BCC u2@example.test
local@ REJECT localpart
dom.test REJECT domain
.sub.test REJECT subdomain
par.test REJECT parent
cls@s.test permit_mynetworks,reject_non_fqdn_helo_hostname
421@s.test 421 go away
521@s.test 521 go away hard
)";

inline config::MemoryFiles PeerHost() {
  config::MemoryFiles files;
  files.Add("/etc/postfix/main.cf", std::string(kMainCf));
  files.Add("/etc/postfix/master.cf", std::string(kMasterCf));
  files.Add("/etc/postfix/vmailbox", std::string("u1@example.test u1/Maildir/\nu2@example.test u2/Maildir/\n"));
  files.Add("/etc/postfix/virtual",
            std::string("alias.test anything\nlist@alias.test u1@example.test, u2@example.test, far@far.example\n"
                        "loop@alias.test loop2@alias.test\nloop2@alias.test loop@alias.test\n"
                        "u2@example.test u2@example.test\ngone@alias.test nobody@example.test\n"
                        "both@alias.test u1@example.test, u2@example.test, u1@example.test\n"));
  files.Add("/etc/postfix/relayrcpt", std::string("known@relay.test x\n"));
  files.Add("/etc/postfix/localrcpt", std::string("root x\n"));
  files.Add("/etc/postfix/logins", std::string("u1@example.test u1@example.test\nu2@example.test u2@example.test\n"));
  files.Add("/etc/postfix/saccess", std::string(kSenderAccess));
  files.Add("/etc/postfix/raccess", std::string("u1@example.test DUNNO\nacc@far.example OK\nfar2.example REJECT\nu2 REJECT bare\n421@far.example 421 4.7.0 bye\n"));
  files.Add("/etc/postfix/caccess", std::string("127.0.0.5 REJECT\n127.0.0.6 421 client go\n127.0.0.7 DEFER\n127.0.0.8 521 client go\n127.0.1 REJECT net\n"));
  files.Add("/etc/postfix/haccess", std::string("badhelo.test REJECT\nsub.badhelo2.test REJECT x\n"));
  files.Add("/etc/dovecot/dovecot.conf", std::string(R"(protocols =
ssl = no
auth_mechanisms = plain login digest-md5 cram-md5
mail_location = maildir:/home/vmail/%n/Maildir
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u /etc/dovecot/users
}
userdb {
  driver = static
  args = uid=15000 gid=15000 home=/home/vmail/%n
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
  }
}
)"));
  files.Add("/etc/dovecot/users", std::string("u1@example.test:{PLAIN}secret-pw-1\nu2@example.test:{PLAIN}secret-pw-2\n"));
  files.Add("/etc/ssl/certs/ssl-cert-snakeoil.pem", std::string(config::kTestCertificate));
  files.Add("/etc/ssl/private/ssl-cert-snakeoil.key", std::string(config::kTestKey));
  files.Add("/etc/passwd", std::string("root:x:0:0:root:/root:/bin/sh\n"));
  files.users = {{"root", 0}, {"vmail", 15000}, {"postfix", 102}};
  files.groups = {{"root", 0}, {"vmail", 15000}, {"postfix", 105}};
  files.interfaces = {*IpAddress::Parse("127.0.0.1")};
  files.host_name = "mail.example.test";
  return files;
}

// What the loader objects to, for the message of a failed test; empty: nothing.
inline std::shared_ptr<const config::Config> PeerConfig(std::string* errors) {
  config::MemoryFiles files = PeerHost();
  config::Loaded loaded = config::Load(files, {.public_checks = false});
  for (const config::Finding& finding : loaded.findings) {
    if (finding.severity == config::FindingSeverity::kError) *errors += finding.id + " " + finding.file + ": " + finding.what + "\n";
  }
  return loaded.config;
}

// ---- a disk ----------------------------------------------------------------------------------------------------------------

class MapDisk {
 public:
  // Decides about one operation before it is done; OK: go on.
  using Judge = std::function<Status(const FileOp&)>;
  Judge judge;
  std::map<Path, std::string> files;
  std::set<Path> folders;
  std::vector<std::string> log;  // Describe() of every plan

  PlanResult Run(const FilePlan& plan);

 private:
  Status Do(const FileOp& op);
};

// ---- a directory -----------------------------------------------------------------------------------------------------------

class FakeDirectory final : public mailbox::Directory {
 public:
  StatusOr<mailbox::Account*> Open(std::string_view, MachineId, std::string_view, Context&) override { return NotFound("none"); }
  void Release(std::string_view, MachineId, Context&) override {}
  ShardId OwnerOf(std::string_view) const override { return {}; }
  ShardId self() const override { return {}; }
  void AnnounceArrival(std::string_view, const Path& mailbox_dir, Context&) override { arrivals.push_back(mailbox_dir); }
  bool Enter(std::string_view, std::string_view, const IpAddress&, uint32_t limit) override {
    if (limit != 0 && entered >= limit) return false;
    ++entered;
    return true;
  }
  void Leave(std::string_view, std::string_view, const IpAddress&) override { --entered; }
  const mailbox::NodeFacts& node() const override { return node_; }
  uint32_t LogPid(ConnId) const override { return 7; }
  std::string NextQueueId(Context&) override {
    char text[16];
    std::snprintf(text, sizeof text, "%012X", 0xABC000u + ++ids);
    return text;
  }

  std::vector<Path> arrivals;
  uint32_t entered = 0, ids = 0;

 private:
  mailbox::NodeFacts node_{.host_name = "mail.example.test", .pid = 42, .start_counter = 3};
};

// ---- a driver --------------------------------------------------------------------------------------------------------------

class Harness {
 public:
  // `port` names the service in kMasterCf.
  Harness(std::shared_ptr<const config::Config> config, uint16_t port, std::string_view client = "127.0.0.1", bool answer_name = true);

  void Send(std::string_view bytes);
  void Line(std::string_view line) { Send(std::string(line) + "\r\n"); }
  // What the client has received since the last call.
  std::string Replies() { return std::exchange(replies_, {}); }
  std::string Ask(std::string_view line) {
    Line(line);
    return Replies();
  }
  void Give(const Event& event);
  void BeginTls();
  void Advance(Duration time);  // timers that come due fire

  MapDisk disk;
  bool hold_plans = false;                // plans wait for RunPlans()
  void RunPlans();
  size_t plans_waiting() const { return waiting_.size(); }
  ClientName client_name{};               // what the lookup answers
  bool hold_answers = false;
  void GiveAnswers();

  SmtpSession& session() { return *session_; }
  FakeDirectory& directory() { return directory_; }
  bool closed() const { return closed_; }
  bool paused() const { return paused_; }
  bool tls_wanted() const { return tls_wanted_; }
  const std::vector<LogEvent>& log() const { return log_; }
  std::string LogText() const;
  bool Logged(std::string_view part) const { return LogText().find(part) != std::string::npos; }
  const std::vector<postern::Redact>& redactions() const { return redactions_; }
  void ForgetRedactions() { redactions_.clear(); }
  Instant now() const { return now_.mono; }

 private:
  void Perform();
  Context MakeContext() { return {.now = now_, .entropy = entropy_, .config = *config_, .out = effects_}; }

  std::shared_ptr<const config::Config> config_;
  Entropy entropy_;
  FakeDirectory directory_;
  Effects effects_;
  Now now_;
  std::unique_ptr<SmtpSession> session_;
  std::string replies_;
  bool closed_ = false, paused_ = false, tls_wanted_ = false;
  std::vector<LogEvent> log_;
  std::vector<postern::Redact> redactions_;
  std::deque<Commit> waiting_;
  std::deque<postern::Ask> asks_;
  std::map<uint64_t, Instant> timers_;
  std::deque<std::string> unread_;  // sent while paused
};

// ---- inline definitions ----------------------------------------------------------------------------------------------------

inline PlanResult MapDisk::Run(const FilePlan& plan) {
  log.push_back(Describe(plan));
  PlanResult result;
  for (uint32_t stage = 0; stage < plan.stages.size() && result.ok(); ++stage) {
    for (uint32_t op = 0; op < plan.stages[stage].size(); ++op) {
      Status status = judge ? judge(plan.stages[stage][op]) : OkStatus();
      if (status.ok()) status = Do(plan.stages[stage][op]);
      if (!status.ok()) result.failures.push_back({.stage = stage, .op = op, .status = status});
    }
  }
  return result;
}

inline Status MapDisk::Do(const FileOp& op) {
  if (const auto* create = std::get_if<Create>(&op)) {
    if (files.contains(create->path)) return AlreadyExists(create->path);
    files[create->path] = create->bytes.Flatten();
  } else if (const auto* append = std::get_if<Append>(&op)) {
    std::string& file = files[append->path];
    if (file.size() != append->at_bytes) return FailedPrecondition(append->path);
    file += append->bytes.Flatten();
  } else if (const auto* rename = std::get_if<Rename>(&op)) {
    const auto from = files.find(rename->from);
    if (from == files.end()) return NotFound(rename->from);
    if (files.contains(rename->to) && !rename->replace) return AlreadyExists(rename->to);
    files[rename->to] = from->second;
    files.erase(rename->from);
  } else if (const auto* unlink = std::get_if<Unlink>(&op)) {
    files.erase(unlink->path);
  } else if (const auto* make = std::get_if<MakeDir>(&op)) {
    folders.insert(make->path);
  } else if (const auto* sync = std::get_if<SyncFile>(&op)) {
    if (!files.contains(sync->path)) return NotFound(sync->path);
  }
  return OkStatus();
}

inline Harness::Harness(std::shared_ptr<const config::Config> config, uint16_t port, std::string_view client, bool answer_name)
    : hold_answers(!answer_name), config_(std::move(config)), entropy_({}) {
  now_.wall.us = 1795499622'123456;
  now_.mono.ns = 1'000'000'000;
  Accepted accepted{.conn = ConnId{5}};
  accepted.peer.remote = {*IpAddress::Parse(client), 40000};
  accepted.peer.local = {*IpAddress::Parse("127.0.0.1"), port};
  for (size_t i = 0; i < config_->listeners.size(); ++i) {
    if (config_->listeners[i].endpoint.port == port) accepted.peer.listener = static_cast<ListenerId>(i);
  }
  if (config_->listeners[static_cast<size_t>(accepted.peer.listener)].implicit_tls) {
    accepted.tls = {.protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256};
  }
  Context context = MakeContext();
  session_ = std::make_unique<SmtpSession>(accepted.conn, accepted, config_, directory_, context);
  Perform();
}

inline void Harness::Give(const Event& event) {
  Context context = MakeContext();
  session_->Step(event, context);
  Perform();
}

inline void Harness::Send(std::string_view bytes) {
  if (closed_) return;
  if (paused_) {
    unread_.emplace_back(bytes);
    return;
  }
  Give(Received{.conn = ConnId{5}, .bytes = bytes});
}

inline void Harness::BeginTls() {
  tls_wanted_ = false;
  Give(TlsReady{.conn = ConnId{5}, .facts = {.protocol = "TLSv1.3", .cipher = "TLS_AES_256_GCM_SHA384", .secret_bits = 256, .algorithm_bits = 256}});
}

inline void Harness::Advance(Duration time) {
  const Instant end = now_.mono + time;
  for (;;) {
    auto due = timers_.end();
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->second <= end && (due == timers_.end() || it->second < due->second)) due = it;
    }
    if (due == timers_.end()) break;
    const uint64_t tag = due->first;
    now_.wall.us += (due->second.ns - now_.mono.ns) / 1000;
    now_.mono = std::max(now_.mono, due->second);
    timers_.erase(due);
    Give(TimerFired{.op = {MachineOf(ConnId{5}), tag}});
  }
  now_.wall.us += (end.ns - now_.mono.ns) / 1000;
  now_.mono = end;
}

inline void Harness::RunPlans() {
  while (!waiting_.empty()) {
    const Commit commit = std::move(waiting_.front());
    waiting_.pop_front();
    Give(PlanDone{.op = commit.op, .result = disk.Run(commit.plan)});
  }
}

inline void Harness::GiveAnswers() {
  while (!asks_.empty()) {
    const postern::Ask ask = std::move(asks_.front());
    asks_.pop_front();
    postern::Answer answer{.op = ask.op};
    if (const auto* verify = std::get_if<VerifyPassword>(&ask.question)) {
      const auto matches = auth::VerifyStoredPassword(verify->stored.Reveal(), verify->password.Reveal(), verify->user);
      answer.reply = PasswordChecked{.matches = matches.ok() && *matches, .status = matches.status()};
    } else {
      answer.reply = client_name;
    }
    Give(answer);
  }
}

inline void Harness::Perform() {
  for (Effect& effect : effects_.Take()) {
    if (const auto* send = std::get_if<postern::Send>(&effect)) replies_ += send->bytes.Flatten();
    if (std::holds_alternative<Close>(effect)) closed_ = true;
    if (std::holds_alternative<StartTls>(effect)) tls_wanted_ = true;
    if (std::holds_alternative<PauseReading>(effect)) paused_ = true;
    if (std::holds_alternative<ResumeReading>(effect)) paused_ = false;
    if (const auto* timer = std::get_if<SetTimer>(&effect)) timers_[timer->op.tag] = timer->at;
    if (const auto* timer = std::get_if<CancelTimer>(&effect)) timers_.erase(timer->op.tag);
    if (auto* commit = std::get_if<Commit>(&effect)) waiting_.push_back(std::move(*commit));
    if (auto* ask = std::get_if<postern::Ask>(&effect)) asks_.push_back(std::move(*ask));
    if (auto* note = std::get_if<postern::Note>(&effect)) log_.push_back(std::move(note->event));
    if (const auto* redact = std::get_if<postern::Redact>(&effect)) redactions_.push_back(*redact);
  }
  if (!hold_answers && !asks_.empty() && session_) GiveAnswers();
  if (!hold_plans && !waiting_.empty()) RunPlans();
  while (!paused_ && !closed_ && !unread_.empty()) {
    const std::string bytes = std::move(unread_.front());
    unread_.pop_front();
    Give(Received{.conn = ConnId{5}, .bytes = bytes});
  }
}

inline std::string Harness::LogText() const {
  std::string text;
  for (const LogEvent& event : log_) text += event.tag + ": " + event.text + "\n";
  return text;
}

}  // namespace postern::smtp
