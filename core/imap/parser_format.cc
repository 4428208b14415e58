// Commands in a client's syntax: the inverse of the parser.
#include <algorithm>
#include <string>
#include <variant>

#include "core/base/ascii.h"
#include "core/imap/parser.h"
#include "core/imap/response.h"

namespace postern::imap {
namespace {

// A string as a client sends it: a literal where it cannot be quoted, without waiting (RFC 7888).
void AppendClientString(std::string_view text, std::string* out) {
  if (IsQuotable(text)) return AppendQuoted(text, out);
  out->push_back('{');
  AppendNumber(text.size(), out);
  out->append("+}\r\n").append(text);
}

void AppendClientAString(std::string_view text, std::string* out) {
  if (IsQuotable(text)) return AppendAString(text, out);
  AppendClientString(text, out);
}

void AppendDate(const SearchDate& date, std::string* out) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  AppendNumber(static_cast<uint64_t>(date.day), out);
  out->append("-").append(kMonths.substr(static_cast<size_t>(date.month - 1) * 3, 3)).append("-");
  std::string year = std::to_string(date.year);
  out->append(4 - std::min<size_t>(4, year.size()), '0').append(year);
}

void AppendUidPrefix(bool uid, std::string* out) {
  if (uid) out->append("UID ");
}

void AppendStatusItems(StatusItems items, std::string* out) {
  out->push_back('(');
  bool first = true;
  for (uint32_t bit = 1; bit <= kStatusMailboxId; bit <<= 1) {
    if ((items & bit) == 0) continue;
    if (!first) out->push_back(' ');
    first = false;
    out->append(StatusItemName(static_cast<StatusItem>(bit)));
  }
  out->push_back(')');
}

void AppendResultOptions(const SearchResultOptions& result, std::string* out) {
  if (!result.extended) return;
  out->append(" RETURN (");
  const size_t begin = out->size();
  const auto add = [&](SearchReturn item, std::string_view name) {
    if ((result.items & item) == 0) return;
    if (out->size() > begin) out->push_back(' ');
    out->append(name);
  };
  add(kReturnMin, "MIN");
  add(kReturnMax, "MAX");
  add(kReturnAll, "ALL");
  add(kReturnCount, "COUNT");
  add(kReturnSave, "SAVE");
  add(kReturnPartial, "PARTIAL");
  if (result.items & kReturnPartial) {
    const std::string_view sign = result.partial_from_end ? "-" : "";
    out->append(" ").append(sign);
    AppendNumber(result.partial_first, out);
    out->append(":").append(sign);
    AppendNumber(result.partial_last, out);
  }
  out->push_back(')');
}

void AppendKeyArguments(std::string_view name, const SearchKey& key, std::string* out) {
  out->append(name).append(" ");
  switch (key.kind) {
    case SearchKey::Kind::kBefore:
    case SearchKey::Kind::kOn:
    case SearchKey::Kind::kSince:
    case SearchKey::Kind::kSavedBefore:
    case SearchKey::Kind::kSavedOn:
    case SearchKey::Kind::kSavedSince:
    case SearchKey::Kind::kSentBefore:
    case SearchKey::Kind::kSentOn:
    case SearchKey::Kind::kSentSince:
      return AppendDate(key.date, out);
    case SearchKey::Kind::kOlder:
    case SearchKey::Kind::kYounger:
    case SearchKey::Kind::kLarger:
    case SearchKey::Kind::kSmaller:
      return AppendNumber(key.number, out);
    default:
      return AppendClientAString(key.text, out);
  }
}

void AppendFlagKey(Flags flag, std::string* out) { *out += UpperCase(SystemFlagName(flag).substr(1)); }

void AppendHeaderKey(const SearchKey& key, std::string* out) {
  if (key.envelope) {
    out->append(key.header).append(" ");
  } else {
    out->append("HEADER ");
    AppendClientAString(key.header, out);
    out->push_back(' ');
  }
  AppendClientAString(key.text, out);
}

void AppendModSeqKey(const SearchKey& key, std::string* out) {
  out->append("MODSEQ ");
  if (!key.text.empty()) {
    AppendClientString(key.text, out);
    out->append(" all ");
  }
  AppendNumber(key.number, out);
}

void AppendNode(const SearchKey& key, std::string* out) {
  const bool list = key.kind == SearchKey::Kind::kAnd;
  if (list) out->push_back('(');
  for (size_t i = 0; i < key.children.size(); ++i) {
    // RFC 3501 section 6.4.4: OR takes two keys, so n of them need n - 1 ORs.
    if (key.kind == SearchKey::Kind::kOr && i + 1 < key.children.size()) out->append("OR ");
    FormatSearchKey(key.children[i], out);
    if (i + 1 < key.children.size()) out->push_back(' ');
  }
  if (list) out->push_back(')');
}

void AppendProgram(const std::string& charset, bool charset_keyword, const SearchKey& key, std::string* out) {
  if (charset_keyword && !charset.empty()) out->append(" CHARSET");
  if (!charset_keyword || !charset.empty()) {
    out->push_back(' ');
    AppendClientAString(charset, out);
  }
  out->push_back(' ');
  FormatSearchKey(key, out);
}

void AppendFetchItems(const FetchCommand& fetch, std::string* out) {
  out->push_back('(');
  for (size_t i = 0; i < fetch.items.size(); ++i) {
    FetchItem item = fetch.items[i];
    if (i > 0) out->push_back(' ');
    std::string name;
    const std::optional<Partial> partial = item.partial;
    item.partial.reset();
    AppendFetchItemName(item, &name);
    if (item.peek) name.insert(name.find('['), ".PEEK");
    out->append(name);
    if (partial) {
      out->push_back('<');
      AppendNumber(partial->offset_bytes, out);
      out->push_back('.');
      AppendNumber(partial->length_bytes, out);
      out->push_back('>');
    }
    if (item.lazy) out->append(" (LAZY)");
  }
  out->push_back(')');
  if (!fetch.changed_since) return;
  out->append(" (CHANGEDSINCE ");
  AppendNumber(*fetch.changed_since, out);
  out->append(fetch.vanished ? " VANISHED)" : ")");
}

class Formatter {
 public:
  explicit Formatter(std::string* out) : out_(out) {}

