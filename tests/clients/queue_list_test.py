"""`postern queue list`: what mailq would say of our queue."""
import json
import re
import subprocess
import unittest

from host import ALICE, ALICE_PASSWORD, PROGRAM, Host, letter


class QueueList(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(Host(edit=self.hold_everything))

    @staticmethod
    def hold_everything(host):
        with open(host.root / 'etc/postfix/main.cf', 'a', encoding='ascii') as main:
            main.write('smtpd_data_restrictions = check_client_access static:HOLD\n')

    def ask(self, *options, status=0):
        done = subprocess.run([PROGRAM, 'queue', 'list', '--root', str(self.host.root), *options], capture_output=True, text=True,
                              env={'TZ': 'UTC'})
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def queue(self, subject, recipients, sender=ALICE):
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as smtp:
            smtp.sendmail(sender, recipients, letter(subject))

    def test_empty(self):
        self.assertEqual(self.ask().stdout, 'Mail queue is empty\n')
        self.assertEqual(self.ask('--json').stdout, '')

    def test_for_people_and_programs(self):
        self.queue('one', ['a@far.example.org', 'b@far.example.com'])
        self.queue('two', ['c@far.example.org'], sender='')
        files = {file.name: file for file in self.host.queue_files()}
        entries = [json.loads(line) for line in self.ask('--json').stdout.splitlines()]
        self.assertEqual([[r['address'] for r in entry['recipients']] for entry in entries],
                         [['a@far.example.org', 'b@far.example.com'], ['c@far.example.org']])
        self.assertEqual([entry['sender'] for entry in entries], [ALICE, 'MAILER-DAEMON'])
        self.assertEqual({entry['queue_id'] for entry in entries}, set(files))
        for entry in entries:
            self.assertEqual(entry['queue_name'], 'hold')
            whole = files[entry['queue_id']].read_bytes()
            self.assertEqual(entry['message_size'], int(whole.splitlines()[-1].split()[1]))
            self.assertEqual(whole[whole.index(b'\nmessage\n') + 9:-47].count(b'Subject:'), 1)
        text = self.ask().stdout
        lines = text.splitlines()
        self.assertEqual(lines[0], '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------')
        first = entries[0]
        # As postqueue -p writes it, for a short queue id.
        self.assertRegex(lines[1], r'^%s! +%d \w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d  %s$' % (first['queue_id'], first['message_size'], re.escape(ALICE)))
        self.assertEqual(lines[2:5], [' ' * 41 + 'a@far.example.org', ' ' * 41 + 'b@far.example.com', ''])
        self.assertEqual(lines[-1], '-- %d Kbytes in 2 Requests.' % (sum(e['message_size'] for e in entries) // 1024))

    def test_what_is_done_is_not_listed_and_what_is_broken_is(self):
        self.queue('one', ['a@far.example.org', 'b@far.example.com'])
        self.host.stop()
        (file,) = self.host.queue_files()
        (file.parent.parent / 'journal' / file.name).write_text('done 0\ndone 1')  # the second line is torn
        (entry,) = [json.loads(line) for line in self.ask('--json').stdout.splitlines()]
        self.assertEqual([r['address'] for r in entry['recipients']], ['b@far.example.com'])
        hold = file.parent.parent / 'hold'
        hold.mkdir(exist_ok=True)
        whole = file.read_bytes()
        (hold / 'ABCDEF01').write_bytes(whole)
        (hold / 'ABCDEF02').write_bytes(whole[:100])
        (hold / 'ABCDEF03').write_bytes(b'')
        text = self.ask().stdout
        self.assertIn('ABCDEF01! ', text)
        self.assertRegex(text, r'ABCDEF02! .*\(unreadable: ')
        self.assertRegex(text, r'ABCDEF03! .*\(unreadable: ')
        self.assertRegex(text, r'in 4 Requests\.\n$')
        self.host.start()

    def test_a_folder_that_cannot_be_read_is_not_an_empty_queue(self):
        # A running server may be making these folders at this moment.
        self.host.stop()
        spool = self.host.root / 'var/spool/postfix/postern'
        for name in ('incoming', 'deferred'):
            if (spool / name).is_dir():
                (spool / name).rmdir()
            (spool / name).write_text('no folder')
        done = self.ask(status=1)
        self.assertNotIn('empty', done.stdout)
        self.assertIn('postern:', done.stderr)
        for name in ('incoming', 'deferred'):
            (spool / name).unlink()
        self.host.start()

    def test_one_server_on_a_queue(self):
        spool = self.host.root / 'var/spool/postfix/postern'
        self.assertEqual(oct((spool / 'maildrop').stat().st_mode)[-5:], '41733')
        command = self.host.command()
        command[command.index('--port-offset') + 1] = str(self.host.offset + 1)
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertEqual(second.stderr.splitlines()[-1], f'postern: {spool}: another server runs on this queue')
        self.assertTrue(self.host.alive())
        # What a server that was killed held is free.
        self.host.kill()
        self.host.start()


if __name__ == '__main__':
    unittest.main()
