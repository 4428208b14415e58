"""virtual_transport = lmtp:..., where our own LMTP service listens there: the mailbox is Dovecot's userdb's, and nothing is
queued on the way to it."""
import unittest

from host import ALICE, Host, letter

SOCKET = '''
protocols = imap pop3 lmtp
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = 24
  }
}
'''


class OwnLmtp(unittest.TestCase):
    def check(self, nexthop):
        def edit(host):
            with open(host.root / 'etc/dovecot/dovecot.conf', 'a') as dovecot, open(host.root / 'etc/postfix/main.cf', 'a') as main:
                dovecot.write(SOCKET)
                main.write(f'virtual_transport = lmtp:{nexthop}\nvirtual_mailbox_maps =\n')
        with Host(edit=edit) as host, host.smtp(25) as client:
            client.sendmail('someone@example.net', [ALICE], letter('by the userdb'))
            (file,) = host.messages(ALICE)
            self.assertTrue(file.read_bytes().endswith(letter('by the userdb').replace(b'\r\n', b'\n')))
            self.assertNotIn('postfix/lmtp', host.log())
            client.mail('someone@example.net')
            code, text = client.rcpt('nobody@example.test')
            self.assertEqual((code, text[:5]), (550, b'5.1.1'))

    def test_the_socket(self):
        self.check('unix:private/dovecot-lmtp')

    def test_the_port(self):
        self.check('inet:127.0.0.1:24')


if __name__ == '__main__':
    unittest.main()
