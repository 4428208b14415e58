// What people do to the queue by hand in one seed of three, as `postern queue` and postsuper(1) do it: empty files in
// requests/ (core/queue/request.h), for all messages or for one that lies there; at any moment, around the end of a
// process, while a delivery is under way, several at once. In the end all that is held is released.
//
//   planted ---> open ---> done: the server has unlinked the file, durably
//                  |
//                  +--> what lay there is held, released, gone: seen on the disk at once, and in the tries from then on
//
// A message is excused from arriving where a request to delete it was open while it lay in the queue.
#pragma once

#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/queue/request.h"
#include "sim/campaign/ledger.h"
#include "sim/campaign/outbound_oracles.h"
#include "sim/world/world.h"

namespace postern::sim {

// What waits for one domain may be tried so long after that was asked for: folders are read for it one after another.
inline constexpr Duration kSiteSlack = Seconds(120);

class ByHand {
 public:
  // Draws whether somebody does, and what is done when, from a stream of its own.
  ByHand(uint64_t seed, bool hands_off);
  bool works() const { return works_; }

  // `disk_keeps_all`: no flush fails. `crashes`: when processes will end. `sites`: what may be asked for by flush-site.
  // Before World::Start(), or after.
  void Begin(World& world, Ledger& ledger, bool disk_keeps_all, const std::vector<Instant>& crashes,
             std::vector<std::string> sites);
  // Of every step, in order.
  void Watch(Now now, const Event& event, const std::vector<Effect>& effects);
  // Nothing new is done by hand from now on; what is held is released, until nothing is.
  void Release();

  // Queue ids that a request to delete was open for while they lay in the queue.
  const std::set<std::string>& deleted() const { return deleted_; }
  // When somebody asked for tries, or kept messages from being tried.
  std::vector<AskedByHand> asked() const;
  // What broke a law so far, and in the end: no request is left, no message lies in two folders, nothing that was held
  // or deleted was tried before it was let go.
  Violations Audit(const std::vector<Tried>& tries) const;

 private:
  static constexpr Instant kNever{std::numeric_limits<int64_t>::max()};
  struct Asked {
    std::string name;  // of the file
    queue::Request request;
    Instant from, to = kNever;        // to: when it was done
    std::set<std::string> lay_there;  // whom it is for, as far as that is certain
  };
  // It must not be tried between the two.
  struct Stopped {
    std::string id;
    bool deleted = false;
    Instant from, to = kNever;
  };

  void DrawMoment(const std::vector<Instant>& crashes);
  void ActSoon(Duration after);
  void Act();
  queue::Request DrawRequest();
  void Ask(const queue::Request& request);
  void Open(const std::string& name, const queue::Request& request);
  void ReleaseAgain();
  void Tell(const std::string& name, std::string_view what, Instant now);
  void OnNewProcess(Now now);
  void WatchPlan(const Commit& commit);
  void OnDone(const std::string& name, Instant now);
  void Judge(const Asked& asked, Instant now);
  bool OtherwiseMeanwhile(const Asked& asked, const std::string& id) const;
  std::set<std::string> Names(std::string_view folder) const;
  std::set<std::string> Lying() const;

  Random random_;
  bool works_ = false, released_ = false;
  World* world_ = nullptr;    // null: nobody does
  Ledger* ledger_ = nullptr;  // for the story
  std::vector<std::string> sites_;
  std::multimap<uint64_t, Duration> at_connection_;  // the how manieth, and how long after it
  uint64_t connections_ = 0;

  std::vector<Asked> asked_;
  std::map<std::string, size_t> open_;            // by name: which of asked_
  std::map<OpId, std::string> acknowledgements_;  // plans under way that unlink a request
  std::map<OpId, std::string> coming_;            // and that put a message into incoming/
  std::map<std::string, Instant> may_return_;     // where power is lost until then: nobody saw that it was done
  bool disk_keeps_all_ = false;
  uint64_t process_ = 0;
  Instant last_event_;
  std::set<std::string> deleted_;
  std::vector<Stopped> stopped_;
  Violations violations_;
};

}  // namespace postern::sim
