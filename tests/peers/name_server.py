"""A name server of the test's own, for `serve --resolver`: it answers from a table, over UDP on 127.0.0.1."""
import ipaddress
import socket
import struct
import threading

A, MX, AAAA = 1, 15, 28
NO_ERROR, NAME_ERROR = 0, 3
RESPONSE, AUTHORITATIVE, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0080


def wire_name(name):
    """RFC 1035 section 3.1."""
    labels = [label.encode() for label in name.split('.') if label]
    return b''.join(bytes([len(label)]) + label for label in labels) + b'\0'


def address(text):
    parsed = ipaddress.ip_address(text)
    return (A if parsed.version == 4 else AAAA), parsed.packed


def mx(preference, host):
    return MX, struct.pack('>H', preference) + wire_name(host)


class NameServer(threading.Thread):
    """`zone`: name -> [(type, data)], names in lower case. What is not in it is not there."""

    def __init__(self, zone):
        super().__init__(daemon=True)
        self.zone = zone
        self.asked = []  # (name, type)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))

    @property
    def resolver(self):
        """As --resolver takes it."""
        return '127.0.0.1@%d' % self.socket.getsockname()[1]

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.socket.sendto(b'', self.socket.getsockname())  # ends run()
        self.join()
        self.socket.close()

    def run(self):
        while True:
            try:
                query, client = self.socket.recvfrom(4096)
            except OSError:
                return
            if not query:
                return
            self.socket.sendto(self.answer(query), client)

    def answer(self, query):
        number, flags = struct.unpack_from('>HH', query)
        at, labels = 12, []
        while length := query[at]:
            labels.append(query[at + 1:at + 1 + length].decode('latin-1').lower())
            at += 1 + length
        question = query[12:at + 5]
        (kind,) = struct.unpack_from('>H', query, at + 1)
        name = '.'.join(labels)
        self.asked.append((name, kind))
        records = self.zone.get(name)
        code = NO_ERROR if records is not None else NAME_ERROR
        found = [data for each, data in records or [] if each == kind]
        body = b''.join(b'\xc0\x0c' + struct.pack('>HHIH', kind, 1, 60, len(data)) + data for data in found)
        flags = flags & 0x7900 | RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | code
        return struct.pack('>HHHHHH', number, flags, 1, len(found), 0, 0) + question + body
