"""Who asks with NOTIFY=SUCCESS hears that his mail lies in a mailbox, or that an alias stood for others; nobody else does."""
import email
import re
import unittest

from host import ALICE, BOB, Host, letter, wait_until


def aliases(host):
    with open(host.root / 'etc/postfix/virtual', 'a') as file:
        file.write('all@example.test alice@example.test, bob@example.test\n')
    with open(host.root / 'etc/postfix/main.cf', 'a') as file:
        file.write('alias_maps = hash:/etc/aliases\nmydestination = local.test\nlocal_recipient_maps = $alias_maps\n')
    (host.root / 'etc/aliases').write_text('both: alice@example.test, bob@example.test\nlist: bob@example.test\nowner-list: bob@example.test\n')


class SuccessNotices(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host(edit=aliases))

    def send(self, sender, to, *notify):
        with self.host.smtp() as smtp:
            smtp.ehlo('x')
            smtp.sendmail(sender, [to], letter('to ' + to), mail_options=['ENVID=e1'],
                          rcpt_options=[*notify] + (['ORCPT=rfc822;orig@x.test'] if notify else []))

    def settled(self):
        spool = self.host.root / 'var/spool/postfix/postern'
        wait_until(lambda: not any(True for folder in ('incoming', 'deferred', 'journal') for _ in (spool / folder).iterdir()), 'an empty queue')

    def notices(self, sender):
        """Taken out of the mailbox."""
        self.settled()
        found = []
        for file in self.host.messages(sender):
            message = email.message_from_bytes(file.read_bytes())
            file.unlink()
            if message.get_content_type() == 'multipart/report':
                found.append((message.get_payload(0).get_payload(), message.get_payload(1).get_payload()[1].as_string(), message))
        return found

    def test_what_postfix_says(self):
        # Text and fields are Postfix 3.7.11's.
        for to, text, action in (
                (ALICE, 'delivery via virtual: delivered to maildir', 'delivered'),
                ('all@example.test', 'alias expanded', 'expanded'),
                ('postmaster@example.test', 'alias expanded', 'expanded'),
                ('both@local.test', 'delivery via local: alias expanded', 'expanded'),
                ('list@local.test', 'delivery via local: alias expanded', 'delivered')):
            with self.subTest(to=to):
                self.send(BOB, to, 'NOTIFY=SUCCESS,FAILURE')
                ((words, status, whole),) = self.notices(BOB)
                self.assertIn(f'<{to}>: {text}\n', words)
                self.assertEqual(status, f'Final-Recipient: rfc822; {to}\nOriginal-Recipient: rfc822;orig@x.test\n'
                                         f'Action: {action}\nStatus: 2.0.0\nDiagnostic-Code: X-Postfix; {text}\n\n')
                self.assertEqual(whole['Subject'], 'Successful Mail Delivery Report')
                self.assertIn('Original-Envelope-Id: e1\n', whole.get_payload(1).get_payload()[0].as_string())
                self.assertEqual(whole.get_payload(2).get_content_type(), 'text/rfc822-headers')
        for file in self.host.messages(ALICE):
            file.unlink()

    def test_the_mail_arrives_once(self):
        self.send('far@far.example.org', 'all@example.test')
        self.settled()
        for user in (ALICE, BOB):
            self.assertEqual(len(self.host.messages(user)), 1)
            self.host.messages(user)[0].unlink()
        self.send(BOB, ALICE, 'NOTIFY=SUCCESS')
        self.settled()
        self.assertEqual(len(self.host.messages(ALICE)), 1)
        text = self.host.messages(ALICE)[0].read_text()
        self.assertTrue(text.startswith(f'Return-Path: <{BOB}>\nX-Original-To: {ALICE}\nDelivered-To: {ALICE}\nReceived: '), text)
        self.host.messages(ALICE)[0].unlink()
        self.notices(BOB)

    def test_nobody_else_hears(self):
        for sender, to, notify in ((BOB, ALICE, ()), (BOB, 'all@example.test', ()), (BOB, ALICE, ('NOTIFY=NEVER',)),
                                   (BOB, 'both@local.test', ('NOTIFY=FAILURE,DELAY',))):
            self.send(sender, to, *notify)
        self.send('', ALICE, 'NOTIFY=SUCCESS')
        self.send('', 'all@example.test', 'NOTIFY=SUCCESS')
        self.assertEqual(self.notices(BOB), [])
        self.assertEqual(self.notices(ALICE), [])


if __name__ == '__main__':
    unittest.main()
