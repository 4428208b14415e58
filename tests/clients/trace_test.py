"""`postern trace`: one message's life, from its connection to who deleted it, told from the records on disk."""
import base64
import json
import re
import signal
import socket
import subprocess
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, PROGRAM, STRANGER, Host, letter, wait_until

FAR = 'someone@far.example.org'


class Sink:
    """A far-away server: Postfix's smtp-sink takes everything."""

    def __enter__(self):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(['/usr/sbin/smtp-sink', '-u', 'nobody', '-h', 'sink.example.org', f'127.0.0.1:{self.port}', '10'])
        wait_until(self.answers, 'smtp-sink')
        return self

    def answers(self):
        try:
            socket.create_connection(('127.0.0.1', self.port), 5).close()
        except OSError:
            return False
        return True

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


class Trace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sink = cls.enterClassContext(Sink())
        cls.host = cls.enterClassContext(Host(edit=cls.relay))

    @classmethod
    def relay(cls, host):
        with open(host.root / 'etc/postfix/main.cf', 'a', encoding='ascii') as main:
            main.write(f'relayhost = [127.0.0.1]:{cls.sink.port}\n')

    @classmethod
    def trace(cls, *words, status=0):
        done = subprocess.run([PROGRAM, 'trace', '--root', str(cls.host.root), *words], capture_output=True, text=True,
                              env={'TZ': 'UTC'}, timeout=60)
        if done.returncode != status:
            raise AssertionError(f'{words}: status {done.returncode}\n{done.stdout}{done.stderr}')
        return done

    def lines(self, *words):
        return self.trace(*words).stdout.splitlines()

    def records(self, *words):
        return [json.loads(line) for line in self.lines('--json', *words)]

    def submit(self, subject, recipients):
        """Sends it and gives its Message-ID."""
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as smtp:
            smtp.sendmail(ALICE, recipients, letter(subject))
        return re.sub('[^a-zA-Z0-9]', '-', subject) + '@example.net'

    def in_order(self, lines, *patterns):
        """Every pattern in a line of its own, in this order."""
        rest = iter(lines)
        for pattern in patterns:
            if not any(re.search(pattern, line) for line in rest):
                self.fail(f'{pattern!r} is not there, or not in its place:\n' + '\n'.join(lines))

    def test_a_life_by_smtp_queue_and_imap(self):
        message_id = self.submit('whole life', [BOB, FAR])
        wait_until(lambda: any('message.removed' in line for line in self.trace('--json', message_id).stdout.splitlines()), 'the end of the queue file')
        imap = self.host.imap(BOB, BOB_PASSWORD)
        imap.select()
        uid = imap.uid('SEARCH', 'HEADER', 'Message-ID', message_id)[1][0].decode()
        imap.create('Kept')
        imap.uid('FETCH', uid, '(BODY.PEEK[])')
        imap.uid('MOVE', uid, 'Kept')
        imap.select('Kept')
        imap.uid('STORE', '1:*', '+FLAGS', r'(\Deleted)')
        imap.expunge()
        imap.logout()
        lines = self.lines(message_id)
        self.in_order(
            lines,
            r'smtpd +connect from ',
            r'smtpd +.*TLS connection established from .*: TLSv1\.3 ',
            rf'smtpd +[0-9A-F]+: client=.*sasl_method=PLAIN, sasl_username={ALICE}',
            rf'cleanup +[0-9A-F]+: message-id=<{message_id}>',
            rf'qmgr +[0-9A-F]+: from=<{ALICE}>, size=\d+, nrcpt=2 \(queue active\)',
            rf'virtual +[0-9A-F]+: to=<{BOB}>, .* status=sent \(delivered to maildir\), file={self.host.maildir(BOB)}/new/\d+\.M'.replace(str(self.host.root), ''))
        self.in_order(lines, rf'smtp +[0-9A-F]+: to=<{FAR}>, relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, .*status=sent \(250 .*\)', r'qmgr +[0-9A-F]+: removed')
        self.in_order(
            lines,
            rf'imap +imap-login: Login: user=<{BOB}>',
            rf'imap +{BOB} read it: INBOX uid {uid}, from 127\.0\.0\.1',
            rf'imap +{BOB} moved it: INBOX uid {uid} -> Kept uid 1, from 127\.0\.0\.1',
            rf'imap +{BOB} set \+\\Deleted: Kept uid 1, from 127\.0\.0\.1',
            rf'imap +{BOB} expunged it: Kept uid 1, from 127\.0\.0\.1')
        self.assertRegex(lines[0], r'^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000$')
        self.assertRegex(lines[1], r'^  \+0\.000s  smtpd ')
        # The same from every other key, also while nothing runs.
        records = self.records(message_id)
        (delivered,) = [r for r in records if r.get('event.action') == 'message.committed']
        keys = {delivered['trace.id'], delivered['email.local_id'], delivered['file.name'], f'<{message_id}>',
                str(self.host.maildir(BOB) / 'new' / (delivered['file.name'] + ',S=1,W=1'))}
        self.host.stop()
        for key in keys:
            self.assertEqual(self.records(key), records, key)
        self.host.start()

    def test_who_deleted_it_by_pop3_and_two_at_once_by_imap(self):
        first, second = self.submit('pop one', [ALICE]), self.submit('pop two', [ALICE])
        pop = self.host.pop3()
        count = len(pop.list()[1])
        pop.retr(count)
        pop.dele(count)
        pop.quit()
        lines = self.lines(second)
        self.in_order(lines, rf'pop3 +{ALICE} read it: INBOX uid \d+', rf'pop3 +{ALICE} expunged it: INBOX uid \d+')
        self.assertFalse([line for line in self.lines(first) if 'pop3' in line])
        third = self.submit('pop three', [ALICE])
        imap = self.host.imap()
        imap.select()
        imap.uid('STORE', '1:*', '+FLAGS', r'(\Deleted)')
        imap.close()
        imap.logout()
        uids = [re.search(rf'{ALICE} expunged it: INBOX uid (\d+),', '\n'.join(self.lines(key))).group(1) for key in (first, third)]
        self.assertNotEqual(uids[0], uids[1])

    def test_a_copy_in_sent(self):
        message_id = self.submit('with a copy', [BOB])
        imap = self.host.imap()
        imap.create('Sent')
        imap.append('Sent', r'(\Seen)', None, letter('with a copy'))
        imap.append('Sent', r'(\Seen)', None, b'X-Long: ' + b'x' * 300_000 + b'\r\n' + letter('with a copy'))  # not found: too far
        imap.select('Sent')
        imap.uid('STORE', '1', '+FLAGS', r'(\Deleted)')
        imap.close()
        imap.logout()
        lines = self.lines(message_id)
        self.in_order(lines, rf'to=<{BOB}>.*status=sent', rf'{ALICE} appended it: Sent uid 1', rf'{ALICE} expunged it: Sent uid 1')
        self.assertNotIn('Sent uid 2', '\n'.join(lines))

    def test_a_folder_that_is_deleted_with_it(self):
        message_id = self.submit('in a folder', [BOB])
        imap = self.host.imap(BOB, BOB_PASSWORD)
        imap.select()
        uid = imap.uid('SEARCH', 'HEADER', 'Message-ID', message_id)[1][0].decode()
        for name in ('Empty', 'Project'):
            imap.create(name)
        imap.uid('MOVE', uid, 'Project')
        imap.rename('Project', 'Done')
        imap.delete('Done')
        imap.delete('Empty')
        imap.logout()
        self.in_order(self.lines(message_id), rf'{BOB} moved it: INBOX uid {uid} -> Project uid 1', r'Mailbox renamed: Project -> Done',
                      r'Mailbox deleted: Done')
        self.assertNotIn('Empty', '\n'.join(self.lines(message_id)))

    def test_a_refusal_is_told(self):
        with self.host.smtp(25, source=STRANGER) as smtp:
            smtp.ehlo()
            smtp.mail('a@far.example.org')
            self.assertEqual(smtp.rcpt('x@far.example.net')[0], 554)
            smtp.rcpt(BOB)
            smtp.data(letter('refused'))
        self.in_order(self.lines('refused@example.net'), r'connect from', r'NOQUEUE: reject: RCPT .* 554 5\.7\.1 <x@far\.example\.net>: Relay access denied',
                      rf'to=<{BOB}>.*status=sent', 'disconnect from')

    def test_the_last_one(self):
        self.submit('the last one', [BOB])
        self.in_order(self.lines('--last'), 'message-id=<the-last-one@example.net>')

    def test_no_secret_is_in_the_records(self):
        self.submit('secrets', [BOB])
        self.host.imap().logout()
        self.host.pop3().quit()
        folder = self.host.root / 'var/spool/postfix/postern/log'
        text = b''.join(file.read_bytes() for file in folder.iterdir())
        self.assertIn(b'imap.login', text)
        self.assertIn(b'pop3.login', text)
        for password in (ALICE_PASSWORD, BOB_PASSWORD):
            self.assertNotIn(password.encode(), text)
            self.assertNotIn(base64.b64encode(password.encode()).rstrip(b'='), text)
        self.assertEqual(oct(folder.stat().st_mode)[-4:], '0700')
        # What tools read has none of it.
        self.assertNotIn('expunge: box=', self.host.log())

    def test_exit_statuses(self):
        self.assertIn('nothing about <nobody@example.net>', self.trace('<nobody@example.net>', status=1).stderr)
        self.trace(status=64)
        self.trace('--last', 'x', status=64)
        self.trace('--nonsense', status=64)
        self.trace('x', '--postfix', '/nonexistent', status=78)
        self.assertEqual(subprocess.run([PROGRAM, 'trace', '--root', '/nonexistent', 'x'], capture_output=True).returncode, 66)


