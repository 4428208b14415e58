// Everything that lies in a Maildir and is read at opening, as a fuzzer would have it: control files and names. One input is
// a file for each line-separated part; the account opens the mailbox, changes it, and a new process opens it again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/sim/mailbox_driver.h"

namespace {

using postern::sim::MailboxDriver;

void Run(std::string_view input) {
  MailboxDriver driver(1);
  driver.in_order = true;
  const char* const places[] = {"dovecot-uidlist", "postern.changes", "dovecot-keywords", "dovecot-uidvalidity", "subscriptions"};
  for (const char* place : places) {
    const std::string_view part = input.substr(0, input.find('\xff'));
    input.remove_prefix(std::min(input.size(), part.size() + 1));
    if (!part.empty()) driver.Deliver(place, std::string(part), "/");
  }
  int files = 0;
  while (!input.empty() && files < 64) {
    const std::string_view name = input.substr(0, input.find('\xff'));
    input.remove_prefix(std::min(input.size(), name.size() + 1));
    if (name.empty() || name.size() > 255 || name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos || name == "." || name == "..") continue;
    driver.Deliver(std::string(name), "text " + std::to_string(++files) + "\n", files % 2 == 0 ? "/cur/" : "/new/");
  }
  auto state = driver.Select("INBOX");
  if (state == nullptr) return;
  (void)driver.Store(*state, {.uids = state->uids, .mode = postern::mailbox::StoreMode::kAdd, .flags = postern::mailbox::kSeen, .keywords = {"word"}});
  (void)driver.Append("INBOX", "appended\n");
  if (!state->uids.empty()) (void)driver.Do([&](auto& account, auto ticket, auto& context) { account.Remove(ticket, *state, {state->uids.front()}, context); });
  const auto uids = state->uids;
  const uint32_t uidvalidity = state->uidvalidity;
  const uint64_t highest = state->highestmodseq;
  driver.Restart();
  state = driver.Select("INBOX");
  // What was shown stays.
  if (state == nullptr || state->uidvalidity != uidvalidity || state->uids != uids || state->highestmodseq < highest) std::abort();
  (void)driver.Do([](auto& account, auto ticket, auto& context) { account.List(ticket, context); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size <= 65536) Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
