"""What `postern serve --record DIR` writes replays without a difference, shows one where a byte was changed, and holds no secret."""
import base64
import imaplib
import json
import os
import pathlib
import re
import shutil
import smtplib
import subprocess
import tempfile
import unittest
import urllib.parse

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, PROGRAM, Host, letter

WRONG_PASSWORD = 'not-the-password'


def replay(*arguments):
    run = subprocess.run([PROGRAM, 'replay', '--json', *map(str, arguments)], capture_output=True, text=True)
    return run.returncode, (json.loads(run.stdout) if run.stdout else None), run.stderr


def decoded(text):
    """Everything that a reader of the file could make of it: as it is, without escapes, and every base64 word decoded."""
    plain = urllib.parse.unquote_to_bytes(text)
    words = re.findall(rb'[A-Za-z0-9+/]{8,}={0,2}', plain)
    for word in words:
        for skip in range(4):
            part = word[skip:len(word) - (len(word) - skip) % 4]
            try:
                plain += b'\n' + base64.b64decode(part)
            except ValueError:
                pass
    return plain


def every_mechanism(host):
    """Logins of each kind, right ones and a wrong one, with mail in between."""
    for number in (587, 465):
        for name in ('PLAIN', 'LOGIN', 'CRAM-MD5'):
            with host.smtp(number) as client:
                client.ehlo()
                client.user, client.password = ALICE, ALICE_PASSWORD
                if name in client.esmtp_features.get('auth', '').split():
                    method = {'PLAIN': client.auth_plain, 'LOGIN': client.auth_login, 'CRAM-MD5': client.auth_cram_md5}[name]
                    client.auth(name, method, initial_response_ok=number == 465)
                    client.sendmail(ALICE, [ALICE, BOB], letter(f'{name} {number}', sender=ALICE))
    with host.smtp(587) as client:
        try:
            client.login(ALICE, WRONG_PASSWORD)
        except smtplib.SMTPAuthenticationError:
            pass
    with host.smtp(25) as client:
        client.sendmail('someone@example.net', [BOB], letter('from outside'))


def read_mail(host):
    for user, password in ((ALICE, ALICE_PASSWORD), (BOB, BOB_PASSWORD)):
        client = host.imap(user, password)
        client.select()
        client.fetch('1:*', '(UID FLAGS BODY.PEEK[])')
        client.store('1', '+FLAGS', r'(\Seen $Kw)')
        client.create('Box')
        client.copy('1:*', 'Box')
        client.append('Box', r'(\Flagged)', None, letter('appended'))
        client.logout()
        client = host.imap(None)
        client.authenticate('PLAIN', lambda _: f'\0{user}\0{password}'.encode())
        client.select('Box')
        client.logout()
        client = host.imap(None)
        if 'AUTH=CRAM-MD5' in client.capabilities:
            client.login_cram_md5(user, password)
            client.noop()
        client.logout()
        client = host.pop3(user, password)
        client.uidl()
        client.retr(1)
        client.quit()
    client = host.imap(None)
    try:
        client.login(BOB, WRONG_PASSWORD)
    except imaplib.IMAP4.error:
        pass
    client.logout()


def with_challenges(host):
    """Passwords that CRAM-MD5 can be done with, and the mechanism."""
    (host.root / 'etc/dovecot/users').write_text(f'{ALICE}:{{PLAIN}}{ALICE_PASSWORD}\n{BOB}:{{PLAIN}}{BOB_PASSWORD}\n')
    for file in (host.root / 'etc/dovecot').rglob('*.conf*'):
        if 'auth_mechanisms' in file.read_text():
            host.replace(file.relative_to(host.root), r'(?m)^(\s*auth_mechanisms = ).*$', r'\1plain login cram-md5')


