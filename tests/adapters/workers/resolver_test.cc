// The resolver against a name server of the test's own: what each answer becomes, what happens without one.
#include "adapters/workers/resolver.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <condition_variable>
#include <deque>
#include <fstream>
#include <map>
#include <optional>

#include "adapters/net/address.h"
#include "adapters/workers/inquiries.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::workers {
namespace {

using Outcome = DnsReply::Outcome;
const std::string kHostA("\xc0\0\x02\x01", 4), kWebA("\xc0\0\x02\x05", 4);  // 192.0.2.1, 192.0.2.5
constexpr int kA = 1, kCname = 5, kMx = 15, kAaaa = 28, kTlsa = 52;

std::string Wire(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  return wire + '\0';
}
std::string Big16(int n) { return {static_cast<char>(n >> 8), static_cast<char>(n)}; }

// Answers over UDP with the records that it was given; nothing else is there (NXDOMAIN).
class NameServer {
 public:
  struct Record {
    std::string name;
    int type;
    std::string data;
  };
  struct Entry {
    int rcode = 0;
    std::vector<Record> answers;
    bool silent = false;
  };

  NameServer() : fd_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage address{};
    socklen_t length = net::ToSocketAddress({.address = *IpAddress::Parse("127.0.0.1")}, &address);
    bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length);
    length = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &length);
    at_ = "127.0.0.1@" + std::to_string(net::FromSocketAddress(address).port);
  }
  ~NameServer() {
    ending_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // Before Start(). The answer to a question; all of `answers` in one reply.
  void Add(const std::string& name, int type, Entry entry) { entries_[{name, type}] = std::move(entry); }
  void AddRecord(const std::string& name, int type, const std::string& data) {
    entries_[{name, type}].answers.push_back({name, type, data});
  }
  void Start() {
    thread_ = std::thread([this] { Work(); });
  }
  const std::string& at() const { return at_; }
  int asked() const { return asked_; }

 private:
  void Work() {
    while (!ending_) {
      pollfd fd{.fd = fd_.get(), .events = POLLIN};
      if (poll(&fd, 1, 20) != 1) continue;
      char query[1500];
      sockaddr_storage from{};
      socklen_t length = sizeof from;
      const ssize_t got = recvfrom(fd_.get(), query, sizeof query, 0, reinterpret_cast<sockaddr*>(&from), &length);
      if (got < 17) continue;
      ++asked_;
      const std::string reply = Answer(std::string(query, static_cast<size_t>(got)));
      if (!reply.empty())
        (void)sendto(fd_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
  }
  std::string Answer(const std::string& query) {
    size_t at = 12;
    std::string name;
    while (at < query.size() && query[at] != 0) {
      const auto length = static_cast<size_t>(query[at]);
      if (!name.empty()) name += '.';
      for (const char c : query.substr(at + 1, length)) name += static_cast<char>(tolower(c));
      at += length + 1;
    }
    const size_t end = at + 5;
    const int type = static_cast<uint8_t>(query[at + 1]) << 8 | static_cast<uint8_t>(query[at + 2]);
    bool name_known = false;
    for (const auto& [key, entry] : entries_) name_known |= key.first == name;
    const auto found = entries_.find({name, type});
    const Entry entry = found != entries_.end() ? found->second : Entry{.rcode = name_known ? 0 : 3};
    if (entry.silent) return {};
    std::string reply = query.substr(0, 2);
    reply += '\x81';                                 // a reply; recursion was wanted
    reply += static_cast<char>(0x80 | entry.rcode);  // and is available
    reply += Big16(1) + Big16(static_cast<int>(entry.answers.size())) + Big16(0) + Big16(0);
    reply += query.substr(12, end - 12);
    for (const Record& record : entry.answers) {
      reply += Wire(record.name) + Big16(record.type) + Big16(1) + Big16(0) + Big16(60) +
               Big16(static_cast<int>(record.data.size())) + record.data;
    }
    return reply;
  }

  host::UniqueFd fd_;
  std::string at_;
  std::map<std::pair<std::string, int>, Entry> entries_;
  std::atomic<bool> ending_{false};
  std::atomic<int> asked_{0};
  std::thread thread_;
};

class Replies {
 public:
  void Put(DnsReply reply) {
    const std::lock_guard lock(mutex_);
    replies_.push_back(std::move(reply));
    came_.notify_all();
  }
  std::optional<DnsReply> Take() {
    std::unique_lock lock(mutex_);
    if (!came_.wait_for(lock, std::chrono::seconds(20), [this] { return !replies_.empty(); })) return std::nullopt;
    DnsReply reply = std::move(replies_.front());
    replies_.pop_front();
    return reply;
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<DnsReply> replies_;
};

class ResolverTest : public ::testing::Test {
 protected:
  void Begin(Resolver::Options options = {}) {
    server_.Start();
    options.name_servers = {server_.at()};
    auto made = Resolver::Make(std::move(options));
    ASSERT_TRUE(made.ok()) << Message(made.status());
    resolver_ = *std::move(made);
  }
  DnsReply Ask(const std::string& name, RecordType type, bool dnssec = false) {
    resolver_->Ask({.name = name, .type = type, .dnssec = dnssec},
                   [this](DnsReply reply) { replies_.Put(std::move(reply)); });
    const auto reply = replies_.Take();
    EXPECT_TRUE(reply.has_value()) << "no answer about " << name;
    return reply.value_or(DnsReply{});
  }

  NameServer server_;
  Replies replies_;  // outlives who puts into it
  std::unique_ptr<Resolver> resolver_;
};

TEST_F(ResolverTest, FindsRecordsOfEveryKind) {
  server_.AddRecord("example.test", kMx, Big16(10) + Wire("mx1.example.test"));
  server_.AddRecord("example.test", kMx, Big16(300) + Wire("mx2.example.test"));
  server_.AddRecord("null.example.test", kMx, Big16(0) + Wire(""));
  server_.AddRecord("mx1.example.test", kA, kHostA);
  server_.AddRecord("mx1.example.test", kAaaa, std::string("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16));
  server_.AddRecord("_25._tcp.mx1.example.test", kTlsa, std::string("\x03\x01\x01") + "digest");
  Begin();
  DnsReply reply = Ask("example.test", RecordType::kMx);
  EXPECT_EQ(reply.outcome, Outcome::kFound);
  EXPECT_FALSE(reply.secure);
  EXPECT_EQ(reply.canonical_name, "");
  std::sort(reply.mx.begin(), reply.mx.end(),
            [](const MxRecord& a, const MxRecord& b) { return a.preference < b.preference; });
  EXPECT_EQ(reply.mx, (std::vector<MxRecord>{{10, "mx1.example.test"}, {300, "mx2.example.test"}}));
  EXPECT_EQ(Ask("null.example.test", RecordType::kMx).mx, std::vector<MxRecord>{{}});
  EXPECT_EQ(Ask("mx1.example.test", RecordType::kA).addresses, std::vector{*IpAddress::Parse("192.0.2.1")});
  EXPECT_EQ(Ask("MX1.Example.test", RecordType::kAaaa).addresses, std::vector{*IpAddress::Parse("2001:db8::1")});
  EXPECT_EQ(Ask("_25._tcp.mx1.example.test", RecordType::kTlsa).tlsa, (std::vector<TlsaRecord>{{3, 1, 1, "digest"}}));
}

TEST_F(ResolverTest, TellsWhatIsNotThere) {
  server_.AddRecord("host.example.test", kA, kHostA);
  Begin();
  EXPECT_EQ(Ask("host.example.test", RecordType::kMx).outcome, Outcome::kNoData);
  EXPECT_EQ(Ask("none.example.test", RecordType::kMx).outcome, Outcome::kNotFound);
}

TEST_F(ResolverTest, FailuresMayPass) {
  for (const int rcode : {2, 4, 5}) {  // SERVFAIL, NOTIMP, REFUSED
    server_.Add("fails" + std::to_string(rcode) + ".example.test", kMx, {.rcode = rcode});
  }
  Begin();
  for (const std::string rcode : {"2", "4", "5"}) {
    EXPECT_EQ(Ask("fails" + rcode + ".example.test", RecordType::kMx).outcome, Outcome::kTryAgain) << rcode;
  }
}

TEST_F(ResolverTest, FollowsAliases) {
  // In one reply, as most name servers do; and the address in a reply of its own.
  server_.Add("www.example.test", kA,
              {.answers = {{"www.example.test", kCname, Wire("web.example.test")}, {"web.example.test", kA, kWebA}}});
  server_.Add("web.example.test", kA, {.answers = {{"web.example.test", kA, kWebA}}});
  server_.Add("far.example.test", kA, {.answers = {{"far.example.test", kCname, Wire("web.example.test")}}});
  server_.Add("far.example.test", kCname, {.answers = {{"far.example.test", kCname, Wire("web.example.test")}}});
  server_.Add("dead.example.test", kA,
              {.rcode = 3, .answers = {{"dead.example.test", kCname, Wire("none.example.test")}}});
  Begin();
  for (const std::string name : {"www.example.test", "far.example.test"}) {
    const DnsReply reply = Ask(name, RecordType::kA);
    EXPECT_EQ(reply.outcome, Outcome::kFound) << name;
    EXPECT_EQ(reply.canonical_name, "web.example.test");
    EXPECT_EQ(reply.addresses, std::vector{*IpAddress::Parse("192.0.2.5")});
  }
  EXPECT_EQ(Ask("dead.example.test", RecordType::kA).outcome, Outcome::kNotFound);
  const DnsReply alias = Ask("far.example.test", RecordType::kCname);
  EXPECT_EQ(alias.outcome, Outcome::kFound);
  EXPECT_TRUE(alias.addresses.empty());
}

TEST_F(ResolverTest, ARingOfAliasesIsALoop) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"a.example.test", "b.example.test"}, {"b.example.test", "a.example.test"}}) {
    for (const int type : {kA, kCname}) server_.Add(from, type, {.answers = {{from, kCname, Wire(to)}}});
  }
  Begin();
  EXPECT_EQ(Ask("a.example.test", RecordType::kA).outcome, Outcome::kLoop);
}

TEST_F(ResolverTest, RecordsThatMakeNoSenseAreNoRecords) {
  server_.AddRecord("mixed.example.test", kMx, Big16(10) + Wire("192.0.2.1"));
  server_.AddRecord("mixed.example.test", kMx, Big16(20) + Wire("good.example.test"));
  server_.AddRecord("bad.example.test", kMx, Big16(10) + Wire("192.0.2.1"));
  server_.AddRecord("bad.example.test", kMx, Big16(20) + Wire("two words.example.test"));
  server_.AddRecord("short.example.test", kTlsa, "\x03");
  Begin();
  EXPECT_EQ(Ask("mixed.example.test", RecordType::kMx).mx, (std::vector<MxRecord>{{20, "good.example.test"}}));
  EXPECT_EQ(Ask("bad.example.test", RecordType::kMx).outcome, Outcome::kMalformed);
  EXPECT_EQ(Ask("short.example.test", RecordType::kTlsa).outcome, Outcome::kMalformed);
}

TEST_F(ResolverTest, NamesThatCannotBeAreNotAskedFor) {
  Begin();
  for (const std::string name :
       {"", "a..example.test", "two words.test", "192.0.2.1", "-x.example.test", "a\\.b.test"}) {
    EXPECT_EQ(Ask(name, RecordType::kMx).outcome, Outcome::kNotFound) << name;
  }
  EXPECT_EQ(Ask(std::string(64, 'x') + ".test", RecordType::kMx).outcome, Outcome::kNotFound);
  EXPECT_EQ(server_.asked(), 0);
}

TEST_F(ResolverTest, HasItsPatienceAndItsBounds) {
  server_.Add("silent.example.test", kMx, {.silent = true});
  server_.AddRecord("example.test", kMx, Big16(10) + Wire("mx.example.test"));
  Begin({.patience = std::chrono::milliseconds(150), .waiting_max = 3});
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    resolver_->Ask({.name = "silent.example.test", .type = RecordType::kMx},
                   [this](DnsReply reply) { replies_.Put(std::move(reply)); });
  }
  for (int i = 0; i < 5; ++i) {
    if (i == 2) EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(150));  // two too many
    EXPECT_EQ(replies_.Take().value_or(DnsReply{.outcome = Outcome::kFound}).outcome, Outcome::kTryAgain);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(150));
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(4));  // libunbound itself takes longer
}

