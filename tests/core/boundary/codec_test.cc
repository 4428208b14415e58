// Goal: what a recording holds is what happened. Method: every kind of event there and back, field by field through its
// text; effects show what they do and no password.
#include "core/boundary/codec.h"

#include <gtest/gtest.h>

namespace postern {
namespace {

Endpoint At(const char* address, uint16_t port) { return {*IpAddress::Parse(address), port}; }

// One of each kind, with bytes that need escapes.
std::vector<Event> AllKinds(std::string_view bytes) {
  const Peer peer{.remote = At("2001:db8::1", 40000), .local = At("192.0.2.1", 993), .listener = ListenerId{3}};
  const TlsFacts tls{.protocol = "TLSv1.3",
                     .cipher = "X",
                     .secret_bits = 256,
                     .algorithm_bits = 128,
                     .details = "key-exchange",
                     .server_name = "a b",
                     .resumed = true};
  const OpId op{MachineId{UINT64_MAX - 1}, 7};
  return {Accepted{.conn = ConnId{9}, .peer = peer, .tls = tls},
          Received{.conn = ConnId{9}, .bytes = bytes},
          Drained{ConnId{1}},
          TlsReady{.conn = ConnId{2}, .facts = tls},
          TlsReady{.conn = ConnId{2},
                   .facts = tls,
                   .certificate = std::make_shared<CertificateFacts>(
                       CertificateFacts{.dns_names = {"a.example", ""},
                                        .ip_addresses = {*IpAddress::Parse("192.0.2.7")},
                                        .common_name = "c n",
                                        .chain_trusted = true,
                                        .certificate_digest = std::string("\0\xff", 2),
                                        .chain = {{.certificate = "x", .public_key = "y", .would_anchor = true}}})},
          ConnectDone{.op = op, .status = Unavailable("Connection refused")},
          ConnectDone{.op = op, .conn = ConnId{8}, .local = At("192.0.2.1", 50000)},
          PeerClosed{.conn = ConnId{3}, .why = Unavailable("gone % away")},
          PeerClosed{.conn = ConnId{3}},
          Adopted{.conn = ConnId{4},
                  .peer = peer,
                  .login = {.user = "u", .mechanism = "PLAIN", .tag = "a1", .session_id = "s", .state = "x y"},
                  .unread = std::string(bytes)},
          TimerFired{op},
          PlanDone{.op = op, .result = {.failures = {{1, 2, ResourceExhausted("full")}, {1, 3, NotFound("no")}}}},
          ReadDone{.op = op,
                   .status = NotFound("no such file"),
                   .bytes = bytes,
                   .file_bytes = 1,
                   .mtime_seconds = -5,
                   .inode = UINT64_MAX},
          ScanDone{.op = op, .entries = {{"a b", true}, {"", false}, {"\xff", false}}, .mtime_ns = INT64_MIN},
          StatDone{.op = op,
                   .files = {{.is_dir = true, .size_bytes = 1, .mtime_ns = 2, .ctime_ns = 3, .inode = 4},
                             {.status = NotFound("")}}},
          DirChanged{op},
          Answer{.op = op, .reply = PasswordChecked{.matches = true, .status = InvalidArgument("scheme")}},
          Answer{.op = op, .reply = ClientName{.name = "n", .reverse = "", .temporary = true}},
          Answer{.op = op,
                 .reply = ProgramEnded{.how = ProgramEnded::How::kKilled, .number = 9, .output = std::string(bytes)}},
          Posted{.from = ShardId{2}, .letter = Arrived{.user = "u", .mailbox_dir = "/m/a b"}},
          Posted{.from = ShardId{2}, .letter = Queued{.id = "ABCDEF"}},
          Posted{.from = ShardId{2}, .letter = FlushSite{.domain = "a.example"}},
          Answer{.op = op,
                 .reply = DnsReply{.outcome = DnsReply::Outcome::kFound,
                                   .secure = true,
                                   .canonical_name = "c.example",
                                   .mx = {{10, "mx.example"}, {20, ""}},
                                   .addresses = {*IpAddress::Parse("2001:db8::2")},
                                   .tlsa = {{3, 1, 1, std::string(bytes)}}}},
          ConfigChanged{},
          Continue{MachineId{5}},
          Shutdown{}};
}

TEST(Codec, EveryEventComesBack) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  for (const std::string& bytes : {every_byte, std::string(), std::string("%"), std::string(" ")}) {
    for (const Event& event : AllKinds(bytes)) {
      const std::string line = FormatEvent(event, 42);
      EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << line;
      const auto parsed = ParseEvent(line);
      ASSERT_TRUE(parsed.ok()) << line << ": " << parsed.status();
      EXPECT_EQ(parsed->event.index(), event.index());
      EXPECT_EQ(FormatEvent(parsed->event, parsed->generation), line);
      if (const auto* received = std::get_if<Received>(&parsed->event)) {
        EXPECT_EQ(received->bytes, bytes);
      }
    }
  }
}

TEST(Codec, NoKindIsLeftOut) {
  std::vector<bool> seen(std::variant_size_v<Event>);
  for (const Event& event : AllKinds("x")) seen[event.index()] = true;
  EXPECT_EQ(std::count(seen.begin(), seen.end(), false), 0);
}

// Every prefix, and every line with one byte changed: an error or another event, never a crash.
TEST(Codec, BrokenLinesAreErrors) {
  size_t errors = 0;
  for (const Event& event : AllKinds("some bytes")) {
    const std::string line = FormatEvent(event);
    for (size_t length = 0; length < line.size(); ++length) errors += !ParseEvent(line.substr(0, length)).ok();
    for (size_t at = 0; at < line.size(); ++at) {
      for (const char c : {' ', '%', '9', '-', 'x'}) {
        std::string broken = line;
        broken[at] = c;
        errors += !ParseEvent(broken).ok();
      }
    }
    EXPECT_FALSE(ParseEvent(line + " 1").ok());
  }
  EXPECT_GT(errors, 1000u);
  EXPECT_FALSE(ParseEvent("ScanDone 1 1 0 % 99999999999 a 1 5").ok());
}

TEST(Codec, EffectsShowWhatTheyDoAndNoPassword) {
  EXPECT_EQ(FormatEffect(Send{.conn = ConnId{1}, .bytes = Chain("* OK\r\n")}), "Send 1 *%20OK%0D%0A");
  EXPECT_EQ(FormatEffect(Send{.conn = ConnId{1}, .bytes = Chain("x"), .secret = true}), "Send 1 ***");
  const std::string asked = FormatEffect(
      Ask{.op = {MachineId{1}, 2},
          .question = VerifyPassword{
              .stored = Secret(std::string("{PLAIN}canary")), .password = Secret(std::string("canary")), .user = "u"}});
  EXPECT_EQ(asked, "Ask 1/2 VerifyPassword u ***");
  FilePlan plan{.stages = {{Create{.path = "/a b", .bytes = Chain("x")}}, {SyncFile{"/a b"}}}};
  EXPECT_EQ(FormatEffect(Commit{.op = {MachineId{1}, 2}, .plan = plan}),
            "Commit 1/2 owner -1:-1 | 0 create /a%20b 0600 -1 x | 1 sync-file /a%20b");
}

TEST(Codec, LongBytesDifferByTheirHash) {
  const std::string a(10000, 'a');
  std::string b = a;
  b[9999] = 'b';
  const std::string line = FormatEffect(Send{.conn = ConnId{1}, .bytes = Chain(a)}, 100);
  EXPECT_LT(line.size(), 200u);
  EXPECT_NE(line, FormatEffect(Send{.conn = ConnId{1}, .bytes = Chain(b)}, 100));
}

}  // namespace
}  // namespace postern
