"""Mail goes out: from a mail program by submission through this server to another of its kind and to a real Postfix, over
TLS, by transport, by relay host and by MX; and what people hear of it.

Ends with 77 where Postfix is not installed or the user is not root.
"""
import os
import pwd
import re
import shutil
import subprocess
import unittest

from name_server import A, MX, NameServer, address, mx
from notices import ReadsNotices
from peers import POSTFIX, Authority, Postfix, open_folder, run, take_domain, wait_telling
from host import ALICE, ALICE_PASSWORD, Host, free_offset, letter

# What the trace fields in front are: everything behind them is what was sent.
TRACE = rb'(?:(?:Return-Path|X-Original-To|Delivered-To|Received): [^\n]*\n(?:[ \t][^\n]*\n)*)+'

POSTFIX_SETTINGS = """
myhostname = mx.postfix.example
mynetworks = 127.0.0.1/32
smtpd_relay_restrictions = reject_unauth_destination
virtual_mailbox_domains = postfix.example by-mx.example plain.example
virtual_mailbox_maps = inline:{{ carol@postfix.example=carol/ carol@by-mx.example=carol/ carol@plain.example=carol/ }}
virtual_mailbox_base = {folder}/mail
virtual_uid_maps = static:%(nobody)d
virtual_gid_maps = static:%(nobody)d
virtual_minimum_uid = 1
smtpd_tls_cert_file = %(certificate)s
smtpd_tls_key_file = %(key)s
smtpd_tls_security_level = may
smtpd_tls_received_header = yes
header_checks = regexp:{folder}/etc/header_checks
transport_maps = inline:{{ example.test=smtp:[127.0.0.1]:%(our_port)d }}
bounce_notice_recipient = postmaster@postfix.example
"""

OUR_SETTINGS = """
smtp_tls_CAfile = /etc/ssl/certs/authority.pem
smtp_tls_security_level = encrypt
smtp_tls_policy_maps = texthash:/etc/postfix/tls_policy
transport_maps = texthash:/etc/postfix/transport
relayhost = [mx.postfix.example]:%(postfix)d
"""


def mail_file(subject):
    """A message with what a dialogue may spoil: dots, bytes beyond ASCII, the longest line, white space at an end."""
    lines = [b'.', b'..', b'.a line that begins with a dot', 'Grüße'.encode(), b'x' * 998, b'white space at the end \t ', b'', b"From here", b""]
    head = letter(subject, '', to='carol@postfix.example').replace(b'\r\n\r\n', b'\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; '
                                                                  b'charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n')
    return head + b'\r\n'.join(lines)


