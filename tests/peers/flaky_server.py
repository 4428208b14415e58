"""An SMTP server of bad luck: at any command it may hang up, reset the connection, put off, close with 421, stall a little,
break off in the middle of a reply; with TLS where the client asks for it. What it took it knows: `acknowledged` (answered 250)
and `taken` (whole, but whether the client heard of it is open)."""
import collections
import random
import re
import socket
import ssl
import struct
import threading
import time

from servers import TIMEOUT_S, Server


class HungUp(Exception):
    pass


class FlakyServer(Server):
    """`odds`: of a fault at each command. `certificate`, `key`: files."""

    def __init__(self, seed, odds, certificate, key):
        super().__init__()
        self.random, self.odds = random.Random(seed), odds
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.lock = threading.Lock()
        self.acknowledged, self.taken = collections.Counter(), collections.Counter()  # (recipient, message with CRLF line ends)
        self.faults = collections.Counter()

    def serve(self, connection):
        connection.settimeout(TIMEOUT_S)
        try:
            Session(self, connection).serve()
        except HungUp:
            pass

    def fault(self, *kinds):
        """What goes wrong now; mostly None."""
        with self.lock:
            kind = self.random.choice(kinds) if self.random.random() < self.odds else None
            self.faults[kind] += 1
            return kind

    def count(self, which, recipients, message):
        with self.lock:
            which.update((recipient, message) for recipient in recipients)


class Session:
    def __init__(self, server, connection):
        self.server, self.connection, self.unread = server, connection, b''

    def serve(self):
        try:
            self.talk()
        finally:
            self.connection.close()

    def talk(self):
        self.reply('220 flaky.example ESMTP')
        sender, recipients = False, []
        while True:
            line = self.line()
            verb = line[:4].upper()
            if verb == b'EHLO':
                tls = [] if isinstance(self.connection, ssl.SSLSocket) else ['STARTTLS']
                self.reply('\r\n'.join('250-' + word for word in ['flaky.example', 'PIPELINING', '8BITMIME', *tls]) + '\r\n250 SIZE 20000000')
            elif verb == b'STAR':
                self.reply('220 go on')
                if self.server.fault('hang up'):
                    raise HungUp
                self.unread = b''
                self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
            elif verb == b'MAIL':
                recipients = []
                sender = self.reply('250 ok')
            elif verb == b'RCPT' and not sender:
                self.say('503 MAIL first')
            elif verb == b'RCPT':
                if self.reply('250 ok'):
                    recipients.append(re.search(rb'<([^>]*)>', line)[1].decode())
            elif verb == b'DATA' and not recipients:
                self.say('554 no valid recipients')
            elif verb == b'DATA':
                if self.reply('354 go on'):
                    self.take(recipients)
                sender, recipients = False, []
            elif verb == b'QUIT':
                self.say('221 bye')
                return
            else:
                self.reply('250 ok')

    def take(self, recipients):
        lines = []
        while (line := self.line()) != b'.\r\n':
            lines.append(line[1:] if line[:1] == b'.' else line)
            if len(lines) == 20 and self.server.fault('hang up'):
                raise HungUp
        message = b''.join(lines)
        self.server.count(self.server.taken, recipients, message)
        # Counted before the client can act on the reply.
        self.reply('250 ok', lambda: self.server.count(self.server.acknowledged, recipients, message))

    def line(self):
        while b'\n' not in self.unread:
            more = self.connection.recv(65536)
            if not more:
                raise HungUp
            self.unread += more
        line, _, self.unread = self.unread.partition(b'\n')
        return line + b'\n'

    def say(self, text):
        self.connection.sendall(text.encode() + b'\r\n')

    def reply(self, text, before=None):
        """True: it was said. False: something else was."""
        fault = self.server.fault('hang up', 'reset', 'soft', 'closing', 'late', 'half')
        if fault == 'hang up':
            raise HungUp
        if fault == 'reset':  # no orderly end: RST
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            raise HungUp
        if fault == 'closing':
            self.say('421 4.3.2 shutting down')
            raise HungUp
        if fault == 'half':
            self.connection.sendall(text.encode()[:-3])
            raise HungUp
        if fault == 'soft':
            self.say('450 4.3.0 not now')
            return False
        if fault == 'late':
            time.sleep(0.1)
        if before:
            before()
        self.say(text)
        return True
