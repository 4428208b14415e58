"""Aliases that lead to commands and files: run and written as default_privs says, or refused where it says nobody."""
import contextlib
import mailbox
import os
import re
import smtplib
import unittest

from host import ALICE, Host, letter, wait_until

USER = 65533 if os.geteuid() == 0 else os.getuid()  # who runs them
GROUP = 65533 if os.geteuid() == 0 else os.getgid()

SAVE = """#!/bin/sh
cat > {work}/stdin.new
{{ id -u; id -g; pwd; umask; env; }} > {work}/env
mv {work}/stdin.new {work}/stdin
"""
# Once a run has begun, waits until `go` is there.
SLOW = """#!/bin/sh
echo run >> {work}/slow
cat > {work}/slow.mail
until [ -e {work}/go ]; do sleep 0.05; done
echo end >> {work}/slow
"""
ALIASES = """
cmd: "|{work}/save"
reader: cmd
shell: "|wc -c >{work}/count; echo done"
fails: "|echo no such ticket; exit 67"
later: "|exit 75"
slow: "|{work}/slow-one"
box: /srv/box
locked: /etc/box
listed: :include:/etc/list
many: alice@example.test, "|{work}/save", /srv/many
"""


def configure(main_lines):
    def edit(host):
        for part in ('', 'var'):
            os.chmod(host.root / part, 0o755)
        work = host.root / 'srv'
        work.mkdir()
        os.chown(work, USER, GROUP)
        for name, script in (('save', SAVE), ('slow-one', SLOW)):
            (work / name).write_text(script.format(work=work))
            os.chmod(work / name, 0o755)
        with open(host.root / 'etc/passwd', 'a') as file:
            file.write(f'mailcmd:x:{USER}:{GROUP}::/nonexistent:/usr/sbin/nologin\n')
        (host.root / 'etc/aliases').write_text(ALIASES.format(work=work))
        (host.root / 'etc/list').write_text('|exit 0\n')
        with open(host.root / 'etc/postfix/main.cf', 'a') as file:
            file.write('alias_maps = hash:/etc/aliases\nmydestination = local.test\nmyorigin = local.test\nlocal_recipient_maps = $alias_maps\n'
                       'mailbox_size_limit = $message_size_limit\nrecipient_delimiter = +\n' + main_lines)
    return edit


