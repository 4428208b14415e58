#include "core/notice/templates.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "core/base/ascii.h"
#include "core/notice/text.h"
#include "core/routing/address.h"

namespace postern::notice {
namespace {

constexpr std::string_view kFailureText = R"(This is the mail system at host $myhostname.

Your message did not reach everybody it was meant for. Below you find
for whom it could not be delivered and why; what you sent is attached.

If you need help, write to postmaster and include this report. The
attached message itself may be left out.

                   The mail system
)";

constexpr std::string_view kDelayText = R"(This is the mail system at host $myhostname.

####################################################################
# THIS IS A WARNING ONLY.  You do not have to send anything again. #
####################################################################

Your message has been waiting for more than $delay_warning_time_hours hour(s).
It will be tried again until it is $maximal_queue_lifetime_days day(s) old.

If you need help, write to postmaster and include this report. The
attached header itself may be left out.

                   The mail system
)";

constexpr std::string_view kSuccessText = R"(This is the mail system at host $myhostname.

You asked to be told: your message has been delivered as listed below.
Where it lies in a mailbox now, this is the last you hear of it. Where
it went on to another system, that one may still report a failure.

                   The mail system
)";

struct Unit {
  std::string_view suffix;
  int64_t seconds;
};
constexpr std::array<Unit, 5> kUnits{
    {{"_seconds", 1}, {"_minutes", 60}, {"_hours", 3600}, {"_days", 86400}, {"_weeks", 7 * 86400}}};

// "delay_warning_time_hours" of `parameter` "delay_warning_time".
std::optional<std::string> InUnit(std::string_view name, std::string_view parameter, Duration value) {
  if (!name.starts_with(parameter)) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (name.substr(parameter.size()) == unit.suffix) return std::to_string(value.ns / 1'000'000'000 / unit.seconds);
  }
  return std::nullopt;
}

std::optional<std::string> ValueOf(std::string_view name, const Settings& settings) {
  if (name == "myhostname") return settings.myhostname;
  if (name == "mydomain") return settings.mydomain;
  if (name == "myorigin") return settings.myorigin;
  if (name == "mail_name") return settings.mail_name;
  if (auto value = InUnit(name, "delay_warning_time", settings.delay_warning_time)) return value;
  return InUnit(name, "maximal_queue_lifetime", settings.maximal_queue_lifetime);
}

bool IsNameByte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Takes "$name", "${name}", "$(name)" or "$$" from the front of `*text`, which begins with "$"; the name, "$" for a
// dollar, empty for what is none, of which one octet is taken.
std::string_view TakeName(std::string_view* text) {
  std::string_view rest = text->substr(1);
  if (rest.starts_with('$')) {
    text->remove_prefix(2);
    return "$";
  }
  const char close = rest.starts_with('{') ? '}' : rest.starts_with('(') ? ')' : '\0';
  if (close != '\0') rest.remove_prefix(1);
  size_t end = 0;
  while (end < rest.size() && IsNameByte(rest[end])) ++end;
  if (end == 0 || (close != '\0' && (end == rest.size() || rest[end] != close))) {
    text->remove_prefix(1);
    return {};
  }
  text->remove_prefix(1 + end + (close != '\0' ? 2 : 0));
  return rest.substr(0, end);
}

// The first name in `text` that stands for nothing.
std::optional<std::string> UnknownName(std::string_view text) {
  while (true) {
    text.remove_prefix(std::min(text.find('$'), text.size()));
    if (text.empty()) return std::nullopt;
    const std::string_view name = TakeName(&text);
    if (name.empty()) return "$";
    if (name != "$" && !ValueOf(name, Settings())) return "$" + std::string(name);
  }
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_last_not_of(kBlanks) + 1);
}

class TemplateFile {
 public:
  explicit TemplateFile(std::string_view file) : file_(file) {}

  StatusOr<Templates> Parse() {
    Templates templates = DefaultTemplates();
    Template ignored;
    std::string_view line;
    while (NextLine(&line)) {
      line = Trim(line);
      if (line.empty() || line.front() == '#') continue;
      const size_t equals = std::min(line.find('='), line.size());
      const std::string_view name = Trim(line.substr(0, equals));
      const std::string_view value = Trim(line.substr(std::min(equals + 1, line.size())));
      Template* into = name == "failure_template"   ? &templates.failure
                       : name == "delay_template"   ? &templates.delay
                       : name == "success_template" ? &templates.success
                       : name == "verify_template"  ? &ignored
                                                    : nullptr;
      if (into == nullptr)
        return Wrong("write failure_template, delay_template, success_template or verify_template, then = <<EOF");
      if (!value.starts_with("<<") || Trim(value.substr(2)).empty())
        return Wrong("write " + std::string(name) + " = <<EOF");
      POSTERN_RETURN_IF_ERROR(ParseOne(Trim(value.substr(2)), into));
    }
    return templates;
  }

