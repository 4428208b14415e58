"""curl, swaks and mbsync against the running program, and the demo."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, PATIENCE, PROGRAM, SOURCE, Host, letter

MECHANISMS = ('PLAIN', 'LOGIN', 'CRAM-MD5', 'DIGEST-MD5')


def every_mechanism(host):
    """The working configuration, with plain passwords, so that every mechanism can serve."""
    host.replace('etc/dovecot/conf.d/10-auth.conf', r'(?m)^auth_mechanisms = .*$', 'auth_mechanisms = plain login cram-md5 digest-md5')
    (host.root / 'etc/dovecot/users').write_text(f'{ALICE}:{{PLAIN}}{ALICE_PASSWORD}\n{BOB}:{{PLAIN}}{BOB_PASSWORD}\n')


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host(edit=every_mechanism))
        cls.certificate = str(cls.host.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem')

    def run_program(self, *command, **more):
        return subprocess.run(command, capture_output=True, timeout=PATIENCE * 2, **more)

    def curl(self, *options, password=ALICE_PASSWORD, **more):
        return self.run_program('curl', '--silent', '--show-error', '--cacert', self.certificate, '--user', f'{ALICE}:{password}', *options, **more)

    def test_curl_logs_in_by_every_mechanism(self):
        urls = (f'imaps://localhost:{self.host.port(993)}/', f'pop3s://localhost:{self.host.port(995)}/')
        for url in urls:
            for mechanism in MECHANISMS:
                with self.subTest(url=url, mechanism=mechanism):
                    ended = self.curl('--login-options', 'AUTH=' + mechanism, url)
                    self.assertEqual(ended.returncode, 0, ended)
                    self.assertEqual(self.curl('--login-options', 'AUTH=' + mechanism, url, password='wrong').returncode, 67)

    def test_curl_sends_and_reads(self):
        for number, scheme in ((587, 'smtp'), (465, 'smtps')):
            for mechanism in MECHANISMS:
                subject = f'curl {number} {mechanism}'
                with self.subTest(subject):
                    sent = self.curl('--ssl-reqd', '--login-options', 'AUTH=' + mechanism, f'{scheme}://localhost:{self.host.port(number)}',
                                     '--mail-from', ALICE, '--mail-rcpt', ALICE, '--upload-file', '-', input=letter(subject))
                    self.assertEqual(sent.returncode, 0, sent)
                    count = len(self.host.messages(ALICE))
                    for url in (f'imaps://localhost:{self.host.port(993)}/INBOX;MAILINDEX={count}', f'pop3s://localhost:{self.host.port(995)}/{count}'):
                        self.assertTrue(self.curl(url).stdout.endswith(letter(subject)), url)

    def test_swaks(self):
        for mechanism in ('PLAIN', 'LOGIN'):
            for number, tls in ((587, '--tls'), (465, '--tls-on-connect')):
                with self.subTest(mechanism=mechanism, port=number):
                    common = ('swaks', '--server', '127.0.0.1', '--port', str(self.host.port(number)), tls, '--auth', mechanism, '--auth-user', BOB,
                              '--helo', 'client.example.test', '--from', BOB, '--to', BOB, '--hide-all')
                    ended = self.run_program(*common, '--auth-password', BOB_PASSWORD)
                    self.assertEqual(ended.returncode, 0, ended)
                    self.assertEqual(self.run_program(*common, '--auth-password', 'wrong').returncode, 28)

    def test_mbsync_both_ways(self):
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            (here / 'rc').write_text(f'''
IMAPAccount a
Host localhost
Port {self.host.port(993)}
User {BOB}
Pass {BOB_PASSWORD}
SSLType IMAPS
CertificateFile {self.certificate}
AuthMechs LOGIN

IMAPStore far
Account a

MaildirStore near
Path {here}/mail/
Inbox {here}/mail/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
''')
            (here / 'mail').mkdir()

            def sync():
                ended = self.run_program('mbsync', '-c', str(here / 'rc'), '-a', env={**os.environ, 'HOME': folder})
                self.assertEqual(ended.returncode, 0, ended)

            def near(name='INBOX'):
                return sorted(path for part in ('new', 'cur') for path in (here / 'mail' / name / part).iterdir())

            def clean(data):  # mbsync's own field
                return re.sub(rb'X-TUID: .*\r?\n', b'', data).replace(b'\r\n', b'\n')
            imap = self.host.imap(BOB, BOB_PASSWORD)
            imap.select()
            for subject in ('sync one', 'sync two'):
                imap.append('INBOX', None, None, letter(subject))
            count = int(imap.select()[1][0])
            sync()
            self.assertEqual(len(near()), count)
            self.assertTrue(any(clean(path.read_bytes()) == clean(letter('sync two')) for path in near()))
            # From here to there: a flag, a new message, a new folder. From there to here: an expunge.
            flagged = next(path for path in near() if b'Subject: sync one' in path.read_bytes())
            base = flagged.name.split(':')[0]
            flagged.rename(here / 'mail/INBOX/cur' / (base + ':2,F'))
            (here / 'mail/INBOX/new/1795510000.1.near').write_bytes(letter('from here'))
            for part in ('new', 'cur', 'tmp'):
                (here / 'mail/Folder' / part).mkdir(parents=True)
            (here / 'mail/Folder/new/1795510000.2.near').write_bytes(letter('in a folder'))
            number = imap.search(None, 'SUBJECT', '"sync two"')[1][0].decode()
            imap.store(number, '+FLAGS', r'(\Deleted)')
            imap.expunge()
            sync()
            imap.select()
            self.assertEqual(int(imap.select()[1][0]), count)
            self.assertEqual(len(imap.search(None, 'FLAGGED', 'SUBJECT', '"sync one"')[1][0].split()), 1)
            for mailbox, subject in (('INBOX', 'from here'), ('Folder', 'in a folder')):
                imap.select(mailbox)
                found = imap.search(None, 'SUBJECT', f'"{subject}"')[1][0].split()
                self.assertEqual(len(found), 1, subject)
                self.assertEqual(clean(imap.fetch(found[0], '(BODY.PEEK[])')[1][0][1]), clean(letter(subject)))
            self.assertFalse(any(b'Subject: sync two' in path.read_bytes() for path in near()))
            before = [(path.name, path.read_bytes()) for path in near()]
            sync()  # nothing is left to do
            self.assertEqual([(path.name, path.read_bytes()) for path in near()], before)
            imap.logout()


class Demo(unittest.TestCase):
    def test_demo(self):
        ended = subprocess.run([SOURCE / 'scripts/demo'], capture_output=True, text=True, timeout=PATIENCE * 2, env={**os.environ, 'POSTERN_BIN': PROGRAM})
        self.assertEqual(ended.returncode, 0, ended.stdout + ended.stderr)
        self.assertIn('All is well', ended.stdout)


if __name__ == '__main__':
    unittest.main()
