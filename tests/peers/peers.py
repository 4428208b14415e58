"""A private Postfix below a folder of its own, for tests that join the real thing with a running postern.

Nothing of the system's own instance is touched: configuration, queue and data are in the folder, the one port is free.
Must run as root, as Postfix's master does.
"""
import os
import pathlib
import pwd
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'clients'))
from host import free_offset, wait_until  # noqa: E402

SKIPPED = 77  # SKIP_RETURN_CODE of ctest
POSTFIX = '/usr/sbin/postfix'

MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup    unix  n  -  n  60    1  pickup
cleanup   unix  n  -  n  -     0  cleanup
qmgr      unix  n  -  n  300   1  qmgr
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
lmtp      unix  -  -  n  -     -  lmtp
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


def missing(*programs):
    """Why the test can't run here, or nothing."""
    if os.geteuid() != 0:
        return 'needs root'
    gone = [program for program in programs if not os.access(program, os.X_OK)]
    return ' and '.join(gone) + ' not installed' if gone else ''


class Postfix:
    def __init__(self, folder, settings=''):
        self.folder = pathlib.Path(folder)
        self.port = free_offset((0,))
        self.etc = self.folder / 'etc'
        for part in ('etc', 'spool', 'data'):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        postfix = pwd.getpwnam('postfix')
        os.chown(self.folder / 'data', postfix.pw_uid, postfix.pw_gid)
        (self.etc / 'main.cf').write_text(MAIN.format(folder=self.folder) + settings)
        (self.etc / 'master.cf').write_text(MASTER.format(port=self.port))

    def __enter__(self):
        self.command('start')
        return self

    def __exit__(self, *_):
        self.command('stop')

    def command(self, word):
        result = subprocess.run([POSTFIX, '-c', str(self.etc), word], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True, env=dict(os.environ, LC_ALL='C'))
        if result.returncode != 0:
            raise RuntimeError(f'postfix {word}: {result.stdout}\n{self.log()}')

    def log(self):
        file = self.folder / 'maillog'
        return file.read_text(errors='replace') if file.exists() else ''

    def wait_for_log(self, pattern):
        import re
        try:
            return wait_until(lambda: re.search(pattern, self.log()), f'{pattern!r} in Postfix\'s log')
        except AssertionError as error:
            raise AssertionError(f'{error}\n{self.log()[-4000:]}') from error
