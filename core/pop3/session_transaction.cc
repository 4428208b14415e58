// The TRANSACTION and UPDATE states of a POP3 session (RFC 1939 sections 5 and 6).
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/base/ascii.h"
#include "core/mailbox/pop3_uidl.h"
#include "core/message/header.h"
#include "core/pop3/session.h"
#include "core/pop3/session_tags.h"

namespace postern::pop3 {
namespace {

// How much of a message file is read at a time: one read and one piece of output are in memory.
constexpr uint64_t kReadBytes = 65536;

}  // namespace

void Pop3Session::OnSelected(mailbox::Completion& completion, Context& context) {
  if (!completion.status.ok()) {
    Say("-ERR [SYS/TEMP] Internal error occurred. Refer to server log for more information.", context);
    return End(context, "Internal error: " + std::string(postern::Message(completion.status)));
  }
  if (auto* selected = std::get_if<mailbox::SelectResult>(&completion.outcome)) {
    mailbox_ = selected->state;
    // The sizes of STAT and LIST are those with CRLF line ends (RFC 1939 section 11): known for all before the client
    // asks.
    account_->LoadFacts({MachineOf(conn_), kFactsTag}, *mailbox_, mailbox_->uids, /*sizes=*/true, /*dates=*/false,
                        context);
    return;
  }
  FillMessages();
  state_ = Transaction{};
  Say("+OK Logged in.", context);
}

void Pop3Session::FillMessages() {
  mailbox::Keywords hidden = 0;  // pop3_deleted_flag: deleted for POP3, not for IMAP
  const auto& names = mailbox_->keyword_names;
  for (size_t i = 0; i < names.size() && i < mailbox::kKeywordCountMax; ++i) {
    if (!names[i].empty() && EqualsIgnoringCase(names[i], config_->pop3.deleted_flag))
      hidden |= mailbox::Keywords{1} << i;
  }
  messages_.reserve(mailbox_->count());
  std::vector<std::pair<uint32_t, Message>> ordered;  // by dovecot-uidlist
  for (size_t row = 0; row < mailbox_->count(); ++row) {
    const uint64_t size = mailbox_->crlf_sizes[row];
    if (size == mailbox::kUnknownSize) continue;  // its file went while the mailbox was opened
    if ((mailbox_->keywords[row] & hidden) != 0) continue;
    const Message message{
        .uid = mailbox_->uids[row], .size_bytes = size, .was_seen = (mailbox_->flags[row] & mailbox::kSeen) != 0};
    mailbox_bytes_ += size;
    const uint32_t order = mailbox_->Pop3OrderOf(message.uid);
    if (order == 0) {
      messages_.push_back(message);
    } else {
      ordered.emplace_back(order, message);
    }
  }
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.uid) < std::pair(b.first, b.second.uid);
  });
  messages_.insert(messages_.begin(), ordered.size(), Message());
  for (size_t i = 0; i < ordered.size(); ++i) messages_[i] = ordered[i].second;
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (messages_[i].was_seen) last_retrieved_ = i + 1;
  }
}

void Pop3Session::HandleTransaction(const Command& command, Context& context) {
  switch (command.verb) {
    case Verb::kCapa:
      return SendCapabilities(context);
    case Verb::kStat:
      return HandleStat(context);
    case Verb::kList:
      return HandleList(command.arguments, context);
    case Verb::kUidl:
      return HandleUidl(command.arguments, context);
    case Verb::kRetr:
      return HandleRetr(command.arguments, /*top=*/false, context);
    case Verb::kTop:
      return HandleRetr(command.arguments, /*top=*/true, context);
    case Verb::kDele:
      return HandleDele(command.arguments, context);
    case Verb::kNoop:
      return Say("+OK", context);
    case Verb::kRset:
      return HandleReset(context);
    case Verb::kLast:
      if (!config_->pop3.enable_last) break;
      return Say("+OK " + std::to_string(last_retrieved_), context);
    case Verb::kQuit:
      return HandleQuit(context);
    default:
      break;
  }
  ++bad_commands_;
  Say(command.name.empty() ? "-ERR Unknown command." : "-ERR Unknown command: " + EscapeForLog(command.name, 40),
      context);
}

