#!/usr/bin/env python3
"""`postern map query KEY TYPE:NAME` answers as `postmap -q KEY TYPE:NAME` of Postfix 3.7.

Where the tests run there is no Postfix: its answers are kept in map_answers.json. `map_test.py --make` asks an installed
postmap (and postalias) for all of them again; where one changes, that is a finding about Postfix, not about us.

usage: map_test.py POSTERN          compares
       map_test.py --make           writes map_answers.json
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ANSWERS = os.path.join(HERE, "map_answers.json")
TABLES = os.path.join(HERE, "tables")

ROW_KEYS = ["in\"side a\"key", "back\\ slash", "back slash", "\"never", "never closed", "last", "esc\"aped", "\"esc\\\"aped\"",
            "alice@example.test", "ALICE@EXAMPLE.TEST", "Alice@Example.test", "bob@example.test", "bob", "carol@example.test",
            "quoted key", '"quoted key"', 'esc"aped', "@example.test", "x@example.test", ".example.test", "a.example.test",
            "example.test", "nothing", "key", "key=value", "colon", "colon:", "tab", "upper", "UPPER", "utf8ü", "192.0.2.1",
            "2001:db8::1", "a,b", "x", "", " bob", "# a comment", "#", "between", "three"]
PATTERN_KEYS = ["postmaster@example.test", "POSTMASTER@EXAMPLE.TEST", "joe+tag@example.test", "joe+a+b@example.test",
                "in-joe@example.test", "UPPER@example.test", "upper@example.test", "in-upper@example.test", "upper@other.test",
                "nosign", "a", "bx", "bcx", "ab@x", "dollar@x", "many@a.b", "many@a.b.c", "foo@bar", "bar@foo", "bar@foo1",
                "multi@x", "slash/inside@x", "empty", "x final@x", "", "@", "joe@example.test", "joe@example.testing"]
PCRE_KEYS = ["joe@pcre.test", "Joe.x@pcre.test", "555-12", "555-123", "xy", "x y", "dot and all", "a\nb", "aXb", "axxb",
             "greedyxzyz", "GREEDYz", "user@host.example", "one@two.three.four", ""]
ADDRESSES = ["192.0.2.1", "192.0.2.2", "192.0.2.15", "192.0.2.16", "198.51.100.1", "198.51.100.65", "198.51.100.129",
             "198.51.100.255", "198.51.101.1", "10.0.0.1", "10.1.2.3", "10.2.0.1", "not an address", "", "192.0.2.1/32",
             "192.0.2", "::1", "[::1]", "2001:db8::5", "2001:DB8:0:0::5", "2001:db8:1::1", "2001:0db8:0001::0001", "fe80::1",
             "2002::1", "127.0.0.1"]
ALIAS_KEYS = ["postmaster", "Postmaster", "root", "odd name", "mixed", "MIXED", "list", "nothing", "nothing here", "list:", ""]

QUERIES = (
    [(kind + ":rows", key) for kind in ("hash", "btree", "texthash") for key in ROW_KEYS]
    + [("regexp:regular", key) for key in PATTERN_KEYS]
    + [("pcre:regular", key) for key in PATTERN_KEYS]
    + [("pcre:regular.pcre", key) for key in PCRE_KEYS]
    + [("cidr:networks", key) for key in ADDRESSES]
    + [("cidr:networks6", key) for key in ADDRESSES]
    + [("alias hash:aliases", key) for key in ALIAS_KEYS]
    + [("static:15000", key) for key in ("a", "", "A b")]
    + [("static:{two words}", "a"), ("static:", "a")]
    + [("inline:{ a=1, {B = two words}, {c = x, y} d=e=f }", key) for key in ("a", "A", "b", "B", "c", "d", "e", "y", "")]
    + [("inline:{ {/x/=1} }", "/x/")]
    + [("regexp:{ {/^x([0-9])$/ got $1} {!/y/ no y} }", key) for key in ("x1", "X2", "y", "z")]
    + [("pcre:{ {/^x(\\d)$/ got $1}, {/y/ a, b} }", key) for key in ("x1", "y", "z")]
    + [("cidr:{ {192.0.2.0/24 net}, {::1 six} }", key) for key in ("192.0.2.9", "::1", "192.0.3.1")]
    + [("unionmap:{static:a, inline:{k=b}}", key) for key in ("k", "x")]
    + [("unionmap:{inline:{k=b}, inline:{k=c,l=d}}", key) for key in ("k", "l", "x", "K")]
    + [("pipemap:{inline:{k=l,m=n}, inline:{l=end}}", key) for key in ("k", "m", "x", "l")]
    + [("pipemap:{regexp:{ {/^(.*)@example.test$/ $1} }, texthash:rows}", key)
       for key in ("bob@example.test@example.test", "upper@example.test", "x")]
    + [("unionmap:{texthash:rows, regexp:regular}", key) for key in ("bob@example.test", "dollar@x", "joe+t@example.test")]
)


def build_folder():
    """A copy of the tables with what postmap builds of them, and a main.cf for it."""
    folder = tempfile.mkdtemp(prefix="postern-map-")
    for name in os.listdir(TABLES):
        shutil.copy(os.path.join(TABLES, name), folder)
    return folder


def resolved(table, folder):
    """Names of files in a table's name, made absolute."""
    for name in ("regular.pcre", "regular", "networks6", "networks", "rows", "aliases"):
        if table.endswith(":" + name):
            return table[: -len(name)] + folder + "/" + name
        table = table.replace(":" + name + "}", ":" + folder + "/" + name + "}")
        table = table.replace(":" + name + ",", ":" + folder + "/" + name + ",")
    return table


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=20)
    text = done.stdout.decode("utf-8", "surrogateescape")
    return text[:-1] if done.returncode == 0 and text.endswith("\n") else None


