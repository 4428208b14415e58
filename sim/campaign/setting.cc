#include "sim/campaign/setting.h"

#include <map>
#include <utility>

namespace postern::sim {
namespace {

class RowTable final : public config::Table {
 public:
  RowTable(std::string name, std::map<std::string, std::string, std::less<>> rows)
      : Table(std::move(name)), rows_(std::move(rows)) {}
  std::optional<std::string> Find(std::string_view key) const override {
    const auto found = rows_.find(key);
    if (found == rows_.end()) return std::nullopt;
    return found->second;
  }
  void ForEach(const std::function<void(std::string_view, std::string_view)>& visit) const override {
    for (const auto& [key, value] : rows_) visit(key, value);
  }

 private:
  std::map<std::string, std::string, std::less<>> rows_;
};

class StaticTable final : public config::Table {
 public:
  explicit StaticTable(std::string value) : Table("static:" + value), value_(std::move(value)) {}
  std::optional<std::string> Find(std::string_view) const override { return value_; }
  void ForEach(const std::function<void(std::string_view, std::string_view)>&) const override {}

 private:
  std::string value_;
};

class Users final : public config::UserTable {
 public:
  Users() {
    for (const std::string& name : UserNames()) {
      records_[name].password = Secret("{PLAIN}" + PasswordOf(name));
    }
  }
  const config::UserRecord* Find(std::string_view name) const override {
    const auto found = records_.find(name);
    return found == records_.end() ? nullptr : &found->second;
  }
  void ForEach(const std::function<void(std::string_view, const config::UserRecord&)>& visit) const override {
    for (const auto& [name, record] : records_) visit(name, record);
  }

 private:
  std::map<std::string, config::UserRecord, std::less<>> records_;
};

config::MatchPattern Name(std::string text) {
  return {.kind = config::MatchPattern::Kind::kName, .text = std::move(text)};
}

std::shared_ptr<config::SmtpService> MakeService(std::string name) {
  auto service = std::make_shared<config::SmtpService>();
  service->service_name = std::move(name);
  service->syslog_name = "postfix";
  service->banner = "mail.example.test ESMTP";
  service->helo_required = true;
  service->disable_vrfy = true;
  service->tls_level = config::TlsLevel::kMay;
  service->tls_auth_only = true;
  service->message_size_limit = 2'000'000;
  service->recipient_limit = 20;
  service->client_connection_count_limit = 0;
  service->mynetworks.patterns.push_back(
      {.kind = config::MatchPattern::Kind::kNetwork, .network = *Network::Parse("127.0.0.0/8")});
  service->relay_restrictions = {
      {.name = "permit_mynetworks"}, {.name = "permit_sasl_authenticated"}, {.name = "reject_unauth_destination"}};
  return service;
}

}  // namespace

const std::vector<std::string>& UserNames() {
  static const std::vector<std::string> kNames{"alice@example.test", "bob@example.test", "carol@example.test",
                                               "alice@other.test"};
  return kNames;
}

std::string PasswordOf(std::string_view user) {
  return "canary-secret-of-" + std::string(user.substr(0, user.find('@')));
}

std::string MaildirOf(std::string_view user) {
  const size_t at = user.find('@');
  return "/home/vmail/" + std::string(user.substr(at + 1)) + "/" + std::string(user.substr(0, at)) + "/Maildir";
}

config::TablePtr MakeTable(std::string name, std::map<std::string, std::string, std::less<>> rows) {
  return std::make_shared<RowTable>(std::move(name), std::move(rows));
}

std::shared_ptr<const config::Config> MakeSetting(config::MailFsync fsync) {
  auto setting = std::make_shared<config::Config>();
  auto tls = std::make_shared<config::TlsContext>();
  auto smtp = MakeService("smtp");
  auto submission = MakeService("submission");
  submission->tls_level = config::TlsLevel::kEncrypt;
  submission->sasl_auth_enable = true;
  submission->recipient_restrictions = {{.name = "permit_sasl_authenticated"}, {.name = "reject"}};
  auto smtps = MakeService("smtps");
  smtps->tls_wrappermode = true;
  smtps->sasl_auth_enable = true;
  smtps->recipient_restrictions = {{.name = "permit_sasl_authenticated"}, {.name = "reject"}};

  auto listen = [&](config::Protocol protocol, uint16_t port, bool implicit,
                    std::shared_ptr<const config::SmtpService> service, std::string name) {
    setting->listeners.push_back({.protocol = protocol,
                                  .endpoint = {*IpAddress::Parse("192.0.2.1"), port},
                                  .implicit_tls = implicit,
                                  .smtp = std::move(service),
                                  .tls = tls,
                                  .name = std::move(name)});
  };
  listen(config::Protocol::kSmtp, 25, false, smtp, "smtp");
  listen(config::Protocol::kSmtp, 587, false, submission, "submission");
  listen(config::Protocol::kSmtp, 465, true, smtps, "smtps");
  listen(config::Protocol::kImap, 993, true, nullptr, "imaps");
  listen(config::Protocol::kImap, 143, false, nullptr, "imap");
  listen(config::Protocol::kPop3, 995, true, nullptr, "pop3s");
  listen(config::Protocol::kPop3, 110, false, nullptr, "pop3");

  config::Routing& routing = setting->routing;
  routing.myhostname = "mail.example.test";
  routing.mydomain = routing.myorigin = "example.test";
  routing.virtual_mailbox_domains.patterns = {Name("example.test"), Name("other.test")};
  routing.virtual_mailbox_base = "/home/vmail";
  std::map<std::string, std::string, std::less<>> mailboxes;
  for (const std::string& name : UserNames()) {
    mailboxes[name] = MaildirOf(name).substr(std::string("/home/vmail/").size()) + "/";
  }
  routing.virtual_mailbox_maps.tables = {MakeTable("hash:/etc/postfix/vmailbox", mailboxes)};
  routing.virtual_alias_maps.tables = {
      MakeTable("hash:/etc/postfix/virtual", {{"postmaster@example.test", "alice@example.test"},
                                              {"both@example.test", "alice@example.test, bob@example.test"}})};
  routing.virtual_uid_maps.tables = {std::make_shared<StaticTable>("15000")};
  routing.virtual_gid_maps.tables = {std::make_shared<StaticTable>("15000")};

  auto users = std::make_shared<Users>();
  setting->auth.mechanisms = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"};
  setting->auth.passdbs.push_back(
      {.driver = "passwd-file", .default_scheme = "PLAIN", .username_format = "%u", .users = users});
  setting->auth.userdbs.push_back(
      {.driver = "static", .username_format = "%u", .uid = "15000", .gid = "15000", .home = "/home/vmail/%d/%n"});
  setting->storage.mail_location = "maildir:/home/vmail/%d/%n/Maildir";
  setting->storage.fsync = fsync;
  setting->storage.namespaces.push_back({});
  return setting;
}

}  // namespace postern::sim
