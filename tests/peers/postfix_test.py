"""A real Postfix beside this server: its clients log in against our auth socket, its mail comes to us by LMTP.

Ends with 77 where Postfix is not installed or the user is not root.
"""
import os
import pwd
import shutil
import smtplib
import unittest

from mechanisms import EveryMechanism, log_in
from peers import POSTFIX, Postfix, open_folder, run
from host import ALICE, ALICE_PASSWORD, BOB, PATIENCE, Host, letter, wait_until

DOVECOT = """
protocols = imap pop3 lmtp
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
service auth {
  inet_listener {
    address = 127.0.0.1
    port = 4000
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = 24
  }
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
  }
}
"""


def configure(host):
    """Sockets for the Postfix of this machine, and passwords that serve every mechanism."""
    postfix = pwd.getpwnam('postfix')
    host.replace('etc/passwd', '(?m)^postfix:x:.*$', f'postfix:x:{postfix.pw_uid}:{postfix.pw_gid}::/:/usr/sbin/nologin')
    host.replace('etc/group', '(?m)^postfix:x:.*$', f'postfix:x:{postfix.pw_gid}:')
    for part in ('', 'var', 'var/spool', 'var/spool/postfix', 'var/spool/postfix/private'):
        os.chmod(host.root / part, 0o755)
    host.append('etc/dovecot/dovecot.conf', DOVECOT)
    host.replace('etc/dovecot/users', '(?m)^(alice[^:]*):.*$', r'\1:{PLAIN}' + ALICE_PASSWORD)


class WithPostfix(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(open_folder())
        cls.host = cls.enterClassContext(Host(edit=configure))
        cls.postfix = cls.enterClassContext(Postfix(folder / 'postfix', cls.settings()))


class AuthSocket(EveryMechanism, WithPostfix):
    @classmethod
    def settings(cls):
        return f'smtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = {cls.host.root}/var/spool/postfix/private/auth\n'

    def setUp(self):
        self.client = smtplib.SMTP('127.0.0.1', self.postfix.port, 'client.example.net', PATIENCE)
        self.addCleanup(self.client.close)
        self.client.ehlo()

    def check(self, mechanism):
        with self.subTest('right'):
            (code, _), exchange = log_in(self.client, mechanism, ALICE, ALICE_PASSWORD)
            self.assertEqual(code, 235)
            if exchange is not None:
                self.assertTrue(exchange.proved)
            self.client.sendmail('s@example.net', 'stranger@example.org', letter(mechanism))
            self.postfix.wait_for_log(f'client=.*sasl_method={mechanism}, sasl_username={ALICE}')
        self.client.close()
        self.setUp()
        with self.subTest('wrong'):
            with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
                log_in(self.client, mechanism, ALICE, 'no such password')
            self.assertEqual(refused.exception.smtp_code, 535)
            code, _ = self.client.mail('s@example.net')
            self.assertEqual(self.client.rcpt('stranger@example.org')[0], 454)  # relay access denied


class AuthOverInet(AuthSocket):
    @classmethod
    def settings(cls):
        return f'smtpd_sasl_auth_enable = yes\nsmtpd_sasl_path = inet:127.0.0.1:{cls.host.port(4000)}\n'


class LmtpOverUnix(WithPostfix):
    @classmethod
    def settings(cls):
        return f'virtual_transport = lmtp:unix:{cls.host.root}/var/spool/postfix/private/dovecot-lmtp\n'

    def test_each_recipient_has_its_own_answer(self):
        broken = self.host.maildir(BOB)
        if broken.is_dir():
            shutil.rmtree(broken)
        broken.parent.mkdir(parents=True, exist_ok=True)
        broken.write_text('not a folder')
        before = len(self.host.messages(ALICE))
        with smtplib.SMTP('127.0.0.1', self.postfix.port, 'client.example.net', PATIENCE) as client:
            client.sendmail('s@example.org', [ALICE, 'nobody@example.test', BOB], letter('three recipients'))
        self.postfix.wait_for_log(f'to=<{ALICE}>.*dsn=2.0.0, status=sent \\(250 2.0.0 <{ALICE}> [0-9A-F]+ Saved')
        self.postfix.wait_for_log('to=<nobody@example.test>.*dsn=5.1.1, status=bounced')
        self.postfix.wait_for_log(f'to=<{BOB}>.*dsn=4.2.0, status=deferred.*451 4.2.0 <{BOB}> Mailbox cannot be written')
        wait_until(lambda: len(self.host.messages(ALICE)) == before + 1, 'the message')
        text = self.host.messages(ALICE)[-1].read_bytes()
        self.assertIn(b'Return-Path: <s@example.org>', text)
        self.assertIn(b'Subject: three recipients', text)
        self.assertEqual(self.host.queue_files(), [])  # the one that failed is Postfix's to try again


class LmtpOverInet(LmtpOverUnix):
    @classmethod
    def settings(cls):
        return f'virtual_transport = lmtp:inet:127.0.0.1:{cls.host.port(24)}\n'


if __name__ == '__main__':
    run(POSTFIX)
