#include "core/message/mime.h"

#include <algorithm>
#include <cstring>

#include "core/base/ascii.h"
#include "core/message/content.h"
#include "core/message/header.h"

namespace postern::message {
namespace {

// Reads a message from front to back, once. `open_` is the path from the root to the part being read; each of its
// parts is the last child of the one before, so adding a child moves no open part.
class StructureReader {
 public:
  explicit StructureReader(std::string_view message) : message_(message) {}

  Part Run() {
    Part root;
    root.envelope = std::make_unique<Envelope>();
    root.has_nul = message_.find('\0') != std::string_view::npos;
    Open(&root);
    ReadHeader();
    while (at_ < message_.size()) ReadBody();
    CloseAbove(0, message_.size(), line_count_);
    Close(message_.size(), line_count_);
    return root;
  }

 private:
  // A boundary that may come yet, and the multipart it belongs to.
  struct Boundary {
    std::string text;
    size_t depth = 0;  // index in open_
  };
  // What was found at the start of a line.
  struct Match {
    size_t index = 0;   // in boundaries_
    bool last = false;  // "--" follows
  };
  struct OpenPart {
    Part* part = nullptr;
    uint32_t lines_before_body = 0;
  };

  Part* current() { return open_.back().part; }
  bool TooDeep() const { return open_.size() >= static_cast<size_t>(kPartDepthMax); }

  void Open(Part* part) {
    open_.push_back({.part = part});
    ++part_count_;
    part->header = {at_, at_};
  }

  Part* OpenChild() {
    Part* const parent = current();
    parent->children.emplace_back();
    Part* const child = &parent->children.back();
    child->is_mime = parent->kind == Part::Kind::kMultipart;
    if (parent->kind == Part::Kind::kMessage) child->envelope = std::make_unique<Envelope>();
    Open(child);
    return child;
  }

  void Close(uint64_t body_end, uint32_t lines_before_end) {
    OpenPart& open = open_.back();
    open.part->body.end = body_end;
    open.part->body_line_count = lines_before_end - open.lines_before_body;
    open_.pop_back();
  }

  // Closes all parts inside the one at `depth`.
  void CloseAbove(size_t depth, uint64_t body_end, uint32_t lines_before_end) {
    while (open_.size() > depth + 1) Close(body_end, lines_before_end);
  }

  void BeginBody(uint64_t at, uint32_t lines_before) {
    Part* const part = current();
    part->header.end = at;
    part->body = {at, at};
    open_.back().lines_before_body = lines_before;
  }

  // ---- headers ------------------------------------------------------------------------------------------------------

  // Reads the header of the part just opened, and those of messages directly inside. Afterwards at_ is at a line of
  // some body, or at a boundary line (which ReadBody() will find at once).
  void ReadHeader() {
    for (;;) {
      std::string boundary;
      const bool cut = ReadFields(&boundary);
      Part* const part = current();
      Settle(part);
      if (part->kind != Part::Kind::kMessage) return;
      if (TooDeep() || part_count_ >= kPartCountMax) {
        part->kind = Part::Kind::kOther;
        part->truncated = true;
        return;
      }
      const uint64_t body_at = part->body.begin;
      const uint32_t lines = open_.back().lines_before_body;
      Part* const child = OpenChild();
      if (!cut) continue;
      // The boundary line of an outer multipart is where this message would begin.
      child->header = {body_at, body_at};
      BeginBody(body_at, lines);
      Close(body_at, lines);
      return;
    }
  }

