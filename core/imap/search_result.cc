#include "core/imap/search_result.h"

#include <algorithm>

#include "core/imap/response.h"

namespace postern::imap {
namespace {

// A set in the order given: runs of rising neighbours become ranges.
void AppendOrdered(const std::vector<uint32_t>& numbers, std::string* out) {
  for (size_t i = 0; i < numbers.size();) {
    size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (i > 0) *out += ',';
    AppendNumber(numbers[i], out);
    if (end - i > 1) {
      *out += ':';
      AppendNumber(numbers[end - 1], out);
    }
    i = end;
  }
}

// RFC 9394 section 3.1: the numbers of the part asked for.
std::vector<uint32_t> PartOf(const std::vector<uint32_t>& numbers, const SearchResultOptions& options) {
  size_t first = std::min<size_t>(options.partial_first, options.partial_last);
  size_t last = std::max<size_t>(options.partial_first, options.partial_last);
  if (first == 0 || first > numbers.size()) return {};
  last = std::min(last, numbers.size());
  if (options.partial_from_end) {
    return {numbers.end() - static_cast<ptrdiff_t>(last), numbers.end() - static_cast<ptrdiff_t>(first - 1)};
  }
  return {numbers.begin() + static_cast<ptrdiff_t>(first - 1), numbers.begin() + static_cast<ptrdiff_t>(last)};
}

// RFC 5182 section 2.1: MIN and MAX alone narrow what is kept.
NumberSet UidsToKeep(const SearchResult& result, const Selection& selected) {
  const auto& uids = selected.view.uids();
  const auto& places = *result.places;
  NumberSet keep;
  if (places.empty()) return keep;
  const uint8_t items = result.options->items;
  if (items & (kReturnAll | kReturnCount | kReturnPartial) || !(items & (kReturnMin | kReturnMax))) {
    for (const uint32_t place : places) keep.Add(uids[place]);
    return keep;
  }
  if (items & kReturnMin) keep.Add(uids[*std::min_element(places.begin(), places.end())]);
  if (items & kReturnMax) keep.Add(uids[*std::max_element(places.begin(), places.end())]);
  return keep;
}

// Whether only the first, the last, or both are told.
bool NarrowedToEnds(uint8_t items) {
  return !(items & (kReturnAll | kReturnCount | kReturnPartial)) && (items & (kReturnMin | kReturnMax));
}

uint64_t HighestModSeq(const std::vector<uint32_t>& places, const Selection& selected) {
  const mailbox::MailboxState& state = selected.view.state();
  uint64_t highest = 0;
  for (const uint32_t place : places) {
    const size_t row = state.RowOf(selected.view.uids()[place]);
    if (row < state.count()) highest = std::max(highest, state.modseqs[row]);
  }
  return highest;
}

void AppendExtended(const SearchResult& result, const std::vector<uint32_t>& numbers, std::string_view tag,
                    const Selection& selected, std::string* out) {
  const SearchResultOptions& options = *result.options;
  *out += "* ESEARCH (TAG ";
  AppendQuoted(tag, out);
  *out += ')';
  if (result.uid) *out += " UID";
  const auto item = [&](std::string_view name) {
    *out += ' ';
    *out += name;
    *out += ' ';
  };
  // RFC 5267 section 3.2: of a SORT, MIN and MAX are the first and the last.
  const bool sorted = result.name != "SEARCH";
  if (!numbers.empty()) {
    if (options.items & kReturnMin) {
      item("MIN");
      AppendNumber(sorted ? numbers.front() : *std::min_element(numbers.begin(), numbers.end()), out);
    }
    if (options.items & kReturnMax) {
      item("MAX");
      AppendNumber(sorted ? numbers.back() : *std::max_element(numbers.begin(), numbers.end()), out);
    }
    if (options.items & kReturnAll) {
      item("ALL");
      AppendOrdered(numbers, out);
    }
  }
  if (options.items & kReturnCount) {
    item("COUNT");
    AppendNumber(numbers.size(), out);
  }
  if (options.items & kReturnPartial) {
    item("PARTIAL");
    const std::string_view minus = options.partial_from_end ? "-" : "";
    *out += '(';
    *out += minus;
    AppendNumber(options.partial_first, out);
    *out += ':';
    *out += minus;
    AppendNumber(options.partial_last, out);
    *out += ' ';
    const std::vector<uint32_t> part = PartOf(numbers, options);
    if (part.empty()) {
      *out += "NIL";
    } else {
      AppendOrdered(part, out);
    }
    *out += ')';
  }
  if (result.tell_modseq && !numbers.empty()) {
    // RFC 4731 section 3.2: of MIN and MAX alone, the mod-sequences of those; else the highest of all.
    std::vector<uint32_t> ends;
    if (NarrowedToEnds(options.items)) {
      const auto& places = *result.places;
      const auto [least, greatest] = std::minmax_element(places.begin(), places.end());
      if (options.items & kReturnMin) ends.push_back(sorted ? places.front() : *least);
      if (options.items & kReturnMax) ends.push_back(sorted ? places.back() : *greatest);
    }
    item("MODSEQ");
    AppendNumber(HighestModSeq(ends.empty() ? *result.places : ends, selected), out);
  }
  *out += "\r\n";
}

}  // namespace

void AppendSearchResult(const SearchResult& result, std::string_view tag, Selection* selected, std::string* out) {
  std::vector<uint32_t> numbers;
  numbers.reserve(result.places->size());
  for (const uint32_t place : *result.places) {
    numbers.push_back(result.uid ? selected->view.uids()[place] : place + 1);
  }
  if (result.options->items & kReturnSave) selected->saved_uids = UidsToKeep(result, *selected);
  if (result.options->extended) {
    // RFC 5182 section 2.1: SAVE alone is answered by the tagged line only.
    if (result.options->items != kReturnSave) AppendExtended(result, numbers, tag, *selected, out);
    return;
  }
  *out += "* ";
  *out += result.name;
  for (const uint32_t number : numbers) {
    *out += ' ';
    AppendNumber(number, out);
  }
  if (result.tell_modseq && !numbers.empty()) {
    *out += " (MODSEQ ";
    AppendNumber(HighestModSeq(*result.places, *selected), out);
    *out += ')';
  }
  *out += "\r\n";
}

}  // namespace postern::imap
