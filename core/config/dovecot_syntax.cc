#include "core/config/dovecot_syntax.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "core/config/value.h"

namespace postern::config {
namespace {

bool IsOneOf(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool IsListener(std::string_view type) { return IsOneOf(type, {"inet_listener", "unix_listener", "fifo_listener"}); }

// Sections that stand at the root, or in a filter, and nowhere else.
bool BelongsAtRoot(std::string_view type) {
  return IsOneOf(type, {"service", "protocol", "passdb", "userdb", "namespace", "plugin", "dict", "remote", "local",
                        "local_name"});
}
bool IsFilter(std::string_view type) { return IsOneOf(type, {"protocol", "remote", "local", "local_name"}); }

// May a section `inner` stand in a section `outer` (empty: the root)?
bool MayContain(std::string_view outer, std::string_view inner) {
  if (outer.empty() || IsFilter(outer)) return BelongsAtRoot(inner);
  if (outer == "service") return IsListener(inner);
  if (outer == "namespace") return inner == "mailbox";
  return false;
}

struct Line {
  enum class Kind { kBlank, kInclude, kIncludeTry, kSetting, kOpen, kClose, kBroken } kind = Kind::kBlank;
  std::string key, value;
  bool quoted = false;
  bool from_file = false;
  bool ambiguous_hash = false;
  std::string problem, mend;
};

// Cuts the comment off; quotes protect a '#'.
std::string_view StripComment(std::string_view line, bool* ambiguous) {
  for (size_t at = 0; at < line.size(); ++at) {
    const char c = line[at];
    if (c == '"' || c == '\'') {
      size_t end = at + 1;
      while (end < line.size() && line[end] != c) end += line[end] == '\\' ? 2 : 1;
      if (end >= line.size()) return line;
      at = end;
    } else if (c == '#') {
      if (at > 0 && !IsSpace(line[at - 1])) *ambiguous = true;
      return line.substr(0, at);
    }
  }
  return line;
}

std::string Unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

void ParseValue(std::string_view text, Line* line) {
  line->kind = Line::Kind::kSetting;
  if (!text.empty() && text.front() == '<') {
    line->from_file = true;
    line->value = std::string(Trim(text.substr(1)));
    return;
  }
  const bool quotes = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') && text.back() == text.front();
  line->quoted = quotes;
  line->value = quotes ? Unescape(text.substr(1, text.size() - 2)) : std::string(text);
}

// "type {" or "type name {": `rest` follows the type.
void ParseOpen(std::string_view rest, Line* line) {
  line->kind = Line::Kind::kOpen;
  if (rest.empty() || rest.front() != '{') {
    if (!rest.empty() && rest.front() == '"') {
      size_t end = 1;
      while (end < rest.size() && rest[end] != '"') end += rest[end] == '\\' ? 2 : 1;
      if (end >= rest.size()) end = rest.size() - 1;
      line->value = Unescape(rest.substr(1, end - 1));
      rest = Trim(rest.substr(end + 1));
    } else {
      size_t end = 0;
      while (end < rest.size() && !IsSpace(rest[end])) ++end;
      line->value = std::string(rest.substr(0, end));
      rest = Trim(rest.substr(end));
    }
  }
  if (rest == "{") return;
  line->kind = Line::Kind::kBroken;
  if (!rest.empty() && rest.front() == '{') {
    line->problem = "text follows the \"{\"";
    line->mend = "end the line after the \"{\"";
  } else {
    line->problem = "\"" + line->key + (line->value.empty() ? "" : " " + line->value) +
                    "\" is neither \"key = value\" nor \"section {\"";
    line->mend = "add the missing \"=\" (or \" {\"), or put \"#\" before the line";
  }
}

// One logical line without comment, trimmed.
Line ParseLine(std::string_view text) {
  Line line;
  if (text.empty()) return line;
  size_t end = 0;
  while (end < text.size() && !IsSpace(text[end]) && text[end] != '=') ++end;
  line.key = std::string(text.substr(0, end));
  const std::string_view rest = Trim(text.substr(end));
  if (line.key == "!include" || line.key == "!include_try") {
    line.kind = line.key == "!include" ? Line::Kind::kInclude : Line::Kind::kIncludeTry;
    line.value = std::string(rest);
  } else if (line.key == "}" && rest.empty()) {
    line.kind = Line::Kind::kClose;
  } else if (!rest.empty() && rest.front() == '=' && !line.key.empty()) {
    ParseValue(Trim(rest.substr(1)), &line);
  } else {
    ParseOpen(rest, &line);
  }
  return line;
}

class Parser {
 public:
  Parser(FileSource& files, DovecotDefaults defaults, FindingList* findings)
      : files_(files), defaults_(defaults), findings_(findings), root_(std::make_unique<DovecotSection>()) {}

  std::unique_ptr<DovecotSection> Parse(const std::string& file) {
    const auto text = files_.Read(file);
    root_->place = {file, 0};
    if (!text.ok()) {
      findings_->Error("file-unreadable", {file, 0}, "cannot be read: " + std::string(Message(text.status())),
                       "give the path of dovecot.conf, and run with the rights to read it");
      return std::move(root_);
    }
    ParseFile(*text, file, 0);
    return std::move(root_);
  }

 private:
  void ParseFile(std::string_view text, const std::string& file, size_t depth) {
    const size_t outer_open = open_.size();
    std::string joined;
    uint32_t number = 0, first_number = 0;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++number;
      if (joined.empty()) first_number = number;
      bool ambiguous = false;
      line = Trim(StripComment(Trim(line), &ambiguous));
      if (ambiguous) {
        findings_->Warning("dovecot-syntax-ambiguous-hash", {file, number},
                           "the \"#\" inside a word starts a comment: what follows it is lost",
                           "put the value into double quotes, or a blank before the \"#\"");
      }
      if (!line.empty() && line.back() == '\\') {
        line.remove_suffix(1);
        line = Trim(line);
        if (!line.empty()) joined += std::string(line) + ' ';
        if (!text.empty()) continue;
        line = {};
      }
      joined += line;
      Apply(ParseLine(Trim(joined)), {file, first_number}, depth, outer_open);
      joined.clear();
    }
    CloseAtEnd(file, outer_open);
  }

  void Apply(const Line& line, const Place& place, size_t depth, size_t outer_open) {
    switch (line.kind) {
      case Line::Kind::kBlank:
        return;
      case Line::Kind::kInclude:
      case Line::Kind::kIncludeTry:
        return Include(line, place, depth);
      case Line::Kind::kSetting:
        return Set(line, place);
      case Line::Kind::kOpen:
        return Open(line, place, outer_open);
      case Line::Kind::kClose:
        return Close(place, outer_open);
      case Line::Kind::kBroken:
        findings_->Error("dovecot-syntax", place, line.problem + ": Dovecot would not start", line.mend);
        return;
    }
  }

  DovecotSection& Current() { return open_.empty() ? *root_ : *open_.back(); }

  void Include(const Line& line, const Place& place, size_t depth) {
    if (depth + 1 >= kDovecotIncludeDepthMax || files_count_ >= kDovecotFilesMax) {
      findings_->Error("dovecot-include-depth", place, "files include each other too deeply, or too many of them",
                       "remove the circle of !include lines");
      return;
    }
    const bool must_exist = line.kind == Line::Kind::kInclude;
    const std::string pattern = JoinPath(FolderOf(place.file), line.value);
    const std::vector<std::string> paths = files_.Glob(pattern);
    if (paths.empty() && must_exist) {
      findings_->Error("dovecot-include-missing", place, "no file matches \"" + pattern + "\": Dovecot would not start",
                       "correct the path, or write !include_try where the file may be missing");
    }
    for (const std::string& path : paths) {
      const auto text = files_.Read(path);
      if (text.ok()) {
        ++files_count_;
        ParseFile(*text, path, depth + 1);
      } else if (must_exist) {
        findings_->Error("file-unreadable", place, path + " cannot be read: " + std::string(Message(text.status())),
                         "correct its rights");
      }
    }
  }

  void Set(const Line& line, const Place& place) {
    DovecotSetting setting{
        .key = line.key, .value = line.value, .from_file = line.from_file, .quoted = line.quoted, .place = place};
    if (line.from_file) {
      setting.value = JoinPath(FolderOf(place.file), line.value);
    } else if (!line.quoted) {
      setting.value = ExpandWords(line, place);
    }
    if (line.key == "dovecot_config_version" || line.key == "dovecot_storage_version") {
      findings_->Error("dovecot-dialect-2.4", place, "this is the language of Dovecot 2.4, which is not read yet",
                       "use the configuration in its 2.3 form");
    }
    Current().settings.push_back(std::move(setting));
  }

  // Words that begin with "$" stand for another setting's value so far: of this section, of the root, or the default.
  std::string ExpandWords(const Line& line, const Place& place) {
    const std::string_view value = line.value;
    if (value.find('$') == std::string_view::npos) return std::string(value);
    std::string out;
    for (size_t at = 0; at <= value.size();) {
      const size_t blank = std::min(value.find(' ', at), value.size());
      const std::string_view word = value.substr(at, blank - at);
      if (word.size() > 1 && word.front() == '$') {
        const std::string_view key = word.substr(1);
        const DovecotSetting* setting = Current().Find(key);
        if (setting == nullptr) setting = root_->Find(key);
        const std::string_view known = defaults_ == nullptr ? std::string_view() : defaults_(key);
        if (setting != nullptr && expanded_bytes_ + setting->value.size() > kDovecotExpandedBytesMax) {
          findings_->Error("dovecot-expansion", place,
                           "the values that \"" + line.key +
                               "\" and the lines before it refer to by $name grow beyond " +
                               std::to_string(kDovecotExpandedBytesMax) + " bytes",
                           "write the value out, without a name that stands for itself again and again");
          return std::string(Trim(out));
        }
        if (setting != nullptr) {
          out += setting->value;
          expanded_bytes_ += setting->value.size();
        } else if (!known.empty() || key == "protocols" || key == "mail_plugins") {
          out += known;
        } else {
          out += word;
        }
      } else {
        out += word;
      }
      if (blank == value.size()) break;
      out += ' ';
      at = blank + 1;
    }
    return std::string(Trim(out));
  }

  void Open(const Line& line, const Place& place, size_t outer_open) {
    LeaveUnclosed(line, place, outer_open);
    DovecotSection* parent = &Current();
    if (open_.empty()) ReportFloating(nullptr);
    if (open_.size() >= kDovecotSectionDepthMax) {  // nonsense that was reported already: not worth a tree
      open_.push_back(parent);
      if (last_opened_.size() < open_.size()) last_opened_.resize(open_.size());
      last_opened_[open_.size() - 1] = place;
      return;
    }
    if (open_.empty() && IsListener(line.key)) {
      parent = FindOrAdd(root_.get(), "service", ServiceOf(line), place);
      floating_ = FloatingListener{.place = place, .name = line.key + " " + line.value, .service = ServiceOf(line)};
    } else if (!MayContain(parent->type, line.key)) {
      findings_->Error("dovecot-syntax-unknown-section", place,
                       "there is no section \"" + line.key + "\" " +
                           (open_.empty() ? "at this place" : "inside \"" + Name(*parent) + "\"") +
                           ": Dovecot would not start",
                       "correct its name, or move it to the section it belongs to");
    }
    open_.push_back(FindOrAdd(parent, line.key, line.value, place));
  }

  // A section that can only stand at the root shows that the sections around it were never closed.
  void LeaveUnclosed(const Line& line, const Place& place, size_t outer_open) {
    while (open_.size() > outer_open && !MayContain(Current().type, line.key) &&
           (BelongsAtRoot(line.key) || (IsListener(line.key) && IsListener(Current().type)) ||
            (line.key == "mailbox" && Current().type == "mailbox"))) {
      DovecotSection& left = Current();
      findings_->Error("dovecot-syntax-unclosed-section", last_opened_[open_.size() - 1],
                       "\"" + Name(left) + " {\" is never closed: \"" + line.key +
                           (line.value.empty() ? "" : " " + line.value) + "\" of line " + std::to_string(place.line) +
                           " would be inside it, and Dovecot would not start",
                       "add the missing \"}\" before line " + std::to_string(place.line));
      open_.pop_back();
    }
  }

  void Close(const Place& place, size_t outer_open) {
    if (open_.size() > outer_open) {
      open_.pop_back();
      return;
    }
    if (floating_) return ReportFloating(&place);  // closes the service whose opening line is missing
    findings_->Error("dovecot-syntax-unexpected-close", place, "this \"}\" closes nothing: Dovecot would not start",
                     "remove it, or add the section's opening line");
  }

  void CloseAtEnd(const std::string& file, size_t outer_open) {
    while (open_.size() > outer_open) {
      findings_->Error(
          "dovecot-syntax-unclosed-section", last_opened_[open_.size() - 1],
          "\"" + Name(Current()) + " {\" is not closed before the end of " + file + ": Dovecot would not start",
          "add the missing \"}\"");
      open_.pop_back();
    }
    ReportFloating(nullptr);
  }

  // The service a listener belongs to, by its usual name.
  static std::string ServiceOf(const Line& line) {
    if (IsOneOf(line.value, {"imap", "imaps"})) return "imap-login";
    if (IsOneOf(line.value, {"pop3", "pop3s"})) return "pop3-login";
    if (line.value.find("lmtp") != std::string::npos) return "lmtp";
    return "auth";
  }

  // What to write depends on what follows: a "}" too many (`brace`) shows that only the service's first line is
  // missing.
  void ReportFloating(const Place* brace) {
    if (!floating_) return;
    const std::string open = "\"service " + floating_->service + " {\"";
    findings_->Error(
        "dovecot-syntax-listener-outside-service", floating_->place,
        "\"" + floating_->name + "\" stands outside any service: Dovecot would not start" +
            (floating_->service == "auth" ? ", and Postfix would find no socket to ask for passwords" : ""),
        brace == nullptr ? "put it into its service: write " + open + " before it and \"}\" after it"
                         : "put it into its service: write " + open + " before it; its \"}\" is line " +
                               std::to_string(brace->line) + " already");
    floating_.reset();
  }

  DovecotSection* FindOrAdd(DovecotSection* parent, const std::string& type, const std::string& name,
                            const Place& place) {
    const size_t level = open_.size();
    if (last_opened_.size() <= level) last_opened_.resize(level + 1);
    last_opened_[level] = place;
    const bool adds_up = IsOneOf(type, {"passdb", "userdb"}) || (name.empty() && type != "plugin");
    DovecotSection*& known = sections_by_name_[{parent, type, name}];
    if (!adds_up && known != nullptr) return known;
    parent->sections.push_back(std::make_unique<DovecotSection>());
    DovecotSection* section = parent->sections.back().get();
    section->type = type;
    section->name = name;
    section->place = place;
    known = section;
    return section;
  }

  static std::string Name(const DovecotSection& section) {
    return section.name.empty() ? section.type : section.type + " " + section.name;
  }

  FileSource& files_;
  DovecotDefaults defaults_;
  FindingList* findings_;
  std::unique_ptr<DovecotSection> root_;
  std::vector<DovecotSection*> open_;  // innermost last; owned by root_
  std::vector<Place> last_opened_;     // where each level was opened, also of merged sections
  // Never walked.
  std::map<std::tuple<const DovecotSection*, std::string, std::string>, DovecotSection*> sections_by_name_;
  size_t files_count_ = 0;
  size_t expanded_bytes_ = 0;  // written by ExpandWords so far
  struct FloatingListener {
    Place place;
    std::string name, service;
  };
  std::optional<FloatingListener> floating_;  // a listener outside a service, until what follows shows the mend
};

void FormatSection(const DovecotSection& section, const std::string& prefix, size_t depth, std::string* out) {
  for (const DovecotSetting& setting : section.settings) {
    *out += prefix + setting.key + " = " + (setting.from_file ? "<" : "") + setting.value + "\n";
  }
  if (depth > kDovecotIncludeDepthMax) return;
  for (const auto& inner : section.sections) {
    const std::string name = inner->name.empty() ? inner->type : inner->type + "/" + inner->name;
    FormatSection(*inner, prefix + name + "/", depth + 1, out);
  }
}

}  // namespace

const DovecotSetting* DovecotSection::Find(std::string_view key) const {
  for (auto at = settings.rbegin(); at != settings.rend(); ++at) {
    if (at->key == key) return &*at;
  }
  return nullptr;
}

std::string_view DovecotSection::Value(std::string_view key) const {
  const DovecotSetting* setting = Find(key);
  return setting == nullptr ? std::string_view() : setting->value;
}

const DovecotSection* DovecotSection::FindSection(std::string_view type_wanted, std::string_view name_wanted) const {
  for (const auto& section : sections) {
    if (section->type == type_wanted && section->name == name_wanted) return section.get();
  }
  return nullptr;
}

std::unique_ptr<DovecotSection> ParseDovecot(FileSource& files, const std::string& file, DovecotDefaults defaults,
                                             FindingList* findings) {
  return Parser(files, defaults, findings).Parse(file);
}

std::string FormatDovecot(const DovecotSection& root) {
  std::string out;
  FormatSection(root, "", 0, &out);
  return out;
}

}  // namespace postern::config
