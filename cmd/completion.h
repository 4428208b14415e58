// Completion scripts of a program's command line, made from CLI11's own description of it, so that they never lag
// behind.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>

namespace postern::cmd {

// A script for `shell`, which is bash, zsh or fish; anything else gives an empty text. Values are completed by the type
// name of their option: DIR and FILE by names of the disk, a CLI::IsMember by its members, others not at all.
std::string CompletionScript(const CLI::App& app, std::string_view shell);

// Adds the subcommand that prints one; `*shell` is what was asked for.
CLI::App* AddCompletion(CLI::App& app, std::string* shell);

}  // namespace postern::cmd
