#include "core/config/tables.h"

#include <algorithm>
#include <map>

#include "core/base/ascii.h"
#include "core/config/pattern_table.h"
#include "core/config/postfix_syntax.h"
#include "core/config/value.h"

namespace postern::config {
namespace {

constexpr size_t kTableDepthMax = 8;  // unionmap in pipemap in proxy

// Rows in their order, with an index. Keys are lower case.
class RowTable : public Table {
 public:
  // `file`: of the rows' lines; empty: they have none.
  explicit RowTable(std::string name, std::string file = {}) : Table(std::move(name)), file_(std::move(file)) {}

  // False where the key is taken.
  bool Add(std::string key, std::string value, uint32_t line = 0) {
    const auto [at, added] = index_.try_emplace(key, rows_.size());
    if (added) rows_.push_back({std::move(key), std::move(value), line});
    return added;
  }

  std::optional<std::string> Find(std::string_view key) const override {
    const auto at = index_.find(LowerCase(key));
    if (at == index_.end()) return std::nullopt;
    return rows_[at->second].value;
  }
  void ForEach(const std::function<void(std::string_view, std::string_view)>& visit) const override {
    for (const Row& row : rows_) visit(row.key, row.value);
  }
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override {
    for (const Row& row : rows_) visit({.file = file_, .line = row.line, .key = row.key, .value = row.value});
  }

 private:
  struct Row {
    std::string key, value;
    uint32_t line = 0;
  };

  const std::string file_;
  std::vector<Row> rows_;
  std::map<std::string, size_t, std::less<>> index_;
};

class StaticTable : public Table {
 public:
  StaticTable(std::string name, std::string value) : Table(std::move(name)), value_(std::move(value)) {}
  std::optional<std::string> Find(std::string_view) const override { return value_; }
  void ForEach(const std::function<void(std::string_view, std::string_view)>&) const override {}
  void ForEachValue(const std::function<void(std::string_view)>& visit) const override { visit(value_); }
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override { visit({.value = value_}); }
  bool is_pattern_table() const override { return true; }  // one answer for the whole key: partial keys add nothing

 private:
  std::string value_;
};

class UnionTable : public Table {
 public:
  UnionTable(std::string name, std::vector<TablePtr> tables) : Table(std::move(name)), tables_(std::move(tables)) {}
  std::optional<std::string> Find(std::string_view key) const override {
    std::optional<std::string> all;
    for (const TablePtr& table : tables_) {
      const auto value = table->Find(key);
      if (!value) continue;
      all = all ? *all + "," + *value : *value;
    }
    return all;
  }
  void ForEach(const std::function<void(std::string_view, std::string_view)>& visit) const override {
    for (const TablePtr& table : tables_) table->ForEach(visit);
  }
  void ForEachValue(const std::function<void(std::string_view)>& visit) const override {
    for (const TablePtr& table : tables_) table->ForEachValue(visit);
  }
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override {
    for (const TablePtr& table : tables_) table->ForEachRow(visit);
  }
  // As in Postfix the first table says how the whole is asked.
  bool is_pattern_table() const override { return tables_.front()->is_pattern_table(); }
  bool lists_all_keys() const override {
    return std::all_of(tables_.begin(), tables_.end(), [](const TablePtr& table) { return table->lists_all_keys(); });
  }

