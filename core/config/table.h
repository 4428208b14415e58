// Lookup tables as the core sees them: immutable once loaded, shared between configurations and shards.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace postern::config {

// A row as it is written, for messages.
struct TableRow {
  std::string_view file;  // empty: the table has no file of its own
  uint32_t line = 0;      // 0: not known
  std::string_view key;   // the pattern of a pattern table; empty: static:, which every key meets
  std::string_view value;
};

class Table {
 public:
  virtual ~Table() = default;
  // The value of exactly this key (hash: and texthash: fold the key to lower case); nullopt where there is none.
  // Partial keys (user+extension, @domain, parent domains) are the caller's: routing/ knows what is being looked up.
  virtual std::optional<std::string> Find(std::string_view key) const = 0;
  // Every row, in the source's order, where the table has rows (not static:, regexp:, pcre:).
  virtual void ForEach(const std::function<void(std::string_view key, std::string_view value)>& visit) const = 0;
  // Every value there may be, also of patterns (then with $1 as written).
  virtual void ForEachValue(const std::function<void(std::string_view value)>& visit) const {
    ForEach([&visit](std::string_view, std::string_view value) { visit(value); });
  }
  // regexp: and pcre: are asked the whole string only, never partial keys.
  virtual bool is_pattern_table() const { return false; }
  // Does ForEach visit every key that has an answer?
  virtual bool lists_all_keys() const { return !is_pattern_table(); }
  // Every row there is, with its place where that is known; patterns, too.
  virtual void ForEachRow(const std::function<void(const TableRow&)>& visit) const {
    ForEach([&visit](std::string_view key, std::string_view value) { visit({.key = key, .value = value}); });
  }
  // "hash:/etc/postfix/vmailbox", as the configuration names it.
  const std::string& name() const { return name_; }

 protected:
  explicit Table(std::string name) : name_(std::move(name)) {}

 private:
  std::string name_;
};

using TablePtr = std::shared_ptr<const Table>;

// Several tables asked in order, the first answer wins: the value of a *_maps parameter.
struct TableList {
  std::vector<TablePtr> tables;
  bool empty() const { return tables.empty(); }
  std::optional<std::string> Find(std::string_view key) const {
    for (const TablePtr& table : tables) {
      if (auto value = table->Find(key)) return value;
    }
    return std::nullopt;
  }
};

}  // namespace postern::config