TEST_F(ResolverTest, AnswersAreKept) {
  server_.AddRecord("example.test", kMx, Big16(10) + Wire("mx.example.test"));
  Begin();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Ask("example.test", RecordType::kMx).mx.size(), 1u);
  EXPECT_EQ(server_.asked(), 1);
}

// Whoever wants to know about DNSSEC gets no unsigned answer below a signed root; all others still get their mail out.
TEST_F(ResolverTest, OnlyThoseWhoAskForItWaitForSignatures) {
  const testing::TempDir folder;
  const std::string anchor = folder.path() + "/root.key";
  // The root's own: our name server can't sign with it.
  std::ofstream(anchor) << ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n";
  server_.AddRecord("example.test", kMx, Big16(10) + Wire("mx.example.test"));
  Begin({.trust_anchor_file = anchor});
  ASSERT_TRUE(resolver_->validates());
  const DnsReply plain = Ask("example.test", RecordType::kMx);
  EXPECT_EQ(plain.outcome, Outcome::kFound);
  EXPECT_FALSE(plain.secure);
  const DnsReply checked = Ask("example.test", RecordType::kMx, true);
  EXPECT_EQ(checked.outcome, Outcome::kTryAgain);
  EXPECT_FALSE(checked.secure);
  EXPECT_TRUE(checked.mx.empty());
}