class Peers(unittest.TestCase):
    """Our host; another of our kind for postern.example; a Postfix for postfix.example and by-mx.example."""

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(open_folder())
        cls.authority = Authority(cls.folder / 'authority')
        cls.name_server = cls.enterClassContext(NameServer({
            'mx.postern.example': [address('127.0.0.1')],
            'mx.postfix.example': [address('127.0.0.1')],
            'other.example': [address('127.0.0.1')],
            'wrong-password.example': [address('127.0.0.1')],
            'by-mx.example': [mx(10, 'dead.by-mx.example'), mx(20, 'mx.postfix.example')],
            'dead.by-mx.example': [address('127.0.0.77')],
            'null-mx.example': [mx(0, '')],
        }))
        cls.peer = Host(edit=cls.configure_peer)
        cls.addClassCleanup(cls.peer.remove)
        cls.host = Host(edit=None, options=('--resolver', cls.name_server.resolver))
        cls.addClassCleanup(cls.host.remove)
        cls.start_postfix()
        cls.configure_host()
        cls.enterClassContext(cls.peer)
        cls.enterClassContext(cls.host)

    @classmethod
    def configure_peer(cls, host):
        take_domain(host, 'postern.example')
        # Customers send as whom they like.
        host.replace('etc/postfix/master.cf', 'reject_sender_login_mismatch,', '')
        certificate, key = cls.authority.issue('mx.postern.example')
        shutil.copy(certificate, host.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem')
        shutil.copy(key, host.root / 'etc/ssl/private/ssl-cert-snakeoil.key')

    @classmethod
    def start_postfix(cls):
        certificate, key = cls.authority.issue('mx.postfix.example')
        cls.plain_port = free_offset((0,))
        values = {'nobody': pwd.getpwnam('nobody').pw_uid, 'certificate': certificate, 'key': key, 'our_port': cls.host.port(25)}
        services = f'127.0.0.1:{cls.plain_port} inet n - n - - smtpd -o smtpd_discard_ehlo_keywords=dsn\n'
        cls.postfix = Postfix(cls.folder / 'postfix', POSTFIX_SETTINGS % values, services)
        (cls.postfix.etc / 'header_checks').write_text('/^Subject: .*forbidden/ REJECT no such subjects\n')
        mail = cls.postfix.folder / 'mail'
        mail.mkdir()
        os.chown(mail, values['nobody'], -1)
        cls.enterClassContext(cls.postfix)

    @classmethod
    def configure_host(cls):
        etc, postfix = cls.host.root / 'etc', cls.postfix.port
        shutil.copy(cls.authority.certificate, etc / 'ssl/certs/authority.pem')
        cls.host.append('etc/postfix/main.cf', OUR_SETTINGS % {'postfix': postfix})
        (etc / 'postfix/transport').write_text(
            f'postern.example  smtp:[mx.postern.example]:{cls.peer.port(25)}\n'
            f'by-mx.example    smtp:by-mx.example:{postfix}\n'
            f'plain.example    smtp:[mx.postfix.example]:{cls.plain_port}\n'
            f'other.example    smtp:[other.example]:{postfix}\n'
            f'null-mx.example  smtp:null-mx.example:{postfix}\n')
        (etc / 'postfix/tls_policy').write_text(
            f'[mx.postern.example]:{cls.peer.port(25)}  verify\n'
            f'[other.example]:{postfix}  verify\n'
            f'[mx.postfix.example]:{postfix}  verify\n')

    def swaks(self, message, to):
        file = self.folder / 'message'
        file.write_bytes(message.removesuffix(b'\r\n'))  # swaks ends the last line by itself
        done = subprocess.run(['swaks', '--server', 'localhost', '--port', str(self.host.port(587)), '--tls', '--tls-verify', '--tls-ca-path',
                               self.host.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem', '--auth', 'PLAIN', '--auth-user', ALICE,
                               '--auth-password', ALICE_PASSWORD, '--from', ALICE, '--to', to, '--helo', 'client.example.net', '--data',
                               f'@{file}', '--timeout', '30'], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def curl(self, message, to):
        done = subprocess.run(['curl', '--silent', '--show-error', '--max-time', '50', '--ssl-reqd', '--cacert',
                               self.host.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem', '--user', f'{ALICE}:{ALICE_PASSWORD}', '--mail-from',
                               ALICE, '--mail-rcpt', to, '--upload-file', '-', f'smtp://localhost:{self.host.port(587)}/client.example.net'],
                              input=message, capture_output=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)

    def wait(self, condition, what):
        return wait_telling(condition, what, self.host.log, self.postfix.log)

    def in_postfix(self, subject):
        def find():
            files = (self.postfix.folder / 'mail').rglob('new/*')
            return [text for text in (file.read_bytes() for file in files) if b'\nSubject: ' + subject.encode() + b'\n' in text]
        (text,) = self.wait(find, f'{subject} in the mailbox of Postfix')
        return text

    def why_it_waits(self, recipient):
        return self.wait(lambda: self.host.waiting().get(recipient, {}).get('delay_reason'), 'the reason')

    def check_bytes(self, stored, sent):
        trace = re.match(TRACE, stored)[0]
        self.assertEqual(stored[len(trace):], sent.replace(b'\r\n', b'\n'))
        return trace.decode()


class Relay(Peers):
    def test_to_another_of_our_kind(self):
        message = mail_file('to our kind')
        self.swaks(message, 'alice@postern.example')
        (file,) = self.wait(lambda: self.peer.messages('alice@postern.example'), 'the message')
        trace = self.check_bytes(file.read_bytes(), message)
        self.assertEqual(len(re.findall('(?m)^Received: ', trace)), 2)
        self.assertRegex(trace, r'from mail\.example\.test .*\n\tby mail\.postern\.example \(Postfix\) with ESMTPS id ')
        self.assertIn('Return-Path: <alice@example.test>\n', trace)
        self.host.wait_for_log(r'Verified TLS connection established to mx\.postern\.example\[127\.0\.0\.1\]')
        self.host.wait_for_log(r'to=<alice@postern\.example>, relay=mx\.postern\.example\[127\.0\.0\.1\]:\d+, .*status=sent \(250 2\.0\.0 ')

    def test_to_postfix_by_the_relay_host(self):
        message = mail_file('to Postfix')
        self.curl(message, 'carol@postfix.example')
        trace = self.check_bytes(self.in_postfix('to Postfix'), message)
        self.assertEqual(len(re.findall('(?m)^Received: ', trace)), 2)
        self.assertRegex(trace, r'\(using TLSv1\.3 with cipher ')
        self.host.wait_for_log(r'Verified TLS connection established to mx\.postfix\.example\[127\.0\.0\.1\]')
        self.postfix.wait_for_log(r'from=<alice@example\.test>')

    def test_by_mx_where_the_best_is_dead(self):
        self.curl(mail_file('by MX'), 'carol@by-mx.example')
        self.in_postfix('by MX')
        self.host.wait_for_log(r'to=<carol@by-mx\.example>, relay=mx\.postfix\.example\[127\.0\.0\.1\]:')
        self.assertIn(('by-mx.example', MX), self.name_server.asked)
        self.assertIn(('dead.by-mx.example', A), self.name_server.asked)

    def test_a_large_one(self):
        """Read from the queue file piece by piece."""
        message = letter('large', ''.join(f'{number:074}\r\n' for number in range(100_000)))
        self.curl(message, 'carol@postfix.example')
        self.check_bytes(self.in_postfix('large'), message)

    def test_a_certificate_of_another_name(self):
        """Whoever answers in the other's place gets nothing."""
        self.curl(mail_file('verified'), 'carol@other.example')
        self.assertRegex(self.why_it_waits('carol@other.example'), 'Server certificate not verified')
        self.assertNotIn('carol@other.example', self.postfix.log())


class Notices(ReadsNotices, Peers):
    """RFC 3461, 3462, 3464: what the sender hears, in its own mailbox."""

    def send(self, subject, to, mail_options=(), rcpt_options=()):
        message = mail_file(subject)
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as client:
            client.sendmail(ALICE, to, message, list(mail_options), list(rcpt_options))
        return message.replace(b'\r\n', b'\n')

    def test_refused_at_rcpt(self):
        sent = self.send('nobody there', ['nobody@postfix.example', 'carol@postfix.example'])
        text, about, recipients, returned = self.notice('nobody there')
        self.in_postfix('nobody there')  # the other recipient has it
        self.assertIn('nobody@postfix.example', text)
        self.assertEqual(about['Reporting-MTA'], 'dns; mail.example.test')
        self.assertEqual(len(recipients), 1)
        self.check_failed(recipients[0], 'nobody@postfix.example', '5.1.1', r'smtp; 550 5\.1\.1 <nobody@postfix\.example>: Recipient address rejected')
        self.assertEqual(returned.get_content_type(), 'message/rfc822')
        self.assertIn(sent, self.bytes_of_notice('nobody there'))

    def test_refused_after_the_message(self):
        self.send('forbidden words', ['carol@postfix.example'], ['RET=HDRS', 'ENVID=word-7'], ['NOTIFY=FAILURE', 'ORCPT=rfc822;c+40example.net'])
        _, about, (fields,), returned = self.notice('forbidden words')
        self.check_failed(fields, 'carol@postfix.example', '5.7.1', r'smtp; 550 5\.7\.1 no such subjects')
        self.assertEqual(about['Original-Envelope-Id'], 'word-7')
        self.assertEqual(fields['Original-Recipient'], 'rfc822;c@example.net')
        self.assertEqual(returned.get_content_type(), 'text/rfc822-headers')
        self.assertNotIn(b'line that begins', self.bytes_of_notice('forbidden words'))

    def test_refused_by_another_of_our_kind(self):
        self.send('nobody of ours', ['nobody@postern.example'])
        _, _, (fields,), _ = self.notice('nobody of ours')
        self.check_failed(fields, 'nobody@postern.example', '5.1.1', r'smtp; 550 5\.1\.1 ', mta='mx.postern.example')

    def test_a_domain_that_takes_no_mail(self):
        self.send('null MX', ['carol@null-mx.example'])
        _, _, (fields,), _ = self.notice('null MX')
        self.assertEqual((fields['Action'], fields['Status']), ('failed', '5.1.10'))
        self.assertRegex(self.diagnostic(fields), 'nullMX')

    def test_too_large_for_the_peer(self):
        message = letter('too large', ''.join(f'{number:074}\r\n' for number in range(140_000)))  # beyond its 10,240,000 bytes
        self.curl(message, 'carol@postfix.example')
        _, _, (fields,), returned = self.notice('too large')
        self.assertEqual((fields['Action'], fields['Status']), ('failed', '5.3.4'))
        self.assertRegex(self.diagnostic(fields), r'message size \d+ exceeds size limit 10240000 of server ')
        self.assertEqual(returned.get_content_type(), 'text/rfc822-headers')  # bounce_size_limit
        self.assertNotIn('data=', self.postfix.log().rpartition('connect from')[2])

    def test_nobody_wants_to_hear(self):
        self.send('never', ['nobody@postfix.example'], [], ['NOTIFY=NEVER'])
        self.host.wait_for_log(r'to=<nobody@postfix\.example>.*status=bounced')
        self.send('after never', ['nobody@postfix.example'])
        self.notice('after never')  # what is told comes in turn
        self.assertIsNone(self.bytes_of_notice('never'))

    def test_success_of_a_peer_without_dsn_is_told_here(self):
        self.send('relayed', ['carol@plain.example'], ['ENVID=r-1'], ['NOTIFY=SUCCESS'])
        _, about, (fields,), returned = self.notice('relayed')
        self.assertEqual(about['Reporting-MTA'], 'dns; mail.example.test')
        self.assertEqual(about['Original-Envelope-Id'], 'r-1')
        self.assertEqual((fields['Action'], fields['Status'], fields['Final-Recipient']), ('relayed', '2.0.0', 'rfc822; carol@plain.example'))
        self.assertEqual(returned.get_content_type(), 'text/rfc822-headers')

    def test_success_of_a_peer_with_dsn_is_told_there(self):
        self.send('delivered', ['carol@postfix.example'], ['ENVID=d+2B1'], ['NOTIFY=SUCCESS', 'ORCPT=rfc822;carol@postfix.example'])
        _, about, (fields,), _ = self.notice('delivered')
        self.assertEqual(about['Reporting-MTA'], 'dns; mx.postfix.example')
        self.assertEqual(about['Original-Envelope-Id'], 'd+1')
        self.assertEqual((fields['Action'], fields['Original-Recipient']), ('delivered', 'rfc822;carol@postfix.example'))


class Smarthost(Peers):
    """Everything goes by another's submission service: TLS from the first byte (465), and a login."""

    @classmethod
    def configure_host(cls):
        super().configure_host()
        etc, port = cls.host.root / 'etc', cls.peer.port(465)
        cls.host.append('etc/postfix/main.cf', f'relayhost = [mx.postern.example]:{port}\n'
                                               'smtp_tls_wrappermode = yes\n'
                                               'smtp_sasl_auth_enable = yes\n'
                                               'smtp_sasl_password_maps = texthash:/etc/postfix/passwords\n'
                                               'smtp_sasl_security_options = noanonymous\n')
        (etc / 'postfix/transport').write_text(f'wrong.example smtp:[wrong-password.example]:{port}\n')
        (etc / 'postfix/tls_policy').write_text(f'[mx.postern.example]:{port} verify\n')
        (etc / 'postfix/passwords').write_text(f'[mx.postern.example]:{port} alice@postern.example:{ALICE_PASSWORD}\n'
                                               f'[wrong-password.example]:{port} alice@postern.example:guessed\n')
        (etc / 'postfix/passwords').chmod(0o600)

    def test_with_a_login(self):
        message = mail_file('by the smarthost')
        self.curl(message, 'bob@postern.example')
        (file,) = self.wait(lambda: self.peer.messages('bob@postern.example'), 'the message')
        trace = self.check_bytes(file.read_bytes(), message)
        self.assertRegex(trace, r'from mail\.example\.test .*\n\tby mail\.postern\.example \(Postfix\) with ESMTPSA id ')
        self.peer.wait_for_log(r'client=.*sasl_method=\w+, sasl_username=alice@postern\.example')

    def test_with_a_wrong_password(self):
        self.curl(mail_file('no login'), 'carol@wrong.example')
        self.assertRegex(self.why_it_waits('carol@wrong.example'), r'SASL authentication failed; server wrong-password\.example\[127\.0\.0\.1\] said: 535 5\.7\.8 ')
        self.assertNotIn('guessed', self.host.log())


def load_tests(loader, _, __):
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Relay, Notices, Smarthost))


if __name__ == '__main__':
    run(POSTFIX)