def make():
    folder = build_folder()
    with open(folder + "/main.cf", "w", encoding="ascii") as out:
        out.write("compatibility_level = 3.6\nmyhostname = mail.example.test\ndefault_database_type = hash\n")
    for kind in ("hash", "btree"):
        subprocess.run(["postmap", "-c", folder, f"{kind}:{folder}/rows"], check=True, stderr=subprocess.DEVNULL)
        answers = [] if kind == "hash" else answers
        # rows.db is one name for both types: ask before the next is built
        for table, key in QUERIES:
            if table == kind + ":rows":
                answers.append([table, key, run(["postmap", "-c", folder, "-q", key, resolved(table, folder)])])
    subprocess.run(["postalias", "-c", folder, f"hash:{folder}/aliases"], check=True, stderr=subprocess.DEVNULL)
    for table, key in QUERIES:
        if table in ("hash:rows", "btree:rows"):
            continue
        program = "postmap"
        name = table
        if table.startswith("alias "):
            program, name = "postalias", table[6:]
        answers.append([table, key, run([program, "-c", folder, "-q", key, resolved(name, folder)])])
    with open(ANSWERS, "w", encoding="utf-8") as out:
        out.write("[\n" + ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers) + "\n]\n")
    shutil.rmtree(folder)
    print(len(answers), "answers,", sum(answer[2] is not None for answer in answers), "of them found")


def compare(postern):
    with open(ANSWERS, encoding="utf-8") as source:
        answers = json.load(source)
    wrong = 0
    asked = {(table, key) for table, key, _ in answers}
    if asked != set(QUERIES):
        print("map_answers.json is not of these queries: run --make where Postfix is installed")
        return 1
    for table, key, wanted in answers:
        aliases, name = (["--aliases"], table[6:]) if table.startswith("alias ") else ([], table)
        found = run([postern, "map", "query", *aliases, "--", key, resolved(name, TABLES)])
        if found != wanted:
            wrong += 1
            print(f"{table}  key {key!r}: postmap {wanted!r}, postern {found!r}")
    print(len(answers), "queries,", wrong, "answered otherwise")
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--make"]:
        make()
    elif len(sys.argv) == 2:
        sys.exit(compare(sys.argv[1]))
    else:
        sys.exit(__doc__)
