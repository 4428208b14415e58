"""Mail of users for far domains is kept: in the queue before it is answered 250, whole, and over restarts."""
import re
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, Host, letter


class Queue(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(Host())

    def kept(self, subject, recipients):
        files = [file.read_bytes() for file in self.host.queue_files() if b'Subject: ' + subject.encode() + b'\n' in file.read_bytes()]
        self.assertEqual(len(files), 1, self.host.queue_files())
        self.assertIn(letter(subject).replace(b'\r\n', b'\n'), files[0])
        self.assertRegex(files[0].splitlines()[-1], rb'^END \d{20} [0-9a-f]{16}$')  # complete
        named = re.findall(rb'(?m)^recipient (\S+) ', files[0].split(b'\nmessage\n')[0])
        self.assertEqual([name.decode() for name in named], recipients)

    def test_it_survives_a_restart_and_a_kill(self):
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as smtp:
            smtp.sendmail(ALICE, ['someone@far.example.org', BOB, 'other@far.example.com'], letter('far away'))
        far = ['someone@far.example.org', 'other@far.example.com']
        self.kept('far away', far)
        self.assertEqual(len(self.host.messages(BOB)), 1)
        self.host.stop()
        self.host.start()
        self.kept('far away', far)
        self.host.kill()
        self.host.start()
        self.kept('far away', far)
        self.assertEqual(len(self.host.messages(BOB)), 1)


if __name__ == '__main__':
    unittest.main()
