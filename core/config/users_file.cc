#include "core/config/users_file.h"

#include <array>
#include <map>

#include "core/base/ascii.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

class Users : public UserTable {
 public:
  // False where the name was there: its record is replaced.
  bool Set(std::string name, UserRecord record) {
    const std::string scheme = SchemeOf(record.password.Reveal(), "");
    const auto [at, added] = records_.insert_or_assign(std::move(name), std::move(record));
    if (++schemes_[scheme] > most_) {
      most_ = schemes_[scheme];
      sample_ = &at->second;
    }
    return added;
  }

  const UserRecord* Find(std::string_view name) const override {
    const auto at = records_.find(name);
    return at == records_.end() ? nullptr : &at->second;
  }
  void ForEach(const std::function<void(std::string_view, const UserRecord&)>& visit) const override {
    for (const auto& [name, record] : records_) visit(name, record);
  }
  const UserRecord* Sample() const override { return sample_; }

 private:
  std::map<std::string, UserRecord, std::less<>> records_;
  std::map<std::string, size_t> schemes_;  // how many users have it
  size_t most_ = 0;
  const UserRecord* sample_ = nullptr;  // of the most common scheme; map nodes stay where they are
};

// A number, or a name of the host; -1 with a finding where it is neither.
int64_t ParseId(std::string_view text, bool is_user, const Place& place, FileSource& files, FindingList* findings) {
  if (text.empty()) return -1;
  if (const auto number = ParseUnsigned(text); number && *number <= UINT32_MAX) return static_cast<int64_t>(*number);
  const int64_t id = is_user ? files.UserId(text) : files.GroupId(text);
  if (id < 0) {
    findings->Warning(
        "users-unknown-id", place,
        "\"" + std::string(text) + "\" is no " + (is_user ? "user" : "group") + " of this host: the login would fail",
        "write a number, or create it");
  }
  return id;
}

// "hash[13]" and "hash[34]" of old files say their scheme by the length of the hash.
std::string NormalizePassword(std::string_view text) {
  if (text.starts_with('{') || text.size() < 4 || text.back() != ']') return std::string(text);
  const size_t open = text.rfind('[');
  if (open == std::string_view::npos) return std::string(text);
  const std::string_view number = text.substr(open + 1, text.size() - open - 2);
  if (number == "13") return "{CRYPT}" + std::string(text.substr(0, open));
  if (number == "34") return "{MD5}" + std::string(text.substr(0, open));
  return std::string(text);
}

std::vector<std::pair<std::string, std::string>> ParseExtraFields(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string& word : SplitWords(text)) {
    const size_t equals = word.find('=');
    // A field without a value means yes.
    fields.emplace_back(word.substr(0, equals), equals == std::string::npos ? "yes" : word.substr(equals + 1));
  }
  return fields;
}

}  // namespace

UserTablePtr ParseUsersFile(std::string_view text, const std::string& file, FileSource& files, FindingList* findings) {
  auto users = std::make_shared<Users>();
  uint32_t number = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.front() == '#' || line.front() == ':' || Trim(line).empty()) continue;
    const Place place{file, number};
    std::array<std::string_view, 8> fields;
    for (size_t i = 0; i < fields.size(); ++i) {
      const size_t colon = i + 1 < fields.size() ? line.find(':') : std::string_view::npos;
      fields[i] = line.substr(0, colon);
      if (colon == std::string_view::npos) break;
      line.remove_prefix(colon + 1);
    }
    UserRecord record{.password = Secret(NormalizePassword(fields[1])),
                      .uid = ParseId(fields[2], true, place, files, findings),
                      .gid = ParseId(fields[3], false, place, files, findings),
                      .home = std::string(fields[5]),
                      .extra_fields = ParseExtraFields(fields[7])};
    if (!users->Set(std::string(fields[0]), std::move(record))) {
      findings->Warning("users-duplicate", place,
                        "user \"" + std::string(fields[0]) + "\" is there already: the later row counts",
                        "remove one of the two rows");
    }
  }
  return users;
}

std::string SchemeOf(std::string_view stored, std::string_view default_scheme) {
  std::string_view scheme = default_scheme;
  if (stored.starts_with('{')) {
    const size_t close = stored.find('}');
    if (close != std::string_view::npos) scheme = stored.substr(1, close - 1);
  }
  return UpperCase(scheme.substr(0, scheme.find('.')));
}

}  // namespace postern::config
