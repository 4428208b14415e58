// LIST, LSUB and XLIST (RFC 3501 sections 6.3.8 and 6.3.9), LIST-EXTENDED (RFC 5258), CHILDREN (RFC 3348), SPECIAL-USE
// (RFC 6154), LIST-STATUS (RFC 5819).
#include <algorithm>
#include <map>
#include <utility>

#include "core/imap/list_match.h"
#include "core/imap/parser.h"
#include "core/imap/session_run.h"
#include "core/imap/session_status.h"

namespace postern::imap {
namespace {

// Lines made in one step.
constexpr size_t kLinesPerStep = 1000;

class ListRun final : public CommandRun {
 public:
  ListRun(ImapSession& session, ListCommand command)
      : CommandRun(session),
        command_(std::move(command)),
        separator_(session.space().separator == '\0' ? '.' : session.space().separator),
        pattern_(command_.reference, command_.patterns, separator_) {}

  void Start(Context& context) override {
    if (command_.select_recursive_match && !command_.select_subscribed && !command_.select_special_use) {
      return session_.FinishBad(CommandErrorText("LIST", "RECURSIVEMATCH must not be the only selection"), context);
    }
    if (const std::string_view unknown = UnknownStatusItem(command_.return_status); !unknown.empty()) {
      return session_.FinishBad(CommandErrorText("LIST", "Invalid status item " + std::string(unknown)), context);
    }
    if (!command_.extended && command_.patterns.front().empty()) return TellRoot(context);
    if (command_.return_status & kStatusHighestModSeq) session_.EnableCondstore(/*tell_highest=*/true, context);
    waiting_ = true;
    session_.account().List(session_.NextTicket(), context);
  }

  void OnCompletion(mailbox::Completion& completion, Context& context) override {
    waiting_ = false;
    if (auto* list = std::get_if<mailbox::ListResult>(&completion.outcome)) {
      if (!completion.status.ok()) return session_.FinishFailed(completion.status, "", "", context);
      SelectLines(*list);
    } else if (const auto* status = std::get_if<mailbox::StatusResult>(&completion.outcome)) {
      // RFC 5819 section 2: a mailbox whose status can't be had is listed without.
      if (completion.status.ok()) {
        std::string out;
        AppendStatus(lines_[next_ - 1].name, command_.return_status, *status, &out);
        session_.Write(out, context);
      }
    }
    Emit(context);
  }
  void OnContinue(Context& context) override { Emit(context); }
  void OnDrained(Context& context) override { Emit(context); }

 private:
  struct Line {
    std::string name;  // the client's
    std::string storage_name;
    std::string attributes;
    std::string extended_data;
    bool exists = false;
  };

  // RFC 3501 section 6.3.8: an empty pattern asks for the separator and the root of the reference.
  void TellRoot(Context& context) {
    if (command_.kind == ListCommand::Kind::kList) {
      const size_t end = command_.reference.find(separator_);
      const std::string root = end == std::string::npos ? "" : command_.reference.substr(0, end + 1);
      std::string out;
      AppendLine({.name = root, .attributes = "\\Noselect"}, &out);
      session_.Write(out, context);
    }
    Finish(context);
  }

  void SelectLines(const mailbox::ListResult& list) {
    if (command_.kind == ListCommand::Kind::kLsub) return SelectSubscribed(list);
    // RFC 5258 section 3.5: of a name that is not selected itself, that something below it is.
    std::map<std::string, bool, std::less<>> parents_of_selected;
    if (command_.select_recursive_match) {
      for (const mailbox::MailboxEntry& entry : list.entries) {
        const std::string name = session_.ShownMailboxName(entry.name);
        if (!IsSelected(entry) || pattern_.Matches(name)) continue;
        for (size_t at = entry.name.find('.'); at != std::string::npos; at = entry.name.find('.', at + 1)) {
          parents_of_selected[entry.name.substr(0, at)] = false;
        }
      }
    }
    for (const mailbox::MailboxEntry& entry : list.entries) {
      Line line{.name = session_.ShownMailboxName(entry.name), .storage_name = entry.name, .exists = entry.exists};
      if (!pattern_.Matches(line.name)) continue;
      const auto parent = parents_of_selected.find(entry.name);
      if (parent != parents_of_selected.end()) {
        parent->second = true;
        line.extended_data = " (CHILDINFO (\"SUBSCRIBED\"))";
      }
      if (!IsSelected(entry) && line.extended_data.empty()) continue;
      line.attributes = AttributesOf(entry);
      lines_.push_back(std::move(line));
    }
    for (const auto& [storage_name, listed] : parents_of_selected) {
      const std::string name = session_.ShownMailboxName(storage_name);
      if (listed || !pattern_.Matches(name)) continue;
      lines_.push_back({.name = name, .attributes = "\\NonExistent", .extended_data = " (CHILDINFO (\"SUBSCRIBED\"))"});
    }
  }

