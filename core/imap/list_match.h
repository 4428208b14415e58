// Matching of mailbox names against LIST and LSUB patterns (RFC 3501 sections 6.3.8 and 6.3.9).
//
// `*` stands for any run of characters, `%` for any run without the hierarchy separator. Matching walks the name once
// with the set of positions of the pattern that are still possible: O(pattern * name), whatever the wildcards.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace postern::imap {

// Longest pattern that is matched at all; longer ones match nothing. Above any mailbox name.
inline constexpr size_t kListPatternBytesMax = 4096;

enum class ListMatch : uint8_t {
  kNo,        // neither this name nor any below it
  kChildren,  // not this name, but names below it may match
  kParent,  // this name does not match, but a parent of it does: what LSUB "%" needs to show the parent (section 6.3.9)
  kYes,     // this name
};

// One reference and its patterns, prepared once a command.
class ListPattern {
 public:
  // Each pattern is appended to `reference` as it is, which is how Dovecot reads RFC 3501 section 6.3.8. '\0' as
  // separator: a flat name space, where `%` equals `*`.
  ListPattern(std::string_view reference, const std::vector<std::string>& patterns, char separator);

  // INBOX, as the first level of a name, is compared without regard to case (RFC 3501 section 5.1); all else byte by
  // byte. The best of all patterns: kYes, then kParent, then kChildren.
  ListMatch Match(std::string_view name) const;
  bool Matches(std::string_view name) const { return Match(name) == ListMatch::kYes; }
  // The shortest parent of `name` that matches, for kParent; "" when there is none.
  std::string_view MatchingParent(std::string_view name) const;
  // What every matching name begins with: lets a lister skip whole name spaces.
  std::string_view literal_prefix() const { return literal_prefix_; }

 private:
  std::vector<std::string> patterns_;  // complete, runs of wildcards made one
  std::string literal_prefix_;
  char separator_;
};

}  // namespace postern::imap
