// postsuper(1): messages held, released, tried anew and deleted.
#include <unistd.h>

#include <array>
#include <cstdio>
#include <iostream>
#include <utility>

#include "cmd/mail_commands.h"
#include "cmd/mail_options.h"
#include "cmd/queue_change.h"
#include "core/queue/queue_id.h"

namespace postern::cmd {
namespace {

constexpr std::string_view kPostsuper = "postsuper";
constexpr std::string_view kPostsuperUsage =
    "usage: postsuper [-c config_dir] [-d queue_id (delete)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge "
    "temporary files)] [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)] [-v (verbose)] "
    "[queue...]";

struct PostsuperVerb {
  int option;
  queue::RequestKind kind;
  const char* of_one;
  const char* of_all;
};
// In the order in which they are reported.
constexpr std::array<PostsuperVerb, 4> kVerbs{{
    {'d', queue::RequestKind::kDelete, "removed", "Deleted"},
    {'r', queue::RequestKind::kRequeue, "requeued", "Requeued"},
    {'h', queue::RequestKind::kHold, "placed on hold", "Placed on hold"},
    {'H', queue::RequestKind::kRelease, "released from hold", "Released from hold"},
}};

// "deferred"; what Postfix calls active is in incoming.
bool ParseFolders(const std::vector<std::string>& names, std::vector<queue::Folder>* folders) {
  for (const std::string& name : names) {
    bool known = name == "active" || name == "defer" || name == "bounce" || name == "trace" || name == "flush" ||
                 name == "saved";
    if (name == "active") folders->push_back(queue::Folder::kIncoming);
    for (const auto folder : {queue::Folder::kMaildrop, queue::Folder::kIncoming, queue::Folder::kDeferred,
                              queue::Folder::kHold, queue::Folder::kCorrupt}) {
      if (name != queue::FolderName(folder)) continue;
      folders->push_back(folder);
      known = true;
    }
    if (!known) return Fatal(kPostsuper, "invalid directory name: " + name, 0), false;
  }
  // Names of folders that hold no messages here: then nothing is meant, not everything.
  if (!names.empty() && folders->empty()) folders->push_back(queue::Folder::kTmp);
  return true;
}

int Change(const Spool& spool, const PostsuperVerb& verb, QueueChange change) {
  change.kind = verb.kind;
  const auto result = ChangeQueue(spool, change);
  if (!result.ok()) return Fatal(kPostsuper, Message(result.status()), 1);
  for (const std::string& id : result->changed) {
    if (!change.all) std::fprintf(stderr, "postsuper: %s: %s\n", id.c_str(), verb.of_one);
  }
  const size_t count = result->changed.size();
  std::fprintf(stderr, "postsuper: %s: %zu message%s\n", verb.of_all, count, count == 1 ? "" : "s");
  if (!result->unanswered) return 0;
  return Fatal(kPostsuper, "the mail system does not answer; it will see the rest of the requests when it does", 1);
}

}  // namespace

int RunPostsuper(MailPlace place, std::vector<std::string> args) {
  if (geteuid() != 0 && place.root.empty())
    return Fatal(kPostsuper, "use of this command is reserved for the superuser", 1);
  OptionScan scan{std::string(kPostsuper), std::move(args)};
  std::array<QueueChange, kVerbs.size()> changes;
  std::array<bool, kVerbs.size()> wanted{};
  const std::string letters = OptionLetters(MailOptions(kPostsuper));
  for (int option = 0; (option = scan.Next(letters.c_str())) != -1;) {
    if (option == '?') return Fatal(kPostsuper, kPostsuperUsage, 1);
    if (option == 'c') place.postfix_dir = scan.value();
    if (option == 'e' || option == 'f') {
      return Fatal(kPostsuper, "messages can't be made to expire: -d deletes them, without telling the sender", 1);
    }
    for (size_t i = 0; i < kVerbs.size(); ++i) {
      if (kVerbs[i].option != option) continue;
      wanted[i] = true;
      const std::string value = scan.value();
      if (value == "ALL") {
        changes[i].all = true;
      } else if (value == "-") {
        for (std::string line; std::getline(std::cin, line);)
          changes[i].ids.push_back(line.substr(0, line.find_last_not_of(" \t\r") + 1));
      } else {
        changes[i].ids.push_back(value);
      }
    }
  }
  std::vector<queue::Folder> folders;
  if (!ParseFolders(scan.rest(), &folders)) return 1;
  const OpenedSpool opened = OpenSpool(kPostsuper, place, 1);
  if (opened.status != 0) return opened.status;
  const Spool spool(&*opened.root, opened.settings.queue_directory);
  int status = 0;
  for (size_t i = 0; i < kVerbs.size(); ++i) {
    if (!wanted[i]) continue;
    changes[i].folders = folders;
    if (const int failed = Change(spool, kVerbs[i], std::move(changes[i])); failed != 0) status = failed;
  }
  return status;
}

}  // namespace postern::cmd
