"""A running postern over a throw-away root folder, for tests that use it as mail programs do.

    with Host() as host:                       # makes the root, picks free ports, waits until it is ready
        smtplib.SMTP('127.0.0.1', host.port(25))
    # leaving ends it with SIGTERM and checks that it ended in order

The environment says where things are: POSTERN_BIN (the program), default build/release/bin/postern.
"""
import contextlib
import email.message
import imaplib
import itertools
import json
import os
import pathlib
import poplib
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import tempfile
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get('POSTERN_BIN', str(SOURCE / 'build/release/bin/postern'))
# Bounds on memory are for a program that gives back what it frees; AddressSanitizer keeps it for a while.
MEMORY_FACTOR = 4 if b'__asan_init' in pathlib.Path(PROGRAM).read_bytes() else 1
SHARED = pathlib.Path(os.environ.get('POSTERN_SHARED', SOURCE.parent / 'shared'))
ALICE, ALICE_PASSWORD = 'alice@example.test', 'alice-secret'
BOB, BOB_PASSWORD = 'bob@example.test', 'bob-secret'
PORTS = (25, 587, 465, 993, 995)
PATIENCE = 60  # seconds: only ever waited in full where something is broken

# Nobody answers there, so that what is for far domains waits in the queue, and no test asks the real DNS.
NO_RESOLVER = '127.0.0.1@9'

# In the test's configuration 127.0.0.1 is of mynetworks; whoever comes from here is a stranger.
STRANGER = '127.0.0.2'


offsets_tried = itertools.count()  # what was given to one is not given to another, whether it listens yet or not


def free_offset(ports=PORTS):
    """An offset that makes every port free. Below the range the kernel gives to outgoing connections."""
    start = os.getpid() * 7 % 20000
    for attempt in itertools.islice(offsets_tried, 200):
        offset = 3000 + (start + attempt * 61) % 25000
        with contextlib.ExitStack() as held:
            try:
                for port in ports:
                    listener = held.enter_context(socket.socket())
                    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    listener.bind(('0.0.0.0', offset + port))
            except OSError:
                continue
            return offset
    raise RuntimeError('no free ports')


