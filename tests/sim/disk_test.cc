// Goal: the fake disk keeps after a power loss what was made durable, and only shows what POSIX permits of the rest.
#include "sim/world/disk.h"

#include <gtest/gtest.h>

namespace postern::sim {
namespace {

Create Make(const std::string& path, const std::string& bytes) { return {.path = path, .bytes = Chain(bytes)}; }

TEST(Disk, KeepsWhatWasFlushedInBothWays) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(MakeDir{"/a"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/"}, 1).ok());
    ASSERT_TRUE(disk.Apply(Make("/a/x", "bytes"), 1).ok());
    ASSERT_TRUE(disk.Apply(SyncFile{"/a/x"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/a"}, 1).ok());
    disk.LosePower();
    ASSERT_TRUE(disk.ReadFile("/a/x").ok());
    EXPECT_EQ(*disk.ReadFile("/a/x"), "bytes");
  }
}

TEST(Disk, MayLoseANameOrBytesThatWereNotFlushed) {
  bool name_lost = false, bytes_lost = false, all_there = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(Make("/x", "some bytes"), 1).ok());
    disk.LosePower();
    const auto read = disk.ReadFile("/x");
    name_lost |= !read.ok();
    bytes_lost |= read.ok() && *read != "some bytes";
    all_there |= read.ok() && *read == "some bytes";
  }
  EXPECT_TRUE(name_lost);
  EXPECT_TRUE(bytes_lost);
  EXPECT_TRUE(all_there);
}

TEST(Disk, AFileUsedAgainMayShowEitherMessageUnderItsOldName) {
  bool gone = false, before = false, after = false, mixed = false;
  const std::string first(9000, 'a'), second(9000, 'b');
  for (uint64_t seed = 0; seed < 300; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(MakeDir{"/spare"}, 1).ok());
    ASSERT_TRUE(disk.Apply(Make("/old", first), 1).ok());
    ASSERT_TRUE(disk.Apply(SyncFile{"/old"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/"}, 1).ok());
    ASSERT_TRUE(disk.Apply(Retire{.path = "/old", .spares = "/spare", .size_bytes = 9000}, 1).ok());
    EXPECT_FALSE(disk.ReadFile("/old").ok());
    ASSERT_TRUE(disk.Apply(Create{.path = "/new", .bytes = Chain(second), .spares = "/spare"}, 1).ok());
    EXPECT_EQ(*disk.ReadFile("/new"), second);
    EXPECT_TRUE(disk.Files("/spare").empty());
    disk.LosePower();
    const auto read = disk.ReadFile("/old");
    gone |= !read.ok();
    before |= read.ok() && *read == first;
    after |= read.ok() && *read == second;
    mixed |= read.ok() && *read != first && *read != second;
  }
  EXPECT_TRUE(gone);
  EXPECT_TRUE(before);
  EXPECT_TRUE(after);
  EXPECT_TRUE(mixed);
}

TEST(Disk, AFileUsedAgainIsKeptAsItWasFlushed) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(Make("/old", "first"), 1).ok());
    ASSERT_TRUE(disk.Apply(Retire{.path = "/old", .spares = "/", .size_bytes = 5}, 1).ok());
    ASSERT_TRUE(disk.Apply(Create{.path = "/new", .bytes = Chain("second"), .spares = "/"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncFile{"/new"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/"}, 1).ok());
    disk.LosePower();
    ASSERT_TRUE(disk.ReadFile("/new").ok());
    EXPECT_EQ(*disk.ReadFile("/new"), "second");
    EXPECT_FALSE(disk.ReadFile("/old").ok());
  }
}

TEST(Disk, ARenameLeavesTheOldNameTheNewOneOrBoth) {
  bool only_old = false, only_new = false, both = false;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(Make("/old", "m"), 1).ok());
    ASSERT_TRUE(disk.Apply(SyncFile{"/old"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/"}, 1).ok());
    ASSERT_TRUE(disk.Apply(Rename{.from = "/old", .to = "/new"}, 1).ok());
    disk.LosePower();
    const bool old_there = disk.ReadFile("/old").ok(), new_there = disk.ReadFile("/new").ok();
    ASSERT_TRUE(old_there || new_there);
    only_old |= old_there && !new_there;
    only_new |= new_there && !old_there;
    both |= old_there && new_there;
  }
  EXPECT_TRUE(only_old && only_new && both);
}

TEST(Disk, AFailedFlushLosesTheBytesThoughALaterOneSucceeds) {
  bool lost = false;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    Disk disk(seed);
    ASSERT_TRUE(disk.Apply(Make("/x", "bytes"), 1).ok());
    disk.FailSync(SyncFile{"/x"});
    ASSERT_TRUE(disk.Apply(SyncFile{"/x"}, 1).ok());
    ASSERT_TRUE(disk.Apply(SyncDir{"/"}, 1).ok());
    disk.LosePower();
    lost |= *disk.ReadFile("/x") != "bytes";
  }
  EXPECT_TRUE(lost);
}

TEST(Disk, AppendsOnlyWhereTheCallerThinksTheEndIs) {
  Disk disk(1);
  EXPECT_TRUE(disk.Apply(Append{.path = "/log", .at_bytes = 0, .bytes = Chain("one")}, 1).ok());
  EXPECT_EQ(disk.Apply(Append{.path = "/log", .at_bytes = 2, .bytes = Chain("two")}, 1).code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(disk.Apply(Append{.path = "/log", .at_bytes = 3, .bytes = Chain("two")}, 1).ok());
  EXPECT_EQ(*disk.ReadFile("/log"), "onetwo");
}

}  // namespace
}  // namespace postern::sim
