#include "sim/replay/record_file.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/base64.h"

namespace postern::sim {
namespace {

constexpr std::string_view kMagic = "postern-record 1\n";

// Takes words off a line; `ok` says whether all that was asked for was there.
struct WordReader {
  std::string_view rest;
  bool ok = true;

  std::string_view Word() {
    const size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (word.empty()) ok = false;
    return word;
  }
  template <class T>
  T Number() {
    T number{};
    const std::string_view word = Word();
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc() || end != word.data() + word.size()) ok = false;
    return number;
  }
  std::string Text() {
    auto text = DecodeField(Word());
    if (!text.ok()) ok = false;
    return text.ok() ? *std::move(text) : std::string();
  }
  StatusOr<std::string> TextOrStatus() {
    const int code = Number<int>();
    std::string text = Text();
    if (code == 0) return text;
    return Error(static_cast<StatusCode>(code), text);
  }
};

// The next line without its end; `*whole` is false for a last one without.
std::string_view NextLine(std::string_view* text, bool* whole) {
  const size_t end = text->find('\n');
  *whole = end != std::string_view::npos;
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(*whole ? end + 1 : text->size());
  return line;
}

Status ParseHeader(std::string_view line, ShardRecord* record) {
  WordReader words{line};
  if (words.Word() != "shard") return InvalidArgument("line 2 is not about the shard");
  record->shard.id = ShardId{words.Number<uint16_t>()};
  record->shard.shard_count = words.Number<uint16_t>();
  const auto key = DecodeHex(words.Word());
  record->shard.node.host_name = words.Text();
  record->shard.node.pid = words.Number<uint32_t>();
  record->shard.node.start_counter = words.Number<uint64_t>();
  record->shard.delivers = record->shard.id == ShardId{0};
  record->stand_in_password = words.Text();
  record->generation = words.Number<uint64_t>();
  if (!words.ok || !key || key->size() != record->shard.key.size()) return InvalidArgument("line 2 is broken");
  std::copy(key->begin(), key->end(), record->shard.key.begin());
  return OkStatus();
}

StatusOr<RecordedStep> ParseStep(std::string_view line) {
  WordReader words{line};
  RecordedStep step;
  step.now.mono.ns = words.Number<int64_t>();
  step.now.wall.us = words.Number<int64_t>();
  step.now.utc_offset_seconds = words.Number<int32_t>();
  if (!words.ok) return InvalidArgument("a step without its time");
  step.event = std::string(words.rest);
  auto parsed = ParseEvent(words.rest);
  if (!parsed.ok()) return parsed.status();
  step.parsed = *std::move(parsed);
  return step;
}

}  // namespace

bool IsShardRecord(std::string_view text) { return text.starts_with(kMagic); }

StatusOr<ShardRecord> ParseShardRecord(std::string_view text) {
  ShardRecord record;
  if (!IsShardRecord(text)) return InvalidArgument("no recording of a shard");
  text.remove_prefix(kMagic.size());
  bool whole = true;
  POSTERN_RETURN_IF_ERROR(ParseHeader(NextLine(&text, &whole), &record));
  for (size_t number = 3; !text.empty(); ++number) {
    const std::string_view line = NextLine(&text, &whole);
    if (!whole) {  // the process was killed; what its step did is not known in whole
      record.cut_off = true;
      if (!line.starts_with("S") && !record.steps.empty()) record.steps.pop_back();
      break;
    }
    const auto bad = [number](std::string_view what) {
      return InvalidArgument("line " + std::to_string(number) + ": " + std::string(what));
    };
    if (line.starts_with("S ")) {
      auto step = ParseStep(line.substr(2));
      if (!step.ok()) return bad(Message(step.status()));
      step->line = number;
      record.steps.push_back(*std::move(step));
    } else if (record.steps.empty()) {
      return bad("no step before it");
    } else if (line.starts_with("A ")) {
      WordReader words{line.substr(2)};
      const std::string mechanism(words.Word());
      const auto back = words.Number<uint64_t>();
      if (!words.ok || back >= record.steps.size()) return bad("an answer to nothing");
      record.steps[record.steps.size() - 1 - back].answered = mechanism;
    } else if (line.starts_with("E ")) {
      record.steps.back().effects.emplace_back(line.substr(2));
    } else {
      return bad("neither step nor effect");
    }
  }
  return record;
}

// ---- the host -------------------------------------------------------------------------------------------------------

namespace {

class RecordedHost final : public config::FileSource {
 public:
  explicit RecordedHost(const std::string& pem) : pem_(pem) {}

  Status Parse(std::string_view text) {
    bool whole = true;
    WordReader first{NextLine(&text, &whole)};
    if (first.Word() != "postern-host" || first.Word() != "1") return InvalidArgument("no recording of a host");
    options.postfix_dir = first.Text();
    options.dovecot_file = first.Text();
    options.port_offset = first.Number<uint16_t>();
    if (!first.ok) return InvalidArgument("line 1 is broken");
    for (size_t number = 2; !text.empty(); ++number) {
      WordReader words{NextLine(&text, &whole)};
      Take(words);
      if (!words.ok || !whole) return InvalidArgument("line " + std::to_string(number) + " is broken");
    }
    return OkStatus();
  }

