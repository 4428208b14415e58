#include "core/message/lexer.h"

namespace postern::message {
namespace {

// A backslash before these quotes nothing (RFC 5322 section 4.1, obs-qp: Dovecot keeps the backslash).
bool IsUnquotable(char c) { return c == '\r' || c == '\n' || c == '\0'; }

// Takes a CR off the end of `*out` that stands there since `from`: the one of a fold.
void DropCr(size_t from, std::string* out) {
  if (out->size() > from && out->back() == '\r') out->pop_back();
}

}  // namespace

bool Lexer::IsAtomText(unsigned char c) {
  if (c >= 128) return true;
  if (c <= 32 || c == 127) return false;
  return std::string_view("\"(),.:;<>@[\\]").find(static_cast<char>(c)) == std::string_view::npos;
}

bool Lexer::IsTokenText(unsigned char c) { return (IsAtomText(c) && c != '/' && c != '=' && c != '?') || c == '.'; }

void Lexer::AppendNul(std::string* out) const {
  if (nul_as_.empty()) {
    out->push_back('\0');
  } else {
    out->append(nul_as_);
  }
}

bool Lexer::SkipComment() {
  if (collect_comments_) last_comment_.clear();
  int depth = 1;
  // Where the text since the last fold or quoted pair begins: only a CR of that belongs to a fold, and only that is
  // dropped when the comment never ends.
  size_t begun = 0;
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '\\') {
      if (at_ + 1 >= text_.size()) continue;
      if (!IsUnquotable(text_[at_ + 1])) {
        ++at_;
        begun = last_comment_.size();
        if (collect_comments_) last_comment_.push_back(text_[at_]);
        continue;
      }
    } else if (c == '(') {
      ++depth;
    } else if (c == ')') {
      if (--depth == 0) {
        ++at_;
        return true;
      }
    }
    if (!collect_comments_) continue;
    if (c == '\n') {
      DropCr(begun, &last_comment_);
      begun = last_comment_.size();
    } else if (c == '\0' && !nul_as_.empty()) {
      last_comment_.append(nul_as_);
      begun = last_comment_.size();
    } else {
      last_comment_.push_back(c);
    }
  }
  if (collect_comments_) last_comment_.resize(begun);
  return false;
}

Lexer::Status Lexer::SkipCfws() {
  while (at_ < text_.size()) {
    if (IsWhiteSpace(text_[at_])) {
      ++at_;
    } else if (text_[at_] != '(') {
      break;
    } else if (!SkipComment()) {
      return Status::kFailed;
    }
  }
  return Here();
}

Lexer::Status Lexer::ReadAtom(std::string* out) {
  const size_t begin = at_;
  while (at_ < text_.size() && IsAtomText(static_cast<unsigned char>(text_[at_]))) ++at_;
  if (at_ == begin) return Status::kFailed;
  out->append(text_.substr(begin, at_ - begin));
  return done() ? Status::kEnd : SkipCfws();
}

Lexer::Status Lexer::ReadDotAtom(std::string* out) {
  for (;;) {
    const size_t begin = at_;
    while (at_ < text_.size() && IsAtomText(static_cast<unsigned char>(text_[at_]))) ++at_;
    if (at_ == begin) return Status::kFailed;
    out->append(text_.substr(begin, at_ - begin));
    if (done()) return Status::kEnd;
    if (const Status status = SkipCfws(); status != Status::kMore) return status;
    if (peek() != '.') return Status::kMore;
    ++at_;
    out->push_back('.');
    if (SkipCfws() != Status::kMore) return Status::kFailed;
  }
}

Lexer::Status Lexer::ReadQuotedString(std::string* out) {
  size_t begun = out->size();
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    switch (c) {
      case '"':
        ++at_;
        return SkipCfws();
      case '\0':
        AppendNul(out);
        begun = out->size();
        break;
      case '\n':  // a fold
        DropCr(begun, out);
        begun = out->size();
        break;
      case '\\':
        if (at_ + 1 >= text_.size() || IsUnquotable(text_[at_ + 1])) {
          out->push_back('\\');
          break;
        }
        ++at_;
        begun = out->size();
        out->push_back(text_[at_]);
        break;
      default:
        out->push_back(c);
    }
  }
  out->resize(begun);  // no closing quote
  return Status::kFailed;
}

