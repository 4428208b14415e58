"""What smtplib and bare sockets see on ports 25, 587 and 465: who may send what, and that what was sent arrives whole."""
import base64
import smtplib
import socket
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, PATIENCE, STRANGER, Host, letter

ALICES = (ALICE, ALICE_PASSWORD)


class Talk:
    """A conversation by hand, for what no library would send."""

    def __init__(self, host, number, source=STRANGER, starttls=False):
        self.socket = socket.create_connection(('127.0.0.1', host.port(number)), PATIENCE, (source, 0))
        self.file = self.socket.makefile('rb')
        self.greeting = self.reply() if number != 465 else None
        if starttls:
            self.ask(b'EHLO x.example.net')
            assert self.ask(b'STARTTLS').startswith(b'220')
            context = host.tls()
            self.socket = context.wrap_socket(self.socket, server_hostname='localhost')
            self.file = self.socket.makefile('rb')

    def reply(self):
        lines = []
        while True:
            line = self.file.readline()
            lines.append(line)
            if len(line) < 4 or line[3:4] != b'-':
                return b''.join(lines)

    def ask(self, line):
        self.socket.sendall(line + b'\r\n')
        return self.reply()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()


class CipherInReceived(unittest.TestCase):
    """smtpd_tls_received_header, as Postfix writes it."""

    @staticmethod
    def show_ciphers(host):
        with open(host.root / 'etc/postfix/main.cf', 'a', encoding='ascii') as main:
            main.write('smtpd_tls_received_header = yes\n')

    def test_it_is_named(self):
        with Host(edit=self.show_ciphers) as host:
            with host.smtp(465, login=ALICES) as smtp:
                smtp.sendmail(ALICE, [ALICE], letter('cipher'))
            (file,) = host.messages(ALICE)
            self.assertRegex(file.read_text(), r'\[127\.0\.0\.1\]\)\n'
                             r'\t\(using TLSv1\.3 with cipher TLS_AES_256_GCM_SHA384 \(256/256 bits\)\n'
                             r'\t key-exchange \S+ server-signature [^\n]+ server-digest SHA256\)\n'
                             r'\t\(No client certificate requested\)\n'
                             r'\tby \S+ \(\w+\) with ESMTPSA id ')


