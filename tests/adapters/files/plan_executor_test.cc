// The operations of file plans on a real folder, one by one: what file_plan.h promises for each.
#include "adapters/files/plan_executor.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "tests/adapters/files/executor_fixture.h"

namespace postern::files {
namespace {

using testing::ExecutorFixture;

std::string Contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

bool Exists(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0;
}

class PlanExecutorTest : public ::testing::TestWithParam<bool> {
 protected:
  PlanExecutorTest() : files_(GetParam()) {}

  StatusCode CodeOf(FileOp op) {
    FilePlan plan;
    plan.stages.push_back({std::move(op)});
    return files_.Run(std::move(plan)).status().code();
  }
  std::string At(const std::string& path) const { return files_.folder() + path; }

  ExecutorFixture files_;
};

INSTANTIATE_TEST_SUITE_P(Engines, PlanExecutorTest, ::testing::Values(true, false),
                         [](const auto& info) { return info.param ? "uring" : "threads"; });

ino_t InodeOf(const std::string& path) {
  struct stat facts {};
  return lstat(path.c_str(), &facts) == 0 ? facts.st_ino : 0;
}

TEST_P(PlanExecutorTest, UsesARetiredFileAgain) {
  for (const std::string& bytes : {std::string("as long"), std::string("short"), std::string("rather longer")}) {
    ASSERT_EQ(CodeOf(MakeDir{"/spare"}), StatusCode::kOk);
    ASSERT_EQ(CodeOf(Create{.path = "/first", .bytes = Chain("seven..")}), StatusCode::kOk);
    const ino_t inode = InodeOf(At("/first"));
    ASSERT_EQ(CodeOf(Retire{.path = "/first", .spares = "/spare", .size_bytes = 7}), StatusCode::kOk);
    EXPECT_FALSE(Exists(At("/first")));
    FilePlan plan;
    plan.stages = {{Create{.path = "/second", .bytes = Chain(bytes), .mtime_seconds = 1234567890, .spares = "/spare"}},
                   {SyncFile{"/second"}}};
    ASSERT_TRUE(files_.Run(std::move(plan)).ok());
    EXPECT_EQ(InodeOf(At("/second")), inode);
    EXPECT_EQ(Contents(At("/second")), bytes);
    ASSERT_EQ(CodeOf(RemoveTree{"/spare"}), StatusCode::kOk);
    ASSERT_EQ(CodeOf(Unlink{"/second"}), StatusCode::kOk);
  }
}

TEST_P(PlanExecutorTest, NeverUsesAFileThatAnotherProcessKept) {
  // After a power loss it may be a message by another name.
  ASSERT_EQ(CodeOf(MakeDir{"/spare"}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Create{.path = "/message", .bytes = Chain("a message")}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Link{.from = "/message", .to = "/spare/1"}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Create{.path = "/other", .bytes = Chain("x"), .spares = "/spare"}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Retire{.path = "/other", .spares = "/spare", .size_bytes = 1}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Create{.path = "/third", .bytes = Chain("y"), .spares = "/spare"}), StatusCode::kOk);
  EXPECT_EQ(Contents(At("/message")), "a message");
  EXPECT_EQ(Contents(At("/third")), "y");
}

TEST_P(PlanExecutorTest, RetiresAsItUnlinksWhereNothingIsKept) {
  ASSERT_EQ(CodeOf(Create{.path = "/a", .bytes = Chain("x")}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Retire{.path = "/a", .spares = "/no-such-folder", .size_bytes = 1}), StatusCode::kOk);
  EXPECT_FALSE(Exists(At("/a")));
  EXPECT_EQ(CodeOf(Retire{.path = "/a", .spares = "/no-such-folder", .size_bytes = 1}),
            StatusCode::kOk);  // nothing there
  ASSERT_EQ(CodeOf(MakeDir{"/spare"}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Create{.path = "/large", .bytes = Chain("x")}), StatusCode::kOk);
  const uint64_t large = SpareFiles::kFileBytesMax + 1;
  EXPECT_EQ(CodeOf(Retire{.path = "/large", .spares = "/spare", .size_bytes = large}), StatusCode::kOk);
  EXPECT_FALSE(Exists(At("/large")));
  // A spare that is not there any more: a new file.
  ASSERT_EQ(CodeOf(Create{.path = "/b", .bytes = Chain("x")}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Retire{.path = "/b", .spares = "/spare", .size_bytes = 1}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(RemoveTree{"/spare"}), StatusCode::kOk);
  ASSERT_EQ(CodeOf(Create{.path = "/c", .bytes = Chain("new"), .spares = "/spare"}), StatusCode::kOk);
  EXPECT_EQ(Contents(At("/c")), "new");
}

TEST_P(PlanExecutorTest, DeliversAMessage) {
  FilePlan plan;
  Chain bytes("From: a\r\n");
  bytes.Append(std::make_shared<const std::string>("\r\nbody\r\n"));
  plan.stages.push_back({MakeDir{"/m/tmp"}, MakeDir{"/m/new"}});
  plan.stages.push_back({Create{.path = "/m/tmp/1", .bytes = bytes, .mode = 0640, .mtime_seconds = 1234567890}});
  plan.stages.push_back({SyncFile{"/m/tmp/1"}});
  plan.stages.push_back({Rename{"/m/tmp/1", "/m/new/1"}});
  plan.stages.push_back({SyncDir{"/m/new"}, SyncDir{"/m"}});
  const PlanResult result = files_.Run(std::move(plan));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Contents(At("/m/new/1")), "From: a\r\n\r\nbody\r\n");
  EXPECT_FALSE(Exists(At("/m/tmp/1")));
  struct stat facts {};
  ASSERT_EQ(stat(At("/m/new/1").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1234567890);
  EXPECT_EQ(facts.st_mode & 0777, 0640u);
}

TEST_P(PlanExecutorTest, AFailedStageIsFinishedAndEndsThePlan) {
  ASSERT_EQ(CodeOf(Create{.path = "/taken"}), StatusCode::kOk);
  FilePlan plan;
  plan.stages.push_back({Create{.path = "/a"}, Create{.path = "/taken"}, Rename{"/none", "/x"}, Create{.path = "/b"}});
  plan.stages.push_back({Create{.path = "/never"}});
  const PlanResult result = files_.Run(std::move(plan));
  ASSERT_EQ(result.failures.size(), 2u);
  EXPECT_EQ(result.failures[0].stage, 0u);
  EXPECT_EQ(result.failures[0].op, 1u);
  EXPECT_EQ(result.failures[0].status.code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(result.failures[1].op, 2u);
  EXPECT_EQ(result.failures[1].status.code(), StatusCode::kNotFound);
  EXPECT_TRUE(Exists(At("/a")) && Exists(At("/b")));
  EXPECT_FALSE(Exists(At("/never")));
}

TEST_P(PlanExecutorTest, AppendsOnlyAtTheEndItWasToldOf) {
  EXPECT_EQ(CodeOf(Append{.path = "/log", .at_bytes = 5, .bytes = Chain("x")}), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(Append{.path = "/log", .at_bytes = 0, .bytes = Chain("one")}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Append{.path = "/log", .at_bytes = 3, .bytes = Chain("two")}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Append{.path = "/log", .at_bytes = 3, .bytes = Chain("no")}), StatusCode::kFailedPrecondition);
  EXPECT_EQ(CodeOf(Append{.path = "/log", .at_bytes = 0, .bytes = Chain("no")}), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Contents(At("/log")), "onetwo");
}

TEST_P(PlanExecutorTest, RenameReplacesOnlyWhenAsked) {
  CodeOf(Create{.path = "/a", .bytes = Chain("a")});
  CodeOf(Create{.path = "/b", .bytes = Chain("b")});
  EXPECT_EQ(CodeOf(Rename{"/a", "/b"}), StatusCode::kAlreadyExists);
  EXPECT_EQ(Contents(At("/b")), "b");
  EXPECT_EQ(CodeOf(Rename{.from = "/a", .to = "/b", .replace = true}), StatusCode::kOk);
  EXPECT_EQ(Contents(At("/b")), "a");
}

TEST_P(PlanExecutorTest, LinksUnlinksAndRemovesTrees) {
  CodeOf(MakeDir{"/d/e/f"});
  CodeOf(Create{.path = "/d/e/f/1", .bytes = Chain("1")});
  EXPECT_EQ(CodeOf(Link{"/d/e/f/1", "/d/2"}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Link{"/d/e/f/1", "/d/2"}), StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(Unlink{"/d/e/f/nothing"}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(RemoveTree{"/d/e"}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(RemoveTree{"/d/e"}), StatusCode::kOk);
  EXPECT_FALSE(Exists(At("/d/e")));
  EXPECT_EQ(Contents(At("/d/2")), "1");
  EXPECT_EQ(CodeOf(Unlink{"/d"}), StatusCode::kFailedPrecondition);  // a folder
  EXPECT_EQ(CodeOf(RemoveTree{"/"}), StatusCode::kInvalidArgument);
}

TEST_P(PlanExecutorTest, ARemovedTreesLinksAreNotFollowed) {
  CodeOf(MakeDir{"/keep"});
  CodeOf(Create{.path = "/keep/file"});
  CodeOf(MakeDir{"/gone"});
  ASSERT_EQ(symlink(At("/keep").c_str(), At("/gone/link").c_str()), 0);
  EXPECT_EQ(CodeOf(RemoveTree{"/gone"}), StatusCode::kOk);
  EXPECT_TRUE(Exists(At("/keep/file")));
}

TEST_P(PlanExecutorTest, MakesParentsAndRefusesFilesInTheWay) {
  EXPECT_EQ(CodeOf(MakeDir{"/p/q/r"}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(MakeDir{"/p/q/r"}), StatusCode::kOk);
  CodeOf(Create{.path = "/p/file"});
  EXPECT_EQ(CodeOf(MakeDir{"/p/file"}), StatusCode::kAlreadyExists);
  EXPECT_EQ(CodeOf(MakeDir{"/p/file/below"}), StatusCode::kAlreadyExists);
}

TEST_P(PlanExecutorTest, PathsStayBelowTheRoot) {
  EXPECT_EQ(CodeOf(Create{.path = "/../outside"}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Create{.path = "/a/../../outside"}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(SyncDir{"/.."}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Rename{"/a", "/b/.."}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Create{.path = "relative"}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Create{.path = std::string("/a\0b", 4)}), StatusCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(Create{.path = "/..allowed.."}), StatusCode::kOk);
}

TEST_P(PlanExecutorTest, GivesFilesToTheirOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  FilePlan plan;
  plan.owner = {.uid = 12345, .gid = 23456};
  plan.stages.push_back({MakeDir{"/x/y"}});
  plan.stages.push_back({Create{.path = "/x/y/1"}, Append{.path = "/x/y/2"}});
  ASSERT_TRUE(files_.Run(std::move(plan)).ok());
  for (const char* path : {"/x", "/x/y", "/x/y/1", "/x/y/2"}) {
    struct stat facts {};
    ASSERT_EQ(stat(At(path).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_uid, 12345u) << path;
    EXPECT_EQ(facts.st_gid, 23456u) << path;
  }
}

TEST_P(PlanExecutorTest, SyncOfWhatIsNotThereFails) {
  EXPECT_EQ(CodeOf(SyncFile{"/none"}), StatusCode::kNotFound);
  EXPECT_EQ(CodeOf(SyncDir{"/none"}), StatusCode::kNotFound);
  CodeOf(Create{.path = "/file"});
  EXPECT_EQ(CodeOf(SyncDir{"/file"}), StatusCode::kNotFound);  // no folder of that name
}

TEST_P(PlanExecutorTest, ManyPlansRunTogether) {
  constexpr int kPlans = 300;  // more than fit into the ring
  CodeOf(MakeDir{"/n"});
  for (int i = 0; i < kPlans; ++i) {
    const std::string name = "/n/" + std::to_string(i);
    FilePlan plan;
    plan.stages = {{Create{.path = name + ".tmp", .bytes = Chain(name)}},
                   {SyncFile{name + ".tmp"}},
                   {Rename{name + ".tmp", name}},
                   {SyncDir{"/n"}}};
    files_.executor().Submit({.machine = MachineId{7}, .tag = static_cast<uint64_t>(i)}, std::move(plan));
  }
  std::vector<bool> seen(kPlans);
  for (const PlanDone& done : files_.Finish()) {
    EXPECT_TRUE(done.result.ok()) << done.result.status();
    EXPECT_EQ(done.op.machine, MachineId{7});
    seen.at(done.op.tag) = true;
  }
  for (int i = 0; i < kPlans; ++i) {
    EXPECT_TRUE(seen[i]) << i;
    EXPECT_EQ(Contents(At("/n/" + std::to_string(i))), "/n/" + std::to_string(i));
  }
}

TEST_P(PlanExecutorTest, AFullDiskLeavesNoHalfFile) {
  // A file size limit stands in for a full disk; both are kResourceExhausted.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(CodeOf(Append{.path = "/log", .bytes = Chain("head")}), StatusCode::kOk);
  setrlimit(RLIMIT_FSIZE, &small);
  const StatusCode create = CodeOf(Create{.path = "/big", .bytes = Chain(std::string(100'000, 'x'))});
  const StatusCode append = CodeOf(Append{.path = "/log", .at_bytes = 4, .bytes = Chain(std::string(100'000, 'x'))});
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(create, StatusCode::kResourceExhausted);
  EXPECT_EQ(append, StatusCode::kResourceExhausted);
  EXPECT_FALSE(Exists(At("/big")));
  EXPECT_EQ(Contents(At("/log")), "head");
}

TEST_P(PlanExecutorTest, CopiesAcrossFileSystems) {
  struct stat here {
  }, there{};
  if (stat("/dev/shm", &there) != 0 || stat(files_.folder().c_str(), &here) != 0 || here.st_dev == there.st_dev) {
    GTEST_SKIP() << "no second file system";
  }
  const std::string other = "/dev/shm/postern-test-" + std::to_string(getpid());
  ASSERT_EQ(mkdir(other.c_str(), 0700), 0);
  ASSERT_EQ(symlink(other.c_str(), At("/other").c_str()), 0);
  CodeOf(Create{.path = "/a", .bytes = Chain("bytes"), .mtime_seconds = 1000});
  EXPECT_EQ(CodeOf(Link{"/a", "/other/a"}), StatusCode::kOk);
  EXPECT_EQ(CodeOf(Link{"/a", "/other/a"}), StatusCode::kAlreadyExists);
  EXPECT_EQ(Contents(other + "/a"), "bytes");
  struct stat facts {};
  stat((other + "/a").c_str(), &facts);
  EXPECT_EQ(facts.st_mtim.tv_sec, 1000);
  EXPECT_FALSE(Exists(other + "/.a.copy"));
  unlink((other + "/a").c_str());
  rmdir(other.c_str());
}

TEST(SyncEngineTest, UringIsThereOrNot) {
  // Tells in the log which engine this host has: nothing else may depend on it.
  ExecutorFixture files(true);
  RecordProperty("uring", files.executor().uses_uring() ? "yes" : "no");
}

}  // namespace
}  // namespace postern::files