  StatusOr<std::string> Read(std::string_view path) override {
    const auto found = texts_.find(path);
    return found == texts_.end() ? NotFound(std::string(path) + " is not in the recording") : found->second;
  }
  std::vector<std::string> Glob(std::string_view pattern) override { return Found(globs_, pattern, {}); }
  StatusOr<Facts> Stat(std::string_view path) override {
    const auto found = facts_.find(path);
    return found == facts_.end() ? NotFound(std::string(path) + " is not in the recording") : found->second;
  }
  int64_t UserId(std::string_view name) override { return Found(users_, name, int64_t{-1}); }
  int64_t GroupId(std::string_view name) override { return Found(groups_, name, int64_t{-1}); }
  int64_t PrimaryGroupOf(std::string_view user) override { return Found(primary_groups_, user, int64_t{-1}); }
  int64_t OwnUserId() override { return own_user_; }
  uint16_t ServicePort(std::string_view name) override { return Found(ports_, name, uint16_t{0}); }
  std::vector<IpAddress> InterfaceAddresses() override { return interfaces_; }
  std::vector<IpAddress> HostAddresses(std::string_view name) override { return Found(hosts_, name, {}); }
  std::string HostName() override { return host_name_; }

  config::LoadOptions options;

 private:
  template <class T>
  using Named = std::map<std::string, T, std::less<>>;
  template <class T>
  static T Found(const Named<T>& in, std::string_view name, T otherwise) {
    const auto found = in.find(name);
    return found == in.end() ? otherwise : found->second;
  }

  static std::vector<IpAddress> Addresses(WordReader& words) {
    std::vector<IpAddress> addresses;
    while (!words.rest.empty()) {
      const auto address = IpAddress::Parse(words.Word());
      words.ok = words.ok && address.has_value();
      if (address) addresses.push_back(*address);
    }
    return addresses;
  }

  void Take(WordReader& words) {
    const std::string kind(words.Word());
    if (kind == "interfaces") return void(interfaces_ = Addresses(words));
    if (kind == "own-user") return void(own_user_ = words.Number<int64_t>());
    const std::string name = words.Text();
    if (kind == "read") {
      texts_.insert_or_assign(name, words.TextOrStatus());
    } else if (kind == "pem") {
      texts_.insert_or_assign(name, pem_);
    } else if (kind == "glob") {
      std::vector<std::string>& paths = globs_[name];
      for (paths.clear(); !words.rest.empty();) paths.push_back(words.Text());
    } else if (kind == "stat") {
      TakeFacts(name, words);
    } else if (kind == "user") {
      users_[name] = words.Number<int64_t>();
    } else if (kind == "group") {
      groups_[name] = words.Number<int64_t>();
    } else if (kind == "primary-group") {
      primary_groups_[name] = words.Number<int64_t>();
    } else if (kind == "port") {
      ports_[name] = words.Number<uint16_t>();
    } else if (kind == "host") {
      hosts_[name] = Addresses(words);
    } else if (kind == "host-name") {
      host_name_ = name;
    } else {
      words.ok = false;
    }
  }

  void TakeFacts(const std::string& path, WordReader& words) {
    const auto status = words.TextOrStatus();
    if (!status.ok()) return void(facts_.insert_or_assign(path, StatusOr<Facts>(status.status())));
    Facts facts;
    facts.size_bytes = words.Number<uint64_t>();
    facts.mtime_seconds = words.Number<int64_t>();
    facts.mode = words.Number<uint32_t>();
    facts.uid = words.Number<int64_t>();
    facts.gid = words.Number<int64_t>();
    facts.is_dir = words.Number<uint8_t>() != 0;
    facts_.insert_or_assign(path, StatusOr<Facts>(facts));
  }

  const std::string pem_;
  Named<StatusOr<std::string>> texts_;
  Named<std::vector<std::string>> globs_;
  Named<StatusOr<Facts>> facts_;
  Named<int64_t> users_, groups_, primary_groups_;
  Named<uint16_t> ports_;
  Named<std::vector<IpAddress>> hosts_;
  std::vector<IpAddress> interfaces_;
  std::string host_name_;
  int64_t own_user_ = -1;
};

}  // namespace

StatusOr<std::shared_ptr<const config::Config>> LoadRecordedHost(std::string_view text, uint64_t generation,
                                                                 const std::string& stand_in_pem) {
  RecordedHost host(stand_in_pem);
  POSTERN_RETURN_IF_ERROR(host.Parse(text));
  const config::Loaded loaded = config::Load(host, host.options);
  if (loaded.config == nullptr) {
    std::string errors = "the recorded configuration has errors:";
    for (const config::Finding& finding : loaded.findings) {
      if (finding.severity == config::FindingSeverity::kError) errors += "\n  " + finding.file + ": " + finding.what;
    }
    return InvalidArgument(errors);
  }
  auto config = std::make_shared<config::Config>(*loaded.config);
  config->generation = generation;
  return std::shared_ptr<const config::Config>(std::move(config));
}

}  // namespace postern::sim
