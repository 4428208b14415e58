// The pool's bounds, the inbox, and the questions: answered in the asker's inbox, names asked once.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <future>

#include "adapters/workers/inbox.h"
#include "adapters/workers/inquiries.h"
#include "adapters/workers/thread_pool.h"

namespace postern::workers {
namespace {

// Runs the inbox until `count` tasks came, or ten seconds are over.
size_t RunTasks(Inbox* inbox, size_t count) {
  size_t done = 0;
  while (done < count) {
    pollfd fd{.fd = inbox->wake_fd(), .events = POLLIN};
    if (poll(&fd, 1, 10'000) != 1) break;
    done += inbox->RunPosted();
  }
  return done;
}

TEST(ThreadPoolTest, RefusesMoreThanItMayKeepWaiting) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  std::promise<void> running;
  std::atomic<int> done{0};
  {
    ThreadPool pool("test", {.threads_max = 1, .waiting_max = 2});
    ASSERT_TRUE(pool.Run([&] {
      running.set_value();
      open.wait();
      ++done;
    }));
    running.get_future().wait();
    EXPECT_TRUE(pool.Run([&] { ++done; }));
    EXPECT_TRUE(pool.Run([&] { ++done; }));
    EXPECT_FALSE(pool.Run([&] { ++done; }));
    gate.set_value();
  }
  EXPECT_EQ(done, 3);
}

TEST(ThreadPoolTest, UsesSeveralThreads) {
  // Each task waits for all others: they must run at the same time.
  std::atomic<int> here{0};
  ThreadPool pool("test", {.threads_max = 4, .waiting_max = 100});
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(pool.Run([&] {
      ++here;
      while (here < 4) std::this_thread::yield();
    }));
  }
}

TEST(InboxTest, KeepsTheOrderOfOnePoster) {
  Inbox inbox;
  std::vector<int> seen;
  std::thread poster([&] {
    for (int i = 0; i < 1000; ++i) inbox.Post([&seen, i] { seen.push_back(i); });
  });
  EXPECT_EQ(RunTasks(&inbox, 1000), 1000u);
  poster.join();
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(InquiriesTest, TooManyPasswordsFailForNow) {
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  Inbox inbox;
  int right = 0, refused = 0;
  {
    Inquiries inquiries(
        [open](std::string_view, std::string_view, std::string_view) -> StatusOr<bool> {
          open.wait();
          return true;
        },
        &ResolveClientName, {.password_threads = 1, .passwords_waiting_max = 3});
    const auto tell = [&](const Answer& answer) {
      const auto& checked = std::get<PasswordChecked>(answer.reply);
      right += checked.matches;
      refused += checked.status.code() == StatusCode::kUnavailable;
    };
    for (int i = 0; i < 10; ++i) inquiries.Verify({}, {}, &inbox, tell);
    gate.set_value();
  }
  EXPECT_EQ(inbox.RunPosted(), 10u);
  EXPECT_EQ(right + refused, 10);
  EXPECT_GE(right, 3);
  EXPECT_GE(refused, 6);
}

TEST(InquiriesTest, ANameIsAskedForOnceAndKept) {
  std::atomic<int> asked{0};
  std::promise<void> gate;
  const std::shared_future<void> open = gate.get_future().share();
  Inquiries inquiries([](auto...) -> StatusOr<bool> { return false; },
                      [&](const IpAddress& address) {
                        ++asked;
                        open.wait();
                        return ClientName{.name = "host." + address.ToString()};
                      },
                      {});
  Inbox inbox;
  std::vector<std::string> names;
  const auto tell = [&](const Answer& answer) { names.push_back(std::get<ClientName>(answer.reply).name); };
  const LookupClientName one{*IpAddress::Parse("192.0.2.1")}, two{*IpAddress::Parse("192.0.2.2")};
  for (int i = 0; i < 5; ++i) inquiries.LookUp({}, one, &inbox, tell);
  inquiries.LookUp({}, two, &inbox, tell);
  gate.set_value();
  EXPECT_EQ(RunTasks(&inbox, 6), 6u);
  inquiries.LookUp({}, one, &inbox, tell);
  EXPECT_EQ(RunTasks(&inbox, 1), 1u);
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(std::count(names.begin(), names.end(), "host.192.0.2.1"), 6);
}

TEST(InquiriesTest, TheLoopbackAddressHasANameOrNone) {
  const ClientName name = ResolveClientName(*IpAddress::Parse("127.0.0.1"));
  EXPECT_TRUE(name.name.empty() || name.name == name.reverse);
}

}  // namespace
}  // namespace postern::workers
