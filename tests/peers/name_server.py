"""A name server of the test's own, for `serve --resolver`: it answers from a table, over UDP on 127.0.0.1; with a key its
answers are signed (DNSSEC), all of them by the root zone, in which every name lies."""
import base64
import ipaddress
import pathlib
import socket
import struct
import subprocess
import threading
import time

A, SOA, MX, AAAA, OPT, RRSIG, NSEC, DNSKEY, TLSA = 1, 6, 15, 28, 41, 46, 47, 48, 52
NO_ERROR, NAME_ERROR = 0, 3
RESPONSE, AUTHORITATIVE, RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0080
IN, TTL_S = 1, 60
ED25519 = 15  # RFC 8080


def wire_name(name):
    """RFC 1035 section 3.1."""
    labels = [label.encode() for label in name.split('.') if label]
    return b''.join(bytes([len(label)]) + label for label in labels) + b'\0'


def address(text):
    parsed = ipaddress.ip_address(text)
    return (A if parsed.version == 4 else AAAA), parsed.packed


def mx(preference, host):
    return MX, struct.pack('>H', preference) + wire_name(host)


def tlsa(usage, selector, matching_type, data):
    return TLSA, bytes([usage, selector, matching_type]) + data


def record(name, kind, data):
    return wire_name(name) + struct.pack('>HHIH', kind, IN, TTL_S, len(data)) + data


class Key:
    """The root zone's one key. `trust_anchor`: as a line of root.key."""

    def __init__(self, folder):
        self.file, self.text = pathlib.Path(folder) / 'zone.key', pathlib.Path(folder) / 'signed'
        subprocess.run(['openssl', 'genpkey', '-algorithm', 'ed25519', '-out', self.file], check=True)
        public = subprocess.run(['openssl', 'pkey', '-in', self.file, '-pubout', '-outform', 'DER'], check=True, capture_output=True).stdout[-32:]
        self.data = struct.pack('>HBB', 257, 3, ED25519) + public
        self.tag = sum(byte << 8 if i % 2 == 0 else byte for i, byte in enumerate(self.data))  # RFC 4034 appendix B
        self.tag = (self.tag + (self.tag >> 16)) & 0xFFFF
        self.trust_anchor = f'. {TTL_S} IN DNSKEY 257 3 {ED25519} {base64.b64encode(public).decode()}\n'

    def sign(self, name, kind, datas):
        """The data of an RRSIG (RFC 4034 section 3.1.8.1)."""
        now = int(time.time())
        head = struct.pack('>HBBIIIH', kind, ED25519, len([label for label in name.split('.') if label]), TTL_S, now + 86400, now - 3600,
                           self.tag) + wire_name('')
        self.text.write_bytes(head + b''.join(record(name, kind, data) for data in sorted(datas)))
        signature = subprocess.run(['openssl', 'pkeyutl', '-sign', '-rawin', '-inkey', self.file, '-in', self.text], check=True,
                                   capture_output=True).stdout
        return head + signature


class NameServer(threading.Thread):
    """`zone`: name -> [(type, data)], names in lower case. What is not in it is not there. `forged`: names whose signatures
    are wrong."""

    def __init__(self, zone, key=None, forged=()):
        super().__init__(daemon=True)
        self.zone, self.key, self.forged = zone, key, forged
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
            query, client = self.socket.recvfrom(4096)
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
        code, answers, authorities = self.signed(name, kind) if self.key else self.plain(name, kind)
        additional = [b'\0' + struct.pack('>HHIH', OPT, 1232, 0x8000, 0)] if self.key else []  # RFC 3225: DNSSEC OK
        flags = flags & 0x7900 | RESPONSE | AUTHORITATIVE | RECURSION_AVAILABLE | code
        head = struct.pack('>HHHHHH', number, flags, 1, len(answers), len(authorities), len(additional))
        return head + question + b''.join(answers + authorities + additional)

    def plain(self, name, kind):
        datas = [data for each, data in self.zone.get(name, []) if each == kind]
        return (NO_ERROR if name in self.zone else NAME_ERROR), [record(name, kind, data) for data in datas], []

    def signed(self, name, kind):
        known = self.zone.get(name, []) + ([(DNSKEY, self.key.data)] if name == '' else [])
        datas = [data for each, data in known if each == kind]
        if datas:
            return NO_ERROR, self.with_signature(name, kind, datas), []
        # No name is denied, only types (RFC 4470): the next name is the very next one.
        kinds = sorted({each for each, _ in known} | {RRSIG, NSEC})
        bitmap = bytearray(32)
        for each in kinds:
            bitmap[each // 8] |= 0x80 >> each % 8
        window = bytes(bitmap[:max(kinds) // 8 + 1])
        denial = b'\x01\0' + wire_name(name) + bytes([0, len(window)]) + window
        start = wire_name('') + wire_name('') + struct.pack('>IIIII', 1, 3600, 600, 86400, TTL_S)
        return NO_ERROR, [], self.with_signature('', SOA, [start]) + self.with_signature(name, NSEC, [denial])

    def with_signature(self, name, kind, datas):
        signature = self.key.sign(name, kind, datas)
        if name in self.forged:
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        return [record(name, kind, data) for data in datas] + [record(name, RRSIG, signature)]
