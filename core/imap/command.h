// What a client asks for: one struct a command, as a value that owns everything it names, so that a session can keep it
// as long as the command runs. RFC 3501 section 6 and the extensions named at each struct.
//
// Strings are what the client meant: quotes and literals undone, but charsets and mailbox names untouched. Mailbox
// names are modified UTF-7 (mailbox_name.h), with "INBOX" in upper case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "core/imap/search_key.h"
#include "core/imap/sequence_set.h"
#include "core/mailbox/flags.h"

namespace postern::imap {

// RFC 3501 section 2.3.2: system flags are the mailbox's bits, and \Recent, which only a session knows of.
using mailbox::Flags;
using mailbox::kAnswered;
using mailbox::kDeleted;
using mailbox::kDraft;
using mailbox::kFlagged;
using mailbox::kSeen;
inline constexpr Flags kRecent = 32;

struct FlagList {
  Flags system = 0;                   // from a client never with kRecent
  std::vector<std::string> keywords;  // as written, without repeats (compared without regard to case)
  bool operator==(const FlagList&) const = default;
};

// An RFC 3501 date-time: what INTERNALDATE is set to.
struct DateTime {
  int64_t unix_seconds = 0;
  int16_t zone_minutes = 0;  // east of Greenwich
  bool operator==(const DateTime&) const = default;
};

// ---- Any state ----------------------------------------------------------------------------------------------------

struct CapabilityCommand {};
struct NoopCommand {};
struct LogoutCommand {};
// RFC 2971: pairs as given, nullopt for NIL values. `ID NIL` is without pairs.
struct IdCommand {
  std::vector<std::pair<std::string, std::optional<std::string>>> parameters;
};

// ---- Not authenticated --------------------------------------------------------------------------------------------

struct StartTlsCommand {};
struct LoginCommand {
  std::string user;
  std::string password;  // a secret: the session wipes it, and no trace shows it
};
// RFC 4959 section 3: with an initial response, still in base64; "=" stands for an empty one and comes as "".
struct AuthenticateCommand {
  std::string mechanism;  // upper case
  std::optional<std::string> initial_response;
};

// ---- Authenticated ------------------------------------------------------------------------------------------------

// RFC 5161: names in upper case.
struct EnableCommand {
  std::vector<std::string> capabilities;
};

// RFC 7162 section 3.2.5
struct QResync {
  uint32_t uid_validity = 0;
  uint64_t mod_sequence = 0;
  std::optional<NumberSet> known_uids;
  // Sequence numbers and the UIDs they had, equally many.
  std::optional<std::pair<NumberSet, NumberSet>> sequence_match;
};

struct SelectCommand {
  bool examine = false;
  std::string mailbox;
  bool condstore = false;  // RFC 7162 section 3.1.8
  std::optional<QResync> qresync;
};

struct CreateCommand {
  std::string mailbox;
  std::vector<std::string> special_use;  // RFC 6154 section 3: attributes, as `\Sent`
};
struct DeleteCommand {
  std::string mailbox;
};
struct RenameCommand {
  std::string from, to;
};
struct SubscribeCommand {
  std::string mailbox;
};
struct UnsubscribeCommand {
  std::string mailbox;
};

// Bits of StatusItems.
enum StatusItem : uint16_t {
  kStatusMessages = 1 << 0,
  kStatusRecent = 1 << 1,
  kStatusUidNext = 1 << 2,
  kStatusUidValidity = 1 << 3,
  kStatusUnseen = 1 << 4,
  kStatusHighestModSeq = 1 << 5,   // RFC 7162 section 3.1.7
  kStatusSize = 1 << 6,            // RFC 8438
  kStatusDeleted = 1 << 7,         // RFC 9051
  kStatusDeletedStorage = 1 << 8,  // RFC 9208
  kStatusAppendLimit = 1 << 9,     // RFC 7889
  kStatusMailboxId = 1 << 10,      // RFC 8474
};
using StatusItems = uint16_t;

struct StatusCommand {
  std::string mailbox;
  StatusItems items = 0;
};

// LIST, LSUB and Gmail's XLIST.
struct ListCommand {
  enum class Kind : uint8_t { kList, kLsub, kXlist };
  Kind kind = Kind::kList;
  std::string reference;
  std::vector<std::string> patterns;  // several only where extended; never empty
  // RFC 5258: selection or return options, or several patterns, were given: the response follows its rules.
  bool extended = false;
  // Selection options (RFC 5258 section 3.1, RFC 6154 section 5.1).
  bool select_subscribed = false;
  bool select_remote = false;
  bool select_recursive_match = false;
  bool select_special_use = false;
  // Return options (RFC 5258 section 3.2, RFC 6154 section 5.2, RFC 5819).
  bool return_subscribed = false;
  bool return_children = false;
  bool return_special_use = false;
  StatusItems return_status = 0;
};

struct NamespaceCommand {};

// The part of an APPEND before one message's literal (RFC 3501 section 6.3.11, RFC 3502). The literal is the framer's.
struct AppendMessage {
  FlagList flags;
  std::optional<DateTime> date_time;
  uint64_t literal_bytes = 0;
  bool binary = false;  // literal8 (RFC 3516)
  bool utf8 = false;    // within UTF8 ( ) of RFC 6855 section 4
};
struct AppendCommand {
  std::string mailbox;
  AppendMessage first;
};

struct IdleCommand {};      // RFC 2177
struct UnselectCommand {};  // RFC 3691
struct CompressCommand {
  std::string algorithm;
};  // RFC 4978; upper case

// RFC 9208 (and 2087)
struct GetQuotaCommand {
  std::string root;
};
struct GetQuotaRootCommand {
  std::string mailbox;
};
struct SetQuotaCommand {
  std::string root;
  std::vector<std::pair<std::string, uint64_t>> limits;
};

// ---- Selected -----------------------------------------------------------------------------------------------------

struct CheckCommand {};
struct CloseCommand {};
// UID EXPUNGE (RFC 4315) has a set.
struct ExpungeCommand {
  std::optional<SequenceSet> uids;
};

// RFC 3501 section 6.4.5 section-spec; RFC 3516 has only the part.
struct Section {
  enum class Text : uint8_t { kNone, kHeader, kHeaderFields, kHeaderFieldsNot, kText, kMime };
  std::vector<uint32_t> part;             // nested part numbers; empty: the message itself
  Text text = Text::kNone;                // kMime only with a part
  std::vector<std::string> header_names;  // of kHeaderFields and kHeaderFieldsNot; upper case, as Dovecot shows them
  bool operator==(const Section&) const = default;
};

struct Partial {
  uint64_t offset_bytes = 0;
  uint64_t length_bytes = 0;  // at least 1
  bool operator==(const Partial&) const = default;
};

struct FetchItem {
  enum class Kind : uint8_t {
    kEnvelope,
    kFlags,
    kInternalDate,
    kUid,
    kModSeq,
    kBody,  // the structure without extension data
    kBodyStructure,
    kRfc822,
    kRfc822Header,
    kRfc822Text,
    kRfc822Size,
    kBodySection,  // BODY[...], BODY.PEEK[...]
    kBinary,
    kBinarySize,  // RFC 3516; BINARY.PEEK is kBinary with `peek`
    kSaveDate,    // RFC 8514
    kEmailId,
    kThreadId,  // RFC 8474
    kPreview,   // RFC 8970
  };
  Kind kind = Kind::kFlags;
  bool peek = false;  // kBodySection, kBinary: \Seen is not set
  bool lazy = false;  // kPreview
  Section section;
  std::optional<Partial> partial;
  bool operator==(const FetchItem&) const = default;
};

struct FetchCommand {
  bool uid = false;
  SequenceSet set;
  std::vector<FetchItem> items;           // ALL, FULL and FAST are written out; without repeats
  std::optional<uint64_t> changed_since;  // RFC 7162 section 3.1.4.1
  bool vanished = false;                  // RFC 7162 section 3.2.6; only with changed_since and `uid`
};

struct StoreCommand {
  enum class Mode : uint8_t { kReplace, kAdd, kRemove };
  bool uid = false;
  SequenceSet set;
  Mode mode = Mode::kReplace;
  bool silent = false;
  FlagList flags;
  std::optional<uint64_t> unchanged_since;  // RFC 7162 section 3.1.3
};

// COPY, and MOVE of RFC 6851.
struct CopyCommand {
  bool uid = false;
  bool move = false;
  SequenceSet set;
  std::string mailbox;
};

// RFC 4731 section 3.1, RFC 5182 (SAVE), RFC 9394 (PARTIAL) as bits.
enum SearchReturn : uint8_t {
  kReturnMin = 1 << 0,
  kReturnMax = 1 << 1,
  kReturnAll = 1 << 2,
  kReturnCount = 1 << 3,
  kReturnSave = 1 << 4,
  kReturnPartial = 1 << 5,
};

struct SearchResultOptions {
  // RETURN was given: answer with ESEARCH. `RETURN ()` is kReturnAll (RFC 4731 section 3.1).
  bool extended = false;
  uint8_t items = 0;  // bits of SearchReturn
  // RFC 9394 section 3.1 and RFC 5267: `partial_first` : `partial_last`, both from 1; from the end when
  // `partial_from_end`.
  uint32_t partial_first = 0;
  uint32_t partial_last = 0;
  bool partial_from_end = false;
};

struct SearchCommand {
  bool uid = false;
  SearchResultOptions result;
  std::string charset;  // as written; "" is US-ASCII. Whether it is known is the session's to say (BADCHARSET)
  SearchKey key;        // several keys are one kAnd
};

// RFC 5256 section 3, RFC 5957 (display)
struct SortCriterion {
  enum class Kind : uint8_t { kArrival, kCc, kDate, kFrom, kSize, kSubject, kTo, kDisplayFrom, kDisplayTo };
  Kind kind = Kind::kArrival;
  bool reverse = false;
  bool operator==(const SortCriterion&) const = default;
};
struct SortCommand {
  bool uid = false;
  SearchResultOptions result;  // ESORT of RFC 5267
  std::vector<SortCriterion> criteria;
  std::string charset;
  SearchKey key;
};
struct ThreadCommand {
  enum class Algorithm : uint8_t { kOrderedSubject, kReferences, kRefs };
  bool uid = false;
  Algorithm algorithm = Algorithm::kOrderedSubject;
  std::string charset;
  SearchKey key;
};

// A command this grammar does not know, or one that is known to no extension here. Everything after the name is in
// `arguments`, as received.
struct UnknownCommand {
  std::string arguments;
};

using CommandBody =
    std::variant<CapabilityCommand, NoopCommand, LogoutCommand, IdCommand, StartTlsCommand, LoginCommand,
                 AuthenticateCommand, EnableCommand, SelectCommand, CreateCommand, DeleteCommand, RenameCommand,
                 SubscribeCommand, UnsubscribeCommand, StatusCommand, ListCommand, NamespaceCommand, AppendCommand,
                 IdleCommand, UnselectCommand, CompressCommand, GetQuotaCommand, GetQuotaRootCommand, SetQuotaCommand,
                 CheckCommand, CloseCommand, ExpungeCommand, FetchCommand, StoreCommand, CopyCommand, SearchCommand,
                 SortCommand, ThreadCommand, UnknownCommand>;

struct Command {
  std::string tag;
  std::string name;  // upper case as Dovecot shows it in its texts: "SELECT", "UID FETCH"
  CommandBody body;
};

}  // namespace postern::imap
