"""A real Dovecot beside this server: it decides about the logins of our SMTP clients (smtpd_sasl_type = dovecot with a
socket that is not our own).

Ends with 77 where Dovecot is not installed or the user is not root.
"""
import smtplib
import unittest

from mechanisms import MECHANISMS, EveryMechanism, log_in
from peers import DOVECOT, DovecotAuth, open_folder, run
from host import ALICE, STRANGER, Host, letter, wait_until

# Of the Dovecot alone: who gets in with it did not get in with our own users file.
PASSWORD = 'known-to-dovecot-only'
RELAY, RENAMED, DISABLED = 'relay@example.test', 'nick@example.test', 'gone@example.test'
USERS = (f'{ALICE}:{{PLAIN}}{PASSWORD}\n'
         f'{RELAY}:{{PLAIN}}{PASSWORD}::::::nologin=y\n'
         f'{RENAMED}:{{PLAIN}}{PASSWORD}::::::user=nicholas@example.test\n'
         f'{DISABLED}:{{PLAIN}}{PASSWORD}::::::allow_nets=192.0.2.0/24\n')
AWAY = 'elsewhere@example.net'  # what only a user may send to


def share_socket(host, dovecot):
    """The Dovecot's socket is where Postfix's configuration looks for it."""
    private = host.root / 'var/spool/postfix/private'
    private.rmdir()
    private.symlink_to(dovecot.socket.parent)


class ForeignAuth(EveryMechanism, unittest.TestCase):
    """With a unix socket below the root folder, and our own dovecot.conf, which has users and a socket of another name."""
    options = ()
    number = 587

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(open_folder())
        cls.dovecot = cls.enterClassContext(DovecotAuth(folder / 'dovecot', USERS))
        cls.host = cls.enterClassContext(Host(edit=cls.configure, options=cls.options))

    @classmethod
    def configure(cls, host):
        share_socket(host, cls.dovecot)
        host.append('etc/dovecot/dovecot.conf', 'service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0\n  }\n}\n')

    def setUp(self):
        if self.dovecot.process is None:
            self.dovecot.start()
        self.connect()

    def connect(self):
        self.client = self.host.smtp(self.number, source=STRANGER)
        self.addCleanup(self.client.close)
        return self.client.ehlo()

    def log_in(self, mechanism, password, user=ALICE):
        return log_in(self.client, mechanism, user, password)

    def refusal(self, mechanism, password, user=ALICE):
        with self.assertRaises(smtplib.SMTPAuthenticationError) as refused:
            self.log_in(mechanism, password, user)
        return refused.exception.smtp_code, refused.exception.smtp_error.decode()

    def may_send_away(self, sender=ALICE):
        code, text = self.client.mail(sender)
        self.assertEqual(code, 250, text)
        return self.client.rcpt(AWAY)[0]

    def check(self, mechanism):
        with self.subTest('right'):
            start = len(self.host.log())
            (code, _), exchange = self.log_in(mechanism, PASSWORD)
            self.assertEqual(code, 235)
            if exchange is not None:
                self.assertTrue(exchange.proved)
            self.client.sendmail(ALICE, ALICE, letter(mechanism))
            self.host.wait_for_log(f'client=.*sasl_method={mechanism}, sasl_username={ALICE}', start)
        self.connect()
        with self.subTest('wrong'):
            start = len(self.host.log())
            self.assertEqual(self.refusal(mechanism, 'no such password'),
                             (535, '5.7.8 Error: authentication failed: (reason unavailable)'))
            self.host.wait_for_log(rf'warning: .*: SASL {mechanism} authentication failed: \(reason unavailable\), '
                                   f'sasl_username={ALICE}', start)
            self.assertGreaterEqual(self.may_send_away(), 500)

    def test_the_login_name_is_what_dovecot_says(self):
        self.assertEqual(self.log_in('PLAIN', PASSWORD, RENAMED)[0][0], 235)
        self.client.mail(ALICE)
        code, text = self.client.rcpt(ALICE)
        self.assertEqual(code, 553)
        self.assertIn(b'not owned by user nicholas@example.test', text)  # smtpd_sender_login_maps are asked for it

    # What keeps people out of mailboxes keeps nobody from sending, as with Postfix.
    def test_nologin_may_send(self):
        self.assertEqual(self.log_in('PLAIN', PASSWORD, RELAY)[0][0], 235)

    # Dovecot was told the client's address.
    def test_address_counts(self):
        self.assertEqual(self.refusal('PLAIN', PASSWORD, DISABLED)[0], 535)

    def test_gives_up(self):
        code, _ = self.client.docmd('AUTH', 'LOGIN')
        self.assertEqual(code, 334)
        self.assertEqual(self.client.docmd('*'), (501, b'5.7.0 Authentication aborted'))
        self.assertEqual(self.log_in('LOGIN', PASSWORD)[0][0], 235)

    def test_restarted_in_between(self):
        self.assertEqual(self.log_in('PLAIN', PASSWORD)[0][0], 235)
        self.connect()
        self.assertEqual(self.client.docmd('AUTH', 'LOGIN')[0], 334)  # an exchange that the restart cuts
        self.dovecot.stop()
        self.dovecot.start()
        code, text = self.client.docmd('eA==')
        self.assertEqual((code, text), (454, b'4.7.0 Temporary authentication failure: '
                                             b'Connection lost to authentication server'))
        self.assertEqual(self.log_in('PLAIN', PASSWORD)[0][0], 235)

    def test_down(self):
        self.log_in('PLAIN', PASSWORD)  # it was known once
        self.dovecot.stop()
        wait_until(self.cannot_connect, 'the end of the auth process, which outlives its master for a moment')
        self.connect()
        self.test_every_mechanism_is_announced()
        for mechanism in MECHANISMS:
            self.assertEqual(self.refusal(mechanism, PASSWORD),
                             (454, "4.7.0 Temporary authentication failure: Can't connect to authentication server"))
        # Not for good: a relaying client keeps its mail.
        self.assertIn(self.may_send_away(), range(400, 500))
        self.host.wait_for_log('warning: SASL: Connect to .* failed: (No such file or directory|Connection refused)')
        self.dovecot.start()
        self.client.rset()
        wait_until(self.logs_in_again, 'a login')

    def cannot_connect(self):
        self.connect()
        code, text = self.refusal('PLAIN', PASSWORD)
        self.assertEqual(code, 454)
        return "Can't connect" in text

    def logs_in_again(self):
        try:
            return self.log_in('PLAIN', PASSWORD)[0][0] == 235
        except smtplib.SMTPAuthenticationError as error:
            self.assertEqual(error.smtp_code, 454)
            return False

    def test_no_password_is_logged(self):
        self.log_in('PLAIN', PASSWORD)
        self.host.wait_for_log('connect from')
        self.assertNotIn(PASSWORD, self.host.log())