  // True: a boundary of an outer multipart cut the header off. The line end before a boundary line belongs to that
  // (RFC 2046 section 5.1.1), so the header loses its last one, also where this is the empty line.
  bool ReadFields(std::string* boundary) {
    Part* const part = current();
    const uint32_t lines_at_start = line_count_;
    const uint64_t begin = at_;
    HeaderReader reader(message_.substr(at_));
    size_t last_line_end_bytes = 0;
    bool cut = false;
    for (Field field;;) {
      cut = FindBoundary(at_).has_value();
      if (cut || !reader.Next(&field)) break;
      at_ = begin + reader.position();
      last_line_end_bytes = field.raw.ends_with("\r\n") ? 2 : field.ended ? 1 : 0;
      TakeField(field, part, boundary);
    }
    line_count_ += reader.line_count();
    if (!cut) {
      at_ = begin + reader.position();
      if (reader.saw_empty_line()) {
        last_line_end_bytes = reader.empty_line_bytes();
        cut = BeginMultipart(part, boundary);
      }
    }
    const bool gives_up_line_end = cut && last_line_end_bytes > 0;
    BeginBody(at_ - (cut ? last_line_end_bytes : 0), line_count_ - (gives_up_line_end ? 1 : 0));
    part->header_line_count = open_.back().lines_before_body - lines_at_start;
    cut_ = cut;
    return cut;
  }

  // Behind the empty line: the part's own boundary counts from here on. True: the body begins with an outer boundary.
  bool BeginMultipart(Part* part, std::string* boundary) {
    if (part->kind == Part::Kind::kMultipart && has_boundary_) {
      if (TooDeep()) {
        part->kind = Part::Kind::kOther;
        part->truncated = true;
      } else {
        boundaries_.push_back({.text = std::move(*boundary), .depth = open_.size() - 1});
      }
    }
    const auto match = FindBoundary(at_);
    return match && boundaries_[match->index].depth != open_.size() - 1;
  }

  void TakeField(const Field& field, Part* part, std::string* boundary) {
    if (part->envelope) part->envelope->Add(field);
    if (!StartsWithIgnoringCase(field.name, "Content-")) {
      if (field.Is("MIME-Version")) part->is_mime = true;
      return;
    }
    const bool had_type = part->type.has_value();
    ParseContentField(field, part);
    if (had_type || !part->type) return;
    part->is_mime = true;  // as Dovecot: much software forgets MIME-Version
    const std::string* const text = part->FindParameter("boundary");
    has_boundary_ = part->kind == Part::Kind::kMultipart && text;
    if (has_boundary_) *boundary = text->substr(0, kBoundaryBytesMax);
  }

  // The header is read: what the part is when nothing says so.
  void Settle(Part* part) {
    has_boundary_ = false;
    if (!part->is_mime) ForgetContentFields(part);
    if (part->type) return;
    // RFC 2046 section 5.1.5
    const Part* const parent = open_.size() > 1 ? open_[open_.size() - 2].part : nullptr;
    part->kind = parent && parent->is_digest && part->is_mime ? Part::Kind::kMessage : Part::Kind::kText;
  }

  // ---- bodies -------------------------------------------------------------------------------------------------------

  // From the start of a line up to the end of the next boundary line and the header behind it, or to the end.
  void ReadBody() {
    if (boundaries_.empty()) {
      CountLines(message_.size());
      at_ = message_.size();
      return;
    }
    if (const auto match = FindBoundary(at_)) {
      // No line end to give up: it belongs to the header, to the boundary line before, or was given up already.
      TakeBoundary(*match, at_, line_count_);
      return;
    }
    while (SkipLine()) {
      if (const auto match = FindBoundary(at_)) {
        const bool crlf = at_ >= 2 && message_[at_ - 2] == '\r' && at_ - 2 >= current()->body.begin;
        TakeBoundary(*match, at_ - (crlf ? 2 : 1), line_count_ - 1);
        return;
      }
    }
  }

  void TakeBoundary(const Match& match, uint64_t body_end, uint32_t lines_before_end) {
    const size_t depth = boundaries_[match.index].depth;
    if (cut_) {  // this part ended in its header; only the parts around it have what follows
      cut_ = false;
      const uint64_t empty_at = current()->body.begin;
      if (open_.size() > depth + 1) Close(empty_at, open_.back().lines_before_body);
    }
    CloseAbove(depth, body_end, lines_before_end);
    boundaries_.resize(match.index + (match.last ? 0 : 1));
    if (!SkipLine() || match.last) return;
    OpenChild();
    ReadHeader();
  }

