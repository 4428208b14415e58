"""What imaplib sees on port 993: folders, flags, copies, moves, IDLE, appended messages; and POP3 beside it."""
import imaplib
import re
import time
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, STRANGER, Host, letter, wait_until


class Idle:
    """IDLE, which imaplib does not know: what the server sends by itself, line by line."""

    def __init__(self, imap):
        self.imap = imap

    def __enter__(self):
        self.tag = self.imap._new_tag()
        self.imap.send(self.tag + b' IDLE\r\n')
        line = self.imap.readline()
        assert line.startswith(b'+'), line
        return self

    def line(self):
        return self.imap.readline()  # the socket's time limit is this one's

    def __exit__(self, kind, *_):
        if kind is not None:
            return
        self.imap.send(b'DONE\r\n')
        while not self.imap.readline().startswith(self.tag + b' OK'):
            pass


class Imap(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host())

    def setUp(self):
        """A folder of its own for each test, with three messages, selected."""
        self.imap = self.host.imap()
        self.folder = 'Test-' + self._testMethodName
        self.ok(self.imap.create(self.folder))
        for subject in ('one', 'two', 'three'):
            self.ok(self.imap.append(self.folder, None, None, letter(subject)))
        self.ok(self.imap.select(self.folder))
        self.addCleanup(self.imap.logout)

    def ok(self, answer):
        self.assertEqual(answer[0], 'OK', answer)
        return answer[1]

    def flags(self, imap=None):
        """By UID, without \\Recent."""
        found = {}
        for line in self.ok((imap or self.imap).uid('FETCH', '1:*', '(FLAGS)')):
            uid, flags = re.search(rb'UID (\d+)', line)[1], re.search(rb'FLAGS \(([^)]*)\)', line)[1]
            found[int(uid)] = set(flags.split()) - {rb'\Recent'}
        return found

    def bodies(self, folder):
        other = self.host.imap()
        try:
            count = int(self.ok(other.select(folder, readonly=True))[0])
            return [part[1] for part in self.ok(other.fetch('1:*', '(BODY.PEEK[])')) if isinstance(part, tuple)] if count else []
        finally:
            other.logout()

    # ---- messages ----

    def test_appended_messages_come_back_byte_for_byte(self):
        eight_bit = letter('eight bits', 'Grüße — 日本語\r\n')
        large = letter('large', 'x' * 76 + '\r\n') + (b'0123456789' * 7 + b'\r\n') * 300_000
        for number, message in enumerate((eight_bit, large, b'\r\n', b'Subject: no body\r\n\r\n', b'no header at all')):
            with self.subTest(number):
                self.ok(self.imap.append(self.folder, r'(\Flagged)', '"24-Nov-2026 08:00:00 +0100"', message))
                uid = str(4 + number)
                got = self.ok(self.imap.uid('FETCH', uid, '(BODY.PEEK[] INTERNALDATE FLAGS RFC822.SIZE)'))
                self.assertEqual(got[0][1], message)
                facts = got[0][0] + b' '.join(each for each in got[1:] if isinstance(each, bytes))
                self.assertIn(rb'\Flagged', facts)
                self.assertIn(b'RFC822.SIZE %d' % len(message), facts)
                instant = imaplib.Internaldate2tuple(facts)
                self.assertEqual(time.strftime('%Y-%m-%d %H:%M', time.gmtime(time.mktime(instant))), '2026-11-24 07:00')

    def test_parts(self):
        body = self.ok(self.imap.fetch('2', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[TEXT]<2.3>)'))
        self.assertEqual([part[1] for part in body if isinstance(part, tuple)], [b'Subject: two\r\n\r\n', b'llo'])

    # ---- flags ----

    def test_flags(self):
        self.assertEqual(self.flags(), {1: set(), 2: set(), 3: set()})
        self.ok(self.imap.store('1:2', '+FLAGS', r'(\Seen \Answered)'))
        self.ok(self.imap.store('2', '-FLAGS', r'(\Seen)'))
        self.ok(self.imap.store('3', 'FLAGS', r'(\Flagged \Draft $Forwarded Arbeit)'))
        wanted = {1: {rb'\Seen', rb'\Answered'}, 2: {rb'\Answered'}, 3: {rb'\Flagged', rb'\Draft', b'$Forwarded', b'Arbeit'}}
        self.assertEqual(self.flags(), wanted)
        other = self.host.imap()
        other.select(self.folder)
        self.assertEqual(self.flags(other), wanted)
        other.logout()

    def test_reading_sets_seen_and_peeking_does_not(self):
        self.imap.fetch('1', '(BODY.PEEK[])')
        self.imap.fetch('2', '(BODY[])')
        self.assertEqual(self.flags(), {1: set(), 2: {rb'\Seen'}, 3: set()})

    def test_another_session_sees_flags_and_expunges(self):
        other = self.host.imap()
        other.select(self.folder)
        self.ok(self.imap.store('2', '+FLAGS', r'(\Deleted)'))
        self.ok(other.noop())
        self.assertIn(rb'\Deleted', b' '.join(other.response('FETCH')[1]))
        self.ok(self.imap.expunge())
        self.ok(other.noop())
        self.assertEqual(other.response('EXPUNGE')[1], [b'2'])
        self.assertEqual(set(self.flags(other)), {1, 3})
        other.logout()

    def test_expunge_takes_the_deleted_only(self):
        self.ok(self.imap.store('1,3', '+FLAGS', r'(\Deleted)'))
        self.ok(self.imap.expunge())
        self.assertEqual(self.bodies(self.folder), [letter('two')])

    # ---- copies and moves ----

    def test_copy(self):
        target = self.folder + '-target'
        self.ok(self.imap.create(target))
        self.ok(self.imap.store('2', '+FLAGS', r'(\Seen Kopie)'))
        self.ok(self.imap.copy('2:3', target))
        self.assertEqual(self.bodies(target), [letter('two'), letter('three')])
        self.assertEqual(len(self.bodies(self.folder)), 3)
        self.ok(self.imap.select(target))
        self.assertEqual(self.flags(), {1: {rb'\Seen', b'Kopie'}, 2: set()})

    def test_copy_to_nowhere(self):
        status, text = self.imap.copy('1', 'not-there')
        self.assertEqual(status, 'NO')
        self.assertIn(b'TRYCREATE', text[0])

    def test_move(self):
        target = self.folder + '-target'
        self.ok(self.imap.create(target))
        self.ok(self.imap.uid('MOVE', '1,3', target))
        self.assertEqual(self.bodies(self.folder), [letter('two')])
        self.assertEqual(self.bodies(target), [letter('one'), letter('three')])

    # ---- folders ----

    def names(self, pattern='*', command='list'):
        lines = self.ok(getattr(self.imap, command)('""', pattern))
        return {line.rsplit(b'"." ', 1)[1].strip(b'"').decode() for line in lines if line}

    def test_folders(self):
        base = self.folder + 's'
        for name in (base + '.a', base + '.a.b', base + '.&AOQ-'):
            self.ok(self.imap.create(name))
        self.assertEqual(self.names(base + '*') - {base}, {base + '.a', base + '.a.b', base + '.&AOQ-'})
        self.assertEqual(self.names(base + '.%'), {base + '.a', base + '.&AOQ-'})
        self.ok(self.imap.rename(base + '.a', base + '.c'))
        self.assertEqual(self.names(base + '.*'), {base + '.c', base + '.c.b', base + '.&AOQ-'})
        self.assertEqual(self.imap.create(base + '.c')[0], 'NO')
        self.ok(self.imap.delete(base + '.c.b'))
        self.assertEqual(self.names(base + '.*'), {base + '.c', base + '.&AOQ-'})
        self.assertEqual(self.imap.delete(base + '.c.b')[0], 'NO')
        self.assertEqual(self.imap.select(base + '.c.b')[0], 'NO')

    def test_rename_keeps_messages(self):
        self.ok(self.imap.select('INBOX'))
        self.ok(self.imap.rename(self.folder, self.folder + '-new'))
        self.assertEqual(self.bodies(self.folder + '-new'), [letter('one'), letter('two'), letter('three')])

    def test_subscriptions(self):
        self.ok(self.imap.subscribe(self.folder))
        self.assertIn(self.folder, self.names('*', 'lsub'))
        self.ok(self.imap.unsubscribe(self.folder))
        self.assertNotIn(self.folder, self.names('*', 'lsub'))

    def test_inbox_can_not_be_deleted(self):
        self.assertEqual(self.imap.delete('INBOX')[0], 'NO')
        self.ok(self.imap.select('INBOX'))

    def test_status(self):
        self.ok(self.imap.store('1', '+FLAGS', r'(\Seen)'))
        line = self.ok(self.imap.status(self.folder, '(MESSAGES UNSEEN UIDNEXT)'))[0]
        for fact in (b'MESSAGES 3', b'UNSEEN 2', b'UIDNEXT 4'):
            self.assertIn(fact, line)

    def test_names_can_not_leave_the_mailbox(self):
        for name in ('../../bob/Maildir', '..', '/etc', 'a/../../b', '~bob'):
            with self.subTest(name):
                self.imap.create(name)
                self.imap.append(name, None, None, letter('outside'))
        outside = [path for path in self.host.root.rglob('*') if path.is_file() and not path.is_relative_to(self.host.maildir(ALICE))
                   and 'home' in path.parts and b'outside' in path.read_bytes()]
        self.assertEqual(outside, [])

    # ---- searching ----

    def test_search(self):
        def search(*criteria):
            return self.ok(self.imap.search(None, *criteria))[0]
        self.ok(self.imap.store('3', '+FLAGS', r'(\Flagged)'))
        self.assertEqual(search('ALL'), b'1 2 3')
        self.assertEqual(search('SUBJECT', 'tw'), b'2')
        self.assertEqual(search('OR', 'FLAGGED', 'SUBJECT', 'one'), b'1 3')
        self.assertEqual(search('NOT', 'BODY', 'hello'), b'')
        self.assertEqual(search('UID', '2:*'), b'2 3')

    # ---- new mail ----

    def test_idle_sees_a_delivery(self):
        reader = self.host.imap(BOB, BOB_PASSWORD)
        before = int(self.ok(reader.select('INBOX'))[0])
        with Idle(reader) as idle:
            with self.host.smtp(25, source=STRANGER) as smtp:
                smtp.sendmail('someone@example.net', [BOB], letter('while idle'))
            while (line := idle.line()) != b'* %d EXISTS\r\n' % (before + 1):
                self.assertRegex(line, rb'^\* (OK|\d+ RECENT)')
        got = self.ok(reader.fetch(str(before + 1), '(BODY.PEEK[])'))[0][1]
        self.assertTrue(got.endswith(letter('while idle')))
        reader.logout()

    def test_idle_sees_what_other_programs_deliver(self):
        reader = self.host.imap(BOB, BOB_PASSWORD)
        before = int(self.ok(reader.select('INBOX'))[0])
        with Idle(reader) as idle:
            (self.host.maildir(BOB) / 'new' / '1795510000.M1P1.elsewhere').write_bytes(b'Subject: by hand\n\nx\n')
            while (line := idle.line()) != b'* %d EXISTS\r\n' % (before + 1):
                self.assertRegex(line, rb'^\* (OK|\d+ RECENT)')
        reader.logout()

    def test_idle_sees_flags_of_another_session(self):
        other = self.host.imap()
        other.select(self.folder)
        with Idle(self.imap) as idle:
            other.store('2', '+FLAGS', r'(\Flagged)')
            while b'FETCH' not in (line := idle.line()):
                self.assertTrue(line.startswith(b'* OK'), line)
            self.assertIn(rb'\Flagged', line)
        other.logout()

    # ---- login ----

    def test_wrong_passwords(self):
        for user, password in ((ALICE, 'wrong'), (ALICE, BOB_PASSWORD), ('nobody@example.test', ALICE_PASSWORD), ('alice', ALICE_PASSWORD)):
            imap = self.host.imap(None)
            with self.subTest(user=user), self.assertRaisesRegex(imaplib.IMAP4.error, 'AUTHENTICATIONFAILED'):
                imap.login(user, password)
            self.assertEqual(imap.state, 'NONAUTH')
            imap.logout()

    def test_sasl_plain(self):
        imap = self.host.imap(None)
        self.ok(imap.authenticate('PLAIN', lambda _: f'\0{ALICE}\0{ALICE_PASSWORD}'.encode()))
        self.ok(imap.select())
        imap.logout()

    def test_users_do_not_see_each_other(self):
        bob = self.host.imap(BOB, BOB_PASSWORD)
        self.assertEqual([line for line in self.ok(bob.list('""', '*')) if b'Test-' in line], [])
        self.assertEqual(bob.select(self.folder)[0], 'NO')
        bob.logout()

    # ---- POP3 beside it ----

    def test_pop3_deletes_at_quit_only(self):
        for subject in ('pop one', 'pop two'):
            self.ok(self.imap.append('INBOX', None, None, letter(subject)))
        pop3 = self.host.pop3()
        count = pop3.stat()[0]
        self.assertEqual(b'\r\n'.join(pop3.retr(count - 1)[1]) + b'\r\n', letter('pop one'))
        self.assertEqual(pop3.top(count, 0)[1][-1], b'')
        pop3.dele(count)
        pop3.rset()
        pop3.quit()
        self.assertEqual(len(self.bodies('INBOX')), count)
        pop3 = self.host.pop3()
        pop3.dele(count - 1)
        pop3.close()  # without QUIT: nothing is deleted
        wait_until(lambda: 'del=0/' in self.host.log(), 'the end of the POP3 session')
        self.assertEqual(len(self.bodies('INBOX')), count)
        pop3 = self.host.pop3()
        ids = pop3.uidl()[1]
        pop3.dele(count - 1)
        pop3.quit()
        self.assertEqual(len(self.bodies('INBOX')), count - 1)
        pop3 = self.host.pop3()
        self.assertEqual([each.split()[1] for each in pop3.uidl()[1]], [each.split()[1] for each in ids[:-2] + ids[-1:]])
        pop3.quit()


if __name__ == '__main__':
    unittest.main()