class OverInet(ForeignAuth):
    @classmethod
    def configure(cls, host):
        host.replace('etc/postfix/main.cf', '(?m)^smtpd_sasl_path.*$', f'smtpd_sasl_path = inet:127.0.0.1:{cls.dovecot.port}')


class WithoutDovecotConf(ForeignAuth):
    """The Dovecot serves all that is not SMTP."""
    options = ('--dovecot', 'none')
    number = 465

    @classmethod
    def configure(cls, host):
        share_socket(host, cls.dovecot)


class NeverUp(unittest.TestCase):
    """The server begins before its Dovecot."""

    def test_mail_comes_in_and_logins_come_later(self):
        dovecot = DovecotAuth(self.enterContext(open_folder()) / 'dovecot', USERS)

        def configure(host):
            share_socket(host, dovecot)
            host.append('etc/postfix/main.cf', '\nsmtpd_sasl_auth_enable = yes\n')

        with Host(edit=configure, options=('--dovecot', 'none')) as host:
            self.assertIn('there is no /var/spool/postfix/private/auth', host.said())
            with host.smtp(25, source=STRANGER, starttls=True) as client:
                client.ehlo()
                self.assertNotIn('auth', client.esmtp_features)
                self.assertEqual(client.docmd('AUTH', 'PLAIN AGEAYg==')[0], 454)
                client.sendmail('s@example.net', ALICE, letter('with no Dovecot'))
                client.mail('s@example.net')
                self.assertIn(client.rcpt(AWAY)[0], range(400, 500))
                client.rset()
                with dovecot:
                    def announced():
                        client.ehlo()
                        return 'auth' in client.esmtp_features
                    wait_until(announced, 'AUTH')
                    self.assertEqual(client.login(ALICE, PASSWORD)[0], 235)


if __name__ == '__main__':
    run(DOVECOT)
