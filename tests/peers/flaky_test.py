"""Mail by a server of bad luck (flaky_server.py): every recipient's copy is acknowledged to us once, whole, whatever goes wrong
on the way, and no notice is written."""
import concurrent.futures
import random
import unittest

from flaky_server import FlakyServer
from peers import wait_telling
from host import ALICE, ALICE_PASSWORD, Host, letter

SEED, ODDS = 1, 0.06
MESSAGES, CLIENTS = 300, 6
SETTINGS = """
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""


class Flaky(unittest.TestCase):
    def test_each_copy_is_acknowledged_once(self):
        host = Host()
        self.addCleanup(host.remove)
        certificates = host.root / 'etc/ssl'
        server = self.enterContext(FlakyServer(SEED, ODDS, certificates / 'certs/ssl-cert-snakeoil.pem', certificates / 'private/ssl-cert-snakeoil.key'))
        host.append('etc/postfix/main.cf', SETTINGS + f'relayhost = [127.0.0.1]:{server.port}\n')
        self.enterContext(host)
        draw = random.Random(SEED)
        wanted = {}  # subject -> (recipients, message)
        for number in range(MESSAGES):
            recipients = [f'r{i}@{domain}.example' for i in range(draw.choice((1, 1, 2, 5))) for domain in draw.choice((['one'], ['one', 'two']))]
            text = ''.join(f'{number} {i}\r\n' for i in range(draw.choice((1, 30, 30, 3000))))
            wanted[f'flaky {number}'] = (recipients, letter(f'flaky {number}', text))

        def send(subjects):
            with host.smtp(587, login=(ALICE, ALICE_PASSWORD)) as client:
                for subject in subjects:
                    client.sendmail(ALICE, *wanted[subject])
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            subjects = list(wanted)
            for sent in [pool.submit(send, subjects[i::CLIENTS]) for i in range(CLIENTS)]:
                sent.result()
        wait_telling(lambda: not host.queue_files(), 'the end of the queue', lambda: host.queue('list'), host.log)
        got = {}
        for (recipient, whole), count in server.acknowledged.items():
            sent = whole.partition(b'\r\nFrom: ')[2]  # behind the trace fields
            got[recipient, b'From: ' + sent] = got.get((recipient, b'From: ' + sent), 0) + count
        due = {(recipient, message) for recipients, message in wanted.values() for recipient in recipients}
        self.assertEqual([(recipient, message[:200]) for recipient, message in due - set(got)], [], 'never acknowledged')
        self.assertEqual([(recipient, message[:200]) for recipient, message in set(got) - due], [], 'not what was sent')
        self.assertEqual([(recipient, message[:200]) for (recipient, message), count in got.items() if count > 1], [], 'sent again')
        self.assertEqual(host.messages(ALICE), [])
        for fault in ('hang up', 'reset', 'soft', 'closing', 'late', 'half'):
            self.assertGreater(server.faults[fault], 0, fault)
        self.assertLess(server.connections, sum(len(recipients) for recipients, _ in wanted.values()), 'connections are kept')


if __name__ == '__main__':
    unittest.main(verbosity=2)
