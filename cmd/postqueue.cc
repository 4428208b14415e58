// postqueue(1): what waits, and have it tried.
#include <cstdio>
#include <utility>

#include "cmd/mail_commands.h"
#include "cmd/mail_options.h"
#include "cmd/showq.h"
#include "core/base/ascii.h"
#include "core/queue/queue_id.h"
#include "core/routing/address.h"

namespace postern::cmd {
namespace {

constexpr std::string_view kPostqueue = "postqueue";
constexpr std::string_view kPostqueueUsage =
    "usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site";

int Show(const Spool& spool, bool json) {
  std::vector<Entry> entries;
  const Status status = spool.List(&entries);
  if (status.code() == StatusCode::kPermissionDenied && entries.empty()) {
    return Fatal(kPostqueue, "User " + CallerName() + " is not allowed to view the mail queue", kExNoPerm);
  }
  std::string text;
  // "empty" must not be said where it is not known.
  if (!json && (status.ok() || !entries.empty())) text = FormatQueue(entries);
  for (const Entry& entry : entries) {
    if (json) text += FormatQueueJson(entry, false);
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
  return status.ok() ? 0 : Fatal(kPostqueue, Message(status), kExUnavailable);
}

int Flush(const Spool& spool, const queue::Request& request, const std::string& word) {
  if (queue::FormatRequest(request).empty()) return Fatal(kPostqueue, "Invalid request: \"" + word + "\"", kExUsage);
  const auto answer = spool.Ask({request});
  if (!answer.ok() && answer.status().code() == StatusCode::kPermissionDenied) {
    return Fatal(kPostqueue, "User " + CallerName() + " is not allowed to flush the mail queue", kExNoPerm);
  }
  if (!answer.ok()) return Fatal(kPostqueue, Message(answer.status()), kExUnavailable);
  if (*answer == Spool::Answer::kHere) Warn(kPostqueue, "Mail system is down -- it will be tried when that is started");
  if (*answer == Spool::Answer::kNone) {
    return Fatal(kPostqueue, "the mail system does not answer; it will see the request when it does", kExUnavailable);
  }
  return 0;
}

}  // namespace

int RunPostqueue(MailPlace place, std::vector<std::string> args) {
  OptionScan scan{std::string(kPostqueue), std::move(args)};
  int mode = 0;
  std::string word;
  const std::string letters = OptionLetters(MailOptions(kPostqueue));
  for (int option = 0; (option = scan.Next(letters.c_str())) != -1;) {
    if (option == 'v') continue;
    if (option == 'c') {
      place.postfix_dir = scan.value();
      continue;
    }
    if (option == '?' || mode != 0) return Fatal(kPostqueue, kPostqueueUsage, kExUnavailable);
    mode = option;
    word = scan.value();
  }
  if (mode == 0 || !scan.rest().empty()) return Fatal(kPostqueue, kPostqueueUsage, kExUnavailable);
  const OpenedSpool opened = OpenSpool(kPostqueue, place, kExUnavailable);
  if (opened.status != 0) return opened.status;
  const Spool spool(&*opened.root, opened.settings.queue_directory);
  switch (mode) {
    case 'f':
      return Flush(spool, {.kind = queue::RequestKind::kFlushAll}, word);
    case 'i':
      return Flush(spool, {.kind = queue::RequestKind::kFlushMessage, .id = word}, word);
    case 's':
      return Flush(spool, {.kind = queue::RequestKind::kFlushSite, .site = LowerCase(word)}, word);
    default:
      return Show(spool, mode == 'j');
  }
}

}  // namespace postern::cmd