class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host(edit=configure('default_privs = mailcmd\nexport_environment = A=b\n')))
        cls.work = cls.host.root / 'srv'

    def send(self, to, subject, text='Hello.\r\n', sender='someone@example.net'):
        with self.host.smtp() as client:
            client.sendmail(sender, [to], letter(subject, text))

    def settled(self, user, what):
        self.host.wait_for_log(rf'postfix/local\[\d+\]: \w+: to=<{re.escape(user)}>, .*{what}')

    def test_a_command_gets_message_and_environment(self):
        self.send('reader+ext@local.test', 'one', text='From here\r\n.dot\r\n')
        self.settled('cmd@local.test', r'orig_to=<reader\+ext@local.test>, relay=local, .*dsn=2.0.0, status=sent '
                                       rf'\(delivered to command: {self.work}/save\)')
        text = (self.work / 'stdin').read_text()
        self.assertRegex(text, r'\AFrom someone@example.net  [A-Z][a-z]{2} [A-Z][a-z]{2} [ 0-9]\d \d\d:\d\d:\d\d 20\d\d\n'
                               r'Return-Path: <someone@example.net>\nX-Original-To: reader\+ext@local.test\n'
                               r'Delivered-To: reader\+ext@local.test\nReceived: from ')
        self.assertTrue(text.endswith('\n\nFrom here\n.dot\n'), text)
        self.assertNotIn('\r', text)
        uid, gid, folder, mask, *environment = (self.work / 'env').read_text().splitlines()
        self.assertEqual((uid, gid, folder, mask), (str(USER), str(GROUP), '/', '0077'))
        environment = dict(line.split('=', 1) for line in environment)
        for name in ('_', 'PWD', 'SHLVL', 'OLDPWD'):  # the shell's own
            environment.pop(name, None)
        self.assertEqual(environment, {
            'A': 'b', 'PATH': '/usr/bin:/bin', 'USER': 'cmd', 'LOGNAME': 'cmd', 'LOCAL': 'cmd', 'DOMAIN': 'local.test',
            'RECIPIENT': 'cmd@local.test', 'ORIGINAL_RECIPIENT': 'reader+ext@local.test', 'SENDER': 'someone@example.net',
            'CLIENT_ADDRESS': '127.0.0.1', 'CLIENT_HOSTNAME': environment['CLIENT_HOSTNAME'],
            'CLIENT_HELO': 'client.example.net', 'CLIENT_PROTOCOL': 'ESMTP'})

    def test_a_shell_runs_what_needs_one(self):
        self.send('shell@local.test', 'two')
        self.settled('shell@local.test', 'status=sent')
        self.assertGreater(int((self.work / 'count').read_text()), 100)

    def test_what_a_command_says_comes_back_or_waits(self):
        self.send('fails@local.test', 'three', sender=ALICE)
        self.settled('fails@local.test', r'dsn=5.1.1, status=bounced \(user unknown. Command output: no such ticket\)')
        wait_until(lambda: any('user unknown' in file.read_text() for file in self.host.messages(ALICE)), 'the bounce')
        self.send('later@local.test', 'four', sender=ALICE)
        self.settled('later@local.test', r'dsn=4.3.0, status=deferred \(temporary failure\)')

    def test_a_file_is_an_mbox(self):
        for number in range(3):
            self.send('box@local.test', f'in the box {number}', text=f'From number {number}\r\n')
        wait_until(lambda: self.host.log().count('(delivered to file: /srv/box)') == 3, 'three deliveries')
        box = self.work / 'box'
        facts = box.stat()
        self.assertEqual((facts.st_uid, facts.st_gid, facts.st_mode & 0o777), (USER, GROUP, 0o600))
        with contextlib.closing(mailbox.mbox(box, create=False)) as opened:
            messages = list(opened)
        self.assertEqual(sorted(message['Subject'] for message in messages), [f'in the box {number}' for number in range(3)])
        for message in messages:
            self.assertEqual((message['Return-Path'], message['Delivered-To']), ('<someone@example.net>', 'box@local.test'))
            self.assertRegex(message.get_payload(), r'\A>From number \d\n\Z')
        self.assertFalse((self.work / 'box.lock').exists())

    @unittest.skipIf(os.geteuid() != 0, 'needs root, to be somebody else')
    def test_a_file_is_written_with_the_users_rights_alone(self):
        self.send('locked@local.test', 'five', sender=ALICE)
        self.settled('locked@local.test', r'dsn=5.2.0, status=bounced \(cannot append message to file /etc/box: '
                                          r'cannot create file exclusively: Permission denied\)')
        self.assertFalse((self.host.root / 'etc/box').exists())

    def test_others_behind_the_alias_get_theirs(self):
        self.send('many@local.test', 'six')
        wait_until(lambda: any('Subject: six' in file.read_text() for file in self.host.messages(ALICE)), 'mail for alice')
        self.settled('many@local.test', 'delivered to command')
        self.settled('many@local.test', 'delivered to file: /srv/many')

    def test_lists_are_asked_for_apart(self):
        with self.host.smtp() as client, self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
            client.sendmail('someone@example.net', ['listed@local.test'], letter('seven'))
        self.assertIn((550, b'5.7.1 <listed@local.test>: Recipient address rejected: mail to command is restricted'),
                      refused.exception.recipients.values())


class Killed(unittest.TestCase):
    def test_a_run_that_nobody_saw_the_end_of_is_repeated(self):
        with Host(edit=configure('default_privs = mailcmd\n')) as host:
            slow = host.root / 'srv/slow'
            runs = lambda: slow.read_text().split() if slow.exists() else []  # noqa: E731
            with host.smtp() as client:
                client.sendmail('someone@example.net', ['slow@local.test'], letter('slow'))
            wait_until(lambda: runs() == ['run'], 'the first run')
            host.kill()
            host.start()
            wait_until(lambda: runs() == ['run', 'run'], 'the second run')
            (host.root / 'srv/go').touch()
            host.wait_for_log(r'to=<slow@local.test>, .*status=sent')
            wait_until(lambda: not host.queue_files(), 'an empty queue')
            self.assertTrue((host.root / 'srv/slow.mail').read_text().endswith('Hello.\n'))


class Refused(unittest.TestCase):
    def test_without_a_user_nothing_is_run(self):
        with Host(edit=configure('')) as host:
            for name, word in (('cmd', 'command'), ('box', 'file')):
                with host.smtp() as client, self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                    client.sendmail('someone@example.net', [f'{name}@local.test'], letter(name))
                self.assertEqual(refused.exception.recipients[f'{name}@local.test'], (
                    550, f'5.7.1 <{name}@local.test>: Recipient address rejected: mail to {word} is restricted'.encode()))
            self.assertIn('alias-command-refused', host.said())
            self.assertIn('default_privs does not say as whom', host.said())


if __name__ == '__main__':
    unittest.main()
