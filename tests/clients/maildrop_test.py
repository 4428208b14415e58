"""What sendmail(1) leaves reaches mailboxes, whether the server runs or not; who left it says the file system."""
import os
import re
import subprocess
import unittest

from host import ALICE, BOB, PROGRAM, Host, wait_until

NOBODY = 65534


class Maildrop(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(Host())

    def sendmail(self, *args, message='Subject: x\n\nbody\n', uid=None):
        user = {} if uid is None else {'user': uid, 'group': uid, 'extra_groups': []}
        subprocess.run([PROGRAM, 'sendmail', '--root', str(self.host.root), *args], input=message.encode(), check=True, timeout=60, **user)

    def mail(self, user, count):
        wait_until(lambda: len(self.host.messages(user)) >= count, f'{count} messages of {user}')
        self.assertEqual(len(self.host.messages(user)), count)
        return [file.read_text() for file in self.host.messages(user)]

    def left(self):
        spool = self.host.root / 'var/spool/postfix/postern'
        return [str(file.relative_to(spool)) for folder in ('maildrop', 'tmp', 'incoming', 'deferred', 'corrupt', 'journal')
                for file in (spool / folder).iterdir()]

    def test_while_the_server_runs(self):
        self.sendmail('-F', 'Bob Miller', '-f', BOB, ALICE, message='To: alice@example.test\nBcc: carol@example.test\nSubject: now\n\nbody\n')
        (text,) = self.mail(ALICE, 1)
        self.assertRegex(text, rf'\AReturn-Path: <{BOB}>\nX-Original-To: {ALICE}\nDelivered-To: {ALICE}\n'
                               rf'Received: by \S+ \(Postfix, from userid {os.getuid()}\)\n\tid [0-9A-F]+; .*\n'
                               r'To: alice@example.test\nSubject: now\nMessage-Id: <.*>\nDate: .*\n'
                               rf'From: Bob Miller <{BOB}>\n\nbody\n\Z')
        wait_until(lambda: not self.left(), 'an empty spool')
        self.assertRegex(self.host.log(), rf'postfix/pickup\[\d+\]: ([0-9A-F]+): uid={os.getuid()} from=<{BOB}>')

    def test_while_it_is_down(self):
        self.host.stop()
        for number in range(3):
            self.sendmail('-f', BOB, ALICE, BOB, message=f'Subject: number {number}\n\nbody\n')
        self.host.start()
        for user in (ALICE, BOB):
            subjects = sorted(re.search('(?m)^Subject: (.*)$', text)[1] for text in self.mail(user, 3))
            self.assertEqual(subjects, ['number 0', 'number 1', 'number 2'])
        wait_until(lambda: not self.left(), 'an empty spool')

    def test_a_long_message_is_whole(self):
        body = ''.join(f'line {number} of many, and each of them is to arrive\n' for number in range(40_000))
        self.sendmail('-f', BOB, ALICE, message='Subject: long\n\n' + body)
        (text,) = self.mail(ALICE, 1)
        self.assertTrue(text.endswith('\n\n' + body))

    @unittest.skipIf(os.geteuid() != 0, 'needs root, to be somebody else')
    def test_another_user_is_who_he_is(self):
        os.chmod(self.host.root, 0o755)
        os.chmod(self.host.root / 'var', 0o755)
        spool = self.host.root / 'var/spool/postfix/postern/maildrop'
        self.sendmail('-f', 'root@example.test', ALICE, uid=NOBODY)
        self.assertIn(f'from userid {NOBODY})', self.mail(ALICE, 1)[0])
        # Nothing that anybody may lay there holds the server up.
        for name, make in (('AAAAAA000001', lambda path: f'mkfifo {path}'), ('AAAAAA000002', lambda path: f'ln -s /dev/zero {path}'),
                           ('AAAAAA000003', lambda path: f'mkdir {path}'), ('AAAAAA000004', lambda path: f'echo rubbish > {path}')):
            subprocess.run(['sh', '-c', make(spool / name)], check=True, user=NOBODY, group=NOBODY, extra_groups=[])
        self.host.wait_for_log('AAAAAA000004: moved to corrupt')
        self.sendmail('-f', BOB, ALICE, uid=NOBODY)
        self.mail(ALICE, 2)
        wait_until(lambda: [name for name in self.left() if name.startswith('maildrop')] == ['maildrop/AAAAAA000003'], 'only the folder left')


if __name__ == '__main__':
    unittest.main()
