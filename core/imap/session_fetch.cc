// FETCH and UID FETCH (RFC 3501 section 6.4.5), CHANGEDSINCE and VANISHED (RFC 7162), as a cursor over the view.
//
//   next batch --> facts the mailbox lacks (sizes, dates) --> \Seen stored --> emit each message --> next batch ... end
//                                                                               |    ^
//                                                        reads ahead, a few ----+    +-- drained, read, continued
//
// Output is bounded by kUnsentBytesMax: beyond it nothing is produced until it drained. Messages longer than
// kWholeMessageBytesMax are streamed where only bytes are asked for.
#include <algorithm>
#include <utility>

#include "core/imap/fetch_body.h"
#include "core/imap/parser.h"
#include "core/imap/session_fetch_stream.h"
#include "core/imap/session_run.h"
#include "core/mailbox/names.h"
#include "core/mailbox/records.h"
#include "core/message/date.h"
#include "core/message/header.h"
#include "core/message/line_ends.h"

namespace postern::imap {
namespace {

// One step makes at most this much without yielding, so that others have their turn (a guess: about a millisecond).
constexpr size_t kCheapMessagesPerStep = 1000;
constexpr size_t kCheapBytesPerStep = 65536;
constexpr size_t kChangedPlacesPerStep = 10000;  // looked at for CHANGEDSINCE
// Messages whose \Seen is stored together: a connection that breaks has at most so many marked that it did not get.
constexpr size_t kBatchWithBytes = 16;

// Does it give the message's text, as reading it does, and not only what lists of messages show?
bool GivesText(const FetchItem& item) {
  switch (item.kind) {
    case FetchItem::Kind::kRfc822:
    case FetchItem::Kind::kRfc822Text:
    case FetchItem::Kind::kBinary:
      return true;
    case FetchItem::Kind::kBodySection:
      return item.section.text == Section::Text::kNone || item.section.text == Section::Text::kText;
    default:
      return false;
  }
}

class FetchRun final : public CommandRun {
 public:
  FetchRun(ImapSession& session, FetchCommand command)
      : CommandRun(session), command_(std::move(command)), reads_(session), stream_(session) {}

  void Start(Context& context) override;
  void OnCompletion(mailbox::Completion& completion, Context& context) override;
  void OnContinue(Context& context) override { Advance(context); }
  void OnDrained(Context& context) override { Advance(context); }

 private:
  bool CheckItems(Context& context);
  void TellVanished(Context& context);
  void Advance(Context& context);
  // False: there are no more. The batch may be empty where none of many messages looked at is to be told.
  bool NextBatch();
  bool Prepare(Context& context);
  // One message, from batch_[batch_next_]. False: something must come first, and the run will be called then.
  bool Emit(Context& context);
  bool EmitWithBytes(size_t row, Context& context);
  bool TakeText(uint32_t uid, MessageReads::Read read, Context& context);
  bool BeginStream(uint32_t uid, MessageReads::Read& read, Context& context);
  bool EmitItems(Context& context);
  void AppendKnownItems(size_t row);
  // A size or date can't be had: nothing is told rather than something wrong, and the command fails.
  void FactMissing() {
    if (failure_.ok()) failure_ = Unavailable("the file of a message can't be looked at");
  }
  void Flush(Context& context);
  void RecordRead(Context& context);
  void Done(Context& context);

  FetchCommand command_;
  ImapSession::ViewRanges ranges_;
  size_t range_ = 0, range_next_ = 0;
  Need need_ = Need::kNothing;
  bool sets_seen_ = false, needs_sizes_ = false, needs_dates_ = false;

  std::vector<uint32_t> batch_;  // UIDs
  size_t batch_next_ = 0;
  size_t batch_requested_ = 0;      // reads asked for, of batch_
  std::vector<uint32_t> now_seen_;  // of batch_, ascending: \Seen was not set before
  bool facts_loaded_ = false, seen_stored_ = false;
  bool waiting_ = false;  // for the account

  MessageReads reads_;
  // The message whose items are being emitted.
  bool emitting_ = false;
  bool any_item_ = false;  // after "* n FETCH ("
  size_t item_ = 0;
  std::string header_;
  std::shared_ptr<MessageText> text_;
  uint64_t whole_ticket_ = 0;  // a read of all of it is under way
  FetchStream stream_;

