// Goal: the ring keeps the newest records, is bounded whatever happens, and no reader meets half a line that has a
// neighbour.
#include "adapters/log/record_ring.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "adapters/log/logger.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::log {
namespace {

class RecordRingTest : public ::testing::Test {
 protected:
  std::string dir() const { return temp_.path() + "/log"; }
  std::string All() const {
    std::stringstream all;
    const auto files = RecordRing::Files(dir());
    for (const std::string& path : *files) all << std::ifstream(path).rdbuf();
    return all.str();
  }
  uint64_t Bytes() const {
    uint64_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(dir())) bytes += entry.file_size();
    return bytes;
  }
  testing::TempDir temp_;
};

TEST_F(RecordRingTest, KeepsTheNewestAndIsBounded) {
  RecordRing ring({.dir = dir(), .bytes_max = 8000});
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(ring.Write(std::to_string(i) + std::string(95, 'x') + "\n").ok());
    ASSERT_LE(Bytes(), 8000u);
  }
  const std::string all = All();
  EXPECT_GE(all.size(), 8000u * 6 / 8);
  EXPECT_TRUE(all.ends_with("999" + std::string(95, 'x') + "\n"));
  EXPECT_EQ(all.find("\n100x"), std::string::npos);  // long gone
  std::istringstream lines(all);
  int before = -1;
  for (std::string line; std::getline(lines, line);) {
    const int number = std::stoi(line);
    EXPECT_TRUE(before == -1 || number == before + 1) << line;
    before = number;
  }
}

TEST_F(RecordRingTest, NobodyElseReadsIt) {
  umask(0);
  RecordRing ring({.dir = dir(), .bytes_max = 8000});
  ASSERT_TRUE(ring.Write("{}\n").ok());
  struct stat facts {};
  ASSERT_EQ(stat(dir().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0700u);
  ASSERT_EQ(stat(RecordRing::Files(dir())->front().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

TEST_F(RecordRingTest, GoesOnWhereItWasAndNotBehindATornLine) {
  for (const char* const line : {"one\n", "two\n"}) {
    RecordRing ring({.dir = dir(), .bytes_max = 8000});
    ASSERT_TRUE(ring.Write(line).ok());
  }
  ASSERT_EQ(RecordRing::Files(dir())->size(), 1u);
  std::ofstream(RecordRing::Files(dir())->front(), std::ios::app) << "to";
  RecordRing ring({.dir = dir(), .bytes_max = 8000});
  ASSERT_TRUE(ring.Write("three\n").ok());
  EXPECT_EQ(RecordRing::Files(dir())->size(), 2u);
  EXPECT_EQ(All(), "one\ntwo\ntothree\n");
  // A ring that is to be smaller gets smaller.
  RecordRing small({.dir = dir(), .bytes_max = 16});
  ASSERT_TRUE(small.Write("four\n").ok());
  EXPECT_EQ(All(), "three\nfour\n");
}

TEST_F(RecordRingTest, ManyCrashesLeaveNoEndlessRowOfFiles) {
  for (int i = 0; i < 200; ++i) {
    RecordRing ring({.dir = dir(), .bytes_max = 1 << 20});
    ASSERT_TRUE(ring.Write("x\n").ok());
    std::ofstream(RecordRing::Files(dir())->back(), std::ios::app) << "torn";
  }
  EXPECT_LE(RecordRing::Files(dir())->size(), 40u);
}

TEST_F(RecordRingTest, OffItWritesNothing) {
  RecordRing ring({.dir = dir(), .bytes_max = 0});
  EXPECT_TRUE(ring.Write("one\n").ok());
  EXPECT_FALSE(std::filesystem::exists(dir()));
  EXPECT_TRUE(RecordRing::Files(dir())->empty());
}

// What a full disk is to the process: a limit on the size of files gives the same short write and then an error.
TEST_F(RecordRingTest, WithoutRoomItLosesRecordsAndTellsOnce) {
  signal(SIGXFSZ, SIG_IGN);
  const std::string maillog = temp_.path() + "/maillog";
  auto logger = Logger::Open({.host_name = "h",
                              .postfix = {Place::Kind::kFile, maillog},
                              .dovecot = {Place::Kind::kNone, ""},
                              .records = {.dir = dir(), .bytes_max = 1 << 20}});
  ASSERT_TRUE(logger.ok());
  LogBuffer buffer(logger->get());
  const auto say = [&](std::string text) {
    buffer.Add({}, {.tag = "dovecot", .text = std::move(text)});
    buffer.Flush();
  };
  say("first");
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 1000, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  for (int i = 0; i < 5; ++i) say(std::string(600, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  say("last");
  std::istringstream lines(All());
  std::string line;
  while (std::getline(lines, line)) EXPECT_TRUE(nlohmann::json::accept(line)) << line;
  EXPECT_NE(All().find("first"), std::string::npos);
  EXPECT_NE(All().find("last"), std::string::npos);
  std::stringstream told;
  told << std::ifstream(maillog).rdbuf();
  const std::string text = told.str();
  EXPECT_NE(text.find("warning: no records for postern trace, until this is mended: write " + dir()), std::string::npos)
      << text;
  EXPECT_EQ(text.find("warning"), text.rfind("warning"));
}

TEST_F(RecordRingTest, WhatIsARecordOnlyIsNoLine) {
  const std::string maillog = temp_.path() + "/maillog";
  auto logger = Logger::Open({.host_name = "h",
                              .postfix = {Place::Kind::kFile, maillog},
                              .dovecot = {Place::Kind::kFile, maillog},
                              .records = {.dir = dir(), .bytes_max = 1 << 20}});
  ASSERT_TRUE(logger.ok());
  LogBuffer buffer(logger->get());
  buffer.Add({}, {.tag = "dovecot", .text = "a line"});
  buffer.Add({}, {.tag = "dovecot", .text = "a record", .record_only = true});
  buffer.Flush();
  std::stringstream told;
  told << std::ifstream(maillog).rdbuf();
  EXPECT_NE(told.str().find("a line"), std::string::npos);
  EXPECT_EQ(told.str().find("a record"), std::string::npos);
  EXPECT_NE(All().find("a line"), std::string::npos);
  EXPECT_NE(All().find("a record"), std::string::npos);
}

}  // namespace
}  // namespace postern::log
