// Finding messages: what SEARCH, SORT and THREAD share (RFC 3501 section 6.4.4). A walk over the view that decides each
// message with what is cheapest:
//
//   columns of the mailbox --undecided--> sizes and dates --undecided--> header or all of the file --> Found()
//
// Every step of it is bounded and yields; reads run a few ahead. Afterwards a command may look at the headers of what
// was found, again a few reads ahead (sort keys, threads). Owner: one command. The view does not change while it runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/imap/search_key.h"
#include "core/imap/session_run.h"
#include "core/message/search_text.h"

namespace postern::imap {

class SearchWalk : public CommandRun {
 public:
  void OnCompletion(mailbox::Completion& completion, Context& context) override;
  void OnContinue(Context& context) override { Advance(context); }
  void OnDrained(Context& context) override { Advance(context); }

 protected:
  SearchWalk(ImapSession& session, SearchKey key, std::string charset);

  // Begins; answers BADCHARSET itself.
  void Search(Context& context);
  // Places in the view (from 0), ascending.
  virtual void Found(std::vector<uint32_t> places, Context& context) = 0;

  // Has the mailbox learn sizes and dates of these places, then reads the header of each in turn: OnHeader(index into
  // `places`, header), in order; at last LookedUp. A message that has gone meanwhile has an empty header.
  struct Wanted {
    bool sizes = false, dates = false, headers = false;
  };
  void LookUp(std::vector<uint32_t> places, const Wanted& wanted, Context& context);
  virtual void OnHeader(size_t, std::string_view) {}
  virtual void LookedUp(Context&) {}

  const SearchKey& key() const { return key_; }
  uint32_t UidAt(uint32_t place) const { return session_.selection()->view.uids()[place]; }
  // What the client calls the message at `place`.
  uint32_t NumberAt(uint32_t place, bool uid) const { return uid ? UidAt(place) : place + 1; }

 private:
  // A leaf, prepared once.
  struct Prepared {
    std::optional<message::Needle> needle;
    uint64_t keyword_bit = 0;
    NumberSet numbers;
  };
  // What is at hand of a message.
  struct Message {
    uint32_t place = 0;
    size_t row = 0;
    std::optional<std::string_view> header;
    MessageText* text = nullptr;
  };
  enum class Phase : uint8_t { kIdle, kColumns, kFacts, kFiles, kLookUp };

  void Prepare(const SearchKey& key);
  void Advance(Context& context);
  void WalkColumns(Context& context);
  bool LoadFacts(Context& context);
  void WalkFiles(Context& context);
  void WalkLookUp(Context& context);
  bool Decide(Message& message, Cost limit);
  Ternary Leaf(const SearchKey& key, const Message& message) const;
  Ternary DateLeaf(const SearchKey& key, size_t row) const;
  Ternary SentLeaf(const SearchKey& key, const Message& message) const;
  void RequestReads(const std::vector<uint32_t>& places, uint64_t bytes, Context& context);

  SearchKey key_;
  std::string charset_;
  std::map<const SearchKey*, Prepared> prepared_;  // looked up only
  ImapSession::ViewRanges ranges_;
  size_t range_ = 0, range_next_ = 0;
  Phase phase_ = Phase::kIdle;
  bool needs_sizes_ = false, needs_dates_ = false;
  int64_t now_seconds_ = 0;
  int32_t utc_offset_seconds_ = 0;

  std::vector<uint32_t> found_;
  std::vector<uint32_t> undecided_;
  size_t next_ = 0;  // of undecided_, or of lookup_places_
  size_t facts_next_ = 0;
  size_t requested_ = 0;
  bool waiting_ = false;
  uint64_t whole_ticket_ = 0;
  std::string whole_;
  MessageReads reads_;
  std::vector<uint32_t> lookup_places_;
  bool headers_wanted_ = false;
};

}  // namespace postern::imap
