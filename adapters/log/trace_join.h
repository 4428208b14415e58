// Which records are of one message: the join that `postern trace` makes over the records on disk (record_ring.h).
//
// A message is known by keys: its trace id, its queue ids, the base names of its files. A record that has several says
// that they are one; a record about many messages (an expunge of a thousand) has lists, of which the n-th entries
// belong together, and says so of each by itself. From the key that was asked for, the search follows them in both
// directions until a pass over all records adds nothing:
//
//   Message-ID --> trace id <--> queue id <--> base name <--copy, move--> base name of the copy ...
//
// A Message-ID only begins a search: strangers may send any, and copies by other ways have the same. Records of
// sessions (connections, TLS, logins) belong to every message that the session had to do with, and lead to no other; so
// do mailboxes that were deleted or renamed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace postern::log {

// A record as it lies on disk: the members of its object, numbers as their text.
class TraceRecord {
 public:
  // nullopt: no record (a line torn by a crash).
  static std::optional<TraceRecord> Parse(std::string line);

  // Empty where there is no such member.
  std::string_view Get(std::string_view name) const;
  // The parts of a list: they are separated by blanks.
  std::vector<std::string_view> List(std::string_view name) const;
  // The n-th number of a set as IMAP writes it, "1:500,700"; nullopt where there are not so many.
  std::optional<uint32_t> NumberOf(std::string_view name, size_t index) const;
  const std::string& line() const { return line_; }

 private:
  std::string line_;
  std::map<std::string, std::string, std::less<>> members_;
};

class TraceJoin {
 public:
  // Bounds what a message with very many recipients or copies costs: see cut().
  static constexpr size_t kKeysMax = 20'000;

  // `wanted`: a queue id, a trace id, a Message-ID with or without <>, the name or path of a message's file; or a
  // session's id, for that session's own records alone.
  explicit TraceJoin(std::string_view wanted);

  // May a line be of the message? False where it certainly is not: much cheaper than to parse it.
  bool MayMatch(std::string_view line) const;
  // Is it of the message, by what is known so far? If so its keys are learned.
  struct Match {
    bool matches = false;
    // Which entries of its lists are about the message; empty where it has none, or is a session's.
    std::vector<size_t> entries;
  };
  Match Take(const TraceRecord& record);
  // Was anything learned since this was last asked? Then what was refused before may match now.
  bool Grew();
  // More keys than kKeysMax: some records are missing.
  bool cut() const { return cut_; }

 private:
  enum class Kind : char {
    kTrace = 'T',
    kQueue = 'Q',
    kFile = 'F',
    kMessageId = 'M',
    kSession = 'S',
    kPlace =
        'P',  // a user's mailbox in which it was: of what happened to that, trace_places.h says what met the message
  };
  Match TakeMailbox(const TraceRecord& record);
  void Learn(Kind kind, std::string_view key);
  bool Knows(Kind kind, std::string_view key) const;

  std::set<std::string, std::less<>> keys_;  // Kind, then the key
  std::vector<std::string> needles_;         // of MayMatch: the keys as JSON has them, while they are few
  bool grew_ = false, cut_ = false;
};

// The base name of a message's file: a path's last part, without flags and sizes (",S=", ",W=", ":2,").
std::string_view FileKey(std::string_view name);

}  // namespace postern::log