  // The boundary of an open multipart at the front of the line at `at`. RFC 2046 section 5.1.1: what follows it on
  // the line is ignored; of several the longest counts, and one that fills the line before all.
  std::optional<Match> FindBoundary(uint64_t at) const {
    if (boundaries_.empty() || part_count_ >= kPartCountMax) return std::nullopt;
    const std::string_view rest = message_.substr(at);
    if (rest.size() < 2 || rest[0] != '-' || rest[1] != '-') return std::nullopt;
    const std::string_view text = rest.substr(2);
    const size_t lf = text.find('\n');
    std::string_view line = text.substr(0, lf);
    bool dashes = false;
    if (lf != std::string_view::npos) {
      if (line.ends_with('\r')) line.remove_suffix(1);
      dashes = line.size() > 2 && line.ends_with("--");
    }
    std::optional<Match> best;
    size_t best_bytes = 0;
    for (size_t i = boundaries_.size(); i-- > 0;) {
      const std::string& boundary = boundaries_[i].text;
      if (!line.starts_with(boundary) || (best && boundary.size() <= best_bytes)) continue;
      best = Match{.index = i, .last = text.substr(boundary.size(), 2) == "--"};
      best_bytes = boundary.size();
      if (best_bytes == line.size() || (dashes && best_bytes + 2 == line.size())) break;
    }
    return best;
  }

  // To the start of the next line; false at the end, where at_ is the end.
  bool SkipLine() {
    const auto* lf = static_cast<const char*>(std::memchr(message_.data() + at_, '\n', message_.size() - at_));
    if (!lf) {
      at_ = message_.size();
      return false;
    }
    at_ = static_cast<uint64_t>(lf - message_.data()) + 1;
    ++line_count_;
    return true;
  }

  void CountLines(uint64_t end) {
    line_count_ += static_cast<uint32_t>(std::count(message_.begin() + static_cast<std::ptrdiff_t>(at_),
                                                    message_.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
  }

  std::string_view message_;
  uint64_t at_ = 0;
  uint32_t line_count_ = 0;  // line feeds before at_
  int part_count_ = 0;
  bool has_boundary_ = false;  // the header being read has named one
  bool cut_ = false;           // at_ is at the boundary line that cut the current part's header off
  std::vector<OpenPart> open_;
  std::vector<Boundary> boundaries_;
};

}  // namespace

Part ParseMessage(std::string_view message) { return StructureReader(message).Run(); }

const std::string* Part::FindParameter(std::string_view name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& p) { return EqualsIgnoringCase(p.name, name); });
  return found == parameters.end() ? nullptr : &found->value;
}

const Part* FindPart(const Part& root, std::span<const uint32_t> path) {
  const Part* part = &root;
  for (size_t i = 0; i < path.size(); ++i) {
    const bool last = i + 1 == path.size();
    if (part->kind == Part::Kind::kMultipart) {
      if (path[i] == 0 || path[i] > part->children.size()) return nullptr;
      part = &part->children[path[i] - 1];
    } else if (path[i] != 1 || (!last && part->kind != Part::Kind::kMessage)) {
      return nullptr;  // a part that has no parts is its own first
    }
    if (!last && part->kind == Part::Kind::kMessage) part = &part->children.front();
  }
  return part;
}

std::optional<Range> FindSection(const Part& root, std::span<const uint32_t> path, SectionText text) {
  const Part* part = FindPart(root, path);
  if (!part) return std::nullopt;
  if (path.empty()) {
    switch (text) {
      case SectionText::kAll:
        return Range{part->header.begin, part->body.end};
      case SectionText::kHeader:
        return part->header;
      case SectionText::kText:
        return part->body;
      case SectionText::kMime:
        return std::nullopt;
    }
  }
  switch (text) {
    case SectionText::kAll:
      return part->body;
    case SectionText::kMime:
      return part->header;
    case SectionText::kHeader:
    case SectionText::kText:
      break;
  }
  // RFC 9051 section 6.4.5: HEADER and TEXT of a part are those of the message in it.
  if (part->kind != Part::Kind::kMessage) return std::nullopt;
  part = &part->children.front();
  return text == SectionText::kHeader ? part->header : part->body;
}

}  // namespace postern::message
