// SEARCH and UID SEARCH (RFC 3501 section 6.4.4).
#include <utility>

#include "core/imap/search_result.h"
#include "core/imap/search_walk.h"

namespace postern::imap {
namespace {

class SearchRun final : public SearchWalk {
 public:
  SearchRun(ImapSession& session, SearchCommand command)
      : SearchWalk(session, std::move(command.key), std::move(command.charset)),
        uid_(command.uid),
        options_(command.result) {}

  void Start(Context& context) override { Search(context); }

 private:
  void Found(std::vector<uint32_t> places, Context& context) override {
    std::string out;
    AppendSearchResult({.uid = uid_,
                        .tell_modseq = Mentions(key(), SearchKey::Kind::kModSeq),
                        .options = &options_,
                        .places = &places},
                       session_.tag(), session_.selection(), &out);
    session_.Write(out, context);
    using Tell = ImapSession::Answer::Tell;
    session_.Finish({.text = "Search completed.", .tell = uid_ ? Tell::kAll : Tell::kNoExpunges, .with_uid = uid_},
                    context);
  }

  bool uid_;
  SearchResultOptions options_;
};

}  // namespace

std::unique_ptr<CommandRun> MakeSearch(ImapSession& session, SearchCommand command) {
  return std::make_unique<SearchRun>(session, std::move(command));
}

}  // namespace postern::imap