TEST_F(ResolverTest, WithoutATrustAnchorNothingIsSecure) {
  server_.AddRecord("example.test", kMx, Big16(10) + Wire("mx.example.test"));
  Begin({.trust_anchor_file = "/no/such/root.key"});
  EXPECT_FALSE(resolver_->validates());
  const DnsReply reply = Ask("example.test", RecordType::kMx, true);
  EXPECT_EQ(reply.outcome, Outcome::kFound);
  EXPECT_FALSE(reply.secure);
}

TEST_F(ResolverTest, KnowsTheHostsOwnFiles) {
  Begin();
  const DnsReply reply = Ask("localhost", RecordType::kNative);
  ASSERT_EQ(reply.outcome, Outcome::kFound);
  for (const IpAddress& address : reply.addresses) EXPECT_TRUE(address.IsLoopback());
  EXPECT_EQ(server_.asked(), 0);
}

TEST_F(ResolverTest, EndsWithQuestionsOpen) {
  server_.Add("silent.example.test", kMx, {.silent = true});
  Begin();
  for (int i = 0; i < 3; ++i) resolver_->Ask({.name = "silent.example.test", .type = RecordType::kMx}, [](DnsReply) {});
  resolver_.reset();
}

TEST(ResolverOptionsTest, SaysWhatIsNoNameServer) {
  const auto made = Resolver::Make({.name_servers = {"ns.example"}});
  EXPECT_EQ(Message(made.status()), "name server \"ns.example\" is no ADDRESS and no ADDRESS@PORT");
}

