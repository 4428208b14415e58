#include "cmd/mail_commands.h"

#include <getopt.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace postern::cmd {
namespace {

// --root DIR, --root=DIR, --postfix DIR at the front of `*args`. False: the folder is missing.
bool TakePlace(std::vector<std::string>* args, MailPlace* place) {
  while (!args->empty()) {
    const std::string word = args->front();
    const std::string name = word.substr(0, word.find('='));
    if (name != "--root" && name != "--postfix") return true;
    std::string* const folder = name == "--root" ? &place->root : &place->postfix_dir;
    args->erase(args->begin());
    if (name != word) {
      *folder = word.substr(name.size() + 1);
      continue;
    }
    if (args->empty()) return false;
    *folder = args->front();
    args->erase(args->begin());
  }
  return true;
}

}  // namespace

bool IsMailCommand(std::string_view name) {
  return std::find(kMailCommands.begin(), kMailCommands.end(), name) != kMailCommands.end();
}

int RunMailCommand(std::string_view name, std::vector<std::string> args) {
  MailPlace place;
  if (const char* const folder = std::getenv("MAIL_CONFIG")) place.postfix_dir = folder;
  if (!TakePlace(&args, &place)) return Fatal(name, "--root and --postfix need a folder", kExUsage);
  if (name == "postqueue") return RunPostqueue(std::move(place), std::move(args));
  if (name == "postsuper") return RunPostsuper(std::move(place), std::move(args));
  if (name == "mailq") args.insert(args.begin(), "-bp");
  if (name == "newaliases") args.insert(args.begin(), "-bi");
  return RunSendmail(std::move(place), std::move(args));
}

int Fatal(std::string_view program, std::string_view text, int status) {
  std::fprintf(stderr, "%.*s: fatal: %.*s\n", static_cast<int>(program.size()), program.data(),
               static_cast<int>(text.size()), text.data());
  return status;
}

void Warn(std::string_view program, std::string_view text) {
  std::fprintf(stderr, "%.*s: warning: %.*s\n", static_cast<int>(program.size()), program.data(),
               static_cast<int>(text.size()), text.data());
}

OptionScan::OptionScan(std::string program, std::vector<std::string> args) : words_(std::move(args)) {
  words_.insert(words_.begin(), std::move(program));
  for (std::string& word : words_) pointers_.push_back(word.data());
  pointers_.push_back(nullptr);
  optind = 0;  // glibc: begin anew
}

int OptionScan::Next(const char* letters) { return getopt(static_cast<int>(words_.size()), pointers_.data(), letters); }

std::string OptionScan::value() const { return optarg == nullptr ? "" : optarg; }

const char* OptionScan::peek() const { return pointers_[static_cast<size_t>(std::max(optind, 1))]; }

void OptionScan::Skip() { optind = std::max(optind, 1) + 1; }

std::vector<std::string> OptionScan::rest() const {
  return {pointers_.begin() + std::max(optind, 1), pointers_.end() - 1};
}

OpenedSpool OpenSpool(std::string_view program, const MailPlace& place, int failure) {
  OpenedSpool opened{.root = host::Root::Open(place.root)};
  Status status = opened.root.status();
  if (status.ok()) {
    auto settings = ReadSpoolSettings(*opened.root, place.postfix_dir);
    if (settings.ok()) {
      opened.settings = *std::move(settings);
      return opened;
    }
    status = settings.status();
  }
  opened.status = Fatal(program, Message(status), failure);
  return opened;
}

std::string CallerName() {
  const uid_t uid = getuid();
  const passwd* const user = getpwuid(uid);
  return std::string(user == nullptr ? "unknown" : user->pw_name) + "(" + std::to_string(uid) + ")";
}

}  // namespace postern::cmd
