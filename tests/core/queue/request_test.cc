// Names of requests: each says one thing, and no other name says anything.
#include "core/queue/request.h"

#include <gtest/gtest.h>

namespace postern::queue {
namespace {

TEST(Request, EveryNameIsRead) {
  const std::pair<std::string, Request> cases[] = {
      {"flush", {.kind = RequestKind::kFlushAll}},
      {"flush-4A1B2C3D4E5F", {.kind = RequestKind::kFlushMessage, .id = "4A1B2C3D4E5F"}},
      {"flush-site-example.org", {.kind = RequestKind::kFlushSite, .site = "example.org"}},
      {"flush-site-[192.0.2.1]", {.kind = RequestKind::kFlushSite, .site = "[192.0.2.1]"}},
      {"hold-4A1B2C", {.kind = RequestKind::kHold, .id = "4A1B2C"}},
      {"hold-ALL", {.kind = RequestKind::kHold}},
      {"release-ALL", {.kind = RequestKind::kRelease}},
      {"release-4A1B2C", {.kind = RequestKind::kRelease, .id = "4A1B2C"}},
      {"requeue-ALL", {.kind = RequestKind::kRequeue}},
      {"requeue-4A1B2C", {.kind = RequestKind::kRequeue, .id = "4A1B2C"}},
      {"delete-ALL", {.kind = RequestKind::kDelete}},
      {"delete-4A1B2C", {.kind = RequestKind::kDelete, .id = "4A1B2C"}},
  };
  for (const auto& [name, request] : cases) {
    EXPECT_EQ(ParseRequest(name), request) << name;
    EXPECT_EQ(FormatRequest(request), name);
  }
}

TEST(Request, OtherNamesSayNothing) {
  // What is deleted by a slip of the pen is not to be had back.
  for (const std::string name : {"",
                                 "flush-",
                                 "flush-ALL",
                                 "flush-site-",
                                 "flush-site-Example.org",
                                 "flush-site-a b",
                                 "flush-site-../x",
                                 "flush-site-a/b",
                                 "flush-site-.",
                                 "delete",
                                 "delete-",
                                 "delete-all",
                                 "delete-ALL ",
                                 "delete-ALLX",
                                 "delete-4a1b2c",
                                 "delete-4A1B2",
                                 "Delete-ALL",
                                 " delete-ALL",
                                 "delete--ALL",
                                 ".delete-ALL",
                                 "delete-ALL~",
                                 "hold-ALL-deferred",
                                 "expire-4A1B2C",
                                 "tmp-1",
                                 "flushX"}) {
    EXPECT_EQ(ParseRequest(name), std::nullopt) << name;
  }
  EXPECT_EQ(ParseRequest(std::string("delete-ALL\0", 11)), std::nullopt);
}

TEST(Request, ASiteIsNoLongerThanAFilesName) {
  std::string site;
  while (site.size() < 244) site += site.size() % 60 == 59 ? '.' : 'a';
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kFlushSite, .site = site}).size(), kRequestNameBytesMax);
  EXPECT_TRUE(ParseRequest("flush-site-" + site).has_value());
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kFlushSite, .site = site + "a"}), "");
  EXPECT_FALSE(ParseRequest("flush-site-" + site + "a").has_value());
}

TEST(Request, WhatNoNameCanSayIsNotWritten) {
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kFlushSite, .site = "a/../b"}), "");
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kFlushSite, .site = "UPPER.example"}), "");
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kDelete, .id = "../../etc"}), "");
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kDelete, .id = "ALL"}), "");
  EXPECT_EQ(FormatRequest({.kind = RequestKind::kFlushMessage}), "");
}

}  // namespace
}  // namespace postern::queue