  void operator()(const CapabilityCommand&) { out_->append("CAPABILITY"); }
  void operator()(const NoopCommand&) { out_->append("NOOP"); }
  void operator()(const LogoutCommand&) { out_->append("LOGOUT"); }
  void operator()(const StartTlsCommand&) { out_->append("STARTTLS"); }
  void operator()(const NamespaceCommand&) { out_->append("NAMESPACE"); }
  void operator()(const IdleCommand&) { out_->append("IDLE"); }
  void operator()(const UnselectCommand&) { out_->append("UNSELECT"); }
  void operator()(const CheckCommand&) { out_->append("CHECK"); }
  void operator()(const CloseCommand&) { out_->append("CLOSE"); }
  void operator()(const UnknownCommand& unknown) { out_->append("X-UNKNOWN ").append(unknown.arguments); }

  void operator()(const IdCommand& id) {
    out_->append("ID ");
    if (id.parameters.empty()) {
      out_->append("NIL");
      return;
    }
    out_->push_back('(');
    for (size_t i = 0; i < id.parameters.size(); ++i) {
      if (i > 0) out_->push_back(' ');
      AppendClientString(id.parameters[i].first, out_);
      out_->push_back(' ');
      if (id.parameters[i].second) {
        AppendClientString(*id.parameters[i].second, out_);
      } else {
        out_->append("NIL");
      }
    }
    out_->push_back(')');
  }
  void operator()(const LoginCommand& login) {
    out_->append("LOGIN ");
    AppendClientAString(login.user, out_);
    out_->push_back(' ');
    AppendClientAString(login.password, out_);
  }
  void operator()(const AuthenticateCommand& authenticate) {
    out_->append("AUTHENTICATE ").append(authenticate.mechanism);
    if (!authenticate.initial_response) return;
    out_->append(" ").append(authenticate.initial_response->empty() ? "=" : *authenticate.initial_response);
  }
  void operator()(const EnableCommand& enable) {
    out_->append("ENABLE");
    for (const std::string& capability : enable.capabilities) out_->append(" ").append(capability);
  }
  void operator()(const SelectCommand& select) {
    out_->append(select.examine ? "EXAMINE " : "SELECT ");
    AppendClientAString(select.mailbox, out_);
    if (!select.condstore && !select.qresync) return;
    out_->append(" (");
    if (select.condstore) out_->append("CONDSTORE");
    if (select.condstore && select.qresync) out_->push_back(' ');
    if (select.qresync) AppendQResync(*select.qresync);
    out_->push_back(')');
  }
  void operator()(const CreateCommand& create) {
    Mailbox("CREATE ", create.mailbox);
    if (create.special_use.empty()) return;
    out_->append(" (USE (");
    for (size_t i = 0; i < create.special_use.size(); ++i) {
      out_->append(i > 0 ? " " : "").append(create.special_use[i]);
    }
    out_->append("))");
  }
  void operator()(const DeleteCommand& command) { Mailbox("DELETE ", command.mailbox); }
  void operator()(const RenameCommand& rename) {
    Mailbox("RENAME ", rename.from);
    Mailbox(" ", rename.to);
  }
  void operator()(const SubscribeCommand& subscribe) { Mailbox("SUBSCRIBE ", subscribe.mailbox); }
  void operator()(const UnsubscribeCommand& unsubscribe) { Mailbox("UNSUBSCRIBE ", unsubscribe.mailbox); }
  void operator()(const StatusCommand& status) {
    Mailbox("STATUS ", status.mailbox);
    out_->push_back(' ');
    AppendStatusItems(status.items, out_);
  }
  void operator()(const ListCommand& list) {
    constexpr std::string_view kNames[] = {"LIST", "LSUB", "XLIST"};
    out_->append(kNames[static_cast<size_t>(list.kind)]).append(" ");
    AppendSelectionOptions(list);
    AppendClientAString(list.reference, out_);
    out_->push_back(' ');
    if (list.patterns.size() > 1) out_->push_back('(');
    for (size_t i = 0; i < list.patterns.size(); ++i) {
      if (i > 0) out_->push_back(' ');
      AppendClientString(list.patterns[i], out_);
    }
    if (list.patterns.size() > 1) out_->push_back(')');
    AppendReturnOptions(list);
  }
  void operator()(const AppendCommand& append) {
    Mailbox("APPEND ", append.mailbox);
    out_->push_back(' ');
    const AppendMessage& message = append.first;
    if (message.flags != FlagList{}) {
      AppendFlagList(message.flags, out_);
      out_->push_back(' ');
    }
    if (message.date_time) {
      AppendDateTime(*message.date_time, out_);
      out_->push_back(' ');
    }
    if (message.utf8) out_->append("UTF8 (");
    out_->append(message.binary ? "~{" : "{");
    AppendNumber(message.literal_bytes, out_);
    out_->push_back('}');
  }
  void operator()(const CompressCommand& compress) { out_->append("COMPRESS ").append(compress.algorithm); }
  void operator()(const GetQuotaCommand& quota) { Mailbox("GETQUOTA ", quota.root); }
  void operator()(const GetQuotaRootCommand& quota) { Mailbox("GETQUOTAROOT ", quota.mailbox); }
  void operator()(const SetQuotaCommand& quota) {
    Mailbox("SETQUOTA ", quota.root);
    out_->append(" (");
    for (size_t i = 0; i < quota.limits.size(); ++i) {
      out_->append(i > 0 ? " " : "").append(quota.limits[i].first).append(" ");
      AppendNumber(quota.limits[i].second, out_);
    }
    out_->push_back(')');
  }
  void operator()(const ExpungeCommand& expunge) {
    out_->append(expunge.uids ? "UID EXPUNGE " : "EXPUNGE");
    if (expunge.uids) expunge.uids->Format(out_);
  }
  void operator()(const FetchCommand& fetch) {
    AppendUidPrefix(fetch.uid, out_);
    out_->append("FETCH ");
    fetch.set.Format(out_);
    out_->push_back(' ');
    AppendFetchItems(fetch, out_);
  }
  void operator()(const StoreCommand& store) {
    AppendUidPrefix(store.uid, out_);
    out_->append("STORE ");
    store.set.Format(out_);
    if (store.unchanged_since) {
      out_->append(" (UNCHANGEDSINCE ");
      AppendNumber(*store.unchanged_since, out_);
      out_->push_back(')');
    }
    constexpr std::string_view kModes[] = {" FLAGS", " +FLAGS", " -FLAGS"};
    out_->append(kModes[static_cast<size_t>(store.mode)]).append(store.silent ? ".SILENT " : " ");
    AppendFlagList(store.flags, out_);
  }
  void operator()(const CopyCommand& copy) {
    AppendUidPrefix(copy.uid, out_);
    out_->append(copy.move ? "MOVE " : "COPY ");
    copy.set.Format(out_);
    Mailbox(" ", copy.mailbox);
  }
  void operator()(const SearchCommand& search) {
    AppendUidPrefix(search.uid, out_);
    out_->append("SEARCH");
    AppendResultOptions(search.result, out_);
    AppendProgram(search.charset, /*charset_keyword=*/true, search.key, out_);
  }
  void operator()(const SortCommand& sort) {
    constexpr std::string_view kNames[] = {"ARRIVAL", "CC", "DATE",        "FROM",     "SIZE",
                                           "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"};
    AppendUidPrefix(sort.uid, out_);
    out_->append("SORT");
    AppendResultOptions(sort.result, out_);
    out_->append(" (");
    for (size_t i = 0; i < sort.criteria.size(); ++i) {
      out_->append(i > 0 ? " " : "").append(sort.criteria[i].reverse ? "REVERSE " : "");
      out_->append(kNames[static_cast<size_t>(sort.criteria[i].kind)]);
    }
    out_->push_back(')');
    AppendProgram(sort.charset, /*charset_keyword=*/false, sort.key, out_);
  }
  void operator()(const ThreadCommand& thread) {
    constexpr std::string_view kNames[] = {"ORDEREDSUBJECT", "REFERENCES", "REFS"};
    AppendUidPrefix(thread.uid, out_);
    out_->append("THREAD ").append(kNames[static_cast<size_t>(thread.algorithm)]);
    AppendProgram(thread.charset, /*charset_keyword=*/false, thread.key, out_);
  }

