#!/usr/bin/env python3
"""`postern check` as a program: the reference configurations in a root folder of their own, exit statuses, JSON.

usage: check_test.py POSTERN SOURCE_DIR
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

POSTERN, SOURCE = "", ""
SHARED = ""


def make_root(name):
    """The host of reference-config/NAME below a new folder, with the tests' certificate and its own passwd."""
    root = tempfile.mkdtemp(prefix="postern-check-")
    reference = os.path.join(SHARED, "reference-config", name)
    for part in ("postfix", "dovecot"):
        shutil.copytree(os.path.join(reference, part), os.path.join(root, "etc", part))
    if os.path.exists(os.path.join(reference, "aliases")):
        shutil.copy(os.path.join(reference, "aliases"), os.path.join(root, "etc"))
    with open(os.path.join(SOURCE, "tests/core/config/test_certificate.h"), encoding="ascii") as source:
        lines = re.findall(r'^    "(.*)\\n";?$', source.read(), re.M)
    pems = re.findall(r"-----BEGIN.*?-----END[^\n]*\n", "\n".join(lines) + "\n", re.S)
    for path, text in (
        ("etc/ssl/certs/ssl-cert-snakeoil.pem", pems[0]),
        ("etc/ssl/private/ssl-cert-snakeoil.key", pems[1]),
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\npostfix:x:102:105::/:/x\nvmail:x:15000:15000::/home/vmail:/x\n"),
        ("etc/group", "root:x:0:\npostfix:x:105:\nvmail:x:15000:\n"),
    ):
        os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
        with open(os.path.join(root, path), "w", encoding="ascii") as out:
            out.write(text)
    os.chmod(os.path.join(root, "etc/dovecot/users"), 0o640)
    return root


def run(*arguments):
    done = subprocess.run([POSTERN, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Check(unittest.TestCase):
    def setUp(self):
        self.roots = []

    def tearDown(self):
        for root in self.roots:
            shutil.rmtree(root)

    def root(self, name):
        self.roots.append(make_root(name))
        return self.roots[-1]

    def report(self, root, *more):
        status, out, _ = run("check", "--json", "--root", root, *more)
        return status, json.loads(out)

    def test_literal_is_refused_with_three_mistakes(self):
        status, out, _ = run("check", "--root", self.root("literal"))
        self.assertEqual(status, 1)
        errors = re.findall(r"^(\S+?): error: .*\n  mend: .*\[(.*)\]$", out, re.M)
        self.assertEqual(errors, [
            ("/etc/dovecot/conf.d/10-master.conf:1", "dovecot-syntax-unclosed-section"),
            ("/etc/dovecot/conf.d/10-master.conf:24", "dovecot-syntax-listener-outside-service"),
            ("/etc/postfix/master.cf:3", "master-cf-hidden-service"),
        ])
        self.assertIn("the server would not start", out.splitlines()[-1])

    def test_as_written_starts_and_warns(self):
        status, report = self.report(self.root("as-written"))
        self.assertEqual(status, 0)
        self.assertTrue(report["starts"])
        self.assertGreaterEqual(sum(finding["security"] for finding in report["findings"]), 15)

    def test_working_has_no_security_warning_but_the_certificate(self):
        status, report = self.report(self.root("working"))
        self.assertEqual(status, 0)
        self.assertEqual({finding["id"] for finding in report["findings"] if finding["security"]}, {"certificate-untrusted"})
        self.assertNotIn("error", {finding["severity"] for finding in report["findings"]})

    def test_json_says_what_the_lines_say(self):
        root = self.root("as-written")
        _, out, _ = run("check", "--root", root)
        _, report = self.report(root)
        lines = re.findall(r"^  mend: (.*)  \[(.*)\]$", out, re.M)
        self.assertEqual(lines, [(finding["mend"], finding["id"]) for finding in report["findings"]])
        for finding in report["findings"]:
            self.assertEqual(set(finding), {"id", "severity", "security", "file", "line", "what", "mend"})
            self.assertIn(finding["severity"], ("notice", "warning", "error"))
            self.assertIsInstance(finding["line"], int)

    def test_json_is_valid_whatever_bytes_a_file_holds(self):
        root = self.root("working")
        with open(os.path.join(root, "etc/postfix/main.cf"), "ab") as out:
            out.write(b'\xff\xfe"\\ no assignment \x00\x01\nmyorigin = \xc3\x28\n')
        status, report = self.report(root)
        self.assertEqual(status, 1)
        self.assertIn("main-cf-syntax", {finding["id"] for finding in report["findings"]})

    def test_quiet_leaves_notices_out(self):
        _, report = self.report(self.root("working"), "--quiet")
        self.assertNotIn("notice", {finding["severity"] for finding in report["findings"]})

    def test_other_folders_and_offset(self):
        root = self.root("working")
        os.rename(os.path.join(root, "etc/postfix"), os.path.join(root, "etc/other"))
        main = os.path.join(root, "etc/other/main.cf")
        with open(main, encoding="ascii") as source:
            text = source.read().replace("/etc/postfix/", "/etc/other/")
        with open(main, "w", encoding="ascii") as out:
            out.write(text)
        status, report = self.report(root, "--postfix", "/etc/other", "--port-offset", "21100")
        self.assertEqual(status, 0, report)
        self.assertEqual(run("check", "--root", root)[0], 1)  # no main.cf where it is looked for

    def test_values_that_double_end_soon_with_an_error(self):
        root = self.root("working")
        with open(os.path.join(root, "etc/postfix/main.cf"), "a", encoding="ascii") as out:
            out.write("b40 = ha\n")
            for number in range(40):
                out.write(f"b{number} = $b{number + 1} $b{number + 1}\n")
            for name in ("smtpd_banner", "mydestination", "relay_domains", "mail_name"):
                out.write(f"{name} = $b0\n")
        status, report = self.report(root)
        self.assertEqual(status, 1)
        self.assertIn("postfix-expansion", {finding["id"] for finding in report["findings"]})

    def test_exit_statuses(self):
        self.assertEqual(run("check", "--no-such-option")[0], 2)
        self.assertEqual(run()[0], 2)
        self.assertEqual(run("check", "--root", "/nonexistent/folder")[0], 66)
        root = self.root("working")
        self.assertEqual(run("map", "query", "--root", root, "bob@example.test", "hash:/etc/postfix/logins"),
                         (0, "bob@example.test\n", ""))
        status, out, errors = run("map", "query", "--root", root, "nobody", "hash:/etc/postfix/logins")
        self.assertEqual((status, out, errors), (1, "", ""))
        status, out, errors = run("map", "query", "--root", root, "nobody", "hash:/etc/postfix/none")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("/etc/postfix/none", errors)
        self.assertEqual(run("map", "list", "--root", root, "hash:/etc/postfix/logins")[1],
                         "alice@example.test\talice@example.test\nbob@example.test\tbob@example.test\n")


if __name__ == "__main__":
    POSTERN, SOURCE = sys.argv[1:3]
    SHARED = os.environ.get("POSTERN_SHARED", os.path.join(SOURCE, "..", "shared"))
    unittest.main(argv=sys.argv[:1])