TEST(ResolverOptionsTest, ReadsResolvConf) {
  EXPECT_EQ(NameServersIn("# nameserver 192.0.2.9\nnameserver 192.0.2.1\nsearch example.test\n"
                          "nameserver ns.example\nnameserver fe80::1%eth0\nnameserver\t2001:db8::1  # another\n"
                          "options edns0\nnameservers 1\nnameserver\nnameserver ::1"),
            (std::vector<std::string>{"192.0.2.1", "fe80::1%eth0", "2001:db8::1", "::1"}));
}

TEST(InquiriesDnsTest, AnswersComeThroughTheInbox) {
  Inbox inbox;
  std::vector<Answer> answers;
  const auto tell = [&](Answer answer) { answers.push_back(std::move(answer)); };
  Inquiries inquiries([](auto...) -> StatusOr<bool> { return false; }, &ResolveClientName, {},
                      [](const DnsQuestion& question, std::function<void(DnsReply)> say) {
                        say({.outcome = Outcome::kFound, .canonical_name = "alias of " + question.name});
                      });
  inquiries.AskDns({.tag = 7}, {.name = "x.test"}, &inbox, tell);
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(inbox.RunPosted(), 1u);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].op.tag, 7u);
  EXPECT_EQ(std::get<DnsReply>(answers[0].reply).canonical_name, "alias of x.test");

  Inquiries without([](auto...) -> StatusOr<bool> { return false; }, &ResolveClientName, {});
  without.AskDns({}, {.name = "x.test"}, &inbox, tell);
  EXPECT_EQ(inbox.RunPosted(), 1u);
  EXPECT_EQ(std::get<DnsReply>(answers.at(1).reply).outcome, Outcome::kTryAgain);
}

}  // namespace
}  // namespace postern::workers
