#include "core/mailbox/records.h"

#include <algorithm>
#include <utility>

namespace postern::mailbox {
namespace {

// "1:500,700" of uids[begin, end). In the order they have: of copies the targets need not be ascending.
std::string UidSet(const std::vector<uint32_t>& uids, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end;) {
    size_t last = i;
    while (last + 1 < end && uids[last + 1] == uids[last] + 1) ++last;
    if (!text.empty()) text += ',';
    text += std::to_string(uids[i]);
    if (last > i) text += ":" + std::to_string(uids[last]);
    i = last + 1;
  }
  return text;
}

std::string NameList(const std::vector<std::string>& names, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) {
    if (i > begin) text += ' ';
    text += names[i];
  }
  return text;
}

LogEvent RecordOf(const Actor* actor, std::string_view user, std::string_view action) {
  LogEvent event{.tag = "dovecot", .record_only = true};
  event.fields = {{"event.action", std::string(action)}, {"user.name", std::string(user)}};
  if (actor == nullptr) return event;
  event.pid = actor->pid;
  event.fields.emplace_back("network.protocol", actor->protocol);
  event.fields.emplace_back("source.ip", actor->source_ip);
  event.fields.emplace_back("postern.session", actor->session_id);
  return event;
}

// As Dovecot's lines of a session begin: "imap(alice)<17><SESSION>: ".
std::string TextOfActor(const Actor* actor, std::string_view user) {
  if (actor == nullptr) return "storage(" + EscapeForLog(user) + "): ";
  return actor->protocol + "(" + EscapeForLog(user) + ")<" + std::to_string(actor->pid) + "><" + actor->session_id +
         ">: ";
}

}  // namespace

std::string RecordedName(std::string_view name) {
  std::string safe(name.substr(0, name.find_first_of(",:")));
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return static_cast<uint8_t>(c) <= 0x20 || c == 0x7f; }, '?');
  return safe;
}

void RecordActs(const Actor* actor, std::string_view user, const MessageActs& acts, Context& context) {
  const size_t count = acts.files.size(), recorded = std::min(count, kCommandEntriesMax);
  for (size_t begin = 0; begin < recorded; begin += kRecordEntriesMax) {
    const size_t end = std::min(begin + kRecordEntriesMax, recorded);
    LogEvent event = RecordOf(actor, user, acts.action);
    const std::string uids = UidSet(acts.uids, begin, end);
    event.text = TextOfActor(actor, user) + std::string(acts.word) + ": box=" + EscapeForLog(acts.mailbox);
    if (!acts.target_mailbox.empty()) event.text += " -> " + EscapeForLog(acts.target_mailbox);
    event.text += ", uid=" + uids;
    event.fields.emplace_back("mailbox.name", acts.mailbox);
    event.fields.emplace_back("mailbox.uid", uids);
    event.fields.emplace_back("file.name", NameList(acts.files, begin, end));
    if (!acts.target_mailbox.empty()) event.fields.emplace_back("mailbox.target_name", acts.target_mailbox);
    if (!acts.target_uids.empty())
      event.fields.emplace_back("mailbox.target_uid", UidSet(acts.target_uids, begin, end));
    if (!acts.target_files.empty())
      event.fields.emplace_back("file.target_name", NameList(acts.target_files, begin, end));
    if (!acts.message_id.empty()) {
      event.text += ", msgid=" + EscapeForLog(acts.message_id, 255);
      event.fields.emplace_back("email.message_id", EscapeForLog(acts.message_id, 255));
    }
    if (!acts.flags.empty()) {
      event.text += ", flags=" + EscapeForLog(acts.flags);
      event.fields.emplace_back("mailbox.flags", acts.flags);
    }
    context.out.Log(std::move(event));
  }
  if (recorded == count) return;
  LogEvent rest = RecordOf(actor, user, acts.action);
  rest.text = TextOfActor(actor, user) + std::string(acts.word) + ": box=" + EscapeForLog(acts.mailbox) + ", and " +
              std::to_string(count - recorded) + " messages more, which are not recorded";
  rest.fields.emplace_back("mailbox.name", acts.mailbox);
  rest.fields.emplace_back("postern.not_recorded", std::to_string(count - recorded));
  context.out.Log(std::move(rest));
}

void RecordMailboxAct(const Actor* actor, std::string_view user, std::string_view action, std::string_view mailbox,
                      std::string_view target, Context& context) {
  LogEvent event = RecordOf(actor, user, action);
  const std::string_view word = action == "mailbox.deleted" ? "Mailbox deleted: " : "Mailbox renamed: ";
  event.text = TextOfActor(actor, user) + std::string(word) + EscapeForLog(mailbox);
  event.fields.emplace_back("mailbox.name", mailbox);
  if (!target.empty()) {
    event.text += " -> " + EscapeForLog(target);
    event.fields.emplace_back("mailbox.target_name", target);
  }
  context.out.Log(std::move(event));
}

}  // namespace postern::mailbox