void Pop3Session::HandleReset(Context& context) {
  std::vector<uint32_t> seen;
  for (Message& message : messages_) {
    message.deleted = message.retrieved = false;
    if (std::exchange(message.was_seen, false)) seen.push_back(message.uid);
  }
  last_retrieved_ = 0;
  // RFC 1460's RSET: LAST counts from 0 again, for the next session, too.
  if (config_->pop3.enable_last && !config_->pop3.no_flag_updates && !seen.empty()) {
    std::sort(seen.begin(), seen.end());
    account_->Store({MachineOf(conn_), kResetTag, actor_}, *mailbox_,
                    {.uids = std::move(seen), .mode = mailbox::StoreMode::kRemove, .flags = mailbox::kSeen}, context);
  }
  Say("+OK", context);
}

void Pop3Session::HandleStat(Context& context) {
  size_t count = 0;
  uint64_t bytes = 0;
  for (const Message& message : messages_) {
    if (message.deleted) continue;
    ++count;
    bytes += message.size_bytes;
  }
  Say("+OK " + std::to_string(count) + " " + std::to_string(bytes), context);
}

bool Pop3Session::TakeMessage(std::string_view* arguments, size_t* index, Context& context) {
  const std::string_view word = TakeWord(arguments);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error == std::errc::invalid_argument) {
    ++bad_commands_;
    Say("-ERR Invalid message number: " + EscapeForLog(word, 40), context);
    return false;
  }
  if (error != std::errc()) {
    ++bad_commands_;
    Say("-ERR Message number too large: " + EscapeForLog(word, 40), context);
    return false;
  }
  if (end != word.data() + word.size()) {
    ++bad_commands_;
    Say("-ERR Noise after message number: " + EscapeForLog(std::string_view(end, word.data() + word.size()), 40),
        context);
    return false;
  }
  if (number == 0 || number > messages_.size()) {
    ++bad_commands_;
    Say("-ERR There's no message " + std::to_string(number) + ".", context);
    return false;
  }
  if (messages_[number - 1].deleted) {
    ++bad_commands_;
    Say("-ERR Message is deleted.", context);
    return false;
  }
  *index = number - 1;
  return true;
}

bool Pop3Session::TakeOnlyMessage(std::string_view arguments, size_t* index, Context& context) {
  std::string_view rest = arguments;
  TakeWord(&rest);
  if (rest.find_first_not_of(' ') != std::string_view::npos) {
    ++bad_commands_;
    Say("-ERR Noise after message number: " + EscapeForLog(rest, 40), context);
    return false;
  }
  return TakeMessage(&arguments, index, context);
}

void Pop3Session::HandleList(std::string_view arguments, Context& context) {
  if (!arguments.empty()) {
    size_t index = 0;
    if (!TakeOnlyMessage(arguments, &index, context)) return;
    return Say("+OK " + std::to_string(index + 1) + " " + std::to_string(messages_[index].size_bytes), context);
  }
  const auto count = std::count_if(messages_.begin(), messages_.end(), [](const Message& m) { return !m.deleted; });
  std::string text = "+OK " + std::to_string(count) + " messages:\r\n";
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (messages_[i].deleted) continue;
    text += std::to_string(i + 1) + " " + std::to_string(messages_[i].size_bytes) + "\r\n";
  }
  Say(text + ".", context);
}

// Made once: names stay what they are for the session, also where DELE hides one of equal names.
const std::vector<std::string>& Pop3Session::Uidls() {
  if (!uidls_.empty()) return uidls_;
  const bool rename = config_->pop3.uidl_duplicates == "rename";
  absl::flat_hash_set<std::string> seen;
  uidls_.reserve(messages_.size());
  for (const Message& message : messages_) {
    const std::string name = mailbox::FormatPop3Uidl(config_->storage.pop3_uidl_format, *mailbox_, message.uid);
    std::string uidl = name;
    // pop3_uidl_duplicates = rename: the second "x" is told as "x-2".
    for (size_t n = 2; rename && !seen.insert(uidl).second; ++n) uidl = name + "-" + std::to_string(n);
    uidls_.push_back(std::move(uidl));
  }
  return uidls_;
}

void Pop3Session::HandleUidl(std::string_view arguments, Context& context) {
  if (!arguments.empty()) {
    size_t index = 0;
    if (!TakeOnlyMessage(arguments, &index, context)) return;
    return Say("+OK " + std::to_string(index + 1) + " " + Uidls()[index], context);
  }
  std::string text = "+OK\r\n";
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (!messages_[i].deleted) text += std::to_string(i + 1) + " " + Uidls()[i] + "\r\n";
  }
  Say(text + ".", context);
}