Lexer::Status Lexer::ReadAtomOrDots(std::string* out) {
  const size_t begin = at_;
  while (at_ < text_.size() && (text_[at_] == '.' || IsAtomText(static_cast<unsigned char>(text_[at_])))) ++at_;
  out->append(text_.substr(begin, at_ - begin));
  return done() ? Status::kEnd : SkipCfws();
}

Lexer::Status Lexer::ReadPhrase(std::string* out) {
  if (done()) return Status::kEnd;
  if (peek() == '.') return Status::kFailed;
  for (;;) {
    const Status status = peek() == '"' ? ReadQuotedString(out) : ReadAtomOrDots(out);
    if (status != Status::kMore) return status;
    const char next = peek();
    if (next != '"' && next != '.' && !IsAtomText(static_cast<unsigned char>(next))) break;
    out->push_back(' ');
  }
  return SkipCfws();
}

Lexer::Status Lexer::ReadDomainLiteral(std::string* out) {
  size_t begun = out->size();
  out->push_back('[');
  for (++at_; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    switch (c) {
      case '[':
        return Status::kFailed;
      case ']':
        out->push_back(']');
        ++at_;
        return SkipCfws();
      case '\0':
        AppendNul(out);
        begun = out->size();
        break;
      case '\n':
        DropCr(begun, out);
        begun = out->size();
        break;
      case '\\':  // stays, and takes what it quotes with it
        out->push_back('\\');
        if (at_ + 1 < text_.size() && !IsUnquotable(text_[at_ + 1])) out->push_back(text_[++at_]);
        break;
      default:
        out->push_back(c);
    }
  }
  return Status::kFailed;
}

Lexer::Status Lexer::ReadDomain(std::string* out) {
  ++at_;
  if (SkipCfws() != Status::kMore) return Status::kFailed;
  return peek() == '[' ? ReadDomainLiteral(out) : ReadDotAtom(out);
}

Lexer::Status Lexer::ReadToken(std::string* out) {
  const size_t begin = at_;
  while (at_ < text_.size() && IsTokenText(static_cast<unsigned char>(text_[at_]))) ++at_;
  out->append(text_.substr(begin, at_ - begin));
  return done() ? Status::kEnd : SkipCfws();
}

Lexer::Status Lexer::ReadContentType(std::string* out) {
  if (SkipCfws() != Status::kMore) return Status::kFailed;
  std::string type;
  if (ReadToken(&type) != Status::kMore) {  // a type alone
    out->append(type);
    return Status::kFailed;
  }
  if (type.empty() || peek() != '/') return Status::kFailed;
  ++at_;
  if (SkipCfws() != Status::kMore) return Status::kFailed;
  std::string subtype;
  const Status status = ReadToken(&subtype);
  if (status == Status::kFailed || subtype.empty() || (!done() && peek() != ';')) return Status::kFailed;
  out->append(type).push_back('/');
  out->append(subtype);
  return status;
}

Lexer::Status Lexer::ReadParameter(std::string* attribute, std::string* value) {
  attribute->clear();
  value->clear();
  if (done()) return Status::kEnd;
  if (peek() != ';') return Status::kFailed;
  ++at_;
  if (SkipCfws() != Status::kMore) return Status::kFailed;
  if (ReadToken(attribute) != Status::kMore) return Status::kFailed;
  if (peek() != '=') return Status::kFailed;
  ++at_;
  Status status = SkipCfws();
  if (status != Status::kMore) {
    // no value
  } else if (peek() == '"') {
    status = ReadQuotedString(value);
  } else if (peek() == '=') {
    // An encoded word where none may be: `name==?utf-8?b?...?=`.
    while (!done() && peek() != ';' && !IsWhiteSpace(peek())) value->push_back(text_[at_++]);
  } else {
    status = ReadToken(value);
  }
  return status == Status::kFailed ? Status::kFailed : Status::kMore;
}

}  // namespace postern::message
