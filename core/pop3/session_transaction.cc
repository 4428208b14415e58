// The TRANSACTION and UPDATE states of a POP3 session (RFC 1939 sections 5 and 6).
#include <absl/container/flat_hash_set.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "core/mailbox/pop3_uidl.h"
#include "core/pop3/session.h"

namespace postern::pop3 {
namespace {

constexpr uint64_t kFactsTag = 5;
constexpr uint64_t kReadTag = 6;
constexpr uint64_t kUpdateTag = 7;

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
    // The sizes of STAT and LIST are those with CRLF line ends (RFC 1939 section 11): known for all before the client asks.
    account_->LoadFacts({MachineOf(conn_), kFactsTag}, *mailbox_, mailbox_->uids, /*sizes=*/true, /*dates=*/false, context);
    return;
  }
  messages_.reserve(mailbox_->count());
  for (size_t row = 0; row < mailbox_->count(); ++row) {
    const uint64_t size = mailbox_->crlf_sizes[row];
    if (size == mailbox::kUnknownSize) continue;  // its file went while the mailbox was opened
    messages_.push_back({.uid = mailbox_->uids[row], .size_bytes = size});
    mailbox_bytes_ += size;
  }
  state_ = Transaction{};
  Say("+OK Logged in.", context);
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
      for (Message& message : messages_) message.deleted = false;
      return Say("+OK", context);
    case Verb::kQuit:
      return HandleQuit(context);
    default:
      ++bad_commands_;
      return Say("-ERR Unknown command: " + EscapeForLog(command.name, 40), context);
  }
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
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) {
    ++bad_commands_;
    Say("-ERR Invalid message number: " + EscapeForLog(word, 40), context);
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

void Pop3Session::HandleList(std::string_view arguments, Context& context) {
  if (!arguments.empty()) {
    size_t index = 0;
    if (!TakeMessage(&arguments, &index, context)) return;
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

std::string Pop3Session::UidlOf(const Message& message) const {
  return mailbox::FormatPop3Uidl(config_->storage.pop3_uidl_format, *mailbox_, message.uid);
}

void Pop3Session::HandleUidl(std::string_view arguments, Context& context) {
  if (!arguments.empty()) {
    size_t index = 0;
    if (!TakeMessage(&arguments, &index, context)) return;
    return Say("+OK " + std::to_string(index + 1) + " " + UidlOf(messages_[index]), context);
  }
  std::string text = "+OK\r\n";
  absl::flat_hash_set<std::string> seen;
  for (size_t i = 0; i < messages_.size(); ++i) {
    if (messages_[i].deleted) continue;
    std::string uidl = UidlOf(messages_[i]);
    // pop3_uidl_duplicates = rename: the second "x" is told as "x-2".
    if (config_->pop3.uidl_duplicates == "rename") {
      for (int n = 2; !seen.insert(uidl).second; ++n) uidl = UidlOf(messages_[i]) + "-" + std::to_string(n);
    }
    text += std::to_string(i + 1) + " " + uidl + "\r\n";
  }
  Say(text + ".", context);
}

void Pop3Session::HandleDele(std::string_view arguments, Context& context) {
  size_t index = 0;
  if (!TakeMessage(&arguments, &index, context)) return;
  messages_[index].deleted = true;
  Say("+OK Marked to be deleted.", context);
}

void Pop3Session::HandleRetr(std::string_view arguments, bool top, Context& context) {
  size_t index = 0;
  if (!TakeMessage(&arguments, &index, context)) return;
  Retrieving retrieving{.index = index};
  if (top) {
    const std::string_view word = TakeWord(&arguments);
    int64_t lines = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), lines);
    if (word.empty() || error != std::errc() || end != word.data() + word.size() || lines < 0) {
      ++bad_commands_;
      return Say("-ERR Invalid line count: " + EscapeForLog(word, 40), context);
    }
    retrieving.body_lines_left = lines;
    ++top_count_;
  } else {
    ++retr_count_;
    messages_[index].retrieved = true;
  }
  state_ = retrieving;
  RequestRead(std::get<Retrieving>(state_), context);
}

void Pop3Session::RequestRead(Retrieving& retrieving, Context& context) {
  if (retrieving.reading) return;
  retrieving.reading = true;
  account_->ReadMessage({MachineOf(conn_), kReadTag}, *mailbox_, messages_[retrieving.index].uid, retrieving.offset_bytes,
                        kReadBytes, context);
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
    out = top ? "+OK\r\n" : "+OK " + std::to_string(messages_[retrieving.index].size_bytes) + " octets\r\n";
  }
  retrieving.file_bytes = read->file_bytes;
  const size_t header = out.size();
  EmitBytes(retrieving, read->bytes, &out);
  (top ? top_bytes_ : retr_bytes_) += out.size() - header;
  retrieving.offset_bytes += read->bytes.size();
  const bool enough = top && retrieving.in_body && retrieving.body_lines_left == 0;
  if (!enough && retrieving.offset_bytes < retrieving.file_bytes && !read->bytes.empty()) {
    context.out.SendText(conn_, out);
    context.out.Put(AwaitDrain{conn_});  // the next piece is read when this one has left
    last_activity_ = context.now.mono;
    return;
  }
  if (retrieving.last_out != '\n') out += "\r\n";
  out += ".\r\n";
  context.out.SendText(conn_, out);
  state_ = Transaction{};
}

// File bytes as the wire wants them: CRLF line ends (an LF behind a CR is one already), dots stuffed, TOP's end counted.
void Pop3Session::EmitBytes(Retrieving& retrieving, std::string_view bytes, std::string* out) const {
  out->reserve(out->size() + bytes.size() + bytes.size() / 16 + 64);
  const bool top = retrieving.body_lines_left >= 0;
  size_t at = 0;
  while (at < bytes.size()) {
    if (top && retrieving.in_body && retrieving.body_lines_left == 0) return;
    if (retrieving.last == '\n' && bytes[at] == '.') *out += '.';
    const size_t end = bytes.find('\n', at);
    const std::string_view run = bytes.substr(at, end == std::string_view::npos ? end : end - at);
    out->append(run);
    if (!run.empty()) {
      if (run != "\r") retrieving.line_is_empty = false;
      retrieving.last = retrieving.last_out = run.back();
    }
    if (end == std::string_view::npos) return;
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
}

void Pop3Session::HandleQuit(Context& context) {
  std::vector<uint32_t> gone, seen;
  for (const Message& message : messages_) {
    if (message.deleted) gone.push_back(message.uid);
    if (message.retrieved && !message.deleted) seen.push_back(message.uid);
  }
  state_ = Updating{};
  if (!seen.empty() && !config_->pop3.no_flag_updates) {  // Dovecot marks what was retrieved as \Seen
    account_->Store({MachineOf(conn_), kUpdateTag}, *mailbox_,
                    {.uids = std::move(seen), .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kSeen}, context);
    ++updates_open_;
  }
  if (!gone.empty()) {
    // POP3 has no \Deleted: the messages named here go, whatever their flags.
    account_->Remove({MachineOf(conn_), kUpdateTag}, *mailbox_, std::move(gone), context);
    ++updates_open_;
  }
  if (updates_open_ == 0) {
    Say("+OK Logging out.", context);
    End(context, "Logged out");
  }
}

void Pop3Session::OnUpdated(mailbox::Completion& completion, Context& context) {
  const bool deletes = std::holds_alternative<mailbox::ExpungeResult>(completion.outcome);
  if (deletes && !completion.status.ok()) delete_failed_ = true;
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