 private:
  void Mailbox(std::string_view before, std::string_view mailbox) {
    out_->append(before);
    AppendClientAString(mailbox, out_);
  }
  void AppendQResync(const QResync& qresync) {
    out_->append("QRESYNC (");
    AppendNumber(qresync.uid_validity, out_);
    out_->push_back(' ');
    AppendNumber(qresync.mod_sequence, out_);
    if (qresync.known_uids) {
      out_->push_back(' ');
      qresync.known_uids->Format(out_);
    }
    if (qresync.sequence_match) {
      out_->append(" (");
      qresync.sequence_match->first.Format(out_);
      out_->push_back(' ');
      qresync.sequence_match->second.Format(out_);
      out_->push_back(')');
    }
    out_->push_back(')');
  }
  void AppendSelectionOptions(const ListCommand& list) {
    std::string options;
    if (list.select_subscribed) options.append(" SUBSCRIBED");
    if (list.select_remote) options.append(" REMOTE");
    if (list.select_recursive_match) options.append(" RECURSIVEMATCH");
    if (list.select_special_use) options.append(" SPECIAL-USE");
    if (!options.empty()) out_->append("(").append(options.substr(1)).append(") ");
  }
  void AppendReturnOptions(const ListCommand& list) {
    std::string options;
    if (list.return_subscribed) options.append(" SUBSCRIBED");
    if (list.return_children) options.append(" CHILDREN");
    if (list.return_special_use) options.append(" SPECIAL-USE");
    if (list.return_status != 0) {
      options.append(" STATUS ");
      AppendStatusItems(list.return_status, &options);
    }
    const bool selected = list.select_subscribed || list.select_remote || list.select_special_use;
    // An empty list is all that says "extended" where nothing else does.
    if (options.empty() && (!list.extended || selected || list.patterns.size() > 1)) return;
    out_->append(" RETURN (").append(options.empty() ? "" : options.substr(1)).append(")");
  }

