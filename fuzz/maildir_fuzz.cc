// Everything that lies in a Maildir and is read when it is opened: control files and names, from any program or power
// loss. An account opens the mailbox, changes it, and a new process opens it again.
//
// Input: dovecot-uidlist, postern.changes, dovecot-keywords, dovecot-uidvalidity and subscriptions as parts, then file
// names, one a line: "new/NAME" or "cur/NAME". Law: what was shown stays: UIDVALIDITY, UIDs and whose they are, MODSEQs
// never go back.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/fuzz.h"
#include "tests/sim/mailbox_driver.h"

namespace postern::sim {
namespace {

using fuzz::Require;

constexpr int kFilesMax = 64;

bool IsFileName(std::string_view name) {
  return !name.empty() && name.size() <= 255 &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos && name != "." && name != "..";
}

void Run(fuzz::Input input) {
  MailboxDriver driver(1);
  driver.in_order = true;
  for (const char* place :
       {"dovecot-uidlist", "postern.changes", "dovecot-keywords", "dovecot-uidvalidity", "subscriptions"}) {
    const std::string_view part = input.Part();
    if (!part.empty()) driver.Deliver(place, std::string(part), "/");
  }
  for (int files = 0; !input.empty() && files < kFilesMax;) {
    std::string_view name = input.Line();
    const bool is_new = name.starts_with("new/");
    name.remove_prefix(is_new || name.starts_with("cur/") ? 4 : 0);
    if (IsFileName(name))
      driver.Deliver(std::string(name), "text " + std::to_string(++files) + "\n", is_new ? "/new/" : "/cur/");
  }

  auto state = driver.Select("INBOX");
  if (state == nullptr) return;
  Require(std::is_sorted(state->uids.begin(), state->uids.end()) &&
              std::adjacent_find(state->uids.begin(), state->uids.end()) == state->uids.end(),
          "UIDs ascend");
  Require(state->uidvalidity != 0, "a mailbox has a UIDVALIDITY");
  Require(state->uids.empty() || state->uidnext > state->uids.back(), "the next UID is new");
  (void)driver.Store(
      *state, {.uids = state->uids, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kSeen, .keywords = {"word"}});
  (void)driver.Append("INBOX", "appended\n");
  if (!state->uids.empty()) {
    (void)driver.Do([&](auto& account, auto ticket, auto& context) {
      account.Remove(ticket, *state, {state->uids.front()}, context);
    });
  }
  std::vector<std::string> bodies;
  for (size_t i = 0; i < std::min<size_t>(state->uids.size(), 8); ++i)
    bodies.push_back(driver.Body(*state, state->uids[i]));
  const auto uids = state->uids;
  const uint32_t uidvalidity = state->uidvalidity;
  const uint64_t highest = state->highestmodseq;

  driver.Restart();
  state = driver.Select("INBOX");
  Require(state != nullptr, "a mailbox that was open opens again");
  Require(state->uidvalidity == uidvalidity, "UIDVALIDITY stays",
          std::to_string(uidvalidity) + " " + std::to_string(state->uidvalidity));
  Require(state->uids == uids, "UIDs stay");
  Require(state->highestmodseq >= highest, "MODSEQs don't go back",
          std::to_string(highest) + " " + std::to_string(state->highestmodseq));
  for (size_t i = 0; i < bodies.size(); ++i)
    Require(driver.Body(*state, uids[i]) == bodies[i], "a UID is the same message");
  (void)driver.Do([](auto& account, auto ticket, auto& context) { account.List(ticket, context); });
}

}  // namespace
}  // namespace postern::sim

POSTERN_FUZZ_TARGET(postern::sim::Run)
