#include "cmd/completion.h"

#include <vector>

namespace postern::cmd {
namespace {

constexpr const char* kShells[] = {"bash", "zsh", "fish"};

std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

// Inside the single quotes of bash and zsh; fish has a way of its own.
std::string Quoted(const std::string& text) { return "'" + Replaced(text, "'", "'\\''") + "'"; }
std::string FishQuoted(const std::string& text) {
  return "'" + Replaced(Replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// "--postfix", "-q", as typed.
std::vector<std::string> Names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// What the value is: "DIR", "FILE", "one of these words", or empty for free text.
std::string ValueOf(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t open = type.find('{'), close = type.rfind('}');
  if (open != std::string::npos && close != std::string::npos) {
    return Replaced(type.substr(open + 1, close - open - 1), ",", " ");
  }
  return type == "DIR" || type == "FILE" ? type : "";
}

// The first positional argument that can be completed.
std::string PositionalOf(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && !ValueOf(*option).empty()) return ValueOf(*option);
  }
  return "";
}

// ---- bash -----------------------------------------------------------------------------------------------------------

// `path` is the commands so far, each with a space before it.
void AddBash(const CLI::App& app, const std::string& path, std::string* walk, std::string* offers) {
  std::string words;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : Names(*option)) {
      words += name + " ";
      if (!TakesValue(*option)) continue;
      *walk += "      " + Quoted(path + " " + name) + ") value=" + Quoted(ValueOf(*option)) + "; ((++i)) ;;\n";
    }
  }
  for (const CLI::App* command : Commands(app)) words += command->get_name() + " ";
  words.pop_back();
  *offers += "    " + Quoted(path) + ") words=" + Quoted(words) + " value=" + Quoted(PositionalOf(app)) + " ;;\n";
  for (const CLI::App* command : Commands(app)) {
    const std::string below = path + " " + command->get_name();
    *walk += "      " + Quoted(below) + ") path=" + Quoted(below) + " ;;\n";
    AddBash(*command, below, walk, offers);
  }
}

std::string Bash(const CLI::App& app) {
  std::string walk, offers;
  AddBash(app, "", &walk, &offers);
  const std::string name = app.get_name(), function = "_" + Replaced(name, "-", "_");
  return "# bash completion for " + name + ", made of what the program says of itself.\n" + function + "() {\n" +
         R"(  local cur=${COMP_WORDS[COMP_CWORD]} path='' words='' value='' i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "$path ${COMP_WORDS[i]}" in
)" + walk +
         R"(    esac
  done
  # Beyond the word under the cursor: it is the value of the option before it.
  if ((i == COMP_CWORD)); then
    case "$path" in
)" + Replaced(offers, "\n    ", "\n      ").insert(0, "  ") +
         R"(    esac
  fi
  COMPREPLY=()
  case "$value" in
    DIR) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
    FILE) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    *) words+=" $value" ;;
  esac
  mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F )" +
         function + " " + name + "\n";
}

// ---- zsh ------------------------------------------------------------------------------------------------------------

std::string ZshValue(const CLI::Option& option) {
  const std::string value = ValueOf(option);
  if (value == "DIR") return ":directory:_files -/";
  if (value == "FILE") return ":file:_files";
  return value.empty() ? ":value: " : ":value:(" + value + ")";
}

void AddZsh(const CLI::App& app, const std::string& function, std::string* text) {
  std::string arguments, commands, calls;
  for (const CLI::Option* option : app.get_options()) {
    const std::string help = "[" + Replaced(Replaced(option->get_description(), "[", "\\["), "]", "\\]") + "]";
    const std::string value = TakesValue(*option) ? ZshValue(*option) : "";
    for (const std::string& name : Names(*option)) arguments += " \\\n    " + Quoted(name + help + value);
    if (option->get_positional())
      arguments += " \\\n    " + Quoted((option->get_expected_max() > 1 ? "*" : "") + value);
  }
  for (const CLI::App* command : Commands(app)) {
    const std::string below = function + "_" + command->get_name();
    commands += "    " + Quoted(command->get_name() + ":" + command->get_description()) + "\n";
    calls += "        " + command->get_name() + ") " + below + " ;;\n";
    AddZsh(*command, below, text);
  }
  *text += function + "() {\n";
  if (commands.empty()) {
    *text += "  _arguments" + arguments + "\n}\n";
    return;
  }
  *text += "  local curcontext=$curcontext state line\n  local -a commands=(\n" + commands + "  )\n  _arguments -C" +
           arguments +
           " \\\n    '1: :->command' '*:: :->rest'\n  case $state in\n    command) _describe command commands ;;\n" +
           "    rest)\n      case $words[1] in\n" + calls + "      esac ;;\n  esac\n}\n";
}

std::string Zsh(const CLI::App& app) {
  const std::string name = app.get_name(), function = "_" + name;
  std::string text = "#compdef " + name + "\n# zsh completion, made of what the program says of itself.\n";
  AddZsh(app, function, &text);
  // The file is a function of fpath, or it is sourced.
  return text + "if [[ $funcstack[1] == " + function + " ]]; then " + function + " \"$@\"; else compdef " + function +
         " " + name + "; fi\n";
}

// ---- fish -----------------------------------------------------------------------------------------------------------

std::string FishValue(const CLI::Option& option) {
  const std::string value = ValueOf(option);
  if (value == "DIR") return " -x -a '(__fish_complete_directories)'";
  if (value == "FILE") return " -r -F";
  return value.empty() ? " -x" : " -x -a " + FishQuoted(value);
}

// `path` is the condition that the commands so far were said.
void AddFish(const CLI::App& app, const std::string& program, const std::string& path, std::string* text) {
  std::string all;
  for (const CLI::App* command : Commands(app)) all += " " + command->get_name();
  std::string here = path;
  if (!all.empty()) here += std::string(path.empty() ? "" : "; and ") + "not __fish_seen_subcommand_from" + all;
  const std::string start = "complete -c " + program + " -n " + FishQuoted(here);
  for (const CLI::Option* option : app.get_options()) {
    std::string names;
    for (const std::string& name : option->get_snames()) names += " -s " + name;
    for (const std::string& name : option->get_lnames()) names += " -l " + name;
    if (!names.empty()) {
      *text += start + names + (TakesValue(*option) ? FishValue(*option) : "") + " -d " +
               FishQuoted(option->get_description()) + "\n";
    } else if (!ValueOf(*option).empty()) {
      *text += start + FishValue(*option) + "\n";
    }
  }
  for (const CLI::App* command : Commands(app)) {
    *text += start + " -a " + command->get_name() + " -d " + FishQuoted(command->get_description()) + "\n";
    AddFish(*command, program,
            (path.empty() ? "" : path + "; and ") + "__fish_seen_subcommand_from " + command->get_name(), text);
  }
}

std::string Fish(const CLI::App& app) {
  const std::string name = app.get_name();
  std::string text = "# fish completion, made of what the program says of itself.\ncomplete -c " + name + " -f\n";
  AddFish(app, name, "", &text);
  return text;
}

}  // namespace

std::string CompletionScript(const CLI::App& app, std::string_view shell) {
  if (shell == "bash") return Bash(app);
  if (shell == "zsh") return Zsh(app);
  if (shell == "fish") return Fish(app);
  return "";
}

CLI::App* AddCompletion(CLI::App& app, std::string* shell) {
  CLI::App* const completion = app.add_subcommand("completion", "print a script that completes this command line");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->type_name("SHELL")
      ->check(CLI::IsMember(std::vector<std::string>(std::begin(kShells), std::end(kShells))));
  return completion;
}

}  // namespace postern::cmd
