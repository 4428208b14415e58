// DotReader undoes the transparency of SMTP's DATA (RFC 5321 section 4.5.2), and reads BDAT's chunks (RFC 3030), which
// have none.
//
// Bytes go in as they arrive, in pieces of any size; message bytes come out with their leading dots removed, until
// CRLF "." CRLF, and nothing else, ends the message. A bare CR or a bare LF never ends a line: other servers disagree
// on what follows one, and that disagreement is SMTP smuggling (CVE-2023-51764). What happens to a bare one is the
// caller's policy, decided once for the whole message.
//
//            any byte but CR LF "."            CR            LF
//   +-------+ ----------------> +------+ ----------> +----+ -----> kLineStart
//   | kLine |                   | kBody| <---------- | kCr|
//   | Start | --- "." --> kDot  +------+  any other  +----+   (bare CR: policy)
//   +-------+              |
//                          +-- CR --> kDotCr -- LF --> kEnd
//
// Owner: one SMTP session, for the length of one message. Not reusable after kEnd or a refusal.
// Invariants: bytes_out() <= twice the bytes in (bare LFs grow); once ended() or refused(), Feed() takes nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postern::smtp {

class DotReader {
 public:
  enum class BareLineEnd {
    kRefuse,     // the message is refused with 550 5.5.2, the transaction is over
    kNormalize,  // a bare LF becomes CRLF; a bare CR is kept as the data byte it is
  };
  enum class Framing {
    kDots,    // DATA
    kChunks,  // BDAT: never ends by itself, dots are data
  };

  struct Limits {
    uint64_t message_bytes_max;  // message_size_limit; 0: unlimited
  };

  // What Feed() did with the bytes it was given.
  struct Progress {
    size_t consumed_bytes;  // the rest belongs to the commands after the message
  };

  DotReader(BareLineEnd policy, Limits limits, Framing framing = Framing::kDots)
      : policy_(policy), limits_(limits), framing_(framing) {}

  // Reads from `in` up to the end of the message at most, and appends the message's bytes to `*out`. `in` is only
  // borrowed. Nothing is appended beyond message_bytes_max, but reading goes on to the end of the message, so that the
  // session stays in step with the client and can answer 552 5.3.4.
  Progress Feed(std::string_view in, std::string* out);
  // The last chunk was fed: what was held back comes out.
  void Finish(std::string* out);

  bool ended() const { return state_ == State::kEnd; }
  bool refused() const { return refused_; }  // a bare line end under kRefuse
  bool saw_bare_lf() const { return saw_bare_lf_; }
  bool too_large() const { return too_large_; }  // more than message_bytes_max bytes
  uint64_t bytes_out() const { return bytes_out_; }

 private:
  enum class State : uint8_t { kLineStart, kBody, kCr, kDot, kDotCr, kEnd };

  size_t WholeLines(std::string_view in) const;
  size_t Slow(std::string_view in, std::string* out);
  void OnBareLf(std::string* out);
  void OnBareCr(std::string* out);
  void Emit(std::string_view bytes, std::string* out);

  BareLineEnd policy_;
  Limits limits_;
  Framing framing_;
  State state_ = State::kLineStart;
  bool refused_ = false;
  bool saw_bare_lf_ = false;
  bool too_large_ = false;
  uint64_t bytes_out_ = 0;
};

}  // namespace postern::smtp
