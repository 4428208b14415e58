#include "core/config/alias_targets.h"

#include <algorithm>
#include <utility>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

bool IsAliasBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

// One element at a time is put together from words; what it was is known at its end.
class AliasTargetSplitter {
 public:
  explicit AliasTargetSplitter(std::string_view text) : text_(text) {}

  std::vector<AliasTarget> Run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == ',' || c == ';' || c == '\n') {
        ++at_;
        EndElement();
      } else if (IsAliasBlank(c)) {
        ++at_;
        EndWord();
      } else if (c == '(') {
        SkipComment();
      } else if (c == '<') {
        ++at_;
        EndWord();
        TakeAngle();
      } else if (c == ':' && IsGroupName()) {
        ++at_;
        word_.clear();
        words_.clear();
        in_word_ = false;
      } else if (c == '"') {
        TakeQuoted();
      } else if (c == '\\') {
        ++at_;
        if (at_ < text_.size()) word_ += text_[at_++];
        in_word_ = true;
      } else if (c == '|' && !in_word_ && words_.empty()) {
        TakeCommand();
      } else {
        word_ += c;
        in_word_ = true;
        ++at_;
      }
    }
    EndElement();
    return std::move(targets_);
  }

 private:
  // "people: a, b;": a name in front of a colon, where it is neither ":include:" nor a route's ("@hop:user@host").
  bool IsGroupName() const {
    if (word_.empty() && words_.empty()) return false;
    const std::string& first = words_.empty() ? word_ : words_.front();
    return first.front() != ':' && first.front() != '@' && first.front() != '/' && word_.find('@') == std::string::npos;
  }

  void SkipComment() {
    size_t depth = 0;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\') {
        ++at_;
      } else if (text_[at_] == '(') {
        ++depth;
      } else if (text_[at_] == ')' && --depth == 0) {
        ++at_;
        break;
      }
    }
    at_ = std::min(at_, text_.size());
  }

  // A quoted string. At an element's beginning it may hold a command, a file or a list; else it is part of an address,
  // and keeps its quotes, which ParseMailbox reads.
  void TakeQuoted() {
    std::string inner, raw = "\"";
    size_t at = at_ + 1;
    for (; at < text_.size() && text_[at] != '"'; ++at) {
      raw += text_[at];
      if (text_[at] == '\\' && at + 1 < text_.size()) raw += text_[++at];
      inner += text_[at];
    }
    raw += '"';
    at_ = std::min(at + 1, text_.size());
    if (!in_word_ && !inner.empty() && (inner[0] == '|' || inner[0] == '/' || IsInclude(inner))) {
      AddSpecial(inner);
      return;
    }
    word_ += raw;
    in_word_ = true;
  }

  void TakeAngle() {
    std::string address;
    for (; at_ < text_.size() && text_[at_] != '>'; ++at_) {
      address += text_[at_];
      if (text_[at_] != '"') continue;
      for (++at_; at_ < text_.size(); ++at_) {
        address += text_[at_];
        if (text_[at_] == '"') break;
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) address += text_[++at_];
      }
      if (at_ == text_.size()) break;
    }
    at_ = std::min(at_ + 1, text_.size());
    angle_ = true;
    words_.clear();  // the phrase in front
    AddAddress(address);
  }

  // Without quotes a command goes to the end of the element.
  void TakeCommand() {
    size_t end = text_.find_first_of(",\n", at_);
    if (end == std::string_view::npos) end = text_.size();
    AddSpecial(text_.substr(at_, end - at_));
    at_ = end;
  }

  static bool IsInclude(std::string_view text) {
    constexpr std::string_view kInclude = ":include:";
    return text.size() > kInclude.size() && LowerCase(text.substr(0, kInclude.size())) == kInclude;
  }

  void AddSpecial(std::string_view text) {
    if (text.front() == '|') {
      targets_.push_back({AliasTarget::Kind::kCommand, std::string(text.substr(1))});
    } else if (text.front() == '/') {
      targets_.push_back({AliasTarget::Kind::kFile, std::string(text)});
    } else {
      targets_.push_back({AliasTarget::Kind::kInclude, std::string(text.substr(9))});
    }
  }

  void AddAddress(std::string_view text) {
    if (text.empty()) return;
    if (text.front() == '@') {  // a source route: only its end counts (RFC 5321 appendix C)
      if (const size_t colon = text.find(':'); colon != std::string_view::npos) text.remove_prefix(colon + 1);
    }
    if (!text.empty()) targets_.push_back({AliasTarget::Kind::kAddress, std::string(text)});
  }

  void EndWord() {
    if (!std::exchange(in_word_, false)) return;
    words_.push_back(std::exchange(word_, {}));
  }

  void EndElement() {
    EndWord();
    if (!std::exchange(angle_, false)) {
      for (const std::string& word : words_) {
        if (word.empty()) continue;
        if (word.front() == '/' || IsInclude(word)) {
          AddSpecial(word);
        } else {
          AddAddress(word);
        }
      }
    }
    words_.clear();
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::string word_;
  bool in_word_ = false, angle_ = false;
  std::vector<std::string> words_;  // of the element under way
  std::vector<AliasTarget> targets_;
};

}  // namespace

std::vector<AliasTarget> ParseAliasTargets(std::string_view value) { return AliasTargetSplitter(value).Run(); }

std::vector<AliasTarget> ParseAliasList(std::string_view text) {
  std::string joined;
  for (size_t start = 0; start < text.size();) {
    size_t end = text.find('\n', start);
    if (end == std::string_view::npos) end = text.size();
    std::string_view line = text.substr(start, end - start);
    start = end + 1;
    while (!line.empty() && IsAliasBlank(line.back())) line.remove_suffix(1);
    const size_t first = line.find_first_not_of(" \t");
    if (first == std::string_view::npos || line[first] == '#') continue;
    joined += first == 0 ? '\n' : ' ';  // white space in front: the line above goes on
    joined += line;
  }
  return ParseAliasTargets(joined);
}

}  // namespace postern::config
