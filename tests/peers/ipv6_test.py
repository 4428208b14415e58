"""Mail goes out over IPv6: to an address, to a host that has addresses of both kinds, and by IPv4 where IPv6 is refused.

Ends with 77 where Postfix's smtp-sink is not installed, the user is not root, or the machine has no ::1.
"""
import socket
import unittest

from name_server import A, AAAA, NameServer, address, mx
from peers import SMTP_SINK, Sink, open_folder, run, take_domain, wait_telling
from servers import Server
from host import ALICE, Host, free_offset, letter, wait_until

LOCAL = {4: '127.0.0.1', 6: '::1'}


class OverIpv6(unittest.TestCase):
    def setUp(self):
        self.folder = self.enterContext(open_folder())
        self.port = free_offset((0,))
        self.name_server = self.enterContext(NameServer({
            'both.example': [mx(10, 'mx.both.example')],
            'mx.both.example': [address(LOCAL[6]), address(LOCAL[4])],
        }))

    def sink(self, version):
        return self.enterContext(Sink(self.folder / str(version), port=self.port, address=LOCAL[version]))

    def start(self, settings):
        """Ours, with these lines of main.cf."""
        self.host = self.enterContext(Host(mynetworks='127.0.0.1/32 [::1]/128', edit=lambda host: host.append('etc/postfix/main.cf', settings),
                                           options=('--resolver', self.name_server.resolver)))

    def send(self, version=6, to='carol@both.example'):
        """By a client that comes from here."""
        with self.host.smtp(25, source=LOCAL[version], host=LOCAL[version]) as client:
            client.sendmail(ALICE, [to], letter('over IP'))

    def arrives(self, sink):
        ((_, (recipient,), message),) = wait_telling(sink.messages, 'the message', self.host.log, lambda: self.name_server.asked)
        self.assertTrue(recipient.startswith('<carol@both.example>'), recipient)
        self.assertTrue(message.endswith(letter('over IP').replace(b'\r\n', b'\n')))
        wait_until(lambda: not self.host.queue_files(), 'the end of the queue')

    def relayed_by(self, host, version):
        self.host.wait_for_log(rf'to=<carol@both\.example>, relay={host}\[{LOCAL[version]}\]:{self.port}, .*status=sent ')

    def test_to_an_address_where_there_is_only_ipv6(self):
        sink = self.sink(6)
        self.start(f'inet_protocols = ipv6\nrelayhost = [::1]:{self.port}\n')
        self.send()
        self.arrives(sink)
        self.relayed_by('::1', 6)

    def test_to_an_address_where_there_are_both(self):
        sink = self.sink(6)
        self.start(f'inet_protocols = all\nrelayhost = [::1]:{self.port}\n')
        self.send(4)
        self.arrives(sink)
        self.relayed_by('::1', 6)

    def check_preferred(self, preferred, other):
        sinks = {version: self.sink(version) for version in (4, 6)}
        self.start(f'inet_protocols = all\nsmtp_address_preference = ipv{preferred}\nrelayhost = both.example:{self.port}\n')
        self.send()
        self.arrives(sinks[preferred])
        self.relayed_by(r'mx\.both\.example', preferred)
        self.assertEqual(sinks[other].messages(), [])
        self.assertLessEqual({('mx.both.example', A), ('mx.both.example', AAAA)}, set(self.name_server.asked))

    def test_ipv6_is_preferred(self):
        self.check_preferred(6, 4)

    def test_ipv4_is_preferred(self):
        self.check_preferred(4, 6)

    def check_only(self, only, other):
        """The other kind would be preferred, and somebody listens there."""
        sinks = {version: self.sink(version) for version in (4, 6)}
        self.start(f'inet_protocols = ipv{only}\nsmtp_address_preference = ipv{other}\nrelayhost = both.example:{self.port}\n')
        self.send(only)
        self.arrives(sinks[only])
        self.relayed_by(r'mx\.both\.example', only)
        self.assertEqual(sinks[other].messages(), [])
        self.assertNotIn(('mx.both.example', AAAA if only == 4 else A), self.name_server.asked)

    def test_there_is_only_ipv6(self):
        self.check_only(6, 4)

    def test_there_is_only_ipv4(self):
        self.check_only(4, 6)

    def test_what_ipv6_refuses_ipv4_takes(self):
        sink = self.sink(4)
        self.start(f'inet_protocols = all\nsmtp_address_preference = ipv6\nrelayhost = both.example:{self.port}\n')
        self.send()
        self.arrives(sink)
        self.relayed_by(r'mx\.both\.example', 4)

    def test_what_ipv6_hangs_up_on_ipv4_takes(self):
        class HangsUp(Server):
            def serve(self, connection):
                pass
        refusing = self.enterContext(HangsUp(LOCAL[6]))
        self.port = refusing.port
        sink = self.sink(4)
        self.start(f'inet_protocols = all\nsmtp_address_preference = ipv6\nrelayhost = both.example:{self.port}\n')
        self.send()
        self.arrives(sink)
        self.relayed_by(r'mx\.both\.example', 4)
        self.assertEqual(refusing.connections, 1)

    def test_nobody_takes_it(self):
        """The reason names the address."""
        self.start(f'inet_protocols = ipv6\nrelayhost = both.example:{self.port}\n')
        self.send()
        why = wait_telling(lambda: self.host.waiting()['carol@both.example'].get('delay_reason'), 'the reason', self.host.log)
        self.assertEqual(why, f'connect to mx.both.example[::1]:{self.port}: Connection refused')

    def test_to_another_of_our_kind(self):
        def configure(peer):
            take_domain(peer, 'postern.example')
            peer.append('etc/postfix/main.cf', 'inet_protocols = ipv6\n')
        peer = self.enterContext(Host(edit=configure))
        self.start(f'inet_protocols = all\nrelayhost = [::1]:{peer.port(25)}\n')
        self.send(to='alice@postern.example')
        (file,) = wait_until(lambda: peer.messages('alice@postern.example'), 'the message')
        self.assertRegex(file.read_text(), r'Received: from mail\.example\.test \(.*\[IPv6:::1\]\)\n')


def has_ipv6():
    try:
        socket.create_server((LOCAL[6], 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


if __name__ == '__main__':
    run(SMTP_SINK, also='' if has_ipv6() else 'no ::1')
