// postern: one program, a subcommand for each thing it does. Every subcommand is a thin file of its own beside this.
#include <sys/random.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <string_view>

#include "adapters/files/mbox_file.h"
#include "adapters/host/host_files.h"
#include "adapters/host/root.h"
#include "cmd/check.h"
#include "cmd/completion.h"
#include "cmd/deliver_to_file.h"
#include "cmd/mail_commands.h"
#include "cmd/mail_options.h"
#include "cmd/map.h"
#include "cmd/pw.h"
#include "cmd/queue.h"
#include "cmd/replay.h"
#include "cmd/serve.h"
#include "cmd/trace.h"
#include "sim/replay/replay_app.h"

namespace postern {
namespace {

// sysexits.h, by their meaning
constexpr int kExitUsage = 2;
constexpr int kExitNoRoot = 66;     // EX_NOINPUT
constexpr int kExitNoEntropy = 71;  // EX_OSERR

// The operating system's entropy as a key for this process.
bool FillKey(Entropy::Key* key) { return getrandom(key->data(), key->size(), 0) == static_cast<ssize_t>(key->size()); }

int Print(const std::string& out, const std::string& errors, int status) {
  std::fwrite(errors.data(), 1, errors.size(), stderr);
  std::fwrite(out.data(), 1, out.size(), stdout);
  return status;
}

// ---- options --------------------------------------------------------------------------------------------------------

struct MapOptions {
  std::string key, table, root;
  bool aliases = false;
};

struct Options {
  ServeOptions serve;
  cmd::CheckOptions check;
  std::string check_root;
  MapOptions map;
  PwOptions pw;
  cmd::QueueOptions queue;
  cmd::TraceOptions trace;
};

void AddFiles(CLI::App* app, std::string* postfix_dir, std::string* dovecot_file, std::string* root,
              uint16_t* port_offset) {
  app->add_option("--postfix", *postfix_dir, "the folder of main.cf and master.cf")
      ->type_name("DIR")
      ->capture_default_str();
  app->add_option("--dovecot", *dovecot_file, "Dovecot's configuration; none: another program serves IMAP and logins")
      ->type_name("FILE")
      ->capture_default_str();
  app->add_option("--root", *root, "the folder that every absolute path of the configuration is below")
      ->type_name("DIR");
  app->add_option("--port-offset", *port_offset, "added to every port")->type_name("N");
}

CLI::App* AddServe(CLI::App& app, ServeOptions* options) {
  CLI::App* const serve = app.add_subcommand("serve", "serve mail in the foreground until SIGTERM");
  AddFiles(serve, &options->postfix_dir, &options->dovecot_file, &options->root, &options->port_offset);
  serve->add_option("--shards", options->shards, "threads that serve; 0: one a processor")->type_name("N");
  serve->add_option("--log", options->log, "stderr, syslog or a file, for all lines")->type_name("PLACE");
  serve->add_option("--log-json", options->log_json, "a file for the same records as JSON lines")->type_name("FILE");
  serve
      ->add_option("--resolver", options->resolvers,
                   "a name server to ask, ADDRESS or ADDRESS@PORT, instead of those of resolv.conf; may be given again")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  serve
      ->add_option("--record", options->record,
                   "a folder for what every shard sees, to be replayed; it holds all mail that comes and goes")
      ->type_name("DIR");
  return serve;
}

CLI::App* AddCheck(CLI::App& app, Options* options) {
  CLI::App* const check = app.add_subcommand("check", "say what is wrong in the configuration, before anything runs");
  AddFiles(check, &options->check.load.postfix_dir, &options->check.load.dovecot_file, &options->check_root,
           &options->check.load.port_offset);
  check->add_flag("--json", options->check.json, "one JSON object instead of lines");
  check->add_flag("--quiet,-q", options->check.quiet, "no notices");
  check->add_flag("--parameters", options->check.parameters, "only print what becomes of each parameter of Postfix");
  return check;
}

CLI::App* AddMap(CLI::App& app, MapOptions* options) {
  CLI::App* const map = app.add_subcommand("map", "look into lookup tables, as postmap does");
  map->require_subcommand(1);
  CLI::App* const query =
      map->add_subcommand("query", "print what KEY gives in TYPE:NAME; exit status 1 where nothing");
  query->add_option("key", options->key, "what is looked up")->required()->type_name("KEY");
  CLI::App* const list = map->add_subcommand("list", "print every row of TYPE:NAME");
  for (CLI::App* const each : {query, list}) {
    each->add_option("table", options->table, "e.g. hash:/etc/postfix/vmailbox")->required()->type_name("TYPE:NAME");
    each->add_option("--root", options->root, "the folder that absolute paths are below")->type_name("DIR");
    each->add_flag("--aliases", options->aliases, "the text is of aliases(5)");
  }
  return map;
}

CLI::App* AddPw(CLI::App& app, PwOptions* options) {
  CLI::App* const pw = app.add_subcommand("pw", "make or test a password hash for a users file, as doveadm pw does");
  pw->add_option("-s", options->scheme, "password scheme, e.g. SHA512-CRYPT")
      ->type_name("SCHEME")
      ->capture_default_str();
  pw->add_option("-p", options->password, "the password; without it, it is read twice from standard input")
      ->type_name("PASSWORD");
  pw->add_option("-u", options->user, "user name, for schemes that are salted with it (DIGEST-MD5)")->type_name("USER");
  pw->add_option("-t", options->test_hash, "test this hash against the password instead of making one")
      ->type_name("HASH");
  pw->add_option("-r", options->rounds, "rounds of the schemes that have them")->type_name("N");
  pw->add_flag("-V", options->verify, "verify the hash that was made");
  pw->add_flag("-l", options->list, "list the schemes");
  return pw;
}

CLI::App* AddQueue(CLI::App& app, cmd::QueueOptions* options) {
  CLI::App* const queue = app.add_subcommand("queue", "see the queue, and say what shall become of its messages");
  queue->require_subcommand(1);
  const auto add = [&](const char* name, const char* description) {
    CLI::App* const verb = queue->add_subcommand(name, description);
    verb->add_option("--postfix", options->place.postfix_dir, "the folder of main.cf")
        ->type_name("DIR")
        ->capture_default_str();
    verb->add_option("--root", options->place.root, "the folder that every absolute path of the configuration is below")
        ->type_name("DIR");
    verb->add_flag("--json", options->json, "JSON, an object a line");
    return verb;
  };
  add("list", "print every message that waits, as mailq does");
  add("show", "print all that is known of messages")->add_option("id", options->ids)->required()->type_name("ID");
  CLI::App* const flush = add("flush", "try messages now; without ID and --site all of them");
  flush->add_option("id", options->ids)->type_name("ID");
  flush->add_option("--site", options->site, "messages for this domain")->type_name("DOMAIN");
  add("hold", "keep messages until they are released")->add_option("id", options->ids)->required()->type_name("ID");
  add("release", "let held messages go on")->add_option("id", options->ids)->required()->type_name("ID");
  add("requeue", "have messages begin anew")->add_option("id", options->ids)->required()->type_name("ID");
  add("delete", "remove messages; nobody is told")->add_option("id", options->ids)->required()->type_name("ID");
  return queue;
}

CLI::App* AddTrace(CLI::App& app, cmd::TraceOptions* options) {
  CLI::App* const trace = app.add_subcommand("trace", "tell what happened to a message, from its connection on");
  trace->add_option("id", options->id, "a queue id, trace id, Message-ID, or the name of a message's file")
      ->type_name("ID");
  trace->add_option("--postfix", options->place.postfix_dir, "the folder of main.cf")
      ->type_name("DIR")
      ->capture_default_str();
  trace->add_option("--root", options->place.root, "the folder that every absolute path of the configuration is below")
      ->type_name("DIR");
  trace->add_flag("--last", options->last, "the message that was taken last");
  trace->add_flag("--json", options->json, "the records, an object a line");
  return trace;
}

// ---- subcommands that read files of the host ------------------------------------------------------------------------

template <typename Run>
int WithFiles(const std::string& folder, const Run& run) {
  auto root = host::Root::Open(folder);
  if (!root.ok()) return Print("", "postern: " + std::string(Message(root.status())) + "\n", kExitNoRoot);
  host::HostFiles files(&*root);
  return run(files);
}

int Check(const Options& options) {
  return WithFiles(options.check_root, [&](host::HostFiles& files) {
    std::string out;
    const int status = cmd::RunCheck(options.check, files, &out);
    return Print(out, "", status);
  });
}

int Map(const MapOptions& options, bool query) {
  return WithFiles(options.root, [&](host::HostFiles& files) {
    std::string out, errors;
    const int status = query ? cmd::RunMapQuery(options.key, options.table, options.aliases, files, &out, &errors)
                             : cmd::RunMapList(options.table, options.aliases, files, &out, &errors);
    return Print(out, errors, status);
  });
}

int Queue(const cmd::QueueOptions& options, const CLI::App& queue) {
  std::string out, errors;
  const int status = cmd::RunQueue(queue.get_subcommands().front()->get_name(), options, &out, &errors);
  return Print(out, errors, status);
}

int Trace(const cmd::TraceOptions& options) {
  std::string out, errors;
  const int status = cmd::RunTrace(options, &out, &errors);
  return Print(out, errors, status);
}

int Pw(const PwOptions& options) {
  Entropy::Key key;
  if (!FillKey(&key)) return Print("", "postern: the operating system gives no random bytes\n", kExitNoEntropy);
  Entropy entropy(key);
  return RunPw(options, std::cin, std::cout, std::cerr, entropy);
}

int PrintCompletion(const CLI::App& app, const std::string& shell, const std::string& command) {
  if (command.empty()) return Print(cmd::CompletionScript(app, shell), "", 0);
  CLI::App mail_command{"", command};
  mail_command.set_help_flag();
  cmd::DescribeMailCommand(command, &mail_command);
  return Print(cmd::CompletionScript(mail_command, shell), "", 0);
}

int Main(int argc, char** argv) {
  // Known by these names to other programs, with options of their own.
  const std::string_view path(argc > 0 ? argv[0] : "");
  const std::string_view name = path.substr(path.rfind('/') + 1);  // npos + 1 is 0
  if (cmd::IsMailCommand(name)) return cmd::RunMailCommand(name, {argv + 1, argv + argc});
  if (argc > 1 && cmd::IsMailCommand(argv[1])) return cmd::RunMailCommand(argv[1], {argv + 2, argv + argc});
  // postern-sim does it, and gets the words as they are; below it is described only, for --help and for completion.
  if (argc > 1 && std::string_view(argv[1]) == "replay") return RunReplay({argv + 2, argv + argc});
  if (argc > 1 && std::string_view(argv[1]) == files::kMboxCommand)
    return cmd::RunDeliverToFile({argv + 2, argv + argc});
  CLI::App app{"Postern, a mail server for the configuration files of Postfix and Dovecot.", "postern"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "postern 0.1.0");
  Options options;
  const CLI::App* const serve = AddServe(app, &options.serve);
  const CLI::App* const check = AddCheck(app, &options);
  const CLI::App* const map = AddMap(app, &options.map);
  const CLI::App* const pw = AddPw(app, &options.pw);
  const CLI::App* const queue = AddQueue(app, &options.queue);
  const CLI::App* const trace = AddTrace(app, &options.trace);
  sim::ReplayOptions replay;
  sim::AddReplay(app, &replay);
  std::string shell;
  CLI::App* const completion = cmd::AddCompletion(app, &shell);
  std::string command;
  completion->add_option("command", command, "the mail command to complete instead of this one: sendmail, mailq ...")
      ->type_name("COMMAND")
      ->check(CLI::IsMember(std::vector<std::string>(cmd::kMailCommands.begin(), cmd::kMailCommands.end())));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) return 0;
    return argc > 1 && std::string_view(argv[1]) == "trace" ? cmd::kTraceUsage : kExitUsage;
  }
  if (serve->parsed()) return RunServe(options.serve);
  if (check->parsed()) return Check(options);
  if (map->parsed()) return Map(options.map, map->got_subcommand("query"));
  if (pw->parsed()) return Pw(options.pw);
  if (queue->parsed()) return Queue(options.queue, *queue);
  if (trace->parsed()) return Trace(options.trace);
  if (completion->parsed()) return PrintCompletion(app, shell, command);
  return kExitUsage;
}

}  // namespace
}  // namespace postern

int main(int argc, char** argv) { return postern::Main(argc, argv); }
