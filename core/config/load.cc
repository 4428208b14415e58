#include "core/config/load.h"

#include <algorithm>

#include "core/base/hash.h"
#include "core/config/check.h"
#include "core/config/host_configuration.h"
#include "core/config/postfix_client.h"
#include "core/config/postfix_names.h"
#include "core/config/postfix_queue.h"
#include "core/config/postfix_routing.h"
#include "core/config/postfix_services.h"
#include "core/config/registry.h"
#include "core/config/sasl_socket.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

// Passes everything on and remembers which files were read.
class ReadLog : public FileSource {
 public:
  explicit ReadLog(FileSource& files) : files_(files) {}

  StatusOr<std::string> Read(std::string_view path) override {
    if (std::find(read_.begin(), read_.end(), path) == read_.end()) read_.emplace_back(path);
    return files_.Read(path);
  }
  std::vector<std::string> Glob(std::string_view pattern) override { return files_.Glob(pattern); }
  StatusOr<Facts> Stat(std::string_view path) override { return files_.Stat(path); }
  int64_t UserId(std::string_view name) override { return files_.UserId(name); }
  int64_t GroupId(std::string_view name) override { return files_.GroupId(name); }
  int64_t PrimaryGroupOf(std::string_view user) override { return files_.PrimaryGroupOf(user); }
  int64_t OwnUserId() override { return files_.OwnUserId(); }
  uint16_t ServicePort(std::string_view name) override { return files_.ServicePort(name); }
  std::vector<IpAddress> InterfaceAddresses() override { return files_.InterfaceAddresses(); }
  std::vector<IpAddress> HostAddresses(std::string_view name) override { return files_.HostAddresses(name); }
  std::string HostName() override { return files_.HostName(); }

  // Missing files, too: they may appear.
  std::vector<std::string> read() const { return read_; }

 private:
  FileSource& files_;
  std::vector<std::string> read_;
};

void ReadAll(HostConfiguration* host) {
  ReadPostfix(host->options.postfix_dir, &host->postfix);
  if (host->has_dovecot()) {
    host->dovecot = ParseDovecot(host->files(), host->options.dovecot_file, &DovecotDefault, &host->findings);
  } else {
    host->dovecot = std::make_unique<DovecotSection>();
  }
  CheckPostfixNames(&host->postfix);
  CheckDovecotNames(*host->dovecot, &host->findings);
}

// LMTP sessions take mail for local mailboxes from neighbours: no relaying, no logins, no access rules.
std::shared_ptr<const SmtpService> LmtpService(HostConfiguration* host, const Listener* like) {
  auto service = std::make_shared<SmtpService>();
  if (like != nullptr && like->smtp != nullptr) {
    service->message_size_limit = like->smtp->message_size_limit;
    service->smtputf8 = like->smtp->smtputf8;
  }
  service->service_name = "lmtp";
  service->syslog_name = "postfix/lmtp";
  service->banner = host->Main().Text("myhostname") + " Dovecot ready.";
  service->client_connection_count_limit = 0;
  service->peername_lookup = false;  // neighbours; on a unix socket there is no address
  service->relay_restrictions = {{.name = "permit_auth_destination"}, {.name = "reject"}};
  return service;
}

// In every spelling that lmtp(8) reads: a path below the queue folder or from the root on, a host with or without
// brackets, "inet:" or nothing in front.
std::set<std::string, std::less<>> OwnLmtpNexthops(const Config& config, uint16_t port_offset) {
  std::set<std::string, std::less<>> hops;
  const std::string below = NormalizePath(config.routing.queue_directory) + "/";
  for (const Listener& listener : config.listeners) {
    if (listener.protocol != Protocol::kLmtp) continue;
    if (listener.is_unix()) {
      hops.insert("unix:" + listener.path);
      if (listener.path.starts_with(below)) hops.insert("unix:" + listener.path.substr(below.size()));
      continue;
    }
    std::vector<std::string> hosts = {listener.endpoint.address.ToString()};
    const bool any = hosts[0] == "0.0.0.0" || hosts[0] == "::";
    if (any) hosts.emplace_back(listener.endpoint.address.v6 ? "::1" : "127.0.0.1");
    if (any || listener.endpoint.address.IsLoopback()) hosts.emplace_back("localhost");
    for (const IpAddress& own : config.routing.own_addresses) {
      if (any) hosts.push_back(own.ToString());
    }
    const std::string port = ":" + std::to_string(listener.endpoint.port - port_offset);
    for (const std::string& host : hosts) {
      for (const std::string& hop : {host + port, "[" + host + "]" + port}) {
        hops.insert(hop);
        hops.insert("inet:" + hop);
      }
    }
  }
  return hops;
}

void BuildAll(HostConfiguration* host) {
  Config& config = *host->config;
  const PostfixParameters main = host->Main();
  host->postfix.computed["mynetworks"] = main.IsSet("mynetworks") ? "" : DefaultMynetworks(main);
  config.routing = BuildRouting(main);
  config.smtp_client = BuildSmtpClient(main, ClientProtocol::kSmtp);
  config.lmtp_client = BuildSmtpClient(main, ClientProtocol::kLmtp);
  config.queue = BuildQueueSettings(main);
  config.notices = BuildNoticeSettings(main);
  AddSmtpListeners(&host->postfix, host->options.port_offset, &config.listeners);
  const DovecotSettings dovecot = host->Dovecot();
  if (host->has_dovecot()) {
    const auto lmtp = LmtpService(host, config.listeners.empty() ? nullptr : &config.listeners.front());
    config.auth = BuildAuth(dovecot);
    config.storage = BuildStorage(dovecot);
    config.imap = BuildImapService(host->Dovecot("imap"));
    config.pop3 = BuildPop3Service(host->Dovecot("pop3"));
    AddDovecotListeners(dovecot, host->options.port_offset, lmtp, &config.listeners);
    config.routing.own_lmtp = OwnLmtpNexthops(config, host->options.port_offset);
  } else {
    config.auth.mechanisms.clear();
  }
  KeepForeignSaslSockets(host);
  config.log.maillog_file = main.Text("maillog_file");
  const std::string log_path = dovecot.Text("log_path");
  config.log.dovecot_log_path = log_path == "/dev/stderr" ? "-" : log_path;
  config.log.syslog_facility = main.Text("syslog_facility");
  config.log.records_bytes_max = main.Number("postern_records_size");
  config.state_directory = main.Text("data_directory");
  // A secret of the host that stays the same: what unknown users' salts are made from.
  for (const Listener& listener : config.listeners) {
    if (listener.tls == nullptr || listener.tls->key_pem.empty()) continue;
    config.auth.decoy_key = Secret(Hmac(HashKind::kSha256, listener.tls->key_pem, "postern: salts of unknown users"));
    break;
  }
}

}  // namespace

Loaded Load(FileSource& files, const LoadOptions& options) {
  ReadLog log(files);
  HostConfiguration host;
  host.options = options;
  host.postfix.files = &log;
  host.postfix.findings = &host.findings;
  host.config = std::make_shared<Config>();
  ReadAll(&host);
  BuildAll(&host);
  CheckConfiguration(&host);
  Loaded loaded;
  loaded.findings = host.findings.Sorted();
  if (host.findings.has_errors()) return loaded;
  host.config->files_read = log.read();
  loaded.config = host.config;
  return loaded;
}

}  // namespace postern::config
