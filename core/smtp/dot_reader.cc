#include "core/smtp/dot_reader.h"

#include <algorithm>
#include <cstring>

#include "core/boundary/planted.h"

namespace postern::smtp {

DotReader::Progress DotReader::Feed(std::string_view in, std::string* out) {
  size_t at = 0;
  while (at < in.size() && state_ != State::kEnd && !refused_) {
    if (state_ == State::kLineStart) {
      // Nearly all bytes go this way: whole lines that need no change, copied together.
      const size_t lines = WholeLines(in.substr(at));
      Emit(in.substr(at, lines), out);
      at += lines;
      if (at == in.size()) break;
    }
    at += Slow(in.substr(at), out);
  }
  return {.consumed_bytes = at};
}

// The length of the lines at the start of `in` that end with CRLF, have no other CR, and do not begin with a dot.
size_t DotReader::WholeLines(std::string_view in) const {
  size_t at = 0;
  while (at < in.size() && (in[at] != '.' || framing_ == Framing::kChunks)) {
    const auto* begin = in.data() + at;
    const auto* lf = static_cast<const char*>(std::memchr(begin, '\n', in.size() - at));
    if (lf == nullptr) break;
    const auto* cr = static_cast<const char*>(std::memchr(begin, '\r', static_cast<size_t>(lf - begin)));
    if (cr == nullptr || cr + 1 != lf) break;
    at = static_cast<size_t>(lf - in.data()) + 1;
  }
  return at;
}

// Takes at least one byte, and goes on to the next place where a line begins at most.
size_t DotReader::Slow(std::string_view in, std::string* out) {
  size_t at = 0;
  while (at < in.size() && state_ != State::kEnd && !refused_) {
    const char c = in[at];
    switch (state_) {
      case State::kLineStart:
        if (at > 0) return at;
        if (c == '.' && framing_ == Framing::kDots) {
          state_ = State::kDot;
          ++at;
          break;
        }
        state_ = State::kBody;
        break;  // the byte is looked at again as one of the body

      case State::kBody:
        if (c == '\r') {
          state_ = State::kCr;
          ++at;
        } else if (c == '\n') {
          OnBareLf(out);
          if (!refused_) ++at;
        } else {
          const size_t run = std::min(in.find_first_of("\r\n", at), in.size()) - at;
          Emit(in.substr(at, run), out);
          at += run;
        }
        break;

      case State::kCr:
        if (c == '\n') {
          Emit("\r\n", out);
          state_ = State::kLineStart;
          ++at;
        } else {
          OnBareCr(out);
        }
        break;

      case State::kDot:
        if (c == '\r') {
          state_ = State::kDotCr;
          ++at;
        } else if (PLANTED("bare_lf_ends_data") && c == '\n') {
          state_ = State::kEnd;
          ++at;
        } else {
          state_ = State::kBody;  // the dot was stuffing, or a client's that does not stuff: dropped either way
        }
        break;

      case State::kDotCr:
        if (c == '\n') {
          state_ = State::kEnd;
          ++at;
        } else {  // "." CR and then something else: the CR is bare
          OnBareCr(out);
        }
        break;

      case State::kEnd:
        break;
    }
  }
  return at;
}

void DotReader::OnBareLf(std::string* out) {
  saw_bare_lf_ = true;
  refused_ = policy_ == BareLineEnd::kRefuse;
  if (refused_) return;
  Emit("\r\n", out);
  // Not kLineStart: a dot after it is data.
  if (PLANTED("bare_lf_ends_data")) state_ = State::kLineStart;
}

void DotReader::OnBareCr(std::string* out) {
  refused_ = policy_ == BareLineEnd::kRefuse;
  if (refused_) return;
  Emit("\r", out);
  state_ = State::kBody;
}

void DotReader::Finish(std::string* out) {
  if (state_ == State::kCr || state_ == State::kDotCr) OnBareCr(out);
}

void DotReader::Emit(std::string_view bytes, std::string* out) {
  if (limits_.message_bytes_max != 0) {
    const uint64_t room = limits_.message_bytes_max - bytes_out_;
    if (bytes.size() > room) {
      too_large_ = true;
      bytes = bytes.substr(0, room);
    }
  }
  out->append(bytes);
  bytes_out_ += bytes.size();
}

}  // namespace postern::smtp
