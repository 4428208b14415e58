"""Servers that mean harm: replies without end, nobody who reads, a handshake that never goes on, a connection that is never
closed. Each costs bounded time and memory, and mail for others goes on meanwhile."""
import itertools
import os
import pathlib
import threading
import time
import unittest

from peers import wait_telling
from servers import Server
from host import ALICE, ALICE_PASSWORD, MEMORY_FACTOR, Host, letter, wait_until

TIMEOUT_S = 3
ENDS_WITHIN_S = 10 * TIMEOUT_S  # on a busy machine; what was sent and nobody reads would be waited for twice as long
MEMORY_MAX_BYTES = (64 << 20) * MEMORY_FACTOR  # what all of them together may cost
SETTINGS = f"""
transport_maps = texthash:/etc/postfix/transport
smtp_tls_policy_maps = texthash:/etc/postfix/tls_policy
smtp_helo_timeout = {TIMEOUT_S}s
smtp_starttls_timeout = {TIMEOUT_S}s
smtp_mail_timeout = {TIMEOUT_S}s
smtp_rcpt_timeout = {TIMEOUT_S}s
smtp_data_init_timeout = {TIMEOUT_S}s
smtp_data_xfer_timeout = {TIMEOUT_S}s
smtp_quit_timeout = {TIMEOUT_S}s
"""


class Harmful(Server):
    """What it does to its clients is `act(stream of lines, connection, event that the test is over)`."""

    def __init__(self, act):
        super().__init__()
        self.act, self.over = act, threading.Event()

    def __exit__(self, *_):
        self.over.set()
        super().__exit__()

    def serve(self, connection):
        self.act(connection.makefile('rb'), connection, self.over)


def greet(lines, connection, until=b'EHLO'):
    """Behaves until this command, which is read and not answered."""
    connection.sendall(b'220 harmful.example\r\n')
    for line in lines:
        verb = line[:4].upper()
        if verb == until:
            return
        connection.sendall(b'250-harmful.example\r\n250 STARTTLS\r\n' if verb == b'EHLO' else b'354 go on\r\n' if verb == b'DATA' else b'250 ok\r\n')


def lines_without_end(lines, connection, _):
    greet(lines, connection)
    for number in itertools.count():
        connection.sendall(b'250-EXTENSION%d\r\n' % number * 500)


def a_line_without_end(lines, connection, _):
    greet(lines, connection)
    connection.sendall(b'250-')
    while True:
        connection.sendall(b'x' * 60000)


def greetings_without_end(_, connection, __):
    while True:
        connection.sendall(b'220-wait\r\n' * 5000)


def nobody_reads(lines, connection, over):
    greet(lines, connection, b'DATA')
    connection.sendall(b'354 go on\r\n')
    over.wait()


def no_handshake(lines, connection, _):
    greet(lines, connection, b'STAR')
    connection.sendall(b'220 go on\r\n')
    lines.read(1 << 20)  # never answered


def never_closed(lines, connection, _):
    greet(lines, connection, b'DATA')
    connection.sendall(b'354 go on\r\n')
    while lines.readline() not in (b'.\r\n', b''):
        pass
    connection.sendall(b'250 ok\r\n')
    lines.read(1 << 20)


# What comes of it: a reason in the queue, or None: it is delivered.
ACTS = {
    'lines': (lines_without_end, r'.'),
    'line': (a_line_without_end, r'.'),
    'greetings': (greetings_without_end, r'.'),
    'reader': (nobody_reads, r'timed out while sending message body'),
    'handshake': (no_handshake, r'.'),
    'closing': (never_closed, None),
}


class Hostile(unittest.TestCase):
    def setUp(self):
        self.servers = {name: self.enterContext(Harmful(act)) for name, (act, _) in ACTS.items()}
        self.host = self.enterContext(Host(edit=self.configure))

    def configure(self, host):
        host.append('etc/postfix/main.cf', SETTINGS)
        rows = {name: f'[127.0.0.1]:{server.port}' for name, server in self.servers.items()}
        (host.root / 'etc/postfix/transport').write_text(''.join(f'{name}.example smtp:{hop}\n' for name, hop in rows.items()))
        (host.root / 'etc/postfix/tls_policy').write_text(''.join(f'{hop} {"encrypt" if name == "handshake" else "none"}\n'
                                                                  for name, hop in rows.items()))

    def process_file(self, name):
        return pathlib.Path(f'/proc/{self.host.process.pid}') / name

    def memory_bytes(self):
        return int(self.process_file('statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')

    def connections_out(self):
        """To whom connections are open."""
        listed = self.process_file('net/tcp').read_text()
        return [name for name, server in self.servers.items() if f'0100007F:{server.port:04X} 01 ' in listed]

    def waiting(self):
        return {address.split('.')[0].removeprefix('carol@'): each.get('delay_reason', '') for address, each in self.host.waiting().items()}

    def test_each_costs_little(self):
        before = self.memory_bytes()
        text = 'x' * 70 + '\r\n'
        with self.host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as client:
            for name in ACTS:
                client.sendmail(ALICE, [f'carol@{name}.example'], letter(name, text * (200_000 if name == 'reader' else 1)))
        most = 0

        def settled():
            nonlocal most
            most = max(most, self.memory_bytes())
            waiting = self.waiting()
            return 'closing' not in waiting and all(waiting.values()) and waiting
        waiting = wait_telling(settled, 'an end of each', self.waiting, lambda: most - before, self.host.log)
        self.assertEqual(sorted(waiting), sorted(name for name, (_, pattern) in ACTS.items() if pattern))
        for name, reason in waiting.items():
            self.assertRegex(reason, ACTS[name][1])
        self.assertLess(most - before, MEMORY_MAX_BYTES)
        settled_at = time.monotonic()
        wait_until(lambda: not self.connections_out(), 'the end of all connections')
        self.assertLess(time.monotonic() - settled_at, ENDS_WITHIN_S)


if __name__ == '__main__':
    unittest.main(verbosity=2)