 private:
  Status ParseOne(std::string_view end_mark, Template* into) {
    std::string_view line;
    bool in_header = true, ended = false;
    std::string text;
    while (!ended) {
      if (!NextLine(&line)) return Wrong("the template does not end; write a line " + std::string(end_mark));
      if (line == end_mark) {
        ended = true;
      } else if (in_header && Trim(line).empty()) {
        in_header = false;
      } else if (in_header && IsField(line)) {
        POSTERN_RETURN_IF_ERROR(ParseField(line, into));
      } else {
        in_header = false;  // Postfix: what is no field begins the text
        if (const auto unknown = UnknownName(line))
          return Wrong(*unknown + " stands for nothing here; a dollar is written $$");
        text.append(line).push_back('\n');
      }
    }
    if (!IsAscii(text) && EqualsIgnoringCase(into->charset, "us-ascii"))
      return Wrong("text beyond ASCII needs a Charset field: utf-8");
    into->text = std::move(text);
    return OkStatus();
  }

  static bool IsField(std::string_view line) {
    const size_t colon = line.find(':');
    return colon != std::string_view::npos && colon > 0 &&
           line.substr(0, colon).find_first_of(" \t") == std::string_view::npos;
  }

  Status ParseField(std::string_view line, Template* into) {
    const size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    std::string value(Trim(line.substr(colon + 1)));
    if (!IsAscii(value) || Told(value, Repertoire::kAscii) != value) return Wrong("a template's header is ASCII");
    if (value.empty()) return Wrong(std::string(name) + " needs a value");
    std::string* field = EqualsIgnoringCase(name, "Charset")              ? &into->charset
                         : EqualsIgnoringCase(name, "From")               ? &into->from
                         : EqualsIgnoringCase(name, "Subject")            ? &into->subject
                         : EqualsIgnoringCase(name, "Postmaster-Subject") ? &into->postmaster_subject
                                                                          : nullptr;
    if (field == nullptr) return Wrong("a template's header has Charset, From, Subject and Postmaster-Subject");
    *field = std::move(value);
    return OkStatus();
  }

  bool NextLine(std::string_view* line) {
    if (file_.empty()) return false;
    const size_t end = std::min(file_.find('\n'), file_.size());
    *line = file_.substr(0, end);
    if (line->ends_with('\r')) line->remove_suffix(1);
    file_.remove_prefix(std::min(end + 1, file_.size()));
    ++line_number_;
    return true;
  }
  Status Wrong(std::string_view what) const {
    return InvalidArgument("line " + std::to_string(line_number_) + ": " + std::string(what));
  }

  std::string_view file_;
  size_t line_number_ = 0;
};

}  // namespace

const Template& Templates::For(NoticeKind kind) const {
  switch (kind) {
    case NoticeKind::kFailure:
      return failure;
    case NoticeKind::kSuccess:
      return success;
    case NoticeKind::kDelay:
      return delay;
  }
  return failure;
}

const Templates& DefaultTemplates() {
  static const Templates templates{
      .failure = {.subject = "Undelivered Mail Returned to Sender",
                  .postmaster_subject = "Postmaster Copy: Undelivered Mail",
                  .text = std::string(kFailureText)},
      .delay = {.subject = "Delayed Mail (still being retried)",
                .postmaster_subject = "Postmaster Warning: Delayed Mail",
                .text = std::string(kDelayText)},
      .success = {.subject = "Successful Mail Delivery Report", .text = std::string(kSuccessText)}};
  return templates;
}

StatusOr<Templates> ParseTemplates(std::string_view file) { return TemplateFile(file).Parse(); }

std::string ExpandTemplate(std::string_view text, const Settings& settings) {
  std::string expanded;
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    expanded.append(text.substr(0, dollar));
    text.remove_prefix(dollar);
    if (text.empty()) break;
    const std::string_view from = text;
    const std::string_view name = TakeName(&text);
    if (name == "$") {
      expanded += '$';
    } else {
      expanded += ValueOf(name, settings).value_or(std::string(from.substr(0, from.size() - text.size())));
    }
  }
  return expanded;
}

}  // namespace postern::notice