  bool IsSelected(const mailbox::MailboxEntry& entry) const {
    if (command_.select_subscribed && !entry.subscribed) return false;
    if (command_.select_special_use && entry.special_use.empty()) return false;
    return command_.select_subscribed || entry.exists || entry.has_children;
  }

  std::string AttributesOf(const mailbox::MailboxEntry& entry) const {
    std::string text;
    const auto add = [&text](std::string_view attribute) {
      if (!text.empty()) text += ' ';
      text += attribute;
    };
    if (entry.subscribed && (command_.select_subscribed || command_.return_subscribed)) add("\\Subscribed");
    // Old clients know no \NonExistent; Thunderbird refuses to move into such a mailbox.
    if (!entry.exists) add(command_.extended ? "\\NonExistent" : "\\Noselect");
    if (!command_.extended || command_.return_children) add(entry.has_children ? "\\HasChildren" : "\\HasNoChildren");
    // RFC 6154 section 2: also in a plain LIST, where the iPhone looks for them.
    if (entry.exists && (!command_.extended || command_.return_special_use || command_.select_special_use)) {
      for (const std::string& use : entry.special_use) add(use);
    }
    return text;
  }

  void SelectSubscribed(const mailbox::ListResult& list) {
    const auto& workarounds = session_.config().imap.client_workarounds;
    const bool real_flags = std::find(workarounds.begin(), workarounds.end(), "tb-lsub-flags") != workarounds.end();
    std::map<std::string, std::string> lines;  // name -> attributes
    for (const mailbox::MailboxEntry& entry : list.entries) {
      if (!entry.subscribed) continue;
      const std::string name = session_.ShownMailboxName(entry.name);
      const ListMatch match = pattern_.Match(name);
      if (match == ListMatch::kYes) {
        lines[name] = real_flags ? AttributesOf(entry) : "";
      } else if (match == ListMatch::kParent) {
        // RFC 3501 section 6.3.9: "%" shows the parent of what is subscribed.
        lines.try_emplace(std::string(pattern_.MatchingParent(name)), "\\Noselect");
      }
    }
    for (auto& [name, attributes] : lines) lines_.push_back({.name = name, .attributes = std::move(attributes)});
  }

  void Emit(Context& context) {
    if (waiting_) return;
    std::string out;
    for (size_t made = 0; next_ < lines_.size(); ++made) {
      if (session_.OutputFull()) {
        session_.AwaitDrain(context);
        return;
      }
      if (made == kLinesPerStep) return session_.ContinueLater(context);
      const Line& line = lines_[next_++];
      out.clear();
      AppendLine(line, &out);
      session_.Write(out, context);
      if (command_.return_status != 0 && line.exists) {
        waiting_ = true;
        return session_.account().GetStatus(session_.NextTicket(), line.storage_name,
                                            command_.return_status & kStatusSize, context);
      }
    }
    Finish(context);
  }

  void AppendLine(const Line& line, std::string* out) const {
    *out += command_.kind == ListCommand::Kind::kLsub ? "* LSUB (" : "* LIST (";
    *out += line.attributes;
    *out += ") ";
    AppendQuoted(std::string_view(&separator_, 1), out);
    *out += ' ';
    AppendMailbox(line.name, out);
    *out += line.extended_data;
    *out += "\r\n";
  }

  void Finish(Context& context) {
    session_.Finish({.text = command_.kind == ListCommand::Kind::kLsub    ? "Lsub completed."
                             : command_.kind == ListCommand::Kind::kXlist ? "Xlist completed."
                                                                          : "List completed."},
                    context);
  }

  ListCommand command_;
  char separator_;
  ListPattern pattern_;
  std::vector<Line> lines_;
  size_t next_ = 0;
  bool waiting_ = false;  // for the account
};

}  // namespace

std::unique_ptr<CommandRun> MakeList(ImapSession& session, ListCommand command) {
  return std::make_unique<ListRun>(session, std::move(command));
}

}  // namespace postern::imap
