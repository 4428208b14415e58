"""DANE (RFC 7672): the DNS, signed, says which certificate a mail server has. Both servers are ours, the name server is the
test's own; libunbound checks its signatures."""
import hashlib
import subprocess
import unittest

from name_server import Key, NameServer, address, mx, tlsa
from peers import open_folder, wait_telling
from host import ALICE, Host, letter

SETTINGS = """
smtp_dns_support_level = dnssec
smtp_tls_security_level = dane
transport_maps = texthash:/etc/postfix/transport
"""
DOMAINS = ('good.example', 'wrong.example', 'forged.example', 'plain.example')


def key_digest(certificate):
    """Of a TLSA record 3 1 1: SHA-256 of the certificate's public key."""
    pem = subprocess.run(['openssl', 'x509', '-in', certificate, '-noout', '-pubkey'], check=True, capture_output=True).stdout
    return hashlib.sha256(subprocess.run(['openssl', 'pkey', '-pubin', '-outform', 'DER'], input=pem, check=True,
                                         capture_output=True).stdout).digest()


class Dane(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(open_folder())
        cls.peer = Host(edit=cls.configure_peer)
        cls.addClassCleanup(cls.peer.remove)
        port, digest = cls.peer.port(25), key_digest(cls.peer.root / 'etc/ssl/certs/ssl-cert-snakeoil.pem')
        zone = {}
        for domain in DOMAINS:
            zone[domain] = [mx(10, f'mx.{domain}')]
            zone[f'mx.{domain}'] = [address('127.0.0.1')]
        for domain, data in (('good.example', digest), ('wrong.example', bytes(32)), ('forged.example', digest)):
            zone[f'_{port}._tcp.mx.{domain}'] = [tlsa(3, 1, 1, data)]
        key = Key(folder)
        cls.name_server = cls.enterClassContext(NameServer(zone, key, forged=(f'_{port}._tcp.mx.forged.example',)))
        cls.host = Host(options=('--resolver', cls.name_server.resolver))
        cls.addClassCleanup(cls.host.remove)
        anchors = cls.host.root / 'usr/share/dns'
        anchors.mkdir(parents=True)
        (anchors / 'root.key').write_text(key.trust_anchor)
        cls.host.append('etc/postfix/main.cf', SETTINGS)
        (cls.host.root / 'etc/postfix/transport').write_text(''.join(f'{domain} smtp:{domain}:{port}\n' for domain in DOMAINS))
        cls.enterClassContext(cls.peer)
        cls.enterClassContext(cls.host)

    @classmethod
    def configure_peer(cls, host):
        """Its certificate is signed by itself: without DANE it proves nothing."""
        host.append('etc/postfix/main.cf', 'virtual_mailbox_domains = ' + ' '.join(DOMAINS) + '\n')
        (host.root / 'etc/postfix/vmailbox').write_text(''.join(f'alice@{domain} {domain}/alice/Maildir/\n' for domain in DOMAINS))
        (host.root / 'etc/dovecot/users').write_text(''.join(f'alice@{domain}:{{PLAIN}}secret\n' for domain in DOMAINS))

    def send(self, domain):
        with self.host.smtp(25) as client:
            client.sendmail(ALICE, [f'alice@{domain}'], letter(domain))

    def arrives(self, domain):
        wait_telling(lambda: self.peer.messages(f'alice@{domain}'), 'the message', self.host.log, lambda: self.name_server.asked)

    def why_it_waits(self, domain):
        why = wait_telling(lambda: self.host.waiting().get(f'alice@{domain}', {}).get('delay_reason'), 'the reason', self.host.log)
        self.assertEqual(self.peer.messages(f'alice@{domain}'), [])
        return why

    def test_the_certificate_that_the_dns_names(self):
        self.send('good.example')
        self.arrives('good.example')
        self.host.wait_for_log(r'Verified TLS connection established to mx\.good\.example\[127\.0\.0\.1\]')

    def test_another_certificate(self):
        self.send('wrong.example')
        self.assertRegex(self.why_it_waits('wrong.example'), 'Server certificate not verified')

    def test_a_signature_that_is_wrong(self):
        self.send('forged.example')
        self.assertRegex(self.why_it_waits('forged.example'), r'TLSA lookup error for mx\.forged\.example')

    def test_no_record(self):
        """The absence is signed, too: TLS, but of anybody."""
        self.send('plain.example')
        self.arrives('plain.example')
        self.host.wait_for_log(r'Untrusted TLS connection established to mx\.plain\.example\[127\.0\.0\.1\]')


if __name__ == '__main__':
    unittest.main(verbosity=2)
