"""Servers that hang up, put off, stall or are not there (smtp-sink(1)): what waits in the queue and why, what is sent again,
and what becomes of it when its time is over.

Ends with 77 where Postfix's smtp-sink is not installed or the user is not root.
"""
import contextlib
import unittest

from notices import ReadsNotices
from peers import SMTP_SINK, Sink, open_folder, run, wait_telling
from host import ALICE, ALICE_PASSWORD, Host, free_offset, letter

SERVER = r'127\.0\.0\.1\[127\.0\.0\.1\]'
TIMEOUT_S = 3  # long enough for a good server on a busy machine

# What fails: smtp-sink's options (None: nobody listens), the status and the reason that the queue gives.
LOST, SAID, STALLED = f'lost connection with {SERVER} while ', f'host {SERVER} said: ', f'conversation with {SERVER} timed out while '
FAILED = r'450 4\.3\.0 Error: command failed'
GREETING, HELLO, MAIL, RCPT, DATA = ('receiving the initial server greeting', 'performing the EHLO handshake', 'sending MAIL FROM',
                                     'sending RCPT TO', 'sending DATA command')
END = 'sending end of data -- message may be sent more than once'
CASES = {
    'gone': (None, '4.4.1', rf'connect to {SERVER}:\d+: Connection refused'),
    'drop-connect': (['-q', 'CONNECT'], '4.4.2', LOST + GREETING),
    'drop-ehlo': (['-q', 'EHLO'], '4.4.2', LOST + HELLO),
    'drop-mail': (['-q', 'MAIL'], '4.4.2', LOST + MAIL),
    'drop-rcpt': (['-q', 'RCPT'], '4.4.2', LOST + RCPT),
    'drop-data': (['-q', 'DATA'], '4.4.2', LOST + DATA),
    'drop-end': (['-q', '.'], '4.4.2', LOST + END),
    'close-mail': (['-Q', 'MAIL'], '4.0.0', SAID + r'421 4\.0\.0 Server closing connection .*in reply to MAIL FROM command'),
    'close-end': (['-Q', '.'], '4.0.0', SAID + r'421 .*in reply to end of DATA command'),
    'soft-connect': (['-r', 'CONNECT'], '4.3.0', f'host {SERVER} refused to talk to me: ' + FAILED),
    'hard-connect': (['-f', 'CONNECT'], '4.3.0', f'host {SERVER} refused to talk to me: 500 '),  # smtp_skip_5xx_greeting
    'soft-hello': (['-r', 'EHLO,HELO'], '4.3.0', f'host {SERVER} refused to talk to me: ' + FAILED),
    'soft-mail': (['-r', 'MAIL'], '4.3.0', SAID + FAILED + r' \(in reply to MAIL FROM command\)'),
    'soft-rcpt': (['-r', 'RCPT'], '4.3.0', SAID + FAILED + r' \(in reply to RCPT TO command\)'),
    'soft-data': (['-r', 'DATA'], '4.3.0', SAID + FAILED + r' \(in reply to DATA command\)'),
    'soft-end': (['-r', '.'], '4.3.0', SAID + FAILED + r' \(in reply to end of DATA command\)'),
    'stall-connect': (['-W', 'CONNECT:60'], '4.4.2', STALLED + GREETING),
    'stall-ehlo': (['-W', 'EHLO:60'], '4.4.2', STALLED + HELLO),
    'stall-mail': (['-p', '-W', 'MAIL:60'], '4.4.2', STALLED + MAIL),
    'stall-rcpt': (['-p', '-W', 'RCPT:60'], '4.4.2', STALLED + RCPT),
    'stall-data': (['-p', '-W', 'DATA:60'], '4.4.2', STALLED + DATA),
    'stall-end': (['-p', '-W', '.:60'], '4.4.2', STALLED + END),
}
SETTINGS = f"""
transport_maps = texthash:/etc/postfix/transport
smtp_connect_timeout = {TIMEOUT_S}s
smtp_helo_timeout = {TIMEOUT_S}s
smtp_mail_timeout = {TIMEOUT_S}s
smtp_rcpt_timeout = {TIMEOUT_S}s
smtp_data_init_timeout = {TIMEOUT_S}s
smtp_data_done_timeout = {TIMEOUT_S}s
"""


class Case(unittest.TestCase):
    settings = SETTINGS

    def setUp(self):
        self.folder = self.enterContext(open_folder())
        self.ports = {name: free_offset((0,)) for name in CASES}
        self.host = self.enterContext(Host(edit=self.configure))

    def configure(self, host):
        host.append('etc/postfix/main.cf', self.settings)
        (host.root / 'etc/postfix/transport').write_text(
            ''.join(f'{name}.example smtp:[127.0.0.1]:{port}\n' for name, port in self.ports.items()))

    def sink(self, name, options, folder='bad'):
        return Sink(self.folder / folder / name, *options, port=self.ports[name])

    def send(self, *names, sender=ALICE):
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as client:
            for name in names:
                client.sendmail(sender, [f'carol@{name}.example'], letter(name))

    def waiting(self):
        """recipient's domain without .example -> (status, reason)."""
        return {address.split('@')[1].removesuffix('.example'): (each.get('delay_status'), each.get('delay_reason', ''))
                for address, each in self.host.waiting().items()}

    def wait(self, condition, what):
        return wait_telling(condition, what, lambda: self.host.queue('list'), self.host.log)


