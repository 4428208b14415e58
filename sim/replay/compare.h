// Compares what the recorded server said with what the shard said, at the level of the protocol. What
// ../shared/recordings/README.md lets differ does: texts behind a code, queue and session ids, dates and timings in
// texts, the server's name in ID, challenges, capabilities where ours are more, the order of independent untagged
// responses. So do mod-sequences, which Dovecot keeps in indexes that the recordings leave out. Everything else is a
// difference: codes, enhanced codes, tagged results, response codes, UIDs, UIDVALIDITY, flags, sizes, envelopes,
// structures, message bytes, mailbox lists, UIDLs. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/settings.h"
#include "sim/replay/session_player.h"

namespace postern::sim {

struct Difference {
  size_t turn = 0;       // index into Played::turns
  std::string command;   // what the client had said: one line
  std::string recorded;  // "" where the recorded server said nothing of the kind
  std::string ours;      // "" where the shard didn't
};

// In order of turns; empty: equal.
std::vector<Difference> CompareSession(config::Protocol protocol, const Played& played);

// ---- for the protocols' own files (compare_smtp.cc, compare_pop3.cc, compare_imap.cc) ----

std::vector<Difference> CompareSmtp(const std::vector<Turn>& turns);
std::vector<Difference> ComparePop3(const std::vector<Turn>& turns);
std::vector<Difference> CompareImap(const std::vector<Turn>& turns);

// The first line of what the client said, without its end; "(greeting)" for the first turn.
std::string CommandOf(const Turn& turn);
// `text` cut into lines at CRLF; the last may have none.
std::vector<std::string_view> LinesOf(std::string_view text);

}  // namespace postern::sim
