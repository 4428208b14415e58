#!/usr/bin/env python3
"""The manual pages and the shells' completions against what the programs say of themselves with --help.

usage: manual_test.py POSTERN POSTERN_SIM SOURCE_DIR
"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAMS, PAGES = {}, ""
# Described on the page of the program itself.
WITHOUT_PAGE = {"completion"}
# Of commands whose options are Postfix's, without --help.
OF_POSTFIX = "postern-sendmail.1"


def run(*command, status=0, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, text=True, **options)
    if done.returncode != status:
        raise AssertionError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Command:
    """What --help says of a command: {"--postfix": "DIR", "-h": "", ...} and the names of the commands below it."""

    def __init__(self, words):
        self.words = words
        text = run(PROGRAMS[words[0]], *words[1:], "--help")
        parts = dict(re.findall(r"^(Options|Subcommands):\n((?:  .*\n)*)", text, re.M))
        self.options = {}
        for names, rest in re.findall(r"^  (-\S+)(.*)$", parts["Options"], re.M):
            value = "" if rest.startswith("  ") or not rest.strip() else re.match(r" ([^=: ]+)", rest).group(1)
            self.options.update({name: value for name in names.split(",")})
        self.below = re.findall(r"^  (\w+)  ", parts.get("Subcommands", ""), re.M)

    def children(self):
        return [Command(self.words + [name]) for name in self.below]

    def tree(self):
        yield self
        for child in self.children():
            yield from child.tree()


class Page:
    """What a page lists: the same two things."""

    def __init__(self, path):
        with open(path, encoding="ascii") as source:
            self.text = source.read()
        self.words = ["postern-sim"] if path.endswith("postern-sim.1") else os.path.basename(path)[:-2].split("-", 1)
        self.headings = re.findall(r"^\.Sh (.*)$", self.text, re.M)
        self.options, self.below = {}, []
        for item in re.findall(r"^\.It Fl (.*)$", self.text, re.M):
            value = re.search(r" Ar (\S+)$", item)
            names = re.findall(r"(?:^| , Fl )(\S+)", item)
            self.options.update({"-" + name: value.group(1) if value else "" for name in names})
        commands = re.search(r"^The commands are:\n(.*?)^\.El$", self.text, re.M | re.S)
        if commands:
            self.below = re.findall(r"^\.It Cm (\w+)$", commands.group(1), re.M)
        synopsis = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh ", self.text, re.M | re.S).group(1)
        self.synopsis = {"-" + name for group in re.findall(r"\bFl (.*)", synopsis)
                         for name in re.findall(r"(?:^| \| )(-?\w[\w-]*)", group)}


def pages():
    return [Page(path) for path in sorted(glob.glob(os.path.join(PAGES, "*.1"))) if not path.endswith(OF_POSTFIX)]


def described(page):
    """What the page must list: its command, and those below it that have no page of their own."""
    command = Command(page.words)
    options = dict(command.options)
    if page.words in (["postern"], ["postern-sim"]):
        return options, command.below
    for child in command.children():
        options.update(child.options)
    return options, command.below


def mail_options():
    """Of each mail command, as the page says in its part: those that have a meaning."""
    with open(os.path.join(PAGES, OF_POSTFIX), encoding="ascii") as source:
        text = source.read()
    options = {}
    for names, part in re.findall(r"^\.Ss (.*)\n((?:(?!\.S[hs] ).*\n)*)", text, re.M):
        part = part.partition("\n.Fl p , s , S\n")[0]
        listed = r"^\.It (Fl .*)$" if names == "sendmail" else r"^\.(Fl .*)$"
        found = {option[0] for line in re.findall(listed, part, re.M) for option in re.findall(r"Fl (\S+)", line)}
        for name in names.split(" and "):
            folder = "C" if name in ("sendmail", "mailq", "newaliases") else "c"
            # The part of mailq names what postqueue has.
            own = set() if name in ("mailq", "newaliases") else found
            options[name] = {f"-{letter}" for letter in own | {folder}} | {"--root", "--postfix"}
    return options


class Pages(unittest.TestCase):
    def test_every_command_has_a_page_and_every_page_a_command(self):
        named = {tuple(page.words) for page in pages()}
        wanted = {("postern",), ("postern-sim",)}
        wanted |= {("postern", name) for name in Command(["postern"]).below if name not in WITHOUT_PAGE}
        self.assertEqual(named, wanted)

    def test_options_and_their_values_are_those_of_the_program(self):
        for page in pages():
            with self.subTest(page=page.words):
                options, _ = described(page)
                self.assertEqual(page.options, options)
                self.assertEqual(page.synopsis, set(options))

    def test_commands_are_those_of_the_program(self):
        for page in pages():
            with self.subTest(page=page.words):
                self.assertEqual(sorted(page.below), sorted(described(page)[1]))

    def test_every_page_says_what_people_look_for(self):
        for page in pages():
            with self.subTest(page=page.words):
                self.assertEqual(page.headings, ["NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXIT STATUS", "EXAMPLES", "SEE ALSO"])

    def test_pages_are_written_without_mistakes(self):
        for path in glob.glob(os.path.join(PAGES, "*.1")):
            if shutil.which("mandoc"):
                run("mandoc", "-Tlint", "-W", "warning", path)
            elif shutil.which("groff"):
                done = subprocess.run(["groff", "-man", "-ww", "-z", path], stderr=subprocess.PIPE, timeout=60)
                self.assertEqual(done.stderr, b"")
            else:
                self.skipTest("neither mandoc nor groff")


class Completions(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="postern-completion-")
        os.makedirs(os.path.join(self.folder, "sub folder"))
        with open(os.path.join(self.folder, "some file"), "w", encoding="ascii"):
            pass

    def tearDown(self):
        shutil.rmtree(self.folder)

    def script(self, program, shell):
        """Of a program, or of a mail command."""
        path = os.path.join(self.folder, f".{program}.{shell}")
        arguments = [PROGRAMS[program], "completion", shell] if program in PROGRAMS else [PROGRAMS["postern"], "completion", shell, program]
        with open(path, "w", encoding="utf-8") as out:
            out.write(run(*arguments))
        return path

    def bash(self, script, words):
        """What bash offers for the last of the words."""
        function = "_" + words[0].replace("-", "_")
        code = (f"source {script}; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); {function}; "
                "((${#COMPREPLY[@]})) && printf '%s\\n' \"${COMPREPLY[@]}\"; exit 0")
        return run("bash", "--norc", "-c", code, "bash", *words, cwd=self.folder).splitlines()

    def fish(self, script, words):
        line = " ".join(words)
        out = run("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'", cwd=self.folder)
        return [row.split("\t")[0] for row in out.splitlines()]

    def test_bash_offers_everything_there_is(self):
        for program in PROGRAMS:
            script = self.script(program, "bash")
            for command in Command([program]).tree():
                with self.subTest(command=command.words):
                    offered = self.bash(script, command.words + [""])
                    if command.words[-1] == "completion":
                        self.assertEqual(offered[-3:], ["bash", "zsh", "fish"])
                        offered = offered[:-3]
                    offered = [word for word in offered if word not in ("sub folder", "some file") and not word.startswith(".")]
                    self.assertEqual(sorted(offered), sorted([*command.options, *command.below]))

    def test_bash_completes_values(self):
        script = self.script("postern", "bash")
        self.assertEqual(self.bash(script, ["postern", "ser"]), ["serve"])
        self.assertEqual(self.bash(script, ["postern", "serve", "--root", "s"]), ["sub folder"])
        self.assertEqual(sorted(self.bash(script, ["postern", "serve", "--log-json", "s"])), ["some file", "sub folder"])
        self.assertEqual(self.bash(script, ["postern", "serve", "--port-offset", ""]), [])
        # A value that looks like a command is none.
        self.assertEqual(self.bash(script, ["postern", "serve", "--log", "check", "--rec"]), ["--record"])

    def test_fish_offers_everything_there_is(self):
        if not shutil.which("fish"):
            self.skipTest("no fish")
        for program in PROGRAMS:
            script = self.script(program, "fish")
            for command in Command([program]).tree():
                with self.subTest(command=command.words):
                    if command.below:
                        self.assertEqual(sorted(self.fish(script, command.words + ["''"][:0] + [""])), sorted(command.below))
                    offered = self.fish(script, command.words + ["-"])
                    # For an option with two names fish may show one.
                    self.assertLessEqual(set(offered), set(command.options))
                    longs = {name for name in command.options if name.startswith("--")}
                    self.assertLessEqual(longs, set(self.fish(script, command.words + ["--"])))

    def test_zsh_reads_its_script_and_knows_every_command(self):
        for program in PROGRAMS:
            script = self.script(program, "zsh")
            with open(script, encoding="utf-8") as source:
                text = source.read()
            for command in Command([program]).tree():
                for name in command.below:
                    self.assertIn("\n_" + "_".join([*command.words, name]) + "() {\n", text)
            if shutil.which("zsh"):
                run("zsh", "-f", "-n", script)

    def test_zsh_hands_its_completion_system_what_it_takes(self):
        if not shutil.which("zsh"):
            self.skipTest("no zsh")
        for program in PROGRAMS:
            script = self.script(program, "zsh")
            for command in Command([program]).tree():
                function = "_" + "_".join(command.words)
                # _arguments shows what it is called with; the function stops there.
                code = f"compdef() {{ }}; _arguments() {{ print -rl -- \"$@\"; return 1 }}; source {script}; {function}; exit 0"
                given = run("zsh", "-f", "-c", code).splitlines()
                options = {re.match(r"-[\w-]+", row).group(0) for row in given if re.match(r"-[\w-]+\[", row)}
                self.assertEqual(options, set(command.options), command.words)

    def test_bash_offers_the_mail_commands_options(self):
        for name, options in mail_options().items():
            with self.subTest(name):
                script = self.script(name, "bash")
                offered = self.bash(script, [name, "-"])
                self.assertEqual(sorted(offered), sorted(options))
                self.assertEqual(self.bash(script, [name, "--root", "s"]), ["sub folder"])
        self.assertEqual(self.bash(self.script("sendmail", "bash"), ["sendmail", "-R", ""]), ["full", "hdrs"])
        self.assertEqual(self.bash(self.script("postsuper", "bash"), ["postsuper", "-h", "ALL", "d"]), ["deferred"])

    def test_fish_offers_the_mail_commands_options(self):
        if not shutil.which("fish"):
            self.skipTest("no fish")
        for name, options in mail_options().items():
            with self.subTest(name):
                script = self.script(name, "fish")
                self.assertEqual(sorted(self.fish(script, [name, "-"])), sorted(options))

    def test_zsh_offers_the_mail_commands_options(self):
        if not shutil.which("zsh"):
            self.skipTest("no zsh")
        for name, options in mail_options().items():
            with self.subTest(name):
                code = f"compdef() {{ }}; _arguments() {{ print -rl -- \"$@\"; return 1 }}; source {self.script(name, 'zsh')}; _{name}; exit 0"
                given = run("zsh", "-f", "-c", code).splitlines()
                self.assertEqual({re.match(r"-[\w-]+", row).group(0) for row in given if re.match(r"-[\w-]+\[", row)}, options)

    def test_another_shell_is_wrong_use(self):
        for program in PROGRAMS.values():
            run(program, "completion", "tcsh", status=2)
            run(program, "completion", status=2)
        run(PROGRAMS["postern"], "completion", "bash", "postfix", status=2)


if __name__ == "__main__":
    PROGRAMS = {"postern": sys.argv[1], "postern-sim": sys.argv[2]}
    PAGES = os.path.join(sys.argv[3], "docs", "man")
    unittest.main(argv=sys.argv[:1])
