#include "core/imap/search_walk.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/message/charset.h"
#include "core/message/header.h"
#include "core/message/line_ends.h"

namespace postern::imap {
namespace {

constexpr size_t kPlacesPerStep = 2000;  // decided by columns only: well below a millisecond
constexpr size_t kFilesPerStep = 16;
constexpr size_t kFactsPerRequest = 1000;

int64_t DayOf(int64_t seconds) { return seconds >= 0 ? seconds / 86400 : -((-seconds + 86399) / 86400); }

// FROM and its like look into the envelope, where addresses and subjects have a form of their own.
message::HeaderForm FormOf(const SearchKey& key) {
  if (!key.envelope) return message::HeaderForm::kAsWritten;
  return EqualsIgnoringCase(key.header, "Subject") ? message::HeaderForm::kPacked : message::HeaderForm::kAddresses;
}

Ternary Truth(bool value) { return value ? Ternary::kTrue : Ternary::kFalse; }

}  // namespace

SearchWalk::SearchWalk(ImapSession& session, SearchKey key, std::string charset)
    : CommandRun(session), key_(std::move(key)), charset_(std::move(charset)), reads_(session) {}

void SearchWalk::Search(Context& context) {
  if (!charset_.empty() && !message::IsKnownCharset(charset_)) {
    return session_.Finish({.condition = Condition::kNo, .code = "BADCHARSET", .text = "Unknown charset"}, context);
  }
  now_seconds_ = context.now.wall.seconds();
  utc_offset_seconds_ = context.now.utc_offset_seconds;
  OrderByCost(&key_);
  Prepare(key_);
  // A program that names its messages need not look at others.
  const uint32_t count = session_.selection()->view.count();
  if (const SequenceSet* set = RequiredSet(key_, SearchKey::Kind::kSequence)) {
    ranges_ = session_.ResolveSet(*set, /*uid=*/false);
  } else if (const SequenceSet* uids = RequiredSet(key_, SearchKey::Kind::kUid)) {
    ranges_ = session_.ResolveSet(*uids, /*uid=*/true);
  } else if (count > 0) {
    ranges_ = {{.first = 0, .last = count}};
  }
  if (!ranges_.empty()) range_next_ = ranges_.front().first;
  if (Mentions(key_, SearchKey::Kind::kModSeq)) session_.EnableCondstore(/*tell_highest=*/true, context);
  phase_ = Phase::kColumns;
  Advance(context);
}

void SearchWalk::Prepare(const SearchKey& key) {
  for (const SearchKey& child : key.children) Prepare(child);  // depth is at most kSearchDepthMax
  const Selection& selected = *session_.selection();
  const auto resolve = [&](bool uid) {
    NumberSet numbers;
    if (key.set.is_saved_result()) {
      for (const NumberSet::IndexRange& range : session_.ResolveSet(key.set, uid)) {
        if (!uid) {
          numbers.Add(SequenceRange{static_cast<uint32_t>(range.first) + 1, static_cast<uint32_t>(range.last)});
          continue;
        }
        for (size_t i = range.first; i < range.last; ++i) numbers.Add(selected.view.uids()[i]);
      }
      return numbers;
    }
    const auto& uids = selected.view.uids();
    return key.set.Resolve(uid ? (uids.empty() ? 0 : uids.back()) : selected.view.count());
  };
  switch (key.kind) {
    case SearchKey::Kind::kHeader:
    case SearchKey::Kind::kBody:
    case SearchKey::Kind::kText: {
      std::string utf8;
      if (charset_.empty() || message::IsUtf8Charset(charset_)) {
        message::AppendValidUtf8(key.text, &utf8);
      } else {
        message::AppendUtf8(key.text, charset_, &utf8);
      }
      prepared_[&key].needle.emplace(utf8);
      return;
    }
    case SearchKey::Kind::kKeyword: {
      const auto& names = selected.view.state().keyword_names;
      uint64_t& bit = prepared_[&key].keyword_bit;
      for (size_t i = 0; i < names.size() && i < mailbox::kKeywordCountMax; ++i) {
        if (EqualsIgnoringCase(names[i], key.text)) bit = uint64_t{1} << i;
      }
      return;
    }
    case SearchKey::Kind::kSequence:
    case SearchKey::Kind::kUid:
      prepared_[&key].numbers = resolve(key.kind == SearchKey::Kind::kUid);
      return;
    case SearchKey::Kind::kLarger:
    case SearchKey::Kind::kSmaller:
      needs_sizes_ = true;
      return;
    case SearchKey::Kind::kBefore:
    case SearchKey::Kind::kOn:
    case SearchKey::Kind::kSince:
    case SearchKey::Kind::kSavedBefore:
    case SearchKey::Kind::kSavedOn:
    case SearchKey::Kind::kSavedSince:
    case SearchKey::Kind::kOlder:
    case SearchKey::Kind::kYounger:
      needs_dates_ = true;
      return;
    default:  // nothing to prepare
      return;
  }
}

void SearchWalk::OnCompletion(mailbox::Completion& completion, Context& context) {
  if (whole_ticket_ != 0 && completion.ticket.tag == whole_ticket_) {
    whole_ticket_ = 0;
    const auto* read = std::get_if<mailbox::ReadResult>(&completion.outcome);
    if (phase_ == Phase::kLookUp) {
      const bool usable = read != nullptr && completion.status.ok();
      OnHeader(next_, usable ? message::ToCrlf(message::HeaderBlock(read->bytes)) : std::string());
    } else if (read != nullptr && completion.status.ok()) {
      MessageText text{std::string(read->bytes)};
      Message message{.place = undecided_[next_]};
      message.row = session_.selection()->view.state().RowOf(UidAt(message.place));
      message.header = message::HeaderBlock(text.bytes());
      message.text = &text;
      Decide(message, Cost::kBody);
    }
    ++next_;
  } else if (!reads_.Take(completion)) {
    waiting_ = false;
  }
  Advance(context);
}

void SearchWalk::Advance(Context& context) {
  if (waiting_ || whole_ticket_ != 0) return;
  switch (phase_) {
    case Phase::kIdle:
      return;
    case Phase::kColumns:
      return WalkColumns(context);
    case Phase::kFacts:
      if (!LoadFacts(context)) return;
      phase_ = Phase::kFiles;
      next_ = requested_ = 0;
      return WalkFiles(context);
    case Phase::kFiles:
      return WalkFiles(context);
    case Phase::kLookUp:
      return WalkLookUp(context);
  }
}

void SearchWalk::WalkColumns(Context& context) {
  const mailbox::MailboxState& state = session_.selection()->view.state();
  for (size_t looked = 0; range_ < ranges_.size(); ++looked) {
    if (looked == kPlacesPerStep) return session_.ContinueLater(context);
    if (range_next_ >= ranges_[range_].last) {
      if (++range_ < ranges_.size()) range_next_ = ranges_[range_].first;
      continue;
    }
    Message message{.place = static_cast<uint32_t>(range_next_++)};
    message.row = state.RowOf(UidAt(message.place));
    if (message.row == state.count()) continue;
    if (!Decide(message, Cost::kCached)) undecided_.push_back(message.place);
  }
  phase_ = Phase::kFacts;
  facts_next_ = 0;
  Advance(context);
}

// Loads sizes and dates of what is undecided. False: under way.
bool SearchWalk::LoadFacts(Context& context) {
  if (!needs_sizes_ && !needs_dates_) return true;
  const mailbox::MailboxState& state = session_.selection()->view.state();
  const std::vector<uint32_t>& places = phase_ == Phase::kLookUp ? lookup_places_ : undecided_;
  std::vector<uint32_t> uids;
  while (facts_next_ < places.size() && uids.size() < kFactsPerRequest) {
    const uint32_t uid = UidAt(places[facts_next_++]);
    const size_t row = state.RowOf(uid);
    if (row == state.count()) continue;
    if ((needs_sizes_ && state.crlf_sizes[row] == mailbox::kUnknownSize) ||
        (needs_dates_ && state.internal_dates[row] == mailbox::kUnknownDate)) {
      uids.push_back(uid);
    }
  }
  if (uids.empty()) return true;
  waiting_ = true;
  session_.account().LoadFacts(session_.NextTicket(), session_.selection()->view.state(), std::move(uids), needs_sizes_,
                               needs_dates_, context);
  return false;
}

void SearchWalk::RequestReads(const std::vector<uint32_t>& places, uint64_t bytes, Context& context) {
  requested_ = std::max(requested_, next_);
  while (requested_ < places.size() && reads_.count() < MessageReads::kAheadMax) {
    reads_.Request(UidAt(places[requested_++]), bytes, context);
  }
}

void SearchWalk::WalkFiles(Context& context) {
  const mailbox::MailboxState& state = session_.selection()->view.state();
  const bool header_is_enough = CostOf(key_) < Cost::kBody;
  for (size_t looked = 0; next_ < undecided_.size(); ++looked) {
    if (looked == kFilesPerStep) return session_.ContinueLater(context);
    Message message{.place = undecided_[next_]};
    message.row = state.RowOf(UidAt(message.place));
    // Sizes and dates may have settled it: then it need not be read, unless it was asked for already.
    if (message.row == state.count()) {
      if (requested_ > next_) {
        if (!reads_.front_done()) return;
        reads_.TakeFront();
      }
      ++next_;
      continue;
    }
    if (requested_ <= next_ && Decide(message, Cost::kCached)) {
      ++next_;
      continue;
    }
    RequestReads(undecided_, header_is_enough ? kHeaderReadBytes : kWholeMessageBytesMax, context);
    if (!reads_.front_done()) return;
    MessageReads::Read read = reads_.TakeFront();
    if (!read.status.ok()) {
      ++next_;  // gone, or unreadable: it matches nothing
      continue;
    }
    const bool whole = read.whole();
    message::HeaderReader reader(read.bytes);
    for (message::Field field; reader.Next(&field);) {
    }
    bool decided = false;
    if (whole) {
      MessageText text(std::move(read.bytes));
      message.header = message::HeaderBlock(text.bytes());
      message.text = &text;
      decided = Decide(message, Cost::kBody);
    } else if (reader.saw_empty_line()) {
      const std::string header = message::ToCrlf(std::string_view(read.bytes).substr(0, reader.position()));
      message.header = header;
      decided = Decide(message, Cost::kHeader);
    }
    if (!decided && !whole) {
      const mailbox::Ticket ticket = session_.NextTicket();
      whole_ticket_ = ticket.tag;
      return session_.account().ReadMessage(ticket, session_.selection()->view.state(), UidAt(message.place), 0,
                                            kStructuredMessageBytesMax, context);
    }
    ++next_;
  }
  phase_ = Phase::kIdle;
  std::sort(found_.begin(), found_.end());
  std::vector<uint32_t>().swap(undecided_);
  Found(std::exchange(found_, {}), context);
}

// Whether the program is decided; a match is kept.
bool SearchWalk::Decide(Message& message, Cost limit) {
  const Ternary value = Evaluate(key_, limit, [&](const SearchKey& leaf) { return Leaf(leaf, message); });
  if (value == Ternary::kTrue) found_.push_back(message.place);
  return value != Ternary::kUnknown;
}

Ternary SearchWalk::DateLeaf(const SearchKey& key, size_t row) const {
  const int64_t date = session_.selection()->view.state().internal_dates[row];
  if (date == mailbox::kUnknownDate) return Ternary::kUnknown;
  const int64_t day = DayOf(date + utc_offset_seconds_);
  switch (key.kind) {
    case SearchKey::Kind::kBefore:
    case SearchKey::Kind::kSavedBefore:  // RFC 8514 section 4.1: without save dates, the internal date stands for them
      return Truth(day < key.date.DayNumber());
    case SearchKey::Kind::kOn:
    case SearchKey::Kind::kSavedOn:
      return Truth(day == key.date.DayNumber());
    case SearchKey::Kind::kSince:
    case SearchKey::Kind::kSavedSince:
      return Truth(day >= key.date.DayNumber());
    case SearchKey::Kind::kOlder:  // RFC 5032 section 3
      return Truth(date <= now_seconds_ - static_cast<int64_t>(key.number));
    default:  // kYounger
      return Truth(date >= now_seconds_ - static_cast<int64_t>(key.number));
  }
}

Ternary SearchWalk::SentLeaf(const SearchKey& key, const Message& message) const {
  if (!message.header) return Ternary::kUnknown;
  const auto sent = message::SentDate(*message.header);
  if (!sent) return Ternary::kFalse;
  const int64_t day = DayOf(sent->local_seconds());
  if (key.kind == SearchKey::Kind::kSentBefore) return Truth(day < key.date.DayNumber());
  if (key.kind == SearchKey::Kind::kSentOn) return Truth(day == key.date.DayNumber());
  return Truth(day >= key.date.DayNumber());
}

Ternary SearchWalk::Leaf(const SearchKey& key, const Message& message) const {
  const Selection& selected = *session_.selection();
  const mailbox::MailboxState& state = selected.view.state();
  const size_t row = message.row;
  switch (key.kind) {
    case SearchKey::Kind::kFlag: {
      Flags flags = state.flags[row];
      if (selected.IsRecent(state.uids[row])) flags |= kRecent;
      return Truth((flags & key.flag) != 0);
    }
    case SearchKey::Kind::kKeyword:
      return Truth((state.keywords[row] & prepared_.at(&key).keyword_bit) != 0);
    case SearchKey::Kind::kSequence:
      return Truth(prepared_.at(&key).numbers.Contains(message.place + 1));
    case SearchKey::Kind::kUid:
      return Truth(prepared_.at(&key).numbers.Contains(state.uids[row]));
    case SearchKey::Kind::kModSeq:
      return Truth(state.modseqs[row] >= key.number);
    case SearchKey::Kind::kBefore:
    case SearchKey::Kind::kOn:
    case SearchKey::Kind::kSince:
    case SearchKey::Kind::kSavedBefore:
    case SearchKey::Kind::kSavedOn:
    case SearchKey::Kind::kSavedSince:
    case SearchKey::Kind::kOlder:
    case SearchKey::Kind::kYounger:
      return DateLeaf(key, row);
    case SearchKey::Kind::kLarger:
    case SearchKey::Kind::kSmaller:
      if (state.crlf_sizes[row] == mailbox::kUnknownSize) return Ternary::kUnknown;
      return Truth(key.kind == SearchKey::Kind::kLarger ? state.crlf_sizes[row] > key.number
                                                        : state.crlf_sizes[row] < key.number);
    case SearchKey::Kind::kSentBefore:
    case SearchKey::Kind::kSentOn:
    case SearchKey::Kind::kSentSince:
      return SentLeaf(key, message);
    case SearchKey::Kind::kHeader:
      if (!message.header) return Ternary::kUnknown;
      return Truth(message::HeaderContains(*message.header, key.header, *prepared_.at(&key).needle, FormOf(key)));
    case SearchKey::Kind::kBody:
    case SearchKey::Kind::kText:
      if (message.text == nullptr) return Ternary::kUnknown;
      return Truth(message::TextContains(
          message.text->bytes(), message.text->structure(), *prepared_.at(&key).needle,
          key.kind == SearchKey::Kind::kBody ? message::SearchIn::kBody : message::SearchIn::kText));
    case SearchKey::Kind::kSaveDateSupported:
    case SearchKey::Kind::kEmailId:
    case SearchKey::Kind::kThreadId:
      return Ternary::kFalse;
    case SearchKey::Kind::kAll:
    case SearchKey::Kind::kAnd:
    case SearchKey::Kind::kOr:
    case SearchKey::Kind::kNot:
    case SearchKey::Kind::kFuzzy:
      return Ternary::kTrue;  // no leaves: Evaluate does not ask
  }
  return Ternary::kFalse;
}

void SearchWalk::LookUp(std::vector<uint32_t> places, const Wanted& wanted, Context& context) {
  lookup_places_ = std::move(places);
  needs_sizes_ = wanted.sizes;
  needs_dates_ = wanted.dates;
  headers_wanted_ = wanted.headers;
  facts_next_ = next_ = requested_ = 0;
  phase_ = Phase::kLookUp;
  WalkLookUp(context);
}

void SearchWalk::WalkLookUp(Context& context) {
  if (!LoadFacts(context)) return;
  for (size_t looked = 0; headers_wanted_ && next_ < lookup_places_.size(); ++looked) {
    if (looked == kFilesPerStep) return session_.ContinueLater(context);
    RequestReads(lookup_places_, kHeaderReadBytes, context);
    if (!reads_.front_done()) return;
    const MessageReads::Read read = reads_.TakeFront();
    message::HeaderReader reader(read.bytes);
    for (message::Field field; reader.Next(&field);) {
    }
    if (read.status.ok() && !read.whole() && !reader.saw_empty_line()) {
      // Trace fields of several hosts can push Subject and Date far down. Beyond this they are not looked for.
      const mailbox::Ticket ticket = session_.NextTicket();
      whole_ticket_ = ticket.tag;
      return session_.account().ReadMessage(ticket, session_.selection()->view.state(), UidAt(lookup_places_[next_]), 0,
                                            kWholeMessageBytesMax, context);
    }
    const auto header = std::string_view(read.bytes).substr(0, reader.position());
    OnHeader(next_++, read.status.ok() ? message::ToCrlf(header) : std::string());
  }
  phase_ = Phase::kIdle;
  LookedUp(context);
}

}  // namespace postern::imap
