// SORT and UID SORT (RFC 5256), ESORT (RFC 5267), SORT=DISPLAY (RFC 5957).
#include <algorithm>
#include <numeric>
#include <utility>

#include "core/imap/search_result.h"
#include "core/imap/search_walk.h"

namespace postern::imap {
namespace {

class SortRun final : public SearchWalk {
 public:
  SortRun(ImapSession& session, SortCommand command)
      : SearchWalk(session, std::move(command.key), std::move(command.charset)),
        uid_(command.uid),
        options_(command.result),
        criteria_(std::move(command.criteria)) {}

  void Start(Context& context) override { Search(context); }

 private:
  using Kind = SortCriterion::Kind;

  // One criterion's key of one message: texts compare as bytes, numbers as numbers.
  struct Key {
    std::string text;
    int64_t number = 0;
  };

  void Found(std::vector<uint32_t> places, Context& context) override {
    places_ = places;
    keys_.resize(places.size() * criteria_.size());
    Wanted wanted;
    for (const SortCriterion& criterion : criteria_) {
      wanted.sizes |= criterion.kind == Kind::kSize;
      // RFC 5256 section 2.2: a message without a usable Date has its internal date instead.
      wanted.dates |= criterion.kind == Kind::kArrival || criterion.kind == Kind::kDate;
      wanted.headers |= criterion.kind != Kind::kSize && criterion.kind != Kind::kArrival;
    }
    LookUp(std::move(places), wanted, context);
  }

  void OnHeader(size_t index, std::string_view header) override {
    for (size_t i = 0; i < criteria_.size(); ++i) {
      Key& key = keys_[index * criteria_.size() + i];
      switch (criteria_[i].kind) {
        case Kind::kSubject:
          key.text = message::SortSubject(header);
          break;
        case Kind::kFrom:
          key.text = message::SortMailbox(header, "From");
          break;
        case Kind::kTo:
          key.text = message::SortMailbox(header, "To");
          break;
        case Kind::kCc:
          key.text = message::SortMailbox(header, "Cc");
          break;
        case Kind::kDisplayFrom:
          key.text = message::SortDisplayName(header, "From");
          break;
        case Kind::kDisplayTo:
          key.text = message::SortDisplayName(header, "To");
          break;
        case Kind::kDate: {
          const auto sent = message::SentDate(header);
          key.number = sent ? sent->unix_seconds : InternalDateOf(index);
          break;
        }
        case Kind::kArrival:
        case Kind::kSize:
          break;
      }
    }
  }

  int64_t InternalDateOf(size_t index) const {
    const mailbox::MailboxState& state = session_.selection()->view.state();
    const size_t row = state.RowOf(UidAt(places_[index]));
    return row < state.count() && state.internal_dates[row] != mailbox::kUnknownDate ? state.internal_dates[row] : 0;
  }

  void LookedUp(Context& context) override {
    const mailbox::MailboxState& state = session_.selection()->view.state();
    for (size_t index = 0; index < places_.size(); ++index) {
      for (size_t i = 0; i < criteria_.size(); ++i) {
        Key& key = keys_[index * criteria_.size() + i];
        if (criteria_[i].kind == Kind::kArrival) key.number = InternalDateOf(index);
        if (criteria_[i].kind != Kind::kSize) continue;
        const size_t row = state.RowOf(UidAt(places_[index]));
        if (row < state.count() && state.crlf_sizes[row] != mailbox::kUnknownSize) {
          key.number = static_cast<int64_t>(state.crlf_sizes[row]);
        }
      }
    }
    std::vector<uint32_t> order(places_.size());
    std::iota(order.begin(), order.end(), 0u);
    // Equal messages stay in the order of their numbers (RFC 5256 section 3).
    std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      for (size_t i = 0; i < criteria_.size(); ++i) {
        const Key& left = keys_[a * criteria_.size() + i];
        const Key& right = keys_[b * criteria_.size() + i];
        int compared = left.text.compare(right.text);
        if (compared == 0) compared = left.number < right.number ? -1 : left.number > right.number ? 1 : 0;
        if (compared != 0) return criteria_[i].reverse ? compared > 0 : compared < 0;
      }
      return a < b;
    });
    std::vector<uint32_t> sorted;
    sorted.reserve(order.size());
    for (const uint32_t index : order) sorted.push_back(places_[index]);
    std::string out;
    AppendSearchResult({.name = "SORT",
                        .uid = uid_,
                        .tell_modseq = Mentions(key(), SearchKey::Kind::kModSeq),
                        .options = &options_,
                        .places = &sorted},
                       session_.tag(), session_.selection(), &out);
    session_.Write(out, context);
    using Tell = ImapSession::Answer::Tell;
    session_.Finish({.text = "Sort completed.", .tell = uid_ ? Tell::kAll : Tell::kNoExpunges, .with_uid = uid_},
                    context);
  }

  bool uid_;
  SearchResultOptions options_;
  std::vector<SortCriterion> criteria_;
  std::vector<uint32_t> places_;
  std::vector<Key> keys_;  // of each place, its criteria
};

}  // namespace

std::unique_ptr<CommandRun> MakeSort(ImapSession& session, SortCommand command) {
  return std::make_unique<SortRun>(session, std::move(command));
}

}  // namespace postern::imap
