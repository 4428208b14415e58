"""Real servers that end with the test: a private Postfix or Dovecot, smtp-sink; a certificate authority.

Nothing of the system's own instances is touched: configuration, queue and data are in a folder that the test gives and
removes, all ports are free ones on loopback. Postfix and Dovecot must be started as root.
"""
import contextlib
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'clients'))
from host import PATIENCE, free_offset, wait_until  # noqa: E402

SKIPPED = 77  # SKIP_RETURN_CODE of ctest
POSTFIX = '/usr/sbin/postfix'
DOVECOT = '/usr/sbin/dovecot'
DOVECOT_LMTP = '/usr/lib/dovecot/lmtp'
SMTP_SINK = '/usr/sbin/smtp-sink'

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n  -  n  60    1  pickup
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  300   1  qmgr
tlsmgr    unix  -  -  n  1000? 1  tlsmgr
rewrite   unix  -  -  n  -     -  trivial-rewrite
bounce    unix  -  -  n  -     0  bounce
defer     unix  -  -  n  -     0  bounce
trace     unix  -  -  n  -     0  bounce
verify    unix  -  -  n  -     1  verify
flush     unix  n  -  n  1000? 0  flush
proxymap  unix  -  -  n  -     -  proxymap
showq     unix  n  -  n  -     -  showq
error     unix  -  -  n  -     -  error
retry     unix  -  -  n  -     -  error
discard   unix  -  -  n  -     -  discard
smtp      unix  -  -  n  -     -  smtp
relay     unix  -  -  n  -     -  smtp
lmtp      unix  -  -  n  -     -  lmtp
virtual   unix  -  n  n  -     -  virtual
anvil     unix  -  -  n  -     1  anvil
scache    unix  -  -  n  -     1  scache
postlog   unix-dgram n - n -   1  postlogd
"""

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = postfix.example.test
mydestination =
mynetworks = 127.0.0.9/32
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
smtpd_peername_lookup = no
alias_maps =
alias_database =
local_recipient_maps =
default_transport = discard:
smtpd_sasl_type = dovecot
smtpd_sasl_security_options = noanonymous
virtual_mailbox_domains = example.test
"""


DOVECOT_CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = lmtp
listen = 127.0.0.1
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
mail_location = maildir:{folder}/mail/%n
mail_plugins = quota
plugin {{
  quota = maildir:User quota
  quota_rule = *:storage=1G
}}
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service lmtp {{
  unix_listener {socket} {{
    mode = 0666
  }}
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {port}
  }}
}}
"""


AUTH_SERVER = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
auth_verbose = yes
protocols =
ssl = no
auth_failure_delay = 1 secs
auth_mechanisms = plain login cram-md5 digest-md5 scram-sha-1 scram-sha-256
service auth {{
  unix_listener {folder}/sockets/auth {{
    mode = 0666
  }}
  inet_listener {{
    address = 127.0.0.1
    port = {port}
  }}
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/users
}}
userdb {{
  driver = static
  args = uid=15000 gid=15000 home=/nonexistent
}}
"""


def listens(port, address='127.0.0.1'):
    try:
        socket.create_connection((address, port), PATIENCE).close()
        return True
    except ConnectionRefusedError:
        return False


def missing(*programs):
    """Why the test can't run here, or nothing."""
    if os.geteuid() != 0:
        return 'needs root'
    gone = [program for program in programs if not os.access(program, os.X_OK)]
    return ' and '.join(gone) + ' not installed' if gone else ''


def run(*programs, also=''):
    """The tests of the file that is run as a program. `also`: another reason why they can't run here."""
    why = missing(*programs) or also
    if why:
        print('skipped: ' + why)
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)


@contextlib.contextmanager
def open_folder():
    """A folder that servers may look into whatever user they run as; it goes with all that is in it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix='postern-peers-'))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_telling(condition, what, *tellers):
    """wait_until(); where it does not come the end of each text that is told, such as of a log, says why."""
    try:
        return wait_until(condition, what)
    except AssertionError as error:
        raise AssertionError('\n'.join([str(error), *(str(tell())[-4000:] for tell in tellers)])) from error


def take_domain(host, domain):
    """Ours for another domain than example.test."""
    for path in ('etc/postfix/main.cf', 'etc/postfix/vmailbox', 'etc/postfix/virtual', 'etc/postfix/logins', 'etc/dovecot/users'):
        host.replace(path, r'example\.test', domain)


class Postfix:
    """`settings`: lines of main.cf, which replace those above. `services`: lines for master.cf; {folder} is filled in in
    both."""

    def __init__(self, folder, settings='', services=''):
        self.folder = pathlib.Path(folder)
        self.port = free_offset((0,))
        self.etc = self.folder / 'etc'
        for part in ('etc', 'spool', 'data'):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        postfix = pwd.getpwnam('postfix')
        os.chown(self.folder / 'data', postfix.pw_uid, postfix.pw_gid)
        self.configure(settings)
        (self.etc / 'master.cf').write_text(MASTER.format(port=self.port) + services.format(folder=self.folder))

    def configure(self, settings):
        """Writes main.cf. A running instance sees it after reload()."""
        lines = (MAIN + settings).format(folder=self.folder).strip().splitlines()
        values = dict(line.partition('=')[::2] for line in lines)
        merged = {name.strip(): value.strip() for name, value in values.items()}
        (self.etc / 'main.cf').write_text(''.join(f'{name} = {value}\n' for name, value in merged.items()))

    def __enter__(self):
        self.command('start')
        return self

    def __exit__(self, *_):
        self.command('stop')

    def reload(self):
        before = len(self.log())
        self.command('reload')
        self.wait_for_log('reload -- version', before)

    def command(self, word):
        result = subprocess.run([POSTFIX, '-c', str(self.etc), word], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=dict(os.environ, LC_ALL='C'))
        if result.returncode != 0:
            raise RuntimeError(f'postfix {word}: {result.stdout}\n{self.log()}')

    def log(self):
        file = self.folder / 'maillog'
        return file.read_text(errors='replace') if file.exists() else ''

    def wait_for_log(self, pattern, start=0):
        return wait_telling(lambda: re.search(pattern, self.log()[start:]), f'{pattern!r} in Postfix\'s log', self.log)


class DovecotProcess:
    """A private Dovecot with the configuration that the subclass has written; `port` is where it listens, too."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.port = free_offset((0,))
        for part in ('run', 'state'):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.configuration = self.folder / 'dovecot.conf'
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process is not None:
            self.stop()

    def start(self):
        self.process = subprocess.Popen([DOVECOT, '-F', '-c', str(self.configuration)], stdin=subprocess.DEVNULL,
                                        start_new_session=True)
        wait_until(self.listens, 'Dovecot')

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'dovecot ended: {self.process.returncode}\n{self.log()}')
        return listens(self.port)

    def stop(self):
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        # What it had started serves the connections that it has to their end.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def log(self):
        file = self.folder / 'log'
        return file.read_text(errors='replace') if file.exists() else ''


