"""The process: how it starts and is refused, reloads, ends, and what garbage does to it (nothing)."""
import concurrent.futures
import os
import random
import signal
import smtplib
import socket
import ssl
import subprocess
import unittest

from host import ALICE, ALICE_PASSWORD, BOB, BOB_PASSWORD, PATIENCE, PORTS, SHARED, SOURCE, STRANGER, Host, letter, wait_until


class Starting(unittest.TestCase):
    def start_refused(self, host):
        ended = subprocess.run(host.command(), capture_output=True, text=True, timeout=PATIENCE)
        host.remove()
        return ended

    def test_the_reference_configuration_is_the_shared_one(self):
        if not (SHARED / 'reference-config').is_dir():
            self.skipTest('no shared data beside the source')
        ours, theirs = SOURCE / 'tests/reference/working', SHARED / 'reference-config/working'

        def contents(folder):
            return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}
        self.assertEqual(contents(ours), contents(theirs))

    def test_as_written_is_served(self):
        if not (SHARED / 'reference-config').is_dir():
            self.skipTest('no shared data beside the source')
        with Host(SHARED / 'reference-config/as-written', mynetworks=None) as host:
            with host.smtp(25, source=STRANGER) as smtp:
                self.assertNotIn('starttls', dict(smtp.esmtp_features))
                smtp.sendmail('someone@example.net', [ALICE], letter('as written'))
            imap = host.imap('alice', ALICE_PASSWORD)
            imap.select()
            self.assertTrue(imap.fetch('1', '(BODY[])')[1][0][1].endswith(letter('as written')))
            imap.logout()
            pop3 = host.pop3('bob', BOB_PASSWORD)
            self.assertEqual(pop3.stat(), (0, 0))
            pop3.quit()

    def test_literal_is_refused(self):
        if not (SHARED / 'reference-config').is_dir():
            self.skipTest('no shared data beside the source')
        ended = self.start_refused(Host(SHARED / 'reference-config/literal', mynetworks=None))
        self.assertEqual(ended.returncode, 78)
        self.assertEqual(ended.stdout, '')
        for place in ('/etc/dovecot/conf.d/10-master.conf:1: error', '/etc/dovecot/conf.d/10-master.conf:24: error',
                      '/etc/postfix/master.cf:3: error'):
            self.assertIn(place, ended.stderr)

    def test_no_certificate(self):
        ended = self.start_refused(Host(edit=lambda host: (host.root / 'etc/ssl/private/ssl-cert-snakeoil.key').unlink()))
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn('ssl-cert-snakeoil.key', ended.stderr)

    def test_a_certificate_of_another_key(self):
        def edit(host):
            subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out', host.root / 'etc/ssl/private/ssl-cert-snakeoil.key'], check=True)
        ended = self.start_refused(Host(edit=edit))
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn('ssl-cert-snakeoil', ended.stderr)

    def test_taken_ports_are_all_named(self):
        host = Host()
        with socket.create_server(('0.0.0.0', host.port(25))), socket.create_server(('0.0.0.0', host.port(995))):
            ended = self.start_refused(host)
        self.assertEqual(ended.returncode, 1)
        for number in (25, 995):
            self.assertIn(str(host.port(number)), ended.stderr)

    def test_a_second_one_over_the_same_files(self):
        with Host() as host:
            command = host.command()
            command[command.index('--port-offset') + 1] = str(host.offset + 3)
            ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(ended.returncode, 1)
            self.assertIn('another server runs on this queue', ended.stderr)
            host.imap().logout()

    def test_no_root_folder(self):
        host = Host()
        command = host.command()
        host.remove()
        ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(str(host.root), ended.stderr)

    def test_the_service_manager_is_told(self):
        with Host() as host:
            pass
        host = Host()
        path = str(host.root / 'notify')
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(PATIENCE)
            os.environ['NOTIFY_SOCKET'] = path
            try:
                with host:
                    self.assertEqual(manager.recv(100), b'READY=1')
                self.assertEqual(manager.recv(100), b'STOPPING=1')
            finally:
                del os.environ['NOTIFY_SOCKET']


