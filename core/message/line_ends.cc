#include "core/message/line_ends.h"

#include <algorithm>
#include <cstring>

namespace postern::message {
namespace {

const char* FindLf(const char* from, const char* end) {
  return static_cast<const char*>(std::memchr(from, '\n', static_cast<size_t>(end - from)));
}

// Calls `plain(bytes)` for runs to be kept and `missing_cr()` before each bare LF.
template <class Plain, class MissingCr>
void Walk(std::string_view bytes, bool after_cr, Plain&& plain, MissingCr&& missing_cr) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* kept = begin;
  for (const char* at = begin; at != end;) {
    const char* const lf = FindLf(at, end);
    if (!lf) break;
    const bool has_cr = lf == begin ? after_cr : lf[-1] == '\r';
    if (!has_cr) {
      plain(std::string_view(kept, static_cast<size_t>(lf - kept)));
      missing_cr();
      kept = lf;
    }
    at = lf + 1;
  }
  if (kept != end) plain(std::string_view(kept, static_cast<size_t>(end - kept)));
}

}  // namespace

void CrlfCounter::Feed(std::string_view bytes) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  for (const char* at = begin; at != end;) {
    const char* const lf = FindLf(at, end);
    if (!lf) break;
    ++lines_;
    if (!(lf == begin ? after_cr_ : lf[-1] == '\r')) ++bare_lf_count_;
    at = lf + 1;
  }
  bytes_ += bytes.size();
  if (!bytes.empty()) after_cr_ = bytes.back() == '\r';
}

uint64_t CrlfSize(std::string_view bytes) {
  CrlfCounter counter;
  counter.Feed(bytes);
  return counter.crlf_bytes();
}

void AppendCrlf(std::string_view bytes, std::string* out, bool after_cr) {
  Walk(
      bytes, after_cr, [out](std::string_view run) { out->append(run); }, [out] { out->push_back('\r'); });
}

std::string ToCrlf(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + bytes.size() / 32);
  AppendCrlf(bytes, &out);
  return out;
}

void CrlfReader::Feed(std::string_view bytes, std::string* out) {
  // Whole conversions beyond the end are not done: the point would no longer be one where a reader can begin.
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  for (const char* at = begin; at != end && !done();) {
    const char* const lf = FindLf(at, end);
    const char* const stop = lf ? lf : end;
    const uint64_t room = end_ - at_.crlf_bytes;
    const auto run = static_cast<size_t>(std::min<uint64_t>(room, static_cast<uint64_t>(stop - at)));
    if (run > 0) {
      Emit({at, run}, out);
      at_.file_bytes += run;
      at_.after_cr = at[run - 1] == '\r';
      at += run;
      if (done()) break;
    }
    if (at != lf) break;  // no LF in these bytes
    if (!at_.after_cr) Emit("\r", out);
    at_.after_cr = true;
    if (done()) break;  // behind the inserted CR, before its LF: after_cr says so
    Emit("\n", out);
    ++at_.file_bytes;
    at_.after_cr = false;
    ++at;
  }
}

void CrlfReader::Emit(std::string_view bytes, std::string* out) {
  const uint64_t from = at_.crlf_bytes;
  at_.crlf_bytes += bytes.size();
  const uint64_t first = std::max(from, begin_);
  const uint64_t last = std::min(at_.crlf_bytes, end_);
  if (first < last) {
    out->append(bytes.substr(static_cast<size_t>(first - from), static_cast<size_t>(last - first)));
  }
}

bool HasOnlyCrlf(std::string_view bytes) {
  const char* const end = bytes.data() + bytes.size();
  for (const char* at = bytes.data(); at != end;) {
    const char* const lf = FindLf(at, end);
    if (!lf) return true;
    if (lf == bytes.data() || lf[-1] != '\r') return false;
    at = lf + 1;
  }
  return true;
}

}  // namespace postern::message
