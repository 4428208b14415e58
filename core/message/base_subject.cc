#include "core/message/base_subject.h"

#include "core/message/charset.h"
#include "core/message/decode.h"

namespace postern::message {
namespace {

// RFC 5256 section 2.1 step 1: runs of white space become one space.
std::string PackWhiteSpace(std::string_view text) {
  std::string packed;
  packed.reserve(text.size());
  bool after_space = false;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\t' || c == '\r' || c == '\n';
    if (!space) {
      packed.push_back(c);
    } else if (!after_space) {
      packed.push_back(' ');
    }
    after_space = space;
  }
  return packed;
}

// Works on a text that is folded to upper case. The names are those of section 5's grammar.
class Stripper {
 public:
  explicit Stripper(std::string_view text) : text_(text) {}

  // Steps 2 to 6.
  void Strip() {
    do {
      DropTrailers();
      for (bool more = true; more;) {
        const bool leader = DropLeader();
        more = DropBlobBeforeText() || leader;
      }
    } while (DropForward());
  }
  std::string_view text() const { return text_; }
  bool is_reply_or_forward() const { return is_reply_or_forward_; }

 private:
  // subj-trailer: "(fwd)" / WSP
  void DropTrailers() {
    for (;;) {
      if (text_.ends_with(' ')) {
        text_.remove_suffix(1);
      } else if (text_.ends_with("(FWD)")) {
        text_.remove_suffix(5);
        is_reply_or_forward_ = true;
      } else {
        return;
      }
    }
  }

  // subj-leader: (*subj-blob subj-refwd) / WSP; both at once here.
  bool DropLeader() {
    const bool space = text_.starts_with(' ');
    if (space) text_.remove_prefix(1);
    std::string_view rest = text_;
    while (rest.starts_with('[')) {
      if (!DropBlob(&rest)) return space;
    }
    if (rest.starts_with("RE")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with("FWD")) {
      rest.remove_prefix(3);
    } else if (rest.starts_with("FW")) {
      rest.remove_prefix(2);
    } else {
      return space;
    }
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.starts_with('[') && !DropBlob(&rest)) return space;
    if (!rest.starts_with(':')) return space;
    text_ = rest.substr(1);
    is_reply_or_forward_ = true;
    return true;
  }

  // subj-blob: "[" *BLOBCHAR "]" *WSP
  static bool DropBlob(std::string_view* text) {
    const size_t end = text->find_first_of("[]", 1);
    if (end == std::string_view::npos || (*text)[end] != ']') return false;
    text->remove_prefix(end + 1);
    if (text->starts_with(' ')) text->remove_prefix(1);
    return true;
  }

  bool DropBlobBeforeText() {
    std::string_view rest = text_;
    if (!rest.starts_with('[') || !DropBlob(&rest) || rest.empty()) return false;
    text_ = rest;
    return true;
  }

  // subj-fwd: "[fwd:" subject "]"
  bool DropForward() {
    if (!text_.starts_with("[FWD:") || !text_.ends_with(']')) return false;
    text_ = text_.substr(5, text_.size() - 6);
    is_reply_or_forward_ = true;
    return true;
  }

  std::string_view text_;
  bool is_reply_or_forward_ = false;
};

}  // namespace

BaseSubject BaseSubjectOf(std::string_view subject) {
  std::string folded;
  AppendFoldedHeader(subject, &folded);
  const std::string packed = PackWhiteSpace(folded);
  // What follows a NUL counts for nothing, as in Dovecot.
  Stripper stripper(std::string_view(packed).substr(0, packed.find('\0')));
  stripper.Strip();
  return {.text = std::string(stripper.text()), .is_reply_or_forward = stripper.is_reply_or_forward()};
}

}  // namespace postern::message