class Smtp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host())

    def newest(self, user=ALICE):
        with_times = [(f.stat().st_mtime_ns, f) for f in self.host.messages(user)]
        return max(with_times)[1].read_bytes()

    def read_back(self, user, password, subject):
        """The message's bytes, as IMAP and POP3 give them; they must be the same."""
        imap = self.host.imap(user, password)
        imap.select(readonly=True)
        numbers = imap.search(None, 'SUBJECT', f'"{subject}"')[1][0].split()
        self.assertEqual(len(numbers), 1, subject)
        by_imap = imap.fetch(numbers[0], '(BODY.PEEK[])')[1][0][1]
        pop3 = self.host.pop3(user, password)
        by_pop3 = b''.join(line + b'\r\n' for line in pop3.retr(int(numbers[0]))[1])
        pop3.quit()
        imap.logout()
        # poplib splits at line ends of its own taste, so only what it can tell is compared.
        if b'\r' not in by_imap.replace(b'\r\n', b'') and b'\n' not in by_imap.replace(b'\r\n', b''):
            self.assertEqual(by_imap, by_pop3)
        return by_imap

    # ---- who may send what ----

    def test_strangers_reach_users_on_port_25(self):
        with self.host.smtp(25, source=STRANGER) as smtp:
            smtp.sendmail('someone@example.net', [ALICE, BOB], letter('from afar'))
        for user, password in ((ALICE, ALICE_PASSWORD), (BOB, BOB_PASSWORD)):
            self.assertTrue(self.read_back(user, password, 'from afar').endswith(letter('from afar')))

    def test_strangers_may_use_starttls_on_port_25(self):
        with self.host.smtp(25, source=STRANGER, starttls=True) as smtp:
            smtp.sendmail('someone@example.net', [ALICE], letter('with STARTTLS'))
        self.assertIn(b'with ESMTPS id', self.read_back(ALICE, ALICE_PASSWORD, 'with STARTTLS'))

    def test_users_send_on_submission_ports(self):
        for number in (587, 465):
            with self.subTest(port=number), self.host.smtp(number, source=STRANGER, login=ALICES) as smtp:
                smtp.sendmail(ALICE, [BOB], letter(f'by {number}'))
                self.assertIn(b'with ESMTPSA id', self.read_back(BOB, BOB_PASSWORD, f'by {number}'))

    def refused(self, code, smtp, sender, recipient):
        with self.assertRaises(smtplib.SMTPResponseException if code is None else smtplib.SMTPRecipientsRefused) as caught:
            smtp.sendmail(sender, [recipient], letter('never'))
        self.assertEqual([reply[0] for reply in caught.exception.recipients.values()], [code], caught.exception)

    def test_no_relay_for_strangers(self):
        with self.host.smtp(25, source=STRANGER) as smtp:
            self.refused(554, smtp, 'someone@example.net', 'someone@example.org')
            for trick in ('someone%example.org@example.test', '"someone@example.org"@example.test', 'example.org!someone'):
                with self.assertRaises(smtplib.SMTPException):
                    smtp.sendmail('someone@example.net', [trick], letter('never'))
        self.assertEqual(self.host.queue_files(), [])

    def test_no_relay_for_users_without_login(self):
        for number in (587, 465):
            with self.subTest(port=number), self.host.smtp(number, source=STRANGER) as smtp:
                self.refused(553, smtp, ALICE, BOB)  # "not logged in": Alice's address belongs to a login
                self.refused(554, smtp, 'someone@example.net', 'someone@example.org')
                self.refused(554, smtp, 'someone@example.net', BOB)

    def test_unknown_users_are_refused(self):
        with self.host.smtp(25, source=STRANGER) as smtp:
            self.refused(550, smtp, 'someone@example.net', 'nobody@example.test')

    def test_postmaster_is_an_alias(self):
        with self.host.smtp(25, source=STRANGER) as smtp:
            smtp.sendmail('', ['postmaster@example.test'], letter('to the postmaster'))
        self.assertIn(b'X-Original-To: postmaster@example.test', self.read_back(ALICE, ALICE_PASSWORD, 'to the postmaster'))

    def test_users_may_not_send_as_somebody_else(self):
        with self.host.smtp(587, login=ALICES) as smtp:
            self.refused(553, smtp, BOB, BOB)

    # ---- passwords ----

    def test_wrong_passwords(self):
        for number in (587, 465):
            for user, password in ((ALICE, 'wrong'), (ALICE, ''), (ALICE, BOB_PASSWORD), ('nobody@example.test', 'alice-secret')):
                with self.subTest(port=number, user=user, password=password), self.host.smtp(number) as smtp:
                    smtp.ehlo()
                    token = base64.b64encode(f'\0{user}\0{password}'.encode()).decode()
                    self.assertEqual(smtp.docmd('AUTH', 'PLAIN ' + token)[0], 535)
                    self.refused(553, smtp, ALICE, BOB)

    def test_no_auth_before_tls(self):
        for number in (25, 587):
            with self.subTest(port=number), Talk(self.host, number) as talk:
                self.assertNotIn(b'AUTH', talk.ask(b'EHLO x.example.net'))
                reply = talk.ask(b'AUTH PLAIN ' + base64.b64encode(f'\0{ALICE}\0{ALICE_PASSWORD}'.encode()))
                self.assertRegex(reply, rb'^(503|530|538) ')
                self.assertNotIn(b'235', reply)

    def test_submission_demands_tls(self):
        with Talk(self.host, 587) as talk:
            talk.ask(b'EHLO x.example.net')
            self.assertRegex(talk.ask(b'MAIL FROM:<alice@example.test>'), rb'^530 5\.7\.0 ')

    def test_plaintext_behind_starttls_is_thrown_away(self):
        with Talk(self.host, 25) as talk:
            talk.ask(b'EHLO x.example.net')
            talk.socket.sendall(b'STARTTLS\r\nRSET\r\n')
            reply = talk.reply()
            if not reply.startswith(b'220 '):
                return self.assertRegex(reply, rb'^554 ')  # refused as out of step: as good
            with self.host.tls().wrap_socket(talk.socket, server_hostname='localhost') as wrapped:
                wrapped.sendall(b'EHLO x.example.net\r\n')
                self.assertRegex(wrapped.recv(4096), rb'^250-mail')

    # ---- what arrives ----

    def exchange(self, subject, body, **talk):
        """Sends by hand `body` behind a Subject; returns the last reply and what was stored, without the trace fields."""
        message = b'Subject: ' + subject.encode() + b'\r\nFrom: a@example.net\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\nMessage-ID: <' + \
            subject.replace(' ', '-').encode() + b'@example.net>\r\n\r\n' + body
        with Talk(self.host, 25, **talk) as session:
            session.ask(b'EHLO x.example.net')
            session.ask(b'MAIL FROM:<a@example.net> BODY=8BITMIME')
            self.assertRegex(session.ask(b'RCPT TO:<alice@example.test>'), rb'^250 ')
            self.assertRegex(session.ask(b'DATA'), rb'^354 ')
            session.socket.sendall(message.replace(b'\r\n.', b'\r\n..') + b'\r\n.\r\n')
            return session.reply(), message + b'\r\n'

    def arrives(self, subject, body, expected=None):
        reply, sent = self.exchange(subject, body)
        self.assertRegex(reply, rb'^250 ')
        got = self.read_back(ALICE, ALICE_PASSWORD, subject)
        self.assertTrue(got.endswith(expected if expected is not None else sent), (got[-200:], sent[-200:]))

    def test_eight_bits(self):
        self.arrives('eight bits', 'Grüße aus Köln — 日本語\r\n'.encode() + bytes(range(128, 256)))

    def test_dots(self):
        self.arrives('dots', b'.\r\n..\r\n...\r\n.x\r\nx.\r\n.')

    def test_nul_bytes(self):
        # RFC 9051 section 4.3: no NUL in a literal. As with Dovecot IMAP shows 0x80; the file and POP3 have what was sent.
        reply, sent = self.exchange('nul bytes', b'a\0b\r\n\0\0\r\n' + bytes(range(1, 10)))
        self.assertRegex(reply, rb'^250 ')
        imap = self.host.imap()
        imap.select(readonly=True)
        number = imap.search(None, 'SUBJECT', '"nul bytes"')[1][0]
        self.assertTrue(imap.fetch(number, '(BODY.PEEK[])')[1][0][1].endswith(sent.replace(b'\0', b'\x80')))
        imap.logout()
        pop3 = self.host.pop3()
        self.assertTrue((b'\r\n'.join(pop3.retr(int(number))[1]) + b'\r\n').endswith(sent))
        pop3.quit()
        self.assertTrue(any(sent.replace(b'\r\n', b'\n') in file.read_bytes() for file in self.host.messages(ALICE)))

    def test_lone_carriage_returns(self):
        self.arrives('lone cr', b'a\rb\r\n\r\r\nc')

    def test_bare_line_feeds_end_no_message(self):
        # smtpd_forbid_bare_newline is no setting of Postfix 3.7: a bare LF is a line end to it. What must never be: that
        # LF . LF ends a message, and the rest is taken for commands (smuggling).
        for end in (b'\n.\n', b'\n.\r\n', b'\r.\r\n', b'\r\n.\n', b'\r\n.\r'):
            with self.subTest(end=end):
                before = len(self.host.messages(BOB))
                with Talk(self.host, 25) as session:
                    session.ask(b'EHLO x.example.net')
                    session.ask(b'MAIL FROM:<a@example.net>')
                    session.ask(b'RCPT TO:<alice@example.test>')
                    session.ask(b'DATA')
                    session.socket.sendall(b'Subject: outer\r\n\r\nx' + end + b'MAIL FROM:<evil@example.net>\r\nRCPT TO:<' + BOB.encode() +
                                           b'>\r\nDATA\r\nSubject: smuggled\r\n\r\nevil\r\n.\r\nQUIT\r\n')
                    while session.file.readline():
                        pass
                self.assertEqual(len(self.host.messages(BOB)), before)

    def test_bare_line_feeds(self):
        try:
            reply, _ = self.exchange('bare lf', b'one\ntwo\r\nthree')
        except ConnectionError:
            return
        if reply.startswith(b'250 '):
            self.assertTrue(self.read_back(ALICE, ALICE_PASSWORD, 'bare lf').endswith(b'one\r\ntwo\r\nthree\r\n'))
        else:
            self.assertRegex(reply, rb'^5\d\d |^$')

    def test_twenty_megabytes(self):
        line = bytes(32 + i % 90 for i in range(76)) + b'\r\n'
        self.arrives('twenty megabytes', line * (20_000_000 // len(line)))

    def test_too_large_is_refused_early_and_late(self):
        with Talk(self.host, 25) as session:
            self.assertRegex(session.ask(b'EHLO x.example.net'), rb'SIZE 52428800')
            self.assertRegex(session.ask(b'MAIL FROM:<a@example.net> SIZE=52428801'), rb'^552 ')
        before = len(self.host.messages(ALICE))
        reply, _ = self.exchange('too large', (b'x' * 998 + b'\r\n') * 53_000)
        self.assertRegex(reply, rb'^552 5\.3\.4 ')
        self.assertEqual(len(self.host.messages(ALICE)), before)
        self.assertEqual([f for f in (self.host.maildir(ALICE) / 'tmp').iterdir()], [])

    def test_bdat(self):
        with Talk(self.host, 25) as session:
            session.ask(b'EHLO x.example.net')
            session.ask(b'MAIL FROM:<a@example.net>')
            session.ask(b'RCPT TO:<alice@example.test>')
            for chunk, last in ((b'Subject: in chunks\r\n\r\nLine\r', False), (b'\n.\r\nfour', False), (b'\r\n', True)):
                session.socket.sendall(b'BDAT %d%s\r\n' % (len(chunk), b' LAST' if last else b'') + chunk)
                self.assertRegex(session.reply(), rb'^250 ')
        self.assertTrue(self.read_back(ALICE, ALICE_PASSWORD, 'in chunks').endswith(b'\r\n\r\nLine\r\n.\r\nfour\r\n'))

    def test_pipelining(self):
        with Talk(self.host, 25) as session:
            session.ask(b'EHLO x.example.net')
            session.socket.sendall(b'MAIL FROM:<a@example.net>\r\nRCPT TO:<nobody@example.test>\r\n'
                                   b'RCPT TO:<alice@example.test>\r\nDATA\r\n')
            replies = [session.reply()[:3] for _ in range(4)]
            self.assertEqual(replies, [b'250', b'550', b'250', b'354'])
            session.socket.sendall(b'Subject: pipelined\r\n\r\nx\r\n.\r\nMAIL FROM:<b@example.net>\r\nQUIT\r\n')
            self.assertEqual([session.reply()[:3] for _ in range(3)], [b'250', b'250', b'221'])
            self.assertEqual(session.file.readline(), b'')
        self.read_back(ALICE, ALICE_PASSWORD, 'pipelined')


if __name__ == '__main__':
    unittest.main()