class Host:
    def __init__(self, configuration=None, mynetworks='127.0.0.1/32', edit=None, options=()):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix='postern-test-'))
        command = [SOURCE / 'scripts/reference-root', self.root] + ([configuration] if configuration else [])
        subprocess.run(command, check=True)
        if mynetworks is not None:
            self.replace('etc/postfix/main.cf', r'(?m)^mynetworks = .*$', 'mynetworks = ' + mynetworks)
        if edit is not None:
            edit(self)
        self.options = list(options) + ([] if '--resolver' in options else ['--resolver', NO_RESOLVER])
        self.offset = free_offset()
        self.process = None
        self.log_path = self.root / 'var/log/postern.log'

    # ---- its life ----

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        try:
            if self.process is not None:
                self.stop(check=kind is None)
        finally:
            self.remove()

    def command(self):
        return [PROGRAM, 'serve', '--root', str(self.root), '--port-offset', str(self.offset), '--log', str(self.log_path),
                *self.options]

    def start(self):
        self.output = open(self.root / 'var/log/output', 'ab')
        self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=self.output, text=True)
        self.ready_line = self.process.stdout.readline()
        if not self.ready_line.startswith('postern: ready'):
            self.process.kill()
            raise RuntimeError(f'not ready: {self.ready_line!r}\n' + self.said())

    def stop(self, check=True):
        """SIGTERM; the exit status must be 0."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = 'none: it did not end'
        process.stdout.close()
        self.output.close()
        if check and status != 0:
            raise AssertionError(f'exit status {status}\n{self.said()}\n{self.log()[-4000:]}')
        return status

    def kill(self):
        """What a crash is: no notice, no last words."""
        process, self.process = self.process, None
        process.kill()
        process.wait()
        process.stdout.close()
        self.output.close()

    def remove(self):
        shutil.rmtree(self.root, ignore_errors=True)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    # ---- what it did ----

    def port(self, number):
        return self.offset + number

    def said(self):
        return (self.root / 'var/log/output').read_text(errors='replace')

    def log(self):
        return self.log_path.read_text(errors='replace') if self.log_path.exists() else ''

    def wait_for_log(self, pattern, start=0):
        """Waits for a line that matches and comes after `start` characters of the log."""
        wait_until(lambda: re.search(pattern, self.log()[start:]), f'{pattern!r} in the log')

    def replace(self, path, pattern, text):
        file = self.root / path
        changed, count = re.subn(pattern, text, file.read_text())
        assert count > 0, (path, pattern)
        file.write_text(changed)

    def append(self, path, text):
        with open(self.root / path, 'a') as file:
            file.write(text)

    def maildir(self, user):
        name, domain = user.split('@')
        return self.root / 'home/vmail' / domain / name / 'Maildir'

    def messages(self, user):
        """Every message file in the user's INBOX, each once: the server may be about to move it from new/ to cur/."""
        found = {}
        for part in ('new', 'cur'):
            if (self.maildir(user) / part).is_dir():
                found.update((file.name.split(':')[0], file) for file in (self.maildir(user) / part).iterdir())
        return [found[name] for name in sorted(found)]

    def queue_files(self):
        spool = self.root / 'var/spool/postfix/postern'
        return sorted(file for part in ('incoming', 'active', 'deferred', 'hold') if (spool / part).is_dir()
                      for file in (spool / part).rglob('*') if file.is_file())

    def queue(self, *arguments):
        """What `postern queue` prints."""
        return subprocess.run([PROGRAM, 'queue', *arguments, '--root', self.root], check=True, capture_output=True, text=True, timeout=60).stdout

    def waiting(self):
        """Recipients of the queue: address -> what `postern queue list` says of it, such as delay_reason once it was tried."""
        return {each['address']: each for line in self.queue('list', '--json').splitlines() for each in json.loads(line)['recipients']}

    # ---- mail programs ----

    def tls(self):
        return ssl.create_default_context(cafile=str(self.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem'))

    def smtp(self, number=25, source='127.0.0.1', starttls=None, login=None, host='localhost'):
        """`starttls`: by default on 587."""
        kind = dict(timeout=PATIENCE, source_address=(source, 0), local_hostname='client.example.net')
        if number == 465:
            client = smtplib.SMTP_SSL(host, self.port(number), context=self.tls(), **kind)
        else:
            client = smtplib.SMTP(host, self.port(number), **kind)
        if starttls or (starttls is None and number == 587):
            client.starttls(context=self.tls())
        if login:
            client.login(*login)
        return client

    def imap(self, user=ALICE, password=ALICE_PASSWORD):
        client = imaplib.IMAP4_SSL('localhost', self.port(993), ssl_context=self.tls(), timeout=PATIENCE)
        if user:
            try:
                client.login(user, password)
            except imaplib.IMAP4.error:
                client.shutdown()
                raise
        return client

    def pop3(self, user=ALICE, password=ALICE_PASSWORD):
        client = poplib.POP3_SSL('localhost', self.port(995), context=self.tls(), timeout=PATIENCE)
        if user:
            client.user(user)
            client.pass_(password)
        return client


def wait_until(condition, what):
    """Waits for something that another process does; fails where it does not come."""
    end = time.monotonic() + PATIENCE
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError('did not come: ' + what)
        time.sleep(0.02)


def letter(subject, text='Hello.\r\n', sender='someone@example.net', to=ALICE):
    """A message as bytes with CRLF line ends."""
    message = email.message.EmailMessage()
    message['From'], message['To'], message['Subject'] = sender, to, subject
    message['Date'] = 'Tue, 24 Nov 2026 09:00:00 +0000'
    message['Message-ID'] = f'<{re.sub("[^a-zA-Z0-9]", "-", subject)}@example.net>'
    return message.as_bytes(policy=email.message.EmailMessage().policy.clone(linesep='\r\n')) + text.encode()
