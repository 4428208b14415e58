"""The log as the tools that administrators have read it: Debian's fail2ban filters and pflogsumm, with exact counts."""
import base64
import imaplib
import poplib
import re
import socket
import subprocess
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, STRANGER, Host, letter


class LogTools(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Host() as host:
            cls.sessions(host)
            host.stop()
            cls.log = host.log()
            cls.path = host.root / 'mail.log'
            cls.path.write_text(cls.log)
            cls.matched = {filter: cls.fail2ban(filter) for filter in (
                'postfix[mode=more]', 'postfix[mode=auth]', 'postfix[mode=rbl]', 'postfix[mode=ddos]', 'postfix[mode=errors]',
                'postfix[mode=aggressive]', 'dovecot', 'dovecot[mode=aggressive]')}
            cls.summary = subprocess.run(['pflogsumm', cls.path], capture_output=True, text=True, check=True).stdout

    @classmethod
    def fail2ban(cls, filter):
        done = subprocess.run(['fail2ban-regex', cls.path, filter], capture_output=True, text=True, check=True)
        return int(re.search(r'^Lines: .* (\d+) matched', done.stdout, re.M).group(1))

    @staticmethod
    def sessions(host):
        def fails(error, action):
            try:
                action()
            except error:
                return
            raise AssertionError('accepted')

        with host.smtp(25, source=STRANGER) as smtp:  # two get it
            smtp.sendmail('a@far.example.org', [ALICE, BOB], letter('one'))
        with host.smtp(25, source=STRANGER) as smtp:  # an unknown user, and relaying
            smtp.ehlo()
            smtp.mail('a@far.example.org')
            assert smtp.rcpt('nobody@example.test')[0] == 550 and smtp.rcpt('x@far.example.net')[0] == 554
        with host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as smtp:
            smtp.sendmail(ALICE, [BOB], letter('two'))
        with host.smtp(587, source=STRANGER) as smtp:  # two wrong passwords
            smtp.ehlo()
            for _ in range(2):
                assert smtp.docmd('AUTH', 'PLAIN ' + base64.b64encode(f'\0{ALICE}\0wrong'.encode()).decode())[0] == 535
        with socket.create_connection(('127.0.0.1', host.port(25)), 60, source_address=(STRANGER, 0)) as plain:  # gone after EHLO
            answers = plain.makefile('rb')
            answers.readline()
            plain.sendall(b'EHLO client.example.net\r\n')
            while answers.readline()[3:4] != b' ':
                pass
            answers.close()
        with host.smtp(25, source=STRANGER) as smtp:  # twenty errors
            try:
                for _ in range(21):
                    smtp.docmd('FOO')
                smtp.docmd('FOO')
            except OSError:
                pass
            smtp.close()
        fails(imaplib.IMAP4.error, lambda: host.imap(ALICE, 'wrong'))
        fails(imaplib.IMAP4.error, lambda: host.imap('nobody@example.test', 'wrong'))
        fails(poplib.error_proto, lambda: host.pop3(ALICE, 'wrong'))
        imap = host.imap()
        imap.select()
        imap.logout()
        pop3 = host.pop3()
        pop3.retr(1)
        pop3.quit()

    def test_fail2ban_postfix(self):
        self.assertEqual({name: count for name, count in self.matched.items() if name.startswith('postfix')}, {
            'postfix[mode=more]': 3,        # unknown user, relaying, too many errors
            'postfix[mode=auth]': 2,        # two wrong passwords
            'postfix[mode=rbl]': 0,
            'postfix[mode=ddos]': 2,        # gone after EHLO; a session with failed logins only
            'postfix[mode=errors]': 1,
            'postfix[mode=aggressive]': 7}, self.log)

    def test_fail2ban_dovecot(self):
        # Each of five wrong logins as "Password mismatch" or "unknown user", those of IMAP and POP3 again when they end.
        self.assertEqual(self.matched['dovecot'], 8, self.log)
        self.assertEqual(self.matched['dovecot[mode=aggressive]'], 8, self.log)

    def test_pflogsumm(self):
        totals = dict((name, int(count)) for count, name in re.findall(r'^ +(\d+) +([a-z ]+?)(?: \(.*)?$', self.summary, re.M))
        self.assertEqual([totals[name] for name in ('received', 'delivered', 'forwarded', 'deferred', 'bounced', 'rejected', 'held')],
                         [2, 3, 0, 0, 0, 2, 0], self.summary)
        sizes = re.findall(r'from=<[^>]*>, size=(\d+), nrcpt=(\d)', self.log)
        self.assertEqual([recipients for _, recipients in sizes], ['2', '1'])
        self.assertEqual(totals['bytes received'], sum(int(size) for size, _ in sizes))

    def test_every_line_has_the_shape_that_they_read(self):
        for line in self.log.splitlines():
            self.assertRegex(line, r'^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ (postfix(/[a-z]+)+\[\d+\]|dovecot(\[\d+\])?): [ -~]*$')
            self.assertLessEqual(len(line), 2000)
        for secret in (ALICE_PASSWORD, 'wrong'):
            self.assertNotIn(secret, self.log)
            self.assertNotIn(base64.b64encode(f'\0{ALICE}\0{secret}'.encode()).decode(), self.log)


if __name__ == '__main__':
    unittest.main()
