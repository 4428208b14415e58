"""Goal: messages that no one here wrote are answered as Dovecot answers them, and none of them stops the server, is lost or
altered. Method: the truth bench beside the checkout (its mimetruth asks a running server, by APPEND and by files put into
the Maildir, and compares with stored answers); every difference must be in docs/mime-differences.md, with its reason.
"""
import fnmatch
import os
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'clients'))
import host  # noqa: E402

BENCH = host.SHARED / 'truth'
DIFFERENCES = host.SOURCE / 'docs/mime-differences.md'
PASSWORD = 'secret-pw-1'
CLEAN_ALIKE_MIN = 0.98
SECONDS_MAX = 110  # of one way; each takes under 30 on two slow cores


def listed():
    """The tables of the document: (message or query, where)."""
    rows = re.findall(r'(?m)^\| `([^`]+)` \| `([^`]+)` \|$', DIFFERENCES.read_text())
    assert rows, DIFFERENCES
    return rows


def with_users(made):
    with open(made.root / 'etc/dovecot/users', 'a', encoding='ascii') as users:
        for name in ('u1', 'u4'):
            users.write(f'{name}@example.test:{{PLAIN}}{PASSWORD}\n')


@unittest.skipUnless(BENCH.is_dir(), f'no truth bench: {BENCH} is not there (POSTERN_SHARED names the folder it is in)')
class Mime(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = host.Host(edit=with_users)
        cls.addClassCleanup(cls.host.remove)
        cls.host.start()
        cls.rows = listed()
        cls.used = set()

    @classmethod
    def tearDownClass(cls):
        cls.host.stop()

    def ask(self, *arguments):
        """Runs the bench; checks all it says."""
        result = subprocess.run(
            [sys.executable, str(BENCH / 'mimetruth'), 'run', '--imaps', str(self.host.port(993)), '-v', *arguments],
            capture_output=True, text=True, timeout=SECONDS_MAX, check=False, env=dict(os.environ, PYTHONDONTWRITEBYTECODE='1'))
        said = result.stdout + result.stderr
        self.assertIn(result.returncode, (0, 1), said)
        counts = re.search(r'# messages: (\d+) in both; clean: (\d+) alike, (\d+) differ; broken: (\d+) alike, (\d+) differ; '
                           r'.*only A (\d+), only B (\d+)', said)
        self.assertIsNotNone(counts, said)
        both, clean_alike, clean_differ, broken_alike, broken_differ, only_a, only_b = map(int, counts.groups())
        self.assertEqual((both, only_a, only_b), (1914, 0, 0))
        self.assertEqual(clean_alike + clean_differ + broken_alike + broken_differ, both)
        self.assertGreaterEqual(clean_alike / (clean_alike + clean_differ), CLEAN_ALIKE_MIN)
        self.assertRegex(said, r'(?m)^# queries: 18\d\d in both')
        # No reference needed: sizes are those of the bytes, what was sent comes back (or it is listed), no connection broke.
        laws = re.findall(r'(?m)^law B (\S+): ([A-Za-z+. \[\]<>0-9]+?) \d', said)
        told = re.search(r'(?m)^# laws broken by B: (.*)$', said).group(1)
        self.assertEqual(sum(map(int, re.findall(r' (\d+)(?:,|$)', told))), len(laws), told)
        for name, law in laws:
            self.assertTrue(self.is_listed(f'broken {name} law {law} A='), (name, law))
        self.assertNotRegex(said, r'B=(Gone|Silent)\b')
        self.assertTrue(self.host.alive())
        unlisted = [line for line in said.splitlines() if self.is_difference(line) and not self.is_listed(line)]
        self.assertEqual(unlisted, [])

    @staticmethod
    def is_difference(line):
        return line.startswith(('clean ', 'broken ', 'query '))

    def is_listed(self, line):
        kind, rest = line.split(' ', 1)
        name, where = ('query', rest) if kind == 'query' else rest.split(' ', 1)
        where = where.split(' A=', 1)[0]
        fitting = [row for row in self.rows if fnmatch.fnmatchcase(name, row[0]) and fnmatch.fnmatchcase(where, row[1])]
        self.used.update(fitting)
        return bool(fitting)

    def test_1_appended(self):
        self.ask()

    def test_2_found_in_the_maildir(self):
        self.ask('--maildir', str(self.host.root / 'home/vmail'), '--user', 'u4@example.test')

    def test_3_the_file_is_as_it_was_sent(self):
        """Also where IMAP can't show it: NUL, lone CR, CR before CRLF."""
        sent = b'Subject: odd\r\n\r\na\0b\rc\r\r\nd\r'
        client = self.host.imap()
        # By hand: imaplib makes other line ends, and reads no literal8 (RFC 3516).
        client.send(b'w APPEND INBOX {%d+}\r\n' % len(sent) + sent + b'\r\n')
        self.assertRegex(client.readline(), rb'^w OK')
        client.select()
        client.send(b'x FETCH 1 BINARY.PEEK[]\r\n')
        self.assertEqual(client.readline(), b'* 1 FETCH (BINARY[] ~{%d}\r\n' % len(sent))
        self.assertEqual(client.read(len(sent)), sent)
        client.readline(), client.readline()
        client.logout()
        [file] = self.host.messages(host.ALICE)
        self.assertEqual(file.read_bytes().count(b'\0'), 1)

    def test_4_the_list_says_nothing_else(self):
        self.assertEqual([row for row in self.rows if row not in self.used], [])


if __name__ == '__main__':
    unittest.main()