 private:
  std::vector<TablePtr> tables_;
};

class PipeTable : public Table {
 public:
  PipeTable(std::string name, std::vector<TablePtr> tables) : Table(std::move(name)), tables_(std::move(tables)) {}
  std::optional<std::string> Find(std::string_view key) const override {
    std::string value(key);
    for (const TablePtr& table : tables_) {
      auto next = table->Find(value);
      if (!next) return std::nullopt;
      value = std::move(*next);
    }
    return value;
  }
  void ForEach(const std::function<void(std::string_view, std::string_view)>& visit) const override {
    tables_.front()->ForEach([this, &visit](std::string_view key, std::string_view) {
      if (const auto value = Find(key)) visit(key, *value);
    });
  }
  void ForEachValue(const std::function<void(std::string_view)>& visit) const override {
    tables_.back()->ForEachValue(visit);
  }
  // The keys of the first with what the rest makes of their values. Of a pattern's value nobody knows before it is met.
  void ForEachRow(const std::function<void(const TableRow&)>& visit) const override {
    tables_.front()->ForEachRow([this, &visit](const TableRow& row) {
      std::string value(row.value);
      for (size_t i = 1; i < tables_.size(); ++i) {
        auto next = tables_[i]->Find(value);
        if (!next) return;
        value = std::move(*next);
      }
      visit({.file = row.file, .line = row.line, .key = row.key, .value = value});
    });
  }
  bool is_pattern_table() const override { return tables_.front()->is_pattern_table(); }
  bool lists_all_keys() const override { return tables_.front()->lists_all_keys(); }

 private:
  std::vector<TablePtr> tables_;
};

// The key at the start of a map row: up to the first white space outside quotes, as written: quotes and backslashes
// belong to it. Leaves the rest in *line. Nothing where a quote is never closed.
std::optional<std::string> TakeMapKey(std::string_view* line) {
  bool quoted = false;
  size_t at = 0;
  for (; at < line->size() && (quoted || !IsSpace((*line)[at])); ++at) {
    if ((*line)[at] == '\\' && at + 1 < line->size()) {
      ++at;
    } else if ((*line)[at] == '"') {
      quoted = !quoted;
    }
  }
  if (quoted) return std::nullopt;
  std::string key(line->substr(0, at));
  *line = Trim(line->substr(at));
  return key;
}

// The addresses of an alias as postalias writes them: one comma and one blank between.
std::string JoinAddresses(std::string_view text) {
  std::string joined;
  const auto add = [&joined](std::string_view address) {
    address = Trim(address);
    if (!address.empty()) joined += (joined.empty() ? "" : ", ") + std::string(address);
  };
  bool quoted = false;
  size_t start = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      quoted = !quoted;
    } else if (text[at] == ',' && !quoted) {
      add(text.substr(start, at - start));
      start = at + 1;
    }
  }
  add(text.substr(start));
  return joined;
}

// "name:" at the start of an aliases row, the name perhaps in quotes. False without a colon.
bool TakeAliasName(std::string_view* line, std::string* name) {
  size_t at = 0;
  if (line->starts_with('"')) {
    for (at = 1; at < line->size() && (*line)[at] != '"'; ++at) {
      if ((*line)[at] == '\\' && at + 1 < line->size()) ++at;
      *name += (*line)[at];
    }
    at = std::min(at + 1, line->size());
    while (at < line->size() && IsSpace((*line)[at])) ++at;
  } else {
    while (at < line->size() && (*line)[at] != ':') *name += (*line)[at++];
    *name = std::string(Trim(*name));
  }
  if (at >= line->size() || (*line)[at] != ':' || name->empty()) return false;
  *line = Trim(line->substr(at + 1));
  return true;
}

class Opener {
 public:
  Opener(const TableRequest& request, FileSource& files, FindingList* findings)
      : request_(request), files_(files), findings_(findings) {}

