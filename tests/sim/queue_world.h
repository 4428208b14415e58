// A world whose mail goes out by a relay host: for tests of the queue, of what waits in it and what becomes of it.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/queue/queue_file.h"
#include "sim/campaign/setting.h"
#include "sim/remote/remote_host.h"
#include "sim/world/world.h"

namespace postern::sim {

inline const IpAddress kRelay = *IpAddress::Parse("203.0.113.25");
inline constexpr std::string_view kSpool = "/var/spool/postfix";

// A whole queue or maildrop file.
inline std::string Sealed(const std::string& envelope, const std::string& message) {
  queue::Checksum checksum;
  checksum.Add(envelope + message);
  return envelope + message + queue::FormatTrailer(message.size(), checksum);
}

class QueueWorldTest : public ::testing::Test {
 protected:
  // A world that has not started, with an empty spool. `change`: what is set otherwise than with MakeSetting.
  void Open(uint64_t seed, Faults faults, const std::function<void(config::Config*)>& change) {
    auto setting = std::make_shared<config::Config>(*MakeSetting(config::MailFsync::kOptimized));
    setting->routing.relayhost = "[203.0.113.25]";
    if (change) change(setting.get());
    world_ = std::make_unique<World>(seed, setting, uint16_t{2}, faults);
    world_->LetMailGoOut();
    for (const Stage& stage : queue::PlanFolders(kSpool).stages) {
      for (const FileOp& op : stage) ASSERT_TRUE(world_->disk().Apply(op, 0).ok());
    }
  }
  // From now on the relay host is there.
  void AddRelay(uint64_t seed, RemoteBehaviour behaviour = {}) {
    host_ = std::make_shared<RemoteHost>("mx.far.example", behaviour, seed);
    world_->AddRemoteHost(kRelay, host_);
  }
  void RunFor(Duration duration) {
    world_->After(duration.ns, [] {});  // time passes also where nothing happens
    ASSERT_TRUE(world_->RunUntil(world_->now().mono + duration, 3'000'000));
  }
  void Run(int64_t seconds) { RunFor(Seconds(seconds)); }

  static Path PathOf(const std::string& name, queue::Folder folder) { return queue::FilePath(kSpool, folder, name); }
  size_t Count(queue::Folder folder) const {
    const auto entries = world_->disk().List(queue::FolderPath(kSpool, folder));
    return entries.ok() ? entries->size() : 0;
  }
  // Texts of what came to a mailbox of this host.
  std::vector<std::string> MailOf(const std::string& user) const {
    std::vector<std::string> texts;
    const std::string dir = MaildirOf(user) + "/new";
    const auto entries = world_->disk().List(dir);
    for (size_t i = 0; entries.ok() && i < entries->size(); ++i)
      texts.push_back(*world_->disk().ReadFile(dir + "/" + (*entries)[i].name));
    return texts;
  }

  std::shared_ptr<RemoteHost> host_;  // outlives the world's links to it
  std::unique_ptr<World> world_;
};

}  // namespace postern::sim
