"""Commands and files that aliases name, beside a real Postfix: the same messages through both come to the same text, the
same environment and the same fate.

Ends with 77 where Postfix is not installed or the user is not root.
"""
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import unittest

from peers import POSTFIX, SKIPPED, Postfix, missing
from host import Host, letter, wait_until

USER = 65534
# Each server has a folder of its own, `work`, for what its commands leave.
SAVE = """#!/bin/sh
cat > {work}/$1.new
env | grep -vE '^(_|PWD|SHLVL|OLDPWD|LANG|MAIL_CONFIG|TZ)=' | sort > {work}/$1.env
mv {work}/$1.new {work}/$1
"""
EXITS = (1, 2, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 127)
ALIASES = """
plain: "|{work}/save plain"
shelly: "|{work}/save 'shelly'; true"
outer: inner
inner: "|{work}/save inner"
list: :include:{etc}/list
owner-owned: someone@far.example
owned: "|{work}/save owned"
box: {box}
gone: "|/no/such/command"
killed: "|kill -9 $$"
says: "|echo 4.2.2 no room for you; exit 1"
speaks: "|echo one; echo two >&2; exit 69"
builtin: "|exit 68"
slow: "|sleep 100"
""" + ''.join(f'exit{number}: "|exit {number}"\n' for number in EXITS)
SETTINGS = """
alias_maps = texthash:/etc/aliases
mydestination = local.test
myorigin = local.test
recipient_delimiter = +
default_privs = nobody
command_time_limit = 3s
allow_mail_to_commands = alias, include
"""


def prepare(work, etc, box):
    work.mkdir()
    os.chmod(work, 0o777)
    (work / 'save').write_text(SAVE.format(work=work))
    os.chmod(work / 'save', 0o755)
    return ALIASES.format(work=work, etc=etc, box=box)


class Same(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix='postern-peer-'))
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        os.chmod(cls.folder, 0o755)
        cls.theirs, cls.ours = cls.folder / 'theirs', None
        aliases = prepare(cls.theirs, cls.folder, cls.theirs / 'box')
        (cls.folder / 'list').write_text(f'"|{cls.theirs}/save listed"\n')
        (cls.folder / 'aliases').write_text(aliases)
        settings = SETTINGS.replace('/etc/aliases', f'{cls.folder}/aliases').replace('texthash', 'hash')
        build(cls.folder / 'aliases')
        cls.postfix = cls.enterClassContext(Postfix(
            cls.folder / 'postfix', settings + 'local_recipient_maps = $alias_maps\nmyhostname = mail.example.test\nmydomain = example.test\n'
            'smtpd_peername_lookup = yes\nmynetworks = 127.0.0.1/32\n', 'local unix - n n - - local\n'))
        cls.host = cls.enterClassContext(Host(edit=cls.configure))

    @classmethod
    def configure(cls, host):
        for part in ('', 'etc'):
            os.chmod(host.root / part, 0o755)
        cls.ours = host.root / 'srv'
        (host.root / 'etc/aliases').write_text(prepare(cls.ours, '/etc', '/srv/box'))
        (host.root / 'etc/list').write_text(f'"|{cls.ours}/save listed"\n')
        with open(host.root / 'etc/passwd', 'a') as file:
            file.write(f'nobody:x:{USER}:{USER}::/nonexistent:/usr/sbin/nologin\n')
        with open(host.root / 'etc/postfix/main.cf', 'a') as file:
            file.write(SETTINGS.lstrip() + 'local_recipient_maps = $alias_maps\nmailbox_size_limit = 0\n')

    def both(self, to, sender='s+x@far.example', text='From here\r\n.dot\r\n'):
        for port in (self.postfix.port, self.host.port(25)):
            with smtplib.SMTP('127.0.0.1', port, local_hostname='bad;helo$x') as client:
                client.sendmail(sender, [to], letter('for ' + to, text))

    def saved(self, name):
        """What both commands got, with what must differ made the same: times, ids, host names."""
        results = []
        for work in (self.theirs, self.ours):
            wait_until(lambda: (work / name).exists(), f'{work / name}')
            text = (work / name).read_text()
            text = re.sub(r'(?m)^(From \S+  ).*', r'\1TIME', text)
            text = re.sub(r'(?m)^Received: (.*\n[ \t])*.*\n', 'Received\n', text)
            environment = (work / (name + '.env')).read_text()
            environment = re.sub(r'(?m)^PATH=.*$', lambda path: ':'.join(sorted(path[0][5:].split(':'))), environment)
            results.append((text, environment))
        return results

    def fates(self, to):
        """dsn, status and words that both logs have for the recipient."""
        pattern = rf'to=<{re.escape(to)}>, .*dsn=(\S+), status=(\w+) \((.*)\)\n'
        theirs = self.postfix.wait_for_log(pattern)
        self.host.wait_for_log(pattern)
        ours = re.search(pattern, self.host.log())
        return [tuple(part.strip().replace(str(work), 'WORK').replace('/srv', 'WORK') for part in found.groups())
                for found, work in ((theirs, self.theirs), (ours, self.ours))]

    def test_text_and_environment(self):
        for to, name in (('plain', 'plain'), ('Shelly+Ext', 'shelly'), ('outer+ext', 'inner'), ('list', 'listed'), ('owned', 'owned')):
            with self.subTest(to=to):
                self.both(f'{to}@local.test')
                theirs, ours = self.saved(name)
                self.assertEqual(ours[0], theirs[0])
                self.assertEqual(ours[1], theirs[1])

    def test_the_null_sender(self):
        for work in (self.theirs, self.ours):
            (work / 'plain').unlink(missing_ok=True)
        self.both('plain@local.test', sender='')
        theirs, ours = self.saved('plain')
        self.assertEqual(ours, theirs)

    def test_fates(self):
        names = ['gone', 'killed', 'says', 'speaks', 'builtin', 'slow'] + [f'exit{number}' for number in EXITS]
        for name in names:
            self.both(f'{name}@local.test')
        for name in names:
            with self.subTest(name=name):
                theirs, ours = self.fates(f'{name}@local.test')
                self.assertEqual(ours, theirs)

    def test_an_mbox(self):
        self.both('box@local.test')
        self.both('box@local.test', text='no end')
        texts = []
        for work in (self.theirs, self.ours):
            wait_until(lambda: (work / 'box').exists() and (work / 'box').read_text().count('\nSubject:') == 2, 'two messages')
            text = re.sub(r'(?m)^(From \S+  ).*', r'\1TIME', (work / 'box').read_text())
            texts.append(re.sub(r'(?m)^Received: (.*\n[ \t])*.*\n', 'Received\n', text))
            self.assertEqual((work / 'box').stat().st_mode & 0o777, 0o600)
        # Which of the two comes first is no matter.
        split = [sorted(re.split(r'(?m)^(?=From \S+  TIME$)', text)) for text in texts]
        self.assertEqual(split[1], split[0])


def build(aliases):
    """postalias(1), which wants a main.cf."""
    (aliases.parent / 'main.cf').write_text('compatibility_level = 3.6\n')
    subprocess.run(['/usr/sbin/postalias', '-c', str(aliases.parent), f'hash:{aliases}'], check=True)


if __name__ == '__main__':
    if missing(POSTFIX):
        print('skipped:', missing(POSTFIX))
        sys.exit(SKIPPED)
    unittest.main()
