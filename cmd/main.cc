// postern: one program, a subcommand for each thing it does. Every subcommand is a thin file of its own beside this one.
#include <sys/random.h>

#include <CLI/CLI.hpp>

#include <cstdio>
#include <iostream>

#include "cmd/pw.h"

namespace postern {
namespace {

// The operating system's entropy as a key for this process.
bool FillKey(Entropy::Key* key) { return getrandom(key->data(), key->size(), 0) == static_cast<ssize_t>(key->size()); }

void AddPw(CLI::App& app, PwOptions* options) {
  app.add_option("-s", options->scheme, "password scheme, e.g. SHA512-CRYPT")->capture_default_str();
  app.add_option("-p", options->password, "the password; without it, it is read twice from standard input");
  app.add_option("-u", options->user, "user name, for schemes that are salted with it (DIGEST-MD5)");
  app.add_option("-t", options->test_hash, "test this hash against the password instead of making one");
  app.add_option("-r", options->rounds, "rounds of the schemes that have them");
  app.add_flag("-V", options->verify, "verify the hash that was made");
  app.add_flag("-l", options->list, "list the schemes");
}

int Main(int argc, char** argv) {
  CLI::App app{"Postern, a mail server for the configuration files of Postfix and Dovecot."};
  app.require_subcommand(1);
  app.set_version_flag("--version", "postern 0.1.0");
  PwOptions pw_options;
  CLI::App* pw = app.add_subcommand("pw", "make or test a password hash for a users file, as doveadm pw does");
  AddPw(*pw, &pw_options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  }
  Entropy::Key key;
  if (!FillKey(&key)) {
    std::fprintf(stderr, "postern: the operating system gives no random bytes\n");
    return 71;
  }
  Entropy entropy(key);
  if (pw->parsed()) return RunPw(pw_options, std::cin, std::cout, std::cerr, entropy);
  return 2;
}

}  // namespace
}  // namespace postern

int main(int argc, char** argv) { return postern::Main(argc, argv); }
