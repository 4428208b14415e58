// Reads, scans, stats and watches of a real folder.
#include "adapters/files/file_reader.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

#include "adapters/files/watcher.h"
#include "tests/adapters/files/temp_dir.h"

namespace postern::files {
namespace {

class FileReaderTest : public ::testing::Test {
 protected:
  void Put(const std::string& path, const std::string& bytes) { std::ofstream(dir_.path() + path) << bytes; }
  std::string ReadAll(const Path& path, uint64_t offset = 0, uint64_t length = UINT64_MAX) {
    std::string text = "no answer";
    reader_.DoRead({.op = {.tag = 1}, .path = path, .offset_bytes = offset, .length_bytes = length},
                   [&](const Event& e) {
                     const auto& done = std::get<ReadDone>(e);
                     last_ = {.status = done.status,
                              .file_bytes = done.file_bytes,
                              .mtime_seconds = done.mtime_seconds,
                              .inode = done.inode};
                     text = done.bytes;
                   });
    WaitForPool();
    return text;
  }
  void WaitForPool() {
    while (reader_.waiting_count() > 0) {
      pollfd fd{.fd = inbox_.wake_fd(), .events = POLLIN};
      ASSERT_EQ(poll(&fd, 1, 10'000), 1);
      inbox_.RunPosted();
    }
  }

  testing::TempDir dir_;
  host::Root root_ = *host::Root::Open(dir_.path());
  workers::Inbox inbox_;
  workers::ThreadPool pool_{"test", {}};
  FileReader reader_{&root_, &pool_, &inbox_};
  ReadDone last_;
};

TEST_F(FileReaderTest, ReadsWholeFilesAndRanges) {
  Put("/f", "0123456789");
  EXPECT_EQ(ReadAll("/f"), "0123456789");
  struct stat facts {};
  stat((dir_.path() + "/f").c_str(), &facts);
  EXPECT_EQ(last_.file_bytes, 10u);
  EXPECT_EQ(last_.inode, facts.st_ino);
  EXPECT_EQ(last_.mtime_seconds, facts.st_mtim.tv_sec);
  EXPECT_EQ(ReadAll("/f", 3, 4), "3456");
  EXPECT_EQ(ReadAll("/f", 8, 10), "89");
  EXPECT_EQ(ReadAll("/f", 50), "");
  EXPECT_TRUE(last_.status.ok());
}

TEST_F(FileReaderTest, AReadThatGoesOnSeesTheSameFile) {
  Put("/f", "0123456789");
  EXPECT_EQ(ReadAll("/f", 0, 4), "0123");
  ASSERT_EQ(rename((dir_.path() + "/f").c_str(), (dir_.path() + "/g").c_str()), 0);
  EXPECT_EQ(ReadAll("/f", 4, 4), "4567");
  EXPECT_EQ(ReadAll("/f", 0, 4), "");
  EXPECT_EQ(last_.status.code(), StatusCode::kNotFound);
}

TEST_F(FileReaderTest, ReadsBigFiles) {
  std::string big;
  while (big.size() < 3'000'000) big += std::to_string(big.size()) + " ";
  Put("/big", big);
  EXPECT_EQ(ReadAll("/big"), big);
}

TEST_F(FileReaderTest, SaysWhyNot) {
  mkdir((dir_.path() + "/d").c_str(), 0700);
  ReadAll("/none");
  EXPECT_EQ(last_.status.code(), StatusCode::kNotFound);
  ReadAll("/d");
  EXPECT_EQ(last_.status.code(), StatusCode::kFailedPrecondition);
  ReadAll("/../x");
  EXPECT_EQ(last_.status.code(), StatusCode::kInvalidArgument);
}

TEST_F(FileReaderTest, ScansSmallAndBigFolders) {
  for (const size_t count : {0u, 3u, 5000u}) {
    const std::string dir = "/s" + std::to_string(count);
    mkdir((dir_.path() + dir).c_str(), 0700);
    mkdir((dir_.path() + dir + "/sub").c_str(), 0700);
    std::set<std::string> expected;
    for (size_t i = 0; i < count; ++i) {
      expected.insert("message-with-a-long-name-" + std::to_string(i));
      Put(dir + "/message-with-a-long-name-" + std::to_string(i), "");
    }
    std::optional<ScanDone> done;
    reader_.DoScan({.op = {.tag = 2}, .dir = dir}, [&](const Event& e) { done = std::get<ScanDone>(e); });
    WaitForPool();
    ASSERT_TRUE(done.has_value());
    ASSERT_TRUE(done->status.ok());
    std::set<std::string> found;
    for (const DirEntry& entry : done->entries) {
      if (!entry.is_dir) found.insert(entry.name);
    }
    EXPECT_EQ(found, expected);
    EXPECT_EQ(done->entries.size(), count + 1);
    EXPECT_GT(done->mtime_ns, 0);
  }
  reader_.DoScan({.dir = "/none"},
                 [&](const Event& e) { EXPECT_EQ(std::get<ScanDone>(e).status.code(), StatusCode::kNotFound); });
}

TEST_F(FileReaderTest, StatsManyPathsInOrder) {
  Put("/f", "12345");
  Stat stat{.op = {.tag = 3}};
  for (int i = 0; i < 200; ++i) stat.paths.push_back(i % 2 == 0 ? "/f" : "/none");
  std::optional<StatDone> done;
  reader_.DoStat(stat, [&](const Event& e) { done = std::get<StatDone>(e); });
  WaitForPool();
  ASSERT_TRUE(done.has_value());
  ASSERT_EQ(done->files.size(), 200u);
  EXPECT_EQ(done->files[198].size_bytes, 5u);
  EXPECT_GT(done->files[198].inode, 0u);
  EXPECT_EQ(done->files[199].status.code(), StatusCode::kNotFound);
}

TEST_F(FileReaderTest, WatchesFolders) {
  mkdir((dir_.path() + "/w").c_str(), 0700);
  Watcher watcher(&root_);
  const OpId one{.tag = 1}, two{.tag = 2};
  ASSERT_TRUE(watcher.DoWatch({.op = one, .dirs = {"/w", "/none"}}).ok());
  ASSERT_TRUE(watcher.DoWatch({.op = two, .dirs = {"/w"}}).ok());
  EXPECT_TRUE(watcher.Changed().empty());
  Put("/w/new", "");
  EXPECT_EQ(watcher.Changed(), (std::vector<OpId>{one, two}));
  EXPECT_TRUE(watcher.Changed().empty());
  watcher.DoUnwatch(one);
  rename((dir_.path() + "/w/new").c_str(), (dir_.path() + "/w/newer").c_str());
  EXPECT_EQ(watcher.Changed(), std::vector<OpId>{two});
  watcher.DoUnwatch(two);
  EXPECT_EQ(watcher.watch_count(), 0u);
  Put("/w/again", "");
  EXPECT_TRUE(watcher.Changed().empty());
}

}  // namespace
}  // namespace postern::files