class Ending(unittest.TestCase):
    def test_sessions_are_told(self):
        with Host() as host:
            smtp, imap, idle, pop3 = host.smtp(25), host.imap(), host.imap(BOB, BOB_PASSWORD), host.pop3()
            smtp.ehlo()
            imap.select()
            idle.select()
            idle.send(b'a IDLE\r\n')
            self.assertEqual(idle.readline()[:1], b'+')
            self.assertEqual(host.stop(), 0)
            self.assertRegex(smtp.getreply()[1], rb'4\.3\.2|ervice not available|hutdown')
            for session in (imap, idle):
                lines = session.file.read()
                self.assertRegex(lines, rb'(?m)^\* BYE ')
            pop3.file.read()
            for session in (smtp, imap, idle, pop3):
                session.file.close()
                session.sock.close()

    def test_in_the_middle_of_a_message(self):
        """What is not answered is not accepted, and what is left over does not keep the process."""
        with Host() as host:
            with socket.create_connection(('127.0.0.1', host.port(25)), PATIENCE) as client:
                file = client.makefile('rb')
                file.readline()
                for command in (b'HELO x.example.net', b'MAIL FROM:<a@example.net>', b'RCPT TO:<alice@example.test>', b'DATA'):
                    client.sendall(command + b'\r\n')
                    self.assertIn(file.readline()[:1], b'23')
                client.sendall(b'Subject: half\r\n\r\n' + b'x' * 70 + b'\r\n')
                self.assertEqual(host.stop(), 0)
                try:
                    self.assertNotIn(b'250', file.read())
                except ConnectionError:
                    pass
                file.close()
            self.assertEqual(host.messages(ALICE), [])

    def test_again_and_again(self):
        with Host() as host:
            for number in range(3):
                with host.smtp(25) as smtp:
                    smtp.sendmail('a@example.net', [ALICE], letter(f'start {number}'))
                imap = host.imap()
                self.assertEqual(imap.select()[1], [b'%d' % (number + 1)])
                self.assertEqual(len(imap.uid('SEARCH', 'UID', f'{number + 1}')[1][0].split()), 1)
                imap.logout()
                self.assertEqual(host.stop(), 0)
                host.start()

    def test_sigint(self):
        with Host() as host:
            host.process.send_signal(signal.SIGINT)
            self.assertEqual(host.process.wait(PATIENCE), 0)


