// Lines in the shapes that tools read, and where they go.
#include "adapters/log/logger.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "adapters/log/line_format.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::log {
namespace {

// 2026-11-24 09:00:00.25 UTC, an hour east of Greenwich.
constexpr Now kNow{.wall = {1'795'510'800'250'000}, .utc_offset_seconds = 3600};

std::string Contents(const std::string& path) {
  std::ifstream in(path);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

TEST(LineFormatTest, TraditionalAndSyslogLines) {
  const LogEvent event{.tag = "postfix/smtpd", .pid = 17, .text = "connect from unknown[192.0.2.1]"};
  std::string line;
  AppendFileLine(kNow, "mail", event, &line);
  EXPECT_EQ(line, "Nov 24 10:00:00 mail postfix/smtpd[17]: connect from unknown[192.0.2.1]\n");
  line.clear();
  AppendSyslog(kNow, FacilityOf("mail"), event, &line);
  EXPECT_EQ(line, "<22>Nov 24 10:00:00 postfix/smtpd[17]: connect from unknown[192.0.2.1]");
  line.clear();
  AppendSyslog({.wall = {1'795'510'800'000'000 - 20ll * 86400 * 1'000'000}}, FacilityOf("local3"),
               {.severity = Severity::kError, .tag = "dovecot", .text = "imap: x"}, &line);
  EXPECT_EQ(line, "<155>Nov  4 09:00:00 dovecot: imap: x");
}

TEST(LineFormatTest, ARecordIsOneBoundedLine) {
  std::string line;
  AppendFileLine(kNow, "h", {.tag = "t", .text = "a\nb\r" + std::string(5000, 'x')}, &line);
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_TRUE(line.starts_with("Nov 24 10:00:00 h t: a?b?xxx")) << line;
  EXPECT_EQ(line.size(), std::string("Nov 24 10:00:00 h ").size() + kLineBytesMax + 1);
}

TEST(LineFormatTest, JsonParsesWhateverTheTextHolds) {
  std::string line;
  AppendJson(kNow, "mail",
             {.severity = Severity::kWarning,
              .tag = "postfix/smtpd",
              .pid = 17,
              .text = "warning: \"\xff\"\n",
              .trace_id = "0123456789abcdef0123456789abcdef",
              .fields = {{"event.action", "smtp.connect"}, {"source.ip", "192.0.2.1"}}},
             &line);
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  const auto object = nlohmann::json::parse(line);
  EXPECT_EQ(object["@timestamp"], "2026-11-24T09:00:00.250000Z");
  EXPECT_EQ(object["log.level"], "warning");
  EXPECT_EQ(object["event.action"], "smtp.connect");
  EXPECT_EQ(object["trace.id"], "0123456789abcdef0123456789abcdef");
  EXPECT_EQ(object["process.pid"], 17);
  EXPECT_EQ(object["message"], "warning: \"\xef\xbf\xbd\"\n");
}

TEST(LineFormatTest, KnowsFacilities) {
  EXPECT_EQ(FacilityOf("mail"), 2);
  EXPECT_EQ(FacilityOf("LOCAL7"), 23);
  EXPECT_EQ(FacilityOf("LOG_DAEMON"), 3);
  EXPECT_EQ(FacilityOf("nonsense"), 2);
}

TEST(LoggerTest, PostfixAndDovecotGoTheirWaysAndFilesAreReopened) {
  testing::TempDir dir;
  const std::string postfix = dir.path() + "/maillog", dovecot = dir.path() + "/dovecot.log",
                    json = dir.path() + "/json";
  auto logger = Logger::Open({.host_name = "h",
                              .postfix = {Place::Kind::kFile, postfix},
                              .dovecot = {Place::Kind::kFile, dovecot},
                              .json_path = json});
  ASSERT_TRUE(logger.ok()) << logger.status();
  LogBuffer buffer(logger->get());
  buffer.Add(kNow, {.tag = "postfix/smtpd", .pid = 1, .text = "one"});
  buffer.Add(kNow, {.tag = "dovecot", .text = "two"});
  EXPECT_EQ(Contents(postfix), "");
  buffer.Flush();
  EXPECT_EQ(Contents(postfix), "Nov 24 10:00:00 h postfix/smtpd[1]: one\n");
  EXPECT_EQ(Contents(dovecot), "Nov 24 10:00:00 h dovecot: two\n");
  std::istringstream lines(Contents(json));
  std::string line;
  int count = 0;
  while (std::getline(lines, line)) count += nlohmann::json::parse(line)["message"] == (count == 0 ? "one" : "two");
  EXPECT_EQ(count, 2);

  ASSERT_EQ(rename(postfix.c_str(), (postfix + ".1").c_str()), 0);
  (*logger)->Reopen();
  buffer.Add(kNow, {.tag = "postfix/qmgr", .pid = 2, .text = "three"});
  buffer.Flush();
  EXPECT_EQ(Contents(postfix), "Nov 24 10:00:00 h postfix/qmgr[2]: three\n");
}

TEST(LoggerTest, AFileThatCantBeIsAnError) {
  EXPECT_EQ(Logger::Open({.postfix = {Place::Kind::kFile, "/nonexistent/dir/log"}}).status().code(),
            StatusCode::kNotFound);
}

class SyslogTest : public ::testing::Test {
 protected:
  void Listen() {
    socket_.Reset(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    sockaddr_un address{.sun_family = AF_UNIX};
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    unlink(path_.c_str());
    ASSERT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  std::string Next() {
    char buffer[4096];
    const ssize_t got = recv(socket_.get(), buffer, sizeof buffer, 0);
    return got < 0 ? "" : std::string(buffer, static_cast<size_t>(got));
  }

  testing::TempDir dir_;
  std::string path_ = dir_.path() + "/log";
  host::UniqueFd socket_;
};

TEST_F(SyslogTest, SendsADatagramALineAndFindsADaemonAgain) {
  auto logger = *Logger::Open({.syslog_socket = path_});
  LogBuffer buffer(logger.get());
  buffer.Add(kNow, {.tag = "postfix/smtpd", .pid = 1, .text = "nobody listens"});
  buffer.Flush();
  EXPECT_EQ(logger->dropped_count(), 1u);
  Listen();
  for (int i = 0; i < 100; ++i) buffer.Add(kNow, {.tag = "dovecot", .text = std::to_string(i)});
  // Smaller than the socket's queue would be: read as it comes.
  buffer.Flush();
  int received = 0;
  std::string line;
  while (!(line = Next()).empty()) {
    if (line == "<22>Nov 24 10:00:00 dovecot: " + std::to_string(received)) ++received;
  }
  EXPECT_GT(received, 5);
  EXPECT_EQ(logger->dropped_count(), 1u + 100u - static_cast<unsigned>(received));
  Listen();  // the daemon starts anew
  buffer.Add(kNow, {.tag = "dovecot", .text = "again"});
  buffer.Flush();
  EXPECT_EQ(Next(), "<22>Nov 24 10:00:00 dovecot: again");
  const std::string told = Next();
  EXPECT_NE(told.find("log lines were dropped"), std::string::npos) << told;
}

TEST_F(SyslogTest, DebugLinesAreDroppedFirst) {
  Listen();
  auto logger = *Logger::Open({.syslog_socket = path_});
  LogBuffer buffer(logger.get());
  for (int i = 0; i < 2000; ++i) {
    buffer.Add(kNow, {.severity = i % 2 == 0 ? Severity::kDebug : Severity::kInfo, .tag = "dovecot", .text = "x"});
  }
  buffer.Flush();
  EXPECT_GT(logger->dropped_count(), 0u);
  std::string line;
  while (!(line = Next()).empty()) EXPECT_TRUE(line.starts_with("<22>")) << line;
}

}  // namespace
}  // namespace postern::log
