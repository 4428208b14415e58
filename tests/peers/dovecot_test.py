"""Mail from our queue to the mailboxes of a real Dovecot by LMTP, over a unix socket and over TCP with TLS: each recipient has
its own reply, and what becomes of it.

Ends with 77 where Dovecot is not installed or the user is not root.
"""
import shutil
import unittest

from name_server import NameServer, address
from notices import ReadsNotices
from peers import DOVECOT, DOVECOT_LMTP, Authority, Dovecot, open_folder, run, wait_telling
from host import ALICE, BOB, Host, letter

FULL, BROKEN, GONE = 'full@example.test', 'broken@example.test', 'gone@example.test'
# Nobody is `gone` there; `broken` has a file where the mailbox should be.
USERS = """
alice@example.test::{uid}:{gid}::{mail}/alice
bob@example.test::{uid}:{gid}::{mail}/bob
full@example.test::{uid}:{gid}::{mail}/full::userdb_quota_rule=*:bytes=10
broken@example.test::{uid}:{gid}::{mail}/broken
"""


class OverUnix(ReadsNotices, unittest.TestCase):
    relay = r'mail\.example\.test\[[^,]*private/dovecot-lmtp\]'

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(open_folder())
        cls.authority = Authority(cls.folder / 'authority')
        name_server = cls.enterClassContext(NameServer({'lmtp.example.test': [address('127.0.0.1')]}))
        cls.host = Host(options=('--resolver', name_server.resolver))
        cls.addClassCleanup(cls.host.remove)
        certificate, key = cls.authority.issue('lmtp.example.test')
        cls.dovecot = Dovecot(cls.folder / 'dovecot', cls.host.root / 'var/spool/postfix/private/dovecot-lmtp', certificate, key, USERS)
        (cls.folder / 'dovecot/mail/broken').write_text('not a folder')
        etc = cls.host.root / 'etc'
        shutil.copy(cls.authority.certificate, etc / 'ssl/certs/authority.pem')
        for name in (FULL, BROKEN, GONE):
            cls.host.append('etc/postfix/vmailbox', f'{name} example.test/{name.split("@")[0]}/Maildir/\n')
            cls.host.append('etc/dovecot/users', f'{name}:{{PLAIN}}secret\n')
        cls.host.append('etc/postfix/main.cf', cls.settings())
        cls.enterClassContext(cls.dovecot)
        cls.enterClassContext(cls.host)

    @classmethod
    def settings(cls):
        return 'virtual_transport = lmtp:unix:private/dovecot-lmtp\n'

    def wait(self, condition, what):
        return wait_telling(condition, what, self.host.log, self.dovecot.log)

    def bytes_of_notice(self, subject):
        found = [whole for whole in self.dovecot.messages('alice') if b'\nSubject: ' + subject.encode() + b'\n' in whole]
        return found[-1] if found else None

    def test_each_recipient_has_its_own_reply(self):
        sent = letter('five recipients')
        with self.host.smtp(25) as client:
            client.sendmail(ALICE, [BOB, FULL, BROKEN, GONE], sent)
        _, _, recipients, _ = self.notice('five recipients')
        failed = {fields['Final-Recipient'].removeprefix('rfc822; '): fields for fields in recipients}
        self.assertEqual(sorted(failed), [FULL, GONE])
        self.check_failed(failed[FULL], FULL, '5.2.2', 'smtp; 552 5\\.2\\.2 .*Quota exceeded', mta=self.mta(failed[FULL]))
        self.check_failed(failed[GONE], GONE, '5.1.1', 'smtp; 550 5\\.1\\.1 .*User doesn\'t exist', mta=self.mta(failed[GONE]))
        (stored,) = [each for each in self.dovecot.messages('bob') if each.endswith(sent.replace(b'\r\n', b'\n'))]
        self.assertIn(b'Return-Path: <alice@example.test>\n', stored)
        self.assertRegex(self.wait(lambda: self.host.waiting().get(BROKEN, {}).get('delay_reason'), 'the reason'), 'said: 451 4')
        self.assertEqual(list(self.host.waiting()), [BROKEN])
        for recipient, what in ((BOB, 'dsn=2.0.0, status=sent .250 2.0.0 '), (FULL, 'dsn=5.2.2, status=bounced '),
                                (BROKEN, 'dsn=4.2.0, status=deferred '), (GONE, 'dsn=5.1.1, status=bounced ')):
            self.host.wait_for_log(f'postfix/lmtp.*to=<{recipient}>, relay={self.relay}, .*{what}')
        self.check_connection(stored)

    def mta(self, fields):
        return fields['Remote-MTA'].removeprefix('dns; ')

    def check_connection(self, stored):
        self.assertNotIn('TLS connection established to', self.host.log())


class OverInet(OverUnix):
    relay = r'lmtp\.example\.test\[127\.0\.0\.1\]:\d+'

    @classmethod
    def settings(cls):
        (cls.host.root / 'etc/postfix/transport').write_text(f'example.test lmtp:inet:[lmtp.example.test]:{cls.dovecot.port}\n')
        return ('transport_maps = texthash:/etc/postfix/transport\n'
                'lmtp_tls_security_level = verify\n'
                'lmtp_tls_CAfile = /etc/ssl/certs/authority.pem\n')

    def mta(self, fields):
        return 'lmtp.example.test'

    def check_connection(self, stored):
        self.assertRegex(self.host.log(), r'postfix/lmtp.*Verified TLS connection established to lmtp\.example\.test\[127\.0\.0\.1\]:')
        self.assertRegex(stored, rb'(?s)Received: from mail\.example\.test.*?with LMTPS')


def load_tests(loader, _, __):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (OverUnix, OverInet))


if __name__ == '__main__':
    run(DOVECOT, DOVECOT_LMTP)