  TablePtr Open(std::string_view specification, size_t depth) {
    specification = Trim(specification);
    const size_t colon = specification.find(':');
    const std::string type = colon == std::string_view::npos ? "hash" : LowerCase(specification.substr(0, colon));
    const std::string_view rest =
        colon == std::string_view::npos ? specification : Trim(specification.substr(colon + 1));
    const std::string name = type + ":" + std::string(rest);
    if (rest.empty()) return Refuse(name, "nothing follows the colon");
    if (depth > kTableDepthMax) return Refuse(name, "tables inside tables inside tables");
    static constexpr std::string_view kTextTypes[] = {"hash", "btree", "lmdb", "cdb", "dbm", "sdbm", "texthash"};
    if (std::find(std::begin(kTextTypes), std::end(kTextTypes), type) != std::end(kTextTypes)) {
      return OpenText(type, rest, name);
    }
    if (type == "static") return std::make_shared<StaticTable>(name, std::string(Unbrace(rest)));
    if (type == "inline") return OpenInline(rest, name);
    if (type == "regexp" || type == "pcre" || type == "cidr") return OpenPatterns(type, rest, name);
    if (type == "unionmap" || type == "pipemap") return OpenSeveral(type, rest, name, depth);
    if (type == "unix") return OpenUnix(rest, name);
    if (type == "proxy") return Open(rest, depth + 1);
    if (type == "fail") return Refuse(name, "it makes every lookup fail");
    static constexpr std::string_view kKnown[] = {"environ", "internal",  "ldap",   "memcache", "mongodb",
                                                  "mysql",   "netinfo",   "nis",    "nisplus",  "pgsql",
                                                  "randmap", "socketmap", "sqlite", "tcp"};
    if (std::find(std::begin(kKnown), std::end(kKnown), type) != std::end(kKnown)) {
      return Refuse(name, "tables of type " + type + " are not supported");
    }
    return Refuse(name, "\"" + type + "\" is no type of table");
  }

 private:
  TablePtr Refuse(const std::string& name, const std::string& why) {
    if (request_.optional) return nullptr;
    findings_->Error("table-type-unsupported", request_.place,
                     request_.wanted_by + " asks " + name + ": " + why + ", so that its answers would be missing",
                     "use a hash:, texthash:, regexp:, pcre:, cidr: or inline: table");
    return nullptr;
  }

  static std::string_view Unbrace(std::string_view text) {
    if (text.size() >= 2 && text.front() == '{' && text.back() == '}') return Trim(text.substr(1, text.size() - 2));
    return text;
  }

  std::optional<std::string> ReadFile(const std::string& path, const std::string& name) {
    auto text = files_.Read(path);
    if (text.ok()) return std::move(*text);
    if (!request_.optional) {
      findings_->Error("table-unreadable", request_.place,
                       request_.wanted_by + " asks " + name + ", but " + path + " cannot be read (" +
                           std::string(Message(text.status())) + "): every lookup would fail",
                       "create " + path + ", or remove the table from " + request_.wanted_by);
    }
    return std::nullopt;
  }

  TablePtr OpenText(const std::string& type, std::string_view path_text, const std::string& name) {
    const std::string path(path_text);
    const auto text = ReadFile(path, name);
    if (!text) return nullptr;
    NoteBuiltFile(type, path);
    return MakeTextTable(name, *text, request_.format, path, findings_);
  }

  // Postfix asks the built file, we the source: where the two differ, Postfix answers by yesterday's text.
  void NoteBuiltFile(const std::string& type, const std::string& path) {
    std::string suffix = ".db";
    if (type == "lmdb") suffix = ".lmdb";
    if (type == "cdb") suffix = ".cdb";
    if (type == "texthash") return;
    if (type == "dbm" || type == "sdbm") suffix = ".pag";
    const auto source = files_.Stat(path), built = files_.Stat(path + suffix);
    if (!source.ok()) return;
    const std::string command = request_.format == TableFormat::kAliases ? "postalias " : "postmap ";
    if (!built.ok()) {
      findings_->Notice("table-not-built", request_.place,
                        path + suffix + " does not exist: we read " + path + " itself, Postfix would find no table",
                        "run \"" + command + type + ":" + path + "\" before going back to Postfix");
    } else if (built->mtime_seconds < source->mtime_seconds) {
      findings_->Notice(
          "table-stale", request_.place,
          path + suffix + " is older than " + path + ": we read the source, Postfix would answer by the older text",
          "run \"" + command + type + ":" + path + "\" before going back to Postfix");
    }
  }

  TablePtr OpenInline(std::string_view text, const std::string& name) {
    auto table = std::make_shared<RowTable>(name);
    for (const std::string& element : SplitPostfixList(Unbrace(text))) {
      const size_t equals = element.find('=');
      if (equals == std::string::npos) {
        findings_->Error("table-row", request_.place, "\"" + element + "\" in " + name + " is no \"key = value\"",
                         "write { key = value }");
        continue;
      }
      table->Add(LowerCase(Trim(element.substr(0, equals))), std::string(Trim(element.substr(equals + 1))));
    }
    return table;
  }