class Off(unittest.TestCase):
    def test_records_can_be_switched_off_and_bounded(self):
        def edit(host):
            with open(host.root / 'etc/postfix/main.cf', 'a', encoding='ascii') as main:
                main.write('postern_records_size = 0\n')

        with Host(edit=edit) as host:
            with host.smtp(25) as smtp:
                smtp.sendmail(BOB, [ALICE], letter('unseen'))
            done = subprocess.run([PROGRAM, 'trace', '--root', str(host.root), '--last'], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn('postern_records_size is 0', done.stderr)
            self.assertFalse((host.root / 'var/spool/postfix/postern/log').exists())
            host.stop()
            host.replace('etc/postfix/main.cf', r'postern_records_size = 0', 'postern_records_size = 100000')
            host.start()
            for number in range(60):
                with host.smtp(25) as smtp:
                    smtp.sendmail(BOB, [ALICE], letter(f'message {number}'))
            folder = host.root / 'var/spool/postfix/postern/log'
            self.assertLessEqual(sum(file.stat().st_size for file in folder.iterdir()), 100000)
            last = subprocess.run([PROGRAM, 'trace', '--root', str(host.root), '--last'], capture_output=True, text=True, check=True)
            self.assertIn('message-id=<message-59@example.net>', last.stdout)


if __name__ == '__main__':
    unittest.main()