class Replay(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix='postern-record-'))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.record = cls.dir / 'record'
        with Host(edit=with_challenges, options=['--record', str(cls.record), '--shards', '2']) as host:
            every_mechanism(host)
            read_mail(host)
        cls.shards = sorted(cls.record.glob('shard-*.rec'))

    def test_replays_without_a_difference(self):
        self.assertEqual(len(self.shards), 2)
        status, told, errors = replay(*self.shards)
        self.assertEqual((status, errors), (0, ''), told)
        self.assertEqual([file['differences'] for file in told['files']], [[], []])
        self.assertGreater(sum(file['steps'] for file in told['files']), 200)
        self.assertTrue(all(file['steps'] == file['steps_made'] and not file['cut_off'] for file in told['files']))

    def test_challenges_were_answered_and_sessions_moved(self):
        text = ''.join(file.read_text() for file in self.shards)
        self.assertGreaterEqual(len(re.findall(r'(?m)^A CRAM-MD5 [0-9]+$', text)), 4)
        self.assertRegex(text, r'(?m)^E Handoff ')

    def test_holds_no_secret(self):
        for file in self.record.iterdir():
            everything = decoded(file.read_text())
            self.assertGreater(len(everything), 500)
            for secret in (ALICE_PASSWORD, BOB_PASSWORD, WRONG_PASSWORD, 'PRIVATE KEY'):
                self.assertNotIn(secret.encode(), everything, file.name)

    def test_the_search_for_secrets_finds_them(self):
        for form in (ALICE_PASSWORD, urllib.parse.quote('x ' + ALICE_PASSWORD), base64.b64encode(f'\0u\0{ALICE_PASSWORD}'.encode()).decode()):
            self.assertIn(ALICE_PASSWORD.encode(), decoded('S 1 2 3 Received 1 ' + form))

    def test_is_for_its_owner_alone(self):
        self.assertEqual(os.stat(self.record).st_mode & 0o777, 0o700)
        for file in self.record.iterdir():
            self.assertEqual(os.stat(file).st_mode & 0o777, 0o600, file.name)

    def changed(self, pattern, text):
        """A copy of the recording in which the first match in some shard's file is changed; the file."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.dir))
        for file in self.record.iterdir():
            shutil.copy(file, folder)
        for file in sorted(folder.glob('shard-*.rec')):
            new, count = re.subn(pattern, text, file.read_text(), count=1)
            if count:
                file.write_text(new)
                return file
        self.fail(f'{pattern!r} is nowhere in the recording')

    def test_one_byte_of_an_event_is_seen(self):
        # A client said NOOP; now it says NOOQ, and is answered otherwise.
        file = self.changed(r'(?m)^(S .*Received .*)NOOP%0D', r'\1NOOQ%0D')
        status, told, _ = replay(file)
        difference = told['files'][0]['differences'][0]
        self.assertEqual(status, 1)
        self.assertIn('NOOQ', difference['event'])
        self.assertNotEqual(difference['recorded'], difference['ours'])
        self.assertGreater(difference['line'], 2)

    def test_one_byte_of_an_effect_is_seen(self):
        file = self.changed(r'(?m)^E Send (\d+) 250(.*)$', r'E Send \1 251\2')
        status, told, _ = replay(file)
        self.assertEqual(status, 1)
        difference = told['files'][0]['differences'][0]
        self.assertIn(' 251', difference['recorded'])
        self.assertIn(' 250', difference['ours'])

    def test_a_broken_file_is_told(self):
        file = self.changed(r'(?m)^S (\d+) ', r'S \1x ')
        status, _, errors = replay(file)
        self.assertEqual(status, 2)
        self.assertRegex(errors, r'line \d+')

    def test_what_was_cut_off_replays_until_there(self):
        file = self.changed(r'(?s)(.*)\n[^\n]*\n$', r'\1\nE Sen')
        status, told, _ = replay(file)
        self.assertEqual(status, 0)
        self.assertTrue(told['files'][0]['cut_off'])

    def test_never_writes_over_a_recording(self):
        host = Host(options=['--record', str(self.record)])
        self.addCleanup(host.remove)
        with self.assertRaises(RuntimeError):
            host.start()
        host.process.wait()
        host.process.stdout.close()
        host.output.close()
        self.assertIn('--record', host.said())


class Reload(unittest.TestCase):
    def test_a_new_configuration_is_recorded_too(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix='postern-record-'))
        self.addCleanup(shutil.rmtree, folder, ignore_errors=True)
        with Host(options=['--record', str(folder), '--shards', '1']) as host:
            start = len(host.log())
            with open(host.root / 'etc/postfix/main.cf', 'a') as file:
                file.write('smtpd_recipient_limit = 1\n')
            host.wait_for_log(r'reload -- ', start)
            with host.smtp(25) as client:
                client.mail('<>')
                client.rcpt(ALICE)
                client.rcpt(BOB)
        self.assertTrue((folder / 'host-1.rec').exists())
        status, told, errors = replay(folder / 'shard-0.rec')
        self.assertEqual((status, errors), (0, ''), told)


if __name__ == '__main__':
    unittest.main()