void Pop3Session::HandleDele(std::string_view arguments, Context& context) {
  size_t index = 0;
  if (!TakeOnlyMessage(arguments, &index, context)) return;
  messages_[index].deleted = true;
  Say("+OK Marked to be deleted.", context);
}

void Pop3Session::HandleRetr(std::string_view arguments, bool top, Context& context) {
  size_t index = 0;
  Retrieving retrieving;
  if (top) {
    if (!TakeMessage(&arguments, &index, context) || !TakeLineCount(arguments, &retrieving.body_lines_left, context))
      return;
  } else if (!TakeOnlyMessage(arguments, &index, context)) {
    return;
  }
  retrieving.index = index;
  state_ = retrieving;
  RequestRead(std::get<Retrieving>(state_), context);
}

bool Pop3Session::TakeLineCount(std::string_view arguments, int64_t* lines, Context& context) {
  const std::string_view word = TakeWord(&arguments);
  std::string_view wrong;
  int64_t number = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (word.empty()) {
    wrong = "Noise after message number: ";
  } else if (error == std::errc::result_out_of_range) {
    wrong = "Size too large: ";
  } else if (error != std::errc() || number < 0) {
    wrong = "Invalid size: ";
  } else if (end != word.data() + word.size() || arguments.find_first_not_of(' ') != std::string_view::npos) {
    wrong = "Noise after size: ";
  }
  *lines = number;
  if (wrong.empty()) return true;
  ++bad_commands_;
  Say("-ERR " + std::string(wrong) + EscapeForLog(word, 40), context);
  return false;
}

void Pop3Session::RequestRead(Retrieving& retrieving, Context& context) {
  if (retrieving.reading) return;
  retrieving.reading = true;
  account_->ReadMessage({MachineOf(conn_), kReadTag}, *mailbox_, messages_[retrieving.index].uid,
                        retrieving.offset_bytes, kReadBytes, context);
}

void Pop3Session::OnRead(mailbox::Completion& completion, Context& context) {
  auto& retrieving = std::get<Retrieving>(state_);
  retrieving.reading = false;
  const auto* read = std::get_if<mailbox::ReadResult>(&completion.outcome);
  if (!completion.status.ok() || read == nullptr) {
    if (!retrieving.started) {
      Say("-ERR [SYS/TEMP] Message can't be read: it was removed by somebody else, or the disk failed.", context);
      state_ = Transaction{};
      return;
    }
    // Half a message was sent: only a broken connection tells the client that the rest is missing.
    context.out.Put(Close{.conn = conn_, .kind = CloseKind::kNow});
    return End(context, "Message can't be read: " + std::string(postern::Message(completion.status)), true);
  }
  const bool top = retrieving.body_lines_left >= 0;
  std::string out;
  if (!retrieving.started) {
    retrieving.started = true;
    Message& message = messages_[retrieving.index];
    if (!top) {
      message.retrieved = true;
      last_retrieved_ = std::max(last_retrieved_, retrieving.index + 1);
    }
    ++(top ? top_count_ : retr_count_);
    out = top ? "+OK\r\n" : "+OK " + std::to_string(message.size_bytes) + " octets\r\n";
  }
  retrieving.file_bytes = read->file_bytes;
  EmitBytes(retrieving, read->bytes, &out);
  retrieving.offset_bytes += read->bytes.size();
  const bool enough = top && retrieving.in_body && retrieving.body_lines_left == 0;
  if (!enough && retrieving.offset_bytes < retrieving.file_bytes) {
    if (read->bytes.empty()) {  // the file is shorter than it was: an end here would say that this is all
      context.out.Put(Close{.conn = conn_, .kind = CloseKind::kNow});
      return End(context, "Message can't be read: its file became shorter", true);
    }
    (top ? top_bytes_ : retr_bytes_) += out.size();
    out_bytes_ += out.size();
    context.out.SendText(conn_, out);
    context.out.Put(AwaitDrain{conn_});  // the next piece is read when this one has left
    last_activity_ = context.now.mono;
    return;
  }
  if (retrieving.last_out != '\n') out += "\r\n";
  // Outlook Express wants an end of the header, also where the message has none.
  if (!retrieving.in_body && WorksAround("oe-ns-eoh")) out += "\r\n";
  (top ? top_bytes_ : retr_bytes_) += out.size();
  out += ".\r\n";
  out_bytes_ += out.size();
  context.out.SendText(conn_, out);
  state_ = Transaction{};
}