  TablePtr OpenPatterns(const std::string& type, std::string_view rest, const std::string& name) {
    std::string text, file = request_.place.file;
    if (rest.starts_with('{')) {
      for (const std::string& row : SplitPostfixList(Unbrace(rest))) text += row + "\n";
    } else {
      file = std::string(rest);
      const auto read = ReadFile(file, name);
      if (!read) return nullptr;
      text = *read;
    }
    if (type == "cidr") return MakeCidrTable(name, text, file, findings_);
    return MakeRegularExpressionTable(name, type == "pcre", text, file, findings_);
  }

  TablePtr OpenSeveral(const std::string& type, std::string_view rest, const std::string& name, size_t depth) {
    std::vector<TablePtr> tables;
    for (const std::string& each : SplitPostfixList(Unbrace(rest))) {
      TablePtr table = Open(each, depth + 1);
      if (table == nullptr) return nullptr;
      tables.push_back(std::move(table));
    }
    if (tables.empty()) return Refuse(name, "it names no table");
    if (type == "unionmap") return std::make_shared<UnionTable>(name, std::move(tables));
    return std::make_shared<PipeTable>(name, std::move(tables));
  }

  // The whole row is the value, as Postfix gives it.
  TablePtr OpenUnix(std::string_view which, const std::string& name) {
    if (which != "passwd.byname" && which != "group.byname") return Refuse(name, "it is no table of the system");
    const auto text = ReadFile(which == "passwd.byname" ? "/etc/passwd" : "/etc/group", name);
    if (!text) return nullptr;
    auto table = std::make_shared<RowTable>(name);
    for (const LogicalLine& line : ReadLogicalLines(*text)) {
      const size_t colon = line.text.find(':');
      if (colon != std::string::npos && colon > 0) table->Add(LowerCase(line.text.substr(0, colon)), line.text);
    }
    return table;
  }

  const TableRequest& request_;
  FileSource& files_;
  FindingList* findings_;
};

}  // namespace

TablePtr OpenTable(std::string_view specification, const TableRequest& request, FileSource& files,
                   FindingList* findings) {
  return Opener(request, files, findings).Open(specification, 0);
}

TablePtr MakeTextTable(std::string name, std::string_view text, TableFormat format, const std::string& file,
                       FindingList* findings) {
  auto table = std::make_shared<RowTable>(std::move(name), file);
  for (const LogicalLine& line : ReadLogicalLines(text)) {
    const Place place{file, line.number};
    std::string_view rest = Trim(line.text);
    std::string key;
    if (line.starts_with_space) {
      findings->Warning("table-leading-space", place, "the first row starts with white space: postmap ignores it",
                        "remove the white space");
      continue;
    }
    if (format == TableFormat::kAliases) {
      if (!TakeAliasName(&rest, &key)) {
        findings->Warning("table-row-skipped", place, "the row is no alias \"name: value\": it is ignored",
                          "write \"name: value\"");
        continue;
      }
    } else {
      const auto taken = TakeMapKey(&rest);
      if (!taken) {
        findings->Warning("table-row-skipped", place, "a quote of the row is never closed: postmap ignores it",
                          "close the quote");
        continue;
      }
      key = *taken;
      if (key.size() > 1 && key.back() == ':') {
        findings->Warning("table-row-alias-style", place,
                          "the key \"" + key +
                              "\" ends with a colon, which belongs to aliases files only: it will match "
                              "nothing",
                          "remove the colon");
      }
    }
    if (key.empty() || rest.empty()) {
      findings->Warning("table-row-skipped", place, "the row has a key and no value: it is ignored", "add the value");
      continue;
    }
    if (!table->Add(LowerCase(key), format == TableFormat::kAliases ? JoinAddresses(rest) : std::string(rest),
                    line.number)) {
      findings->Warning("table-duplicate-key", place, "\"" + key + "\" is there already: the first row counts",
                        "remove one of the two rows");
    }
  }
  return table;
}

}  // namespace postern::config