class DovecotAuth(DovecotProcess):
    """Only answers questions about passwords, at `socket` and at `port`. `users`: lines of a passwd-file."""

    def __init__(self, folder, users):
        super().__init__(folder)
        self.socket = self.folder / 'sockets/auth'
        self.socket.parent.mkdir()
        self.configuration.write_text(AUTH_SERVER.format(folder=self.folder, port=self.port))
        (self.folder / 'users').write_text(users)


class Dovecot(DovecotProcess):
    """Takes mail by LMTP: at `socket`, and on `port` with STARTTLS. `users`: lines of a passwd-file, each mailbox is a Maildir
    below `folder`/mail."""

    def __init__(self, folder, socket_path, certificate, key, users):
        super().__init__(folder)
        (self.folder / 'mail').mkdir(parents=True, exist_ok=True)
        nobody = pwd.getpwnam('nobody')
        os.chown(self.folder / 'mail', nobody.pw_uid, nobody.pw_gid)
        (self.folder / 'users').write_text(users.format(uid=nobody.pw_uid, gid=nobody.pw_gid, mail=self.folder / 'mail'))
        self.configuration.write_text(DOVECOT_CONF.format(folder=self.folder, port=self.port, socket=socket_path, certificate=certificate, key=key))

    def messages(self, name):
        return [file.read_bytes() for file in sorted((self.folder / 'mail' / name).rglob('new/*'))]


class Sink:
    """smtp-sink(1): a server that takes everything, or fails as its options say. What it took is in `folder`."""

    def __init__(self, folder, *options, port=None, address='127.0.0.1'):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o777)
        self.options, self.address = options, address
        self.port = port or free_offset((0,))

    def __enter__(self):
        user = ['-u', 'nobody'] if os.geteuid() == 0 else []
        self.process = subprocess.Popen([SMTP_SINK, *user, '-d', f'{self.folder}/', *self.options, f'[{self.address}]:{self.port}', '500'],
                                        stdin=subprocess.DEVNULL)
        wait_until(self.listens, 'smtp-sink')
        return self

    def listens(self):
        if self.process.poll() is not None:
            raise RuntimeError(f'smtp-sink ended: {self.process.returncode}')
        return listens(self.port, self.address)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)  # it knows no other end
        self.process.wait()

    def messages(self):
        """What came: (arguments of MAIL, list of those of RCPT, the message with LF line ends)."""
        dumps = (file.read_bytes() for file in sorted(self.folder.iterdir()))
        return [parsed for parsed in map(self.parse, dumps) if parsed is not None]

    @staticmethod
    def parse(dump):
        """None: not whole yet. An empty line of smtp-sink's own ends it."""
        own = re.match(rb'(?s)(.*?)Received: [^\n]*\n\tby [^\n]* \(smtp-sink\) [^\n]*\n\t[^\n]*\n', dump)
        if own is None or not dump.endswith(b'\n\n'):
            return None
        return (re.search(rb'(?m)^X-Mail-Args: (.*)$', own[1])[1].decode(),
                [args.decode() for args in re.findall(rb'(?m)^X-Rcpt-Args: (.*)$', own[1])], dump[own.end():-1])


class Authority:
    """A certificate authority of the test's own: who is given `certificate` trusts what it issued, and nothing else."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.certificate, self.key = self.folder / 'authority.pem', self.folder / 'authority.key'
        self.openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '30', '-subj',
                     '/CN=authority of a test', '-keyout', self.key, '-out', self.certificate)

    def openssl(self, *arguments):
        subprocess.run(['openssl', *arguments], check=True, capture_output=True)

    def issue(self, *names):
        """Paths of a certificate for these names and of its key."""
        certificate, key, request = (self.folder / f'{names[0]}.{end}' for end in ('pem', 'key', 'request'))
        self.openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', f'/CN={names[0]}', '-addext',
                     'basicConstraints=critical,CA:FALSE', '-addext', 'subjectAltName=' + ','.join('DNS:' + name for name in names),
                     '-keyout', key, '-out', request)
        self.openssl('x509', '-req', '-in', request, '-CA', self.certificate, '-CAkey', self.key, '-days', '30', '-copy_extensions', 'copy',
                     '-out', certificate)
        return certificate, key