// File bytes as the wire wants them: CRLF line ends (an LF behind a CR is one already), dots stuffed, TOP's end
// counted.
void Pop3Session::EmitBytes(Retrieving& retrieving, std::string_view bytes, std::string* out) const {
  out->reserve(out->size() + bytes.size() + bytes.size() / 16 + 64);
  const bool top = retrieving.body_lines_left >= 0;
  const size_t out_before = out->size();
  size_t at = 0;
  while (at < bytes.size()) {
    if (top && retrieving.in_body && retrieving.body_lines_left == 0) break;
    if (retrieving.last == '\n' && bytes[at] == '.') *out += '.';
    const size_t end = bytes.find('\n', at);
    const std::string_view run = bytes.substr(at, end == std::string_view::npos ? end : end - at);
    out->append(run);
    if (!run.empty()) {
      if (run != "\r") retrieving.line_is_empty = false;
      retrieving.last = retrieving.last_out = run.back();
    }
    if (end == std::string_view::npos) break;
    if (retrieving.last != '\r') *out += '\r';
    *out += '\n';
    retrieving.last = retrieving.last_out = '\n';
    if (retrieving.in_body) {
      if (top) --retrieving.body_lines_left;
    } else if (retrieving.line_is_empty) {
      retrieving.in_body = true;
    }
    retrieving.line_is_empty = true;
    at = end + 1;
  }
  if (bytes.find('\0') != std::string_view::npos && WorksAround("outlook-no-nuls")) {
    std::replace(out->begin() + static_cast<std::ptrdiff_t>(out_before), out->end(), '\0', '\x80');
  }
}

// For `postern trace`: at once for all of a session.
void Pop3Session::RecordRead(Context& context) {
  std::vector<uint32_t> uids;
  for (Message& message : messages_) {
    if (message.retrieved && !std::exchange(message.recorded, true)) uids.push_back(message.uid);
  }
  std::sort(uids.begin(), uids.end());
  if (!uids.empty() && mailbox_ != nullptr) account_->RecordRead(actor_.get(), *mailbox_, uids, context);
}

void Pop3Session::HandleQuit(Context& context) {
  RecordRead(context);  // before their names go
  std::vector<uint32_t> gone, seen;
  for (const Message& message : messages_) {
    if (message.deleted) gone.push_back(message.uid);
    if (message.retrieved && !message.deleted) seen.push_back(message.uid);
  }
  std::sort(gone.begin(), gone.end());
  std::sort(seen.begin(), seen.end());
  state_ = Updating{};
  if (!seen.empty() && !config_->pop3.no_flag_updates) {  // Dovecot marks what was retrieved as \Seen
    account_->Store({MachineOf(conn_), kSeenTag, actor_}, *mailbox_,
                    {.uids = std::move(seen), .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kSeen}, context);
    ++updates_open_;
  }
  if (!gone.empty()) {
    deleted_count_ = gone.size();
    if (config_->pop3.delete_type_flag) {  // nothing goes: they are hidden from POP3 from now on
      account_->Store(
          {MachineOf(conn_), kDeleteTag, actor_}, *mailbox_,
          {.uids = std::move(gone), .mode = mailbox::StoreMode::kAdd, .keywords = {config_->pop3.deleted_flag}},
          context);
    } else {
      // POP3 has no \Deleted: the messages named here go, whatever their flags.
      account_->Remove({MachineOf(conn_), kDeleteTag, actor_}, *mailbox_, std::move(gone), context);
    }
    ++updates_open_;
  }
  if (updates_open_ == 0) {
    Say("+OK Logging out.", context);
    End(context, "Logged out");
  }
}

void Pop3Session::OnUpdated(mailbox::Completion& completion, Context& context) {
  if (completion.ticket.tag == kDeleteTag && !completion.status.ok()) delete_failed_ = true;
  if (--updates_open_ > 0) return;
  const bool any = std::any_of(messages_.begin(), messages_.end(), [](const Message& m) { return m.deleted; });
  if (delete_failed_) {
    // RFC 1939 section 6: -ERR where some messages marked as deleted were not removed.
    Say("-ERR [SYS/TEMP] Couldn't delete all messages; those left will be listed again.", context);
  } else {
    Say(any ? "+OK Logging out, messages deleted." : "+OK Logging out.", context);
  }
  End(context, "Logged out");
}

}  // namespace postern::pop3