class WhatFails(Case):
    def test_it_waits_and_is_sent_once_when_it_can_be(self):
        (self.folder / 'bad').mkdir(mode=0o755)
        (self.folder / 'good').mkdir(mode=0o755)
        bad = {name: self.sink(name, options) for name, (options, _, _) in CASES.items() if options is not None}
        with contextlib.ExitStack() as stack:
            for sink in bad.values():
                stack.enter_context(sink)
            self.send(*CASES)
            self.wait(lambda: all(reason for _, reason in self.waiting().values()), 'a reason for each')
            waiting, listed = self.waiting(), self.host.queue('list')
        for name, (_, status, pattern) in CASES.items():
            with self.subTest(name):
                self.assertIn(name, waiting)
                self.assertRegex(waiting[name][1], pattern)
                self.assertEqual(waiting[name][0], status)
                self.assertIn(f'({waiting[name][1]})', listed)
                self.assertIn(f'carol@{name}.example', listed)
        with contextlib.ExitStack() as stack:
            good = {name: stack.enter_context(self.sink(name, [], 'good')) for name in CASES}
            self.host.queue('flush')
            self.wait(lambda: not self.host.queue_files(), 'the end of the queue')
            for name, sink in good.items():
                with self.subTest(name):
                    (message,) = sink.messages()
                    self.assertEqual([each.split(' ')[0] for each in message[1]], [f'<carol@{name}.example>'])
                    self.assertTrue(message[2].endswith(letter(name).replace(b'\r\n', b'\n')))
        self.assertEqual(self.host.messages(ALICE), [])


class TimeIsOver(ReadsNotices, Case):
    """What can't be sent at the first try comes back at once."""
    settings = SETTINGS + 'maximal_queue_lifetime = 0\nbounce_queue_lifetime = 0\n'
    names = ('gone', 'drop-end', 'soft-rcpt', 'stall-mail')

    def test_the_sender_is_told(self):
        (self.folder / 'bad').mkdir(mode=0o755)
        with contextlib.ExitStack() as stack:
            for name in self.names[1:]:
                stack.enter_context(self.sink(name, CASES[name][0]))
            self.send(*self.names)
            for name in self.names:
                _, status, reason = CASES[name]
                with self.subTest(name):
                    text, _, (fields,), returned = self.notice(name)
                    mta = None if name == 'gone' else '127.0.0.1'
                    said = reason.removeprefix(SAID) if reason.startswith(SAID) else None
                    self.check_failed(fields, f'carol@{name}.example', status, 'smtp; ' + FAILED if said else 'X-Postfix; ' + reason, mta=mta if said else None)
                    self.assertIn(f'<carol@{name}.example>', text)
                    self.assertEqual(returned.get_content_type(), 'message/rfc822')
        self.wait(lambda: not self.host.queue_files(), 'the end of the queue')

    def test_nobody_is_told_of_a_notice(self):
        self.send('gone', sender='')
        self.host.wait_for_log(r'from=<>, status=expired')
        self.wait(lambda: not self.host.queue_files(), 'the end of the queue')
        self.assertEqual(self.host.messages(ALICE), [])


class Later(ReadsNotices, Case):
    """Nobody flushes: it is tried again by itself, and who waits is told."""
    settings = SETTINGS + """
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
delay_warning_time = 1s
confirm_delay_cleared = yes
"""

    def test_delayed_and_delivered(self):
        (self.folder / 'good').mkdir(mode=0o755)
        self.send('gone')
        text, about, (fields,), returned = self.notice('gone')
        self.assertIn('THIS IS A WARNING ONLY', text)
        self.assertEqual((fields['Action'], fields['Status'], fields['Final-Recipient']), ('delayed', '4.4.1', 'rfc822; carol@gone.example'))
        self.assertRegex(self.diagnostic(fields), 'Connection refused')
        self.assertIsNotNone(fields['Will-Retry-Until'])
        self.assertEqual(returned.get_content_type(), 'text/rfc822-headers')
        with self.sink('gone', [], 'good') as sink:
            self.wait(lambda: not self.host.queue_files(), 'the end of the queue')
            self.assertEqual(len(sink.messages()), 1)
        self.wait(lambda: len(self.host.messages(ALICE)) == 2, 'the second notice')  # told of the delay once, whatever the tries
        _, _, (fields,), _ = self.notice('gone')
        self.assertEqual((fields['Action'], fields['Status']), ('relayed', '2.0.0'))


if __name__ == '__main__':
    run(SMTP_SINK)