class Reloading(unittest.TestCase):
    def setUp(self):
        self.host = self.enterContext(Host())

    def certificate(self, number=465):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(('127.0.0.1', self.host.port(number)), PATIENCE) as raw, context.wrap_socket(raw) as wrapped:
            return wrapped.getpeercert(binary_form=True)

    def new_certificate(self):
        names = ['etc/ssl/private/ssl-cert-snakeoil.key', 'etc/ssl/certs/ssl-cert-snakeoil.pem']
        fresh = [self.host.root / (name + '.new') for name in names]
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30',
                        '-subj', '/CN=mail.example.test', '-addext', 'subjectAltName=DNS:localhost', '-keyout', fresh[0], '-out', fresh[1]],
                       check=True, stderr=subprocess.DEVNULL)
        for file, name in zip(fresh, names):
            file.rename(self.host.root / name)

    def sessions(self):
        smtp, imap, pop3 = self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)), self.host.imap(), self.host.pop3(BOB, BOB_PASSWORD)
        imap.select()
        return smtp, imap, pop3

    def go_on(self, sessions):
        smtp, imap, pop3 = sessions
        smtp.sendmail(ALICE, [BOB], letter('over the reload'))
        self.assertEqual(imap.noop()[0], 'OK')
        self.assertEqual(imap.select()[0], 'OK')
        pop3.noop()
        smtp.quit()
        imap.logout()
        pop3.quit()

    def test_certificate(self):
        old = {self.certificate(number) for number in (465, 993, 995)}
        self.assertEqual(len(old), 1)
        sessions = self.sessions()
        self.new_certificate()
        for number in (465, 993, 995):
            wait_until(lambda: {self.certificate(number)} != old, f'the new certificate on {number}')
        self.assertEqual(len({self.certificate(number) for number in (465, 993, 995)}), 1)
        self.go_on(sessions)
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)):
            pass  # verifies the new one behind STARTTLS

    def test_users_file(self):
        hashed = subprocess.run([self.host.command()[0], 'pw', '-s', 'SHA512-CRYPT', '-p', 'carol-secret'], capture_output=True, text=True,
                                check=True).stdout.strip()
        sessions = self.sessions()
        with open(self.host.root / 'etc/dovecot/users', 'a') as users:
            users.write(f'carol@example.test:{hashed}\n')

        def login():
            try:
                self.host.imap('carol@example.test', 'carol-secret').logout()
                return True
            except Exception:
                return False
        self.assertFalse(login())
        self.host.wait_for_log('reload --')
        self.assertTrue(login())
        self.go_on(sessions)

    def test_a_user_who_is_removed_can_not_log_in(self):
        for name in ('etc/dovecot/users', 'etc/postfix/vmailbox'):
            file = self.host.root / name
            file.write_text(''.join(line for line in file.read_text().splitlines(True) if line.startswith('alice')))
        self.host.wait_for_log('reload --')
        with self.assertRaisesRegex(Exception, 'AUTHENTICATIONFAILED'):
            self.host.imap(BOB, BOB_PASSWORD)
        with self.host.smtp(25, source=STRANGER) as smtp, self.assertRaises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail('a@example.net', [BOB], letter('to nobody'))
        self.host.imap().logout()

    def test_tables(self):
        with open(self.host.root / 'etc/postfix/virtual', 'a') as table:
            table.write('carol@example.test bob@example.test\n')
        self.host.wait_for_log('reload --')
        with self.host.smtp(25, source=STRANGER) as smtp:
            smtp.sendmail('a@example.net', ['carol@example.test'], letter('to carol'))
        self.assertEqual(len(self.host.messages(BOB)), 1)

    def test_hangup(self):
        sessions = self.sessions()
        self.host.log_path.rename(self.host.log_path.with_suffix('.1'))
        self.host.process.send_signal(signal.SIGHUP)
        self.host.wait_for_log('reload --')
        self.go_on(sessions)

    def test_errors_change_nothing(self):
        sessions = self.sessions()
        with open(self.host.root / 'etc/dovecot/dovecot.conf', 'a') as file:
            file.write('service imap-login {\n')
        self.host.wait_for_log('not reloaded')
        self.host.imap().logout()
        self.go_on(sessions)

    def test_a_broken_certificate_changes_nothing(self):
        before = self.certificate()
        sessions = self.sessions()
        (self.host.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem').write_text('no certificate')
        self.host.wait_for_log('not reloaded')
        self.assertEqual(self.certificate(), before)
        self.go_on(sessions)


class Garbage(unittest.TestCase):
    """Whatever comes in on any port, before or behind TLS: the process serves the next client."""

    @classmethod
    def setUpClass(cls):
        cls.host = cls.enterClassContext(Host())

    def pieces(self, random):
        yield bytes(random.randrange(256) for _ in range(random.randrange(1, 5000)))
        yield b'\0' * 70_000
        yield b'\n' * 5_000
        yield b'x' * 200_000
        yield b'a LOGIN {99999999999}\r\n'
        yield b'a LOGIN {100000+}\r\n' + b'x' * 100_000
        yield b'a ' + b'(' * 50_000 + b'\r\n'
        yield b'EHLO x\r\nMAIL FROM:<' + b'a' * 10_000 + b'>\r\n'
        yield b'EHLO x.example.net\r\nMAIL FROM:<>\r\nRCPT TO:<alice@example.test>\r\nBDAT 99999999999999999999\r\n'
        yield b'AUTH PLAIN ' + b'=' * 20_000 + b'\r\n'
        yield b'\x16\x03\x01\x40\x00\x01' + bytes(random.randrange(256) for _ in range(2000))
        yield b'GET / HTTP/1.1\r\nHost: x\r\n\r\n'
        words = [b'a', b'b', b'LOGIN', b'SELECT', b'UID', b'FETCH', b'1:*', b'(', b')', b'"', b'\\', b'{3}\r\n', b'{3+}\r\n', b'BODY[', b']<',
                 b'\r\n', b' ', b' ', b' ', b'\0', b'USER', b'PASS', b'STLS', b'EHLO', b'MAIL FROM:<', b'>', b'RCPT TO:', b'DATA', b'.\r\n', b'\xff']
        for _ in range(6):
            yield b''.join(random.choice(words) for _ in range(random.randrange(1, 400)))

    def throw(self, number, tls, piece, cut):
        try:
            raw = socket.create_connection(('127.0.0.1', self.host.port(number)), 10, (STRANGER, 0))
        except OSError:
            return
        try:
            if tls:
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                raw = context.wrap_socket(raw)
            raw.settimeout(10)
            raw.sendall(piece[:cut])
            raw.sendall(piece[cut:])
            raw.settimeout(0.2)
            while raw.recv(65536):
                pass
        except (OSError, ssl.SSLError):
            pass
        finally:
            raw.close()

    def test_garbage(self):
        seed = int(os.environ.get('POSTERN_SEED', '1'))
        rng = random.Random(seed)
        jobs = [(number, tls, piece, rng.randrange(len(piece) + 1)) for number in PORTS for tls in (False, True)
                if not (tls and number in (25, 587)) for piece in self.pieces(rng)]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda job: self.throw(*job), jobs))
        self.assertTrue(self.host.alive(), f'seed {seed}: {self.host.log()[-2000:]}')
        with self.host.smtp(25, source='127.0.0.3') as smtp:
            smtp.sendmail('a@example.net', [BOB], letter('after the garbage'))
        imap = self.host.imap(BOB, BOB_PASSWORD)
        imap.select()
        self.assertEqual(imap.search(None, 'SUBJECT', '"after the garbage"')[1][0].split()[-1:], [b'%d' % len(self.host.messages(BOB))])
        imap.logout()

    def test_garbage_behind_a_login(self):
        rng = random.Random(int(os.environ.get('POSTERN_SEED', '1')))
        for piece in self.pieces(rng):
            imap = self.host.imap()
            imap.select()
            try:
                imap.sock.settimeout(0.3)
                imap.sock.sendall(piece)
                while imap.sock.recv(65536):
                    pass
            except OSError:
                pass
            imap.file.close()
            imap.sock.close()
            self.assertTrue(self.host.alive(), piece[:200])
        self.host.imap().logout()

    def test_many_that_say_nothing(self):
        clients = [socket.create_connection(('127.0.0.1', self.host.port(number)), 10, (STRANGER, 0)) for number in PORTS for _ in range(30)]
        self.host.imap(BOB, BOB_PASSWORD).logout()
        for client in clients:
            client.close()


if __name__ == '__main__':
    unittest.main()