  int32_t zone_minutes_ = 0;  // in which INTERNALDATE is told
  FetchOutput out_;
  size_t made_ = 0;
  bool gives_text_ = false;
  std::vector<uint32_t> read_;  // given to the client with their text, not recorded yet
  size_t recorded_count_ = 0;
  bool any_gone_ = false;
  bool unknown_encoding_ = false;
  Status failure_;
};

void FetchRun::Start(Context& context) {
  const auto ranges = session_.TakeSet(command_.set, command_.uid, command_.uid ? "UID FETCH" : "FETCH", context);
  if (!ranges || !CheckItems(context)) return;
  ranges_ = *ranges;
  zone_minutes_ = context.now.utc_offset_seconds / 60;
  if (!ranges_.empty()) range_next_ = ranges_.front().first;
  if (command_.vanished) TellVanished(context);
  Advance(context);
}

bool FetchRun::CheckItems(Context& context) {
  const auto has = [&](FetchItem::Kind kind) {
    return std::any_of(command_.items.begin(), command_.items.end(),
                       [&](const auto& item) { return item.kind == kind; });
  };
  for (const FetchItem& item : command_.items) {
    switch (item.kind) {
      case FetchItem::Kind::kSaveDate:
      case FetchItem::Kind::kEmailId:
      case FetchItem::Kind::kThreadId:
      case FetchItem::Kind::kPreview: {
        std::string what = "Unknown parameter: ";
        AppendFetchItemName(item, &what);
        session_.FinishBad(CommandErrorText(command_.uid ? "UID FETCH" : "FETCH", what), context);
        return false;
      }
      default:
        break;
    }
    need_ = std::max(need_, NeedOf(item));
    sets_seen_ |= SetsSeen(item);
    gives_text_ |= GivesText(item);
  }
  if (command_.vanished && (!session_.qresync() || !command_.uid)) {
    session_.FinishBad(CommandErrorText(command_.uid ? "UID FETCH" : "FETCH", "VANISHED used without QRESYNC"),
                       context);
    return false;
  }
  sets_seen_ = sets_seen_ && !session_.selection()->read_only;
  needs_sizes_ = has(FetchItem::Kind::kRfc822Size);
  needs_dates_ = has(FetchItem::Kind::kInternalDate);
  // RFC 3501 section 6.4.8: the answer to a UID FETCH has the UID, first as Dovecot has it.
  if (command_.uid) {
    std::erase_if(command_.items, [](const auto& item) { return item.kind == FetchItem::Kind::kUid; });
    command_.items.insert(command_.items.begin(), FetchItem{.kind = FetchItem::Kind::kUid});
  }
  // RFC 7162 section 3.1.4.1: CHANGEDSINCE implies MODSEQ.
  if (command_.changed_since || has(FetchItem::Kind::kModSeq)) {
    if (!has(FetchItem::Kind::kModSeq)) command_.items.push_back(FetchItem{.kind = FetchItem::Kind::kModSeq});
    session_.EnableCondstore(/*tell_highest=*/true, context);
  }
  return true;
}

// RFC 7162 section 3.2.6: of the UIDs asked about, those that are gone.
void FetchRun::TellVanished(Context& context) {
  const mailbox::MailboxState& state = session_.selection()->view.state();
  const auto& uids = session_.selection()->view.uids();
  NumberSet asked = command_.set.Resolve(uids.empty() ? 0 : uids.back());
  asked.Remove({.first = std::max<uint32_t>(state.uidnext, 1), .last = UINT32_MAX});
  const NumberSet gone = MissingUids(asked, state);
  if (gone.empty()) return;
  std::string out = "* VANISHED (EARLIER) ";
  gone.Format(&out);
  session_.Write(out + "\r\n", context);
}

void FetchRun::OnCompletion(mailbox::Completion& completion, Context& context) {
  if (stream_.OnCompletion(completion)) {
    // What it says is seen in EmitItems.
  } else if (completion.ticket.tag == whole_ticket_) {
    whole_ticket_ = 0;
    const auto* result = std::get_if<mailbox::ReadResult>(&completion.outcome);
    if (completion.status.ok() && result != nullptr) {
      text_ = std::make_shared<MessageText>(std::string(result->bytes));
    } else {
      failure_ = completion.status;
      text_.reset();
    }
  } else if (!reads_.Take(completion)) {
    waiting_ = false;
    if (!completion.status.ok() && failure_.ok() && std::holds_alternative<mailbox::Done>(completion.outcome)) {
      failure_ = completion.status;
    }
  }
  Advance(context);
}

void FetchRun::Advance(Context& context) {
  size_t made_before = made_;
  while (!waiting_ && whole_ticket_ == 0) {
    if (batch_next_ == batch_.size() && !emitting_) {
      if (!NextBatch()) return Done(context);
      if (batch_.empty()) {  // none of so many was to be told: others have their turn
        Flush(context);
        return session_.ContinueLater(context);
      }
    }
    if (!Prepare(context)) break;
    if (session_.OutputFull()) {
      session_.AwaitDrain(context);
      break;
    }
    if (made_ - made_before >= kCheapMessagesPerStep ||
        (need_ == Need::kNothing && out_.size_bytes() >= kCheapBytesPerStep)) {
      Flush(context);
      return session_.ContinueLater(context);
    }
    if (!Emit(context)) break;
    if (session_.ended()) return;
    if (out_.size_bytes() > kCheapBytesPerStep && need_ != Need::kNothing) Flush(context);
  }
  Flush(context);
}

bool FetchRun::NextBatch() {
  batch_.clear();
  batch_next_ = batch_requested_ = 0;
  now_seen_.clear();
  facts_loaded_ = seen_stored_ = false;
  const mailbox::View& view = session_.selection()->view;
  const mailbox::MailboxState& state = view.state();
  const size_t batch_max = need_ == Need::kNothing ? kCheapMessagesPerStep : kBatchWithBytes;
  for (size_t looked = 0; range_ < ranges_.size() && batch_.size() < batch_max && looked < kChangedPlacesPerStep;
       ++looked) {
    if (range_next_ >= ranges_[range_].last) {
      if (++range_ < ranges_.size()) range_next_ = ranges_[range_].first;
      continue;
    }
    const uint32_t uid = view.uids()[range_next_++];
    const size_t row = state.RowOf(uid);
    if (row == state.count()) {
      any_gone_ = true;
      continue;
    }
    if (command_.changed_since && state.modseqs[row] <= *command_.changed_since) continue;
    if (sets_seen_ && !(state.flags[row] & mailbox::kSeen)) now_seen_.push_back(uid);
    batch_.push_back(uid);
  }
  return !batch_.empty() || range_ < ranges_.size();
}

bool FetchRun::Prepare(Context& context) {
  mailbox::MailboxState& state = session_.selection()->view.state();
  if (!facts_loaded_) {
    facts_loaded_ = true;
    std::vector<uint32_t> lacking;
    for (const uint32_t uid : batch_) {
      const size_t row = state.RowOf(uid);
      if (row == state.count()) continue;
      if ((needs_sizes_ && state.crlf_sizes[row] == mailbox::kUnknownSize) ||
          (needs_dates_ && state.internal_dates[row] == mailbox::kUnknownDate)) {
        lacking.push_back(uid);
      }
    }
    if (!lacking.empty()) {
      waiting_ = true;
      session_.account().LoadFacts(session_.NextTicket(), state, std::move(lacking), needs_sizes_, needs_dates_,
                                   context);
      return false;
    }
  }
  if (!seen_stored_) {
    seen_stored_ = true;
    if (!now_seen_.empty()) {
      waiting_ = true;
      session_.account().Store(session_.NextTicket(), state,
                               {.uids = now_seen_, .mode = mailbox::StoreMode::kAdd, .flags = mailbox::kSeen}, context);
      return false;
    }
  }
  return true;
}

bool FetchRun::Emit(Context& context) {
  if (emitting_) return EmitItems(context);
  const mailbox::MailboxState& state = session_.selection()->view.state();
  const size_t row = state.RowOf(batch_[batch_next_]);
  if (need_ != Need::kNothing) return EmitWithBytes(row, context);
  ++batch_next_;
  if (row == state.count()) {
    any_gone_ = true;
    return true;
  }
  AppendKnownItems(row);
  out_.text() += ")\r\n";
  ++made_;
  return true;
}

bool FetchRun::EmitWithBytes(size_t row, Context& context) {
  Selection& selected = *session_.selection();
  const mailbox::MailboxState& state = selected.view.state();
  const uint32_t uid = batch_[batch_next_];
  const bool cached = selected.cache.uid == uid && selected.cache.text != nullptr;
  if (!cached) {
    const uint64_t bytes = need_ == Need::kHeader ? kHeaderReadBytes : kWholeMessageBytesMax;
    batch_requested_ = std::max(batch_requested_, batch_next_);
    while (batch_requested_ < batch_.size() && reads_.count() < MessageReads::kAheadMax) {
      if (batch_[batch_requested_] == selected.cache.uid && batch_requested_ != batch_next_) break;
      reads_.Request(batch_[batch_requested_++], bytes, context);
    }
    if (!reads_.front_done()) return false;
  }
  MessageReads::Read read;
  if (!cached) {
    read = reads_.TakeFront();
  } else if (batch_requested_ == batch_next_) {
    batch_requested_ = batch_next_ + 1;
  }
  ++batch_next_;
  if (row == state.count() || (!cached && read.status.code() == StatusCode::kNotFound)) {
    any_gone_ = true;
    return true;
  }
  if (!read.status.ok()) {
    if (failure_.ok()) failure_ = read.status;
    return true;
  }
  emitting_ = true;
  item_ = 0;
  AppendKnownItems(row);
  if (cached) {
    text_ = selected.cache.text;
    return EmitItems(context);
  }
  return TakeText(uid, std::move(read), context);
}

// Makes header_ and text_ of what was read; where that is too little for the items, reads all, or streams.
bool FetchRun::TakeText(uint32_t uid, MessageReads::Read read, Context& context) {
  if (read.whole()) {
    text_ = std::make_shared<MessageText>(std::move(read.bytes));
    session_.selection()->cache = {.uid = uid, .text = text_};
    return EmitItems(context);
  }
  message::HeaderReader reader(read.bytes);
  for (message::Field field; reader.Next(&field);) {
  }
  if (reader.saw_empty_line() && need_ != Need::kWhole) {
    header_ = message::ToCrlf(std::string_view(read.bytes).substr(0, reader.position()));
    if (need_ == Need::kHeader) return EmitItems(context);
    return BeginStream(uid, read, context);
  }
  if (read.file_bytes > kStructuredMessageBytesMax) {
    failure_ = Error(StatusCode::kOutOfRange, "A message is too long to be taken apart: BODY[] gives the whole of it");
    return EmitItems(context);
  }
  const mailbox::Ticket ticket = session_.NextTicket();
  whole_ticket_ = ticket.tag;
  session_.account().ReadMessage(ticket, session_.selection()->view.state(), uid, 0, UINT64_MAX, context);
  return false;
}

bool FetchRun::BeginStream(uint32_t uid, MessageReads::Read& read, Context& context) {
  mailbox::MailboxState& state = session_.selection()->view.state();
  stream_.Prepare(uid, read.file_bytes);
  // A name that lies about the file's size lies about the message's as well: a wrong literal would cut it short.
  const std::string name = state.BaseNameOf(uid);
  const std::optional<uint64_t> told_bytes = mailbox::ParseName(name).size;
  uint64_t& crlf_bytes = state.crlf_sizes[state.RowOf(uid)];
  if (told_bytes && *told_bytes != read.file_bytes) crlf_bytes = mailbox::kUnknownSize;
  if (crlf_bytes == mailbox::kUnknownSize) {
    // The literal's size must be known before its first byte.
    waiting_ = true;
    session_.account().LoadFacts(session_.NextTicket(), state, {uid}, /*sizes=*/true, /*dates=*/false, context);
    return false;
  }
  return EmitItems(context);
}

// The items that need bytes, from item_ on.
bool FetchRun::EmitItems(Context& context) {
  if (stream_.active()) {
    const bool complete = stream_.Go(&out_, context);
    if (stream_.failed()) {
      // The literal was announced: there is no way back into the protocol.
      session_.Abort("Message shorter than announced", context);
      return false;
    }
    if (!complete) {
      Flush(context);
      if (session_.OutputFull()) session_.AwaitDrain(context);
      return false;
    }
  }
  const FetchSource source{
      .header = text_ != nullptr ? message::HeaderBlock(text_->bytes()) : std::string_view(header_),
      .text = text_.get()};
  for (; item_ < command_.items.size(); ++item_) {
    const FetchItem& item = command_.items[item_];
    const Need need = NeedOf(item);
    if (need == Need::kNothing) continue;
    if (text_ == nullptr && need == Need::kBytes && stream_.uid() != 0) {
      const mailbox::MailboxState& state = session_.selection()->view.state();
      const size_t row = state.RowOf(stream_.uid());
      if (row == state.count() || state.crlf_sizes[row] == mailbox::kUnknownSize) break;
      if (std::exchange(any_item_, true)) out_.text() += ' ';
      AppendFetchItemName(item, &out_.text());
      out_.text() += ' ';
      stream_.Begin(StreamRange(item, header_.size(), state.crlf_sizes[row]), &out_);
      session_.counters().body_count++;
      ++item_;
      return EmitItems(context);
    }
    if (text_ == nullptr && need != Need::kHeader) break;  // the read of all of it failed
    const size_t before = out_.size_bytes();
    if (any_item_) out_.text() += ' ';
    if (AppendFetchItem(item, source, &out_)) {
      any_item_ = true;
    } else {
      if (any_item_) out_.text().pop_back();
      unknown_encoding_ = true;
    }
    const size_t bytes = out_.size_bytes() - before;
    SessionCounters& counters = session_.counters();
    (need == Need::kHeader ? counters.header_count : counters.body_count) += 1;
    (need == Need::kHeader ? counters.header_bytes : counters.body_bytes) += bytes;
  }
  out_.text() += ")\r\n";
  ++made_;
  if (gives_text_ && recorded_count_ < mailbox::kCommandEntriesMax) read_.push_back(batch_[batch_next_ - 1]);
  if (read_.size() == mailbox::kRecordEntriesMax) RecordRead(context);
  emitting_ = false;
  text_.reset();
  header_.clear();
  stream_.Reset();
  return true;
}

// `* n FETCH (` and the items that the mailbox knows: they come first, in the client's order, as Dovecot has it.
void FetchRun::AppendKnownItems(size_t row) {
  Selection& selected = *session_.selection();
  const mailbox::MailboxState& state = selected.view.state();
  const uint32_t uid = state.uids[row];
  std::string& out = out_.text();
  out += "* ";
  AppendNumber(selected.view.NumberOf(uid), &out);
  out += " FETCH (";
  const size_t start = out.size();
  bool told_flags = false, told_modseq = false;
  const auto name = [&](std::string_view text) {
    if (out.size() != start) out += ' ';
    out += text;
  };
  const auto flags = [&] {
    name("FLAGS ");
    session_.AppendFlagsOf(row, &out);
    selected.view.Told(uid, state.modseqs[row]);
    told_flags = true;
  };
  const auto modseq = [&] {
    name("MODSEQ (");
    AppendNumber(state.modseqs[row], &out);
    out += ')';
    told_modseq = true;
  };
  for (const FetchItem& item : command_.items) {
    switch (item.kind) {
      case FetchItem::Kind::kUid:
        name("UID ");
        AppendNumber(uid, &out);
        break;
      case FetchItem::Kind::kFlags:
        flags();
        break;
      case FetchItem::Kind::kModSeq:
        modseq();
        break;
      case FetchItem::Kind::kRfc822Size:
        if (state.crlf_sizes[row] == mailbox::kUnknownSize) {
          FactMissing();
          break;
        }
        name("RFC822.SIZE ");
        AppendNumber(state.crlf_sizes[row], &out);
        break;
      case FetchItem::Kind::kInternalDate:
        if (state.internal_dates[row] == mailbox::kUnknownDate) {
          FactMissing();
          break;
        }
        name("INTERNALDATE \"");
        message::AppendInternalDate(
            {.unix_seconds = std::max<int64_t>(state.internal_dates[row], 0), .zone_minutes = zone_minutes_}, &out);
        out += '"';
        break;
      default:  // the rest needs bytes
        break;
    }
  }
  // RFC 3501 section 6.4.5: the flags changed by this very command are told with it.
  if (!told_flags && std::binary_search(now_seen_.begin(), now_seen_.end(), uid)) {
    flags();
    if (session_.condstore() && !told_modseq) modseq();
  }
  any_item_ = out.size() != start;
}

void FetchRun::Flush(Context& context) {
  if (out_.size_bytes() == 0) return;
  session_.Write(out_.Take(), context);
}

void FetchRun::RecordRead(Context& context) {
  if (read_.empty()) return;
  recorded_count_ += read_.size();
  session_.account().RecordRead(session_.actor(), session_.selection()->view.state(), read_, context);
  read_.clear();
}

void FetchRun::Done(Context& context) {
  Flush(context);
  RecordRead(context);
  using Tell = ImapSession::Answer::Tell;
  ImapSession::Answer answer{
      .text = "Fetch completed.", .tell = command_.uid ? Tell::kAll : Tell::kNoExpunges, .with_uid = command_.uid};
  if (!failure_.ok()) {
    return session_.FinishFailed(failure_, session_.selection()->view.state().name, "", context, answer.tell);
  }
  if (unknown_encoding_) {
    answer.condition = Condition::kNo;
    answer.code = "UNKNOWN-CTE";
    answer.text = "Unknown Content-Transfer-Encoding.";
  } else if (any_gone_ && !command_.uid) {
    answer.condition = Condition::kNo;
    answer.code = "EXPUNGEISSUED";
    answer.text = "Some of the requested messages no longer exist.";
  }
  session_.Finish(answer, context);
}

}  // namespace

std::unique_ptr<CommandRun> MakeFetch(ImapSession& session, FetchCommand command) {
  return std::make_unique<FetchRun>(session, std::move(command));
}

}  // namespace postern::imap
