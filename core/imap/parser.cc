#include "core/imap/parser.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/base/ascii.h"
#include "core/imap/mailbox_name.h"
#include "core/imap/parser_commands.h"
#include "core/imap/response.h"

namespace postern::imap {
namespace {

// Longest command name that is looked at; longer than any registered one. The tag has no limit but the line's.
constexpr size_t kNameBytesMax = 32;
// More keywords than a mailbox can hold.
constexpr size_t kKeywordCountMax = 256;

// RFC 3501 section 9: tag = 1*<any ASTRING-CHAR except "+">.
bool IsTagChar(char c) {
  if (c <= ' ' || c >= 0x7f) return false;
  return std::string_view("(){%*\"\\+").find(c) == std::string_view::npos || c == '}';
}

// In the name of a command.
bool IsNameChar(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_'; }

// ---- Arguments of the smaller commands --------------------------------------------------------------------------

template <class Body>
bool TakeNothing(Scanner* in, bool, CommandBody* body) {
  *body = Body{};
  return in->TakeEnd();
}

// One mailbox name. A space and the name follow.
template <class Body>
bool TakeOneMailbox(Scanner* in, bool, CommandBody* body) {
  Body command;
  if (!in->TakeSpace("Missing arguments") || !TakeMailbox(in, &command.mailbox) || !in->TakeEnd()) return false;
  *body = std::move(command);
  return true;
}

// RFC 2971 section 3.1. Clients send all sorts of things here, and nothing depends on it: a value may be missing.
bool TakeId(Scanner* in, bool, CommandBody* body) {
  IdCommand id;
  if (!in->AtEnd() && in->PeekNil()) {
    in->SkipWord("NIL");
  } else if (!in->AtEnd()) {
    if (!in->TakeListStart("Invalid ID parameters")) return false;
    bool more = false;
    if (!in->TakeNextInList(&more)) return false;
    while (more) {
      std::pair<std::string, std::optional<std::string>> parameter;
      if (!in->TakeAString(&parameter.first) || !in->TakeNextInList(&more)) return false;
      if (more && in->PeekNil()) {
        in->SkipWord("NIL");
      } else if (more) {
        if (!in->TakeAString(&parameter.second.emplace())) return false;
      }
      if (more && !in->TakeNextInList(&more)) return false;
      id.parameters.push_back(std::move(parameter));
    }
  }
  *body = std::move(id);
  return in->TakeEnd("Invalid ID parameters");
}

bool TakeLogin(Scanner* in, bool, CommandBody* body) {
  LoginCommand login;
  if (!in->TakeSpace() || !in->TakeAString(&login.user)) return false;
  if (!in->TakeSpace() || !in->TakeAString(&login.password) || !in->TakeEnd()) return false;
  *body = std::move(login);
  return true;
}

bool TakeAuthenticate(Scanner* in, bool, CommandBody* body) {
  AuthenticateCommand authenticate;
  if (!in->TakeSpace() || !in->TakeWord(&authenticate.mechanism)) return false;
  if (!in->AtEnd()) {
    std::string_view response;
    if (!in->TakeAtom(&response)) return false;
    // RFC 4959 section 3: "=" is an empty response, as opposed to none.
    authenticate.initial_response = response == "=" ? std::string() : std::string(response);
  }
  *body = std::move(authenticate);
  return in->TakeEnd();
}

bool TakeEnable(Scanner* in, bool, CommandBody* body) {
  EnableCommand enable;
  if (!in->TakeSpace("Missing arguments")) return false;
  do {
    if (!in->TakeWord(&enable.capabilities.emplace_back())) return false;
  } while (!in->AtEnd() && !in->PeekIs(')'));
  *body = std::move(enable);
  return in->TakeEnd();
}

bool TakeSelect(Scanner* in, bool, CommandBody* body) {
  return in->TakeSpace() && TakeSelectArguments(in, &body->emplace<SelectCommand>());
}
bool TakeExamine(Scanner* in, bool, CommandBody* body) {
  auto& select = body->emplace<SelectCommand>();
  select.examine = true;
  return in->TakeSpace() && TakeSelectArguments(in, &select);
}
bool TakeCreate(Scanner* in, bool, CommandBody* body) {
  return in->TakeSpace("Missing arguments") && TakeCreateArguments(in, &body->emplace<CreateCommand>());
}

bool TakeRename(Scanner* in, bool, CommandBody* body) {
  auto& rename = body->emplace<RenameCommand>();
  return in->TakeSpace("Missing arguments") && TakeMailbox(in, &rename.from) && in->TakeSpace("Missing arguments") &&
         TakeMailbox(in, &rename.to) && in->TakeEnd();
}

bool TakeStatus(Scanner* in, bool, CommandBody* body) {
  auto& status = body->emplace<StatusCommand>();
  return in->TakeSpace("Missing arguments") && TakeMailbox(in, &status.mailbox) && in->TakeSpace("Missing arguments") &&
         TakeStatusItems(in, &status.items) && in->TakeEnd();
}

template <ListCommand::Kind kKind>
bool TakeList(Scanner* in, bool, CommandBody* body) {
  auto& list = body->emplace<ListCommand>();
  list.kind = kKind;
  return in->TakeSpace("Invalid reference") && TakeListArguments(in, &list);
}

bool TakeAppend(Scanner* in, bool, CommandBody* body) {
  return in->TakeSpace("Missing arguments") && TakeAppendArguments(in, &body->emplace<AppendCommand>());
}

bool TakeCompress(Scanner* in, bool, CommandBody* body) {
  return in->TakeSpace("Missing arguments") && in->TakeWord(&body->emplace<CompressCommand>().algorithm) &&
         in->TakeEnd();
}

bool TakeGetQuota(Scanner* in, bool, CommandBody* body) {
  return in->TakeSpace("Missing arguments") && in->TakeAString(&body->emplace<GetQuotaCommand>().root) && in->TakeEnd();
}

// RFC 9208 section 4.1.3: setquota-list = "(" [setquota-resource *(SP setquota-resource)] ")".
bool TakeSetQuota(Scanner* in, bool, CommandBody* body) {
  auto& quota = body->emplace<SetQuotaCommand>();
  if (!in->TakeSpace("Missing arguments") || !in->TakeAString(&quota.root)) return false;
  if (!in->TakeSpace("Missing arguments") || !in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    auto& [resource, limit] = quota.limits.emplace_back();
    if (!in->TakeWord(&resource) || !in->TakeSpace() || !in->TakeNumber(INT64_MAX, &limit, "Invalid arguments")) {
      return false;
    }
  }
  return in->error().empty() && in->TakeEnd();
}

// RFC 4315 section 2.1.
bool TakeExpunge(Scanner* in, bool uid, CommandBody* body) {
  auto& expunge = body->emplace<ExpungeCommand>();
  if (!uid) return in->TakeEnd();
  return in->TakeSpace("Missing arguments") && TakeSequenceSet(in, "Invalid uidset", &expunge.uids.emplace()) &&
         in->TakeEnd();
}

bool TakeFetch(Scanner* in, bool uid, CommandBody* body) {
  auto& fetch = body->emplace<FetchCommand>();
  fetch.uid = uid;
  return in->TakeSpace() && TakeFetchArguments(in, &fetch);
}
bool TakeStore(Scanner* in, bool uid, CommandBody* body) {
  auto& store = body->emplace<StoreCommand>();
  store.uid = uid;
  return in->TakeSpace() && TakeStoreArguments(in, &store);
}

template <bool kMove>
bool TakeCopy(Scanner* in, bool uid, CommandBody* body) {
  auto& copy = body->emplace<CopyCommand>();
  copy.uid = uid;
  copy.move = kMove;
  return in->TakeSpace("Missing arguments") &&
         TakeSequenceSet(in, uid ? "Invalid uidset" : "Invalid messageset", &copy.set) &&
         in->TakeSpace("Missing arguments") && TakeMailbox(in, &copy.mailbox) && in->TakeEnd();
}

bool TakeSearch(Scanner* in, bool uid, CommandBody* body) {
  auto& search = body->emplace<SearchCommand>();
  search.uid = uid;
  return in->TakeSpace("Missing search parameters") && TakeSearchArguments(in, &search);
}
bool TakeSort(Scanner* in, bool uid, CommandBody* body) {
  auto& sort = body->emplace<SortCommand>();
  sort.uid = uid;
  return in->TakeSpace("Invalid sort argument") && TakeSortArguments(in, &sort);
}
bool TakeThread(Scanner* in, bool uid, CommandBody* body) {
  auto& thread = body->emplace<ThreadCommand>();
  thread.uid = uid;
  return in->TakeSpace() && TakeThreadArguments(in, &thread);
}

// ---- Names ------------------------------------------------------------------------------------------------------

struct Name {
  std::string_view name;
  bool (*take)(Scanner* in, bool uid, CommandBody* body);
  bool with_uid = false;  // UID may stand before it (RFC 3501 section 6.4.8)
};

// The frequent ones first.
constexpr Name kNames[] = {
    {"FETCH", TakeFetch, true},
    {"STORE", TakeStore, true},
    {"SEARCH", TakeSearch, true},
    {"NOOP", TakeNothing<NoopCommand>},
    {"IDLE", TakeNothing<IdleCommand>},
    {"SELECT", TakeSelect},
    {"STATUS", TakeStatus},
    {"LIST", TakeList<ListCommand::Kind::kList>},
    {"LOGIN", TakeLogin},
    {"AUTHENTICATE", TakeAuthenticate},
    {"CAPABILITY", TakeNothing<CapabilityCommand>},
    {"LOGOUT", TakeNothing<LogoutCommand>},
    {"APPEND", TakeAppend},
    {"COPY", TakeCopy<false>, true},
    {"MOVE", TakeCopy<true>, true},
    {"EXPUNGE", TakeExpunge, true},
    {"CLOSE", TakeNothing<CloseCommand>},
    {"UNSELECT", TakeNothing<UnselectCommand>},
    {"CHECK", TakeNothing<CheckCommand>},
    {"EXAMINE", TakeExamine},
    {"ID", TakeId},
    {"ENABLE", TakeEnable},
    {"NAMESPACE", TakeNothing<NamespaceCommand>},
    {"LSUB", TakeList<ListCommand::Kind::kLsub>},
    {"XLIST", TakeList<ListCommand::Kind::kXlist>},
    {"SORT", TakeSort, true},
    {"THREAD", TakeThread, true},
    {"CREATE", TakeCreate},
    {"DELETE", TakeOneMailbox<DeleteCommand>},
    {"RENAME", TakeRename},
    {"SUBSCRIBE", TakeOneMailbox<SubscribeCommand>},
    {"UNSUBSCRIBE", TakeOneMailbox<UnsubscribeCommand>},
    {"STARTTLS", TakeNothing<StartTlsCommand>},
    {"COMPRESS", TakeCompress},
    {"GETQUOTA", TakeGetQuota},
    {"GETQUOTAROOT", TakeOneMailbox<GetQuotaRootCommand>},
    {"SETQUOTA", TakeSetQuota},
};

const Name* FindName(std::string_view name, bool uid) {
  for (const Name& known : kNames) {
    if (known.name == name && (!uid || known.with_uid)) return &known;
  }
  return nullptr;
}

// A command's name and nothing of what follows, in upper case; "" where there is none.
std::string TakeName(std::string_view* text) {
  std::string name;
  while (!text->empty() && text->front() != ' ') {
    const char c = UpperAscii(text->front());
    if (!IsNameChar(c) || name.size() == kNameBytesMax) return "";
    name.push_back(c);
    text->remove_prefix(1);
  }
  return name;
}

struct StatusName {
  std::string_view name;
  StatusItem item;
};
constexpr StatusName kStatusNames[] = {
    {"MESSAGES", kStatusMessages},
    {"RECENT", kStatusRecent},
    {"UIDNEXT", kStatusUidNext},
    {"UIDVALIDITY", kStatusUidValidity},
    {"UNSEEN", kStatusUnseen},
    {"HIGHESTMODSEQ", kStatusHighestModSeq},
    {"SIZE", kStatusSize},
    {"DELETED", kStatusDeleted},
    {"DELETED-STORAGE", kStatusDeletedStorage},
    {"APPENDLIMIT", kStatusAppendLimit},
    {"MAILBOXID", kStatusMailboxId},
};

}  // namespace

std::string_view TagOf(std::string_view text) {
  size_t length = 0;
  while (length < text.size() && IsTagChar(text[length])) ++length;
  if (length < text.size() && text[length] != ' ') return {};
  return text.substr(0, length);
}

std::string CommandErrorText(std::string_view name, std::string_view what) {
  std::string text = "Error in IMAP command";
  if (!name.empty()) text.append(" ").append(name);
  return text.append(": ").append(what).append(".");
}

std::string AppendError() { return CommandErrorText("APPEND", "Invalid arguments"); }

ParseResult ParseCommand(std::string_view text) {
  const std::string_view tag = TagOf(text);
  if (tag.empty()) return ParseError{ParseError::Kind::kTag, "", "", "Error in IMAP tag: Invalid tag."};
  Command command;
  command.tag = tag;
  text.remove_prefix(std::min(text.size(), tag.size() + 1));
  std::string name = TakeName(&text);
  const bool uid = name == "UID";
  if (uid) {
    if (!text.empty()) text.remove_prefix(1);
    name = TakeName(&text);
  }
  if (name.empty()) {
    return ParseError{ParseError::Kind::kName, command.tag, "", CommandErrorText("", "Invalid command name")};
  }
  command.name = uid ? "UID " + name : name;
  const Name* known = FindName(name, uid);
  if (known == nullptr) {
    if (!text.empty()) text.remove_prefix(1);
    command.body = UnknownCommand{std::string(text)};
    return command;
  }
  Scanner in(text);
  if (known->take(&in, uid, &command.body) && in.error().empty()) return command;
  std::string error = CommandErrorText(command.name, in.error().empty() ? "Invalid arguments" : in.error());
  return ParseError{ParseError::Kind::kArguments, std::move(command.tag), std::move(command.name), std::move(error)};
}

std::optional<AppendMessage> ParseAppendMessage(std::string_view text, const AppendMessage& previous) {
  Scanner in(text);
  if (previous.utf8 && !in.Skip(')')) return std::nullopt;
  AppendMessage message;
  if (!in.TakeSpace() || !TakeAppendMessage(&in, &message)) return std::nullopt;
  return message;
}

bool IsAppendEnd(std::string_view text, const AppendMessage& last) {
  Scanner in(text);
  return (!last.utf8 || in.Skip(')')) && in.AtEnd();
}

bool TakeSequenceSet(Scanner* in, std::string_view what_else, SequenceSet* set) {
  if (in->PeekString() || in->PeekIs('(')) return in->Fail("Invalid arguments");
  std::string_view atom;
  if (!in->TakeAtom(&atom)) return false;
  std::optional<SequenceSet> parsed = SequenceSet::Parse(atom);
  if (!parsed) return in->Fail(what_else);
  *set = *std::move(parsed);
  return true;
}

bool TakeMailbox(Scanner* in, std::string* mailbox) {
  if (!in->TakeAString(mailbox)) return false;
  if (IsInbox(*mailbox)) *mailbox = "INBOX";
  return true;
}

bool TakeFlag(Scanner* in, FlagList* flags) {
  if (in->PeekString() || in->PeekIs('(')) return in->Fail("Flags list contains non-atoms");
  std::string_view atom;
  if (!in->TakeAtom(&atom)) return false;
  if (atom.front() == '\\') {
    for (const Flags flag : kSystemFlags) {
      if (EqualsIgnoringCase(SystemFlagName(flag), atom)) {
        if (flag != kRecent) flags->system |= flag;  // nobody can set that one
        return true;
      }
    }
    return in->Fail("Invalid system flag " + UpperCase(atom));
  }
  // Characters that no keyword may have are the session's to refuse: the command is well-formed for Dovecot.
  for (const std::string& keyword : flags->keywords) {
    if (EqualsIgnoringCase(keyword, atom)) return true;
  }
  if (flags->keywords.size() == kKeywordCountMax) return in->Fail("Too many keywords");
  flags->keywords.emplace_back(atom);
  return true;
}

bool TakeFlagList(Scanner* in, FlagList* flags) {
  if (!in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    if (!TakeFlag(in, flags)) return false;
  }
  return in->error().empty();
}

bool TakeStatusItems(Scanner* in, StatusItems* items) {
  if (!in->TakeListStart()) return false;
  bool more = false;
  while (in->TakeNextInList(&more) && more) {
    std::string word;
    if (in->PeekString() || in->PeekIs('(')) return in->Fail("Status list contains non-atoms");
    if (!in->TakeWord(&word)) return false;
    const auto* known = std::find_if(std::begin(kStatusNames), std::end(kStatusNames),
                                     [&](const StatusName& status) { return status.name == word; });
    if (known == std::end(kStatusNames)) return in->Fail("Invalid status item " + word);
    *items |= known->item;
  }
  if (!in->error().empty()) return false;
  return *items != 0 || in->Fail("Empty status list");
}

}  // namespace postern::imap