  std::string* out_;
};

}  // namespace

void FormatCommand(const CommandBody& body, std::string* out) { std::visit(Formatter(out), body); }

void FormatSearchKey(const SearchKey& key, std::string* out) {
  switch (key.kind) {
    case SearchKey::Kind::kAll:
      out->append("ALL");
      return;
    case SearchKey::Kind::kAnd:
    case SearchKey::Kind::kOr:
      return AppendNode(key, out);
    case SearchKey::Kind::kNot:
      out->append("NOT ");
      return FormatSearchKey(key.children.front(), out);
    case SearchKey::Kind::kFuzzy:
      out->append("FUZZY ");
      return FormatSearchKey(key.children.front(), out);
    case SearchKey::Kind::kFlag:
      return AppendFlagKey(key.flag, out);
    case SearchKey::Kind::kKeyword:
      out->append("KEYWORD ").append(key.text);
      return;
    case SearchKey::Kind::kSequence:
      return key.set.Format(out);
    case SearchKey::Kind::kUid:
      out->append("UID ");
      return key.set.Format(out);
    case SearchKey::Kind::kBefore:
      return AppendKeyArguments("BEFORE", key, out);
    case SearchKey::Kind::kOn:
      return AppendKeyArguments("ON", key, out);
    case SearchKey::Kind::kSince:
      return AppendKeyArguments("SINCE", key, out);
    case SearchKey::Kind::kSavedBefore:
      return AppendKeyArguments("SAVEDBEFORE", key, out);
    case SearchKey::Kind::kSavedOn:
      return AppendKeyArguments("SAVEDON", key, out);
    case SearchKey::Kind::kSavedSince:
      return AppendKeyArguments("SAVEDSINCE", key, out);
    case SearchKey::Kind::kSaveDateSupported:
      out->append("SAVEDATESUPPORTED");
      return;
    case SearchKey::Kind::kOlder:
      return AppendKeyArguments("OLDER", key, out);
    case SearchKey::Kind::kYounger:
      return AppendKeyArguments("YOUNGER", key, out);
    case SearchKey::Kind::kModSeq:
      return AppendModSeqKey(key, out);
    case SearchKey::Kind::kLarger:
      return AppendKeyArguments("LARGER", key, out);
    case SearchKey::Kind::kSmaller:
      return AppendKeyArguments("SMALLER", key, out);
    case SearchKey::Kind::kSentBefore:
      return AppendKeyArguments("SENTBEFORE", key, out);
    case SearchKey::Kind::kSentOn:
      return AppendKeyArguments("SENTON", key, out);
    case SearchKey::Kind::kSentSince:
      return AppendKeyArguments("SENTSINCE", key, out);
    case SearchKey::Kind::kHeader:
      return AppendHeaderKey(key, out);
    case SearchKey::Kind::kBody:
      return AppendKeyArguments("BODY", key, out);
    case SearchKey::Kind::kText:
      return AppendKeyArguments("TEXT", key, out);
    case SearchKey::Kind::kEmailId:
      return AppendKeyArguments("EMAILID", key, out);
    case SearchKey::Kind::kThreadId:
      return AppendKeyArguments("THREADID", key, out);
  }
}

}  // namespace postern::imap
