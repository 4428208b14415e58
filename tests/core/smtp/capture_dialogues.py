#!/usr/bin/env python3
"""Asks a real Postfix (Debian 12's 3.7) what it answers, and writes that into the dialogues beside this file.

usage: capture_dialogues.py [--dir DIR] [--base PORT] [NAME...]      (as root; NAME: a file of dialogues/, without .txt)

A private Postfix and Dovecot's auth service run below DIR on 127.0.0.1, ports PORT..PORT+30, and end with the script. Their
configuration is the one the test loads: peer/ for ports from 12000 on, the reference configuration for 25, 587 and 465.
Nothing is delivered: every transport is discard. The client's lines of a dialogue are kept, the server's are replaced:

  port N, client ADDRESS   where the session begins; a file may hold several
  C: line                  sent with CRLF        C> bytes   sent as they are, \\r \\n \\xHH and {N*text} read as usual
  C+ bytes                 the same, without waiting for an answer
  C. seconds               nothing is sent for so long; C! the client goes
  S: line                  an answer             [TLS]      TLS begins here      [closed]   the server has closed
  D: line                  this server's answer instead of all S: lines since the client's last one; "D: -" none; "# why"
"""
import argparse, base64, os, pwd, re, shutil, signal, socket, ssl, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
SHARED = os.environ.get("POSTERN_SHARED", os.path.join(HERE, "../../../../shared"))
INTERNAL = """
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - discard
relay unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - discard
virtual unix - n n - - discard
lmtp unix - - n - - discard
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def unescape(text):
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), text)
    return re.sub(rb"\\(r|n|\\|x[0-9A-Fa-f]{2})",
                  lambda m: {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}.get(m.group(1)) or bytes([int(m.group(1)[1:], 16)]),
                  text.encode())


class Peer:
    """One private Postfix with Dovecot's auth service."""

    def __init__(self, folder, name, base):
        self.folder, self.name, self.base, self.ports = os.path.join(folder, name), name, base, {}
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        d = self.folder
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d + "/key.pem", "-out", d + "/cert.pem",
                        "-days", "10", "-subj", "/CN=mail.example.test"], check=True, stderr=subprocess.DEVNULL)
        if name == "peer":
            postfix, dovecot = {f: read(os.path.join(HERE, "peer", f)) for f in os.listdir(HERE + "/peer")}, {}
            for f in ("dovecot.conf", "users"):
                dovecot[f] = postfix.pop(f)
        else:
            ref = os.path.join(SHARED, "reference-config/working")
            postfix = {f: read(f"{ref}/postfix/{f}") for f in os.listdir(ref + "/postfix")}
            postfix["main.cf"] = postfix["main.cf"].replace("mynetworks = 127.0.0.0/8", "mynetworks = 127.0.0.99/32")
            dovecot = {f: read(f"{ref}/dovecot/{f}") for f in os.listdir(ref + "/dovecot") if f != "conf.d"}
            for f in os.listdir(ref + "/dovecot/conf.d"):
                dovecot["conf.d/" + f] = read(f"{ref}/dovecot/conf.d/{f}")
        master = []
        for line in postfix["master.cf"].splitlines():
            m = re.match(r"(?:127\.0\.0\.1:)?(\w+)(\s+inet\s.*)", line)
            if m:
                port = {"smtp": 25, "submission": 587, "smtps": 465}.get(m.group(1)) or int(m.group(1))
                self.ports[port] = base + len(self.ports)
                fields = m.group(2).split()
                fields[3] = "n"
                line = f"127.0.0.1:{self.ports[port]} " + " ".join(fields)
                master.append(line)
            elif line.startswith(" "):
                master.append(line)
            elif line and not line.startswith("#"):
                break  # the internal services are ours
        postfix["master.cf"] = "\n".join(master) + INTERNAL
        postfix["main.cf"] += f"""
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
data_directory = {d}/data
queue_directory = {d}/spool
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
maillog_file = {d}/maillog
maillog_file_prefixes = {d}
smtpd_client_connection_rate_limit = 0
smtp_dns_support_level = disabled
"""
        for name, text in postfix.items():
            write(f"{d}/etc/{name}", self.moved(text))
        for name, text in dovecot.items():
            write(f"{d}/dv/{name}", self.moved(text))
        with open(d + "/dv/dovecot.conf", "a") as f:
            f.write(f"\nbase_dir = {d}/dv/run\nstate_dir = {d}/dv/state\nlog_path = {d}/dovecot.log\nprotocols =\nssl = no\n"
                    "service anvil {\n  unix_listener anvil-auth-penalty {\n    mode = 0\n  }\n}\n"
                    "userdb {\n  driver = static\n  args = uid=15000 gid=15000 home=/nonexistent\n}\n")
        for name in ("dynamicmaps.cf", "postfix-files"):
            if os.path.exists("/etc/postfix/" + name):
                shutil.copy("/etc/postfix/" + name, d + "/etc/" + name)
        for folder_name in ("data", "spool"):
            os.makedirs(f"{d}/{folder_name}", exist_ok=True)
        user = pwd.getpwnam("postfix")
        os.chown(d + "/data", user.pw_uid, user.pw_gid)
        for name in postfix:
            if name not in ("main.cf", "master.cf"):
                subprocess.run(["postmap", "-c", d + "/etc", f"hash:{d}/etc/{name}"], check=True, stderr=subprocess.DEVNULL)

    def moved(self, text):
        d = self.folder
        for old, new in (("/etc/postfix", d + "/etc"), ("/etc/dovecot", d + "/dv"), ("/var/spool/postfix", d + "/spool"),
                         ("/etc/ssl/certs/ssl-cert-snakeoil.pem", d + "/cert.pem"), ("/etc/ssl/private/ssl-cert-snakeoil.key", d + "/key.pem"),
                         ("uid=vmail gid=vmail", "uid=15000 gid=15000"), ("group = postfix", "group = postfix")):
            text = text.replace(old, new)
        return text

    def start(self):
        d = self.folder
        env = dict(os.environ, LC_ALL="C")
        subprocess.run(["postfix", "-c", d + "/etc", "start"], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run(["dovecot", "-c", d + "/dv/dovecot.conf"], check=True, env=env)
        end = time.time() + 15
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.base), 1).close()
                return
            except OSError:
                if time.time() > end:
                    raise
                time.sleep(0.1)

    def stop(self):
        for path in ("/spool/pid/master.pid", "/dv/run/master.pid"):
            try:
                pid = int(read(self.folder + path).split()[0])
                os.kill(pid, signal.SIGTERM)
                for _ in range(100):
                    os.kill(pid, 0)
                    time.sleep(0.05)
            except (OSError, ValueError, IndexError):
                pass


class Client:
    def __init__(self, port, address, wrapped):
        self.socket = socket.create_connection(("127.0.0.1", port), 5, source_address=(address, 0))
        self.buffer, self.closed = b"", False
        if wrapped:
            self.begin_tls()

    def begin_tls(self):
        context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(self.socket)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            self.closed = True

    def replies(self, first, quiet):
        """All lines until nothing comes for `quiet` seconds, waiting `first` for the first."""
        lines, wait = [], first
        while not self.closed:
            self.socket.settimeout(wait)
            try:
                data = self.socket.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError):
                break
            except OSError:
                data = b""
            if not data:
                self.closed = True
                lines.append("[closed]")
                break
            self.buffer += data
            wait = quiet
            while b"\r\n" in self.buffer:
                line, self.buffer = self.buffer.split(b"\r\n", 1)
                lines.append("S: " + line.decode("utf-8", "surrogateescape"))
        return lines


def capture(path, peers):
    old = read(path).splitlines()
    new, client, port, address, greeted = [], None, 12025, "127.0.0.1", False

    def connect():
        host = peers["reference" if port < 12000 else "peer"]
        return Client(host.ports[port], address, port in (465, 12465))

    for line in old:
        if line.startswith(("S: ", "[TLS]", "[closed]")):
            continue
        if line.startswith(("port ", "client ")):
            if client:
                client.socket.close()
                client = None
            word, value = line.split()
            port, address = (int(value), "127.0.0.1") if word == "port" else (port, value)
            new.append(line)
            continue
        if line.startswith("C") and client is None:
            client = connect()
            if line[:2] != "C+":
                new += client.replies(4, 0.3)
        new.append(line)
        if line[:2] == "C:":
            client.send(unescape(line[3:]) + b"\r\n")
        elif line[:2] in ("C>", "C+"):
            client.send(unescape(line[3:]))
        elif line[:2] == "C!":
            client.socket.close()
            client = None
            continue
        if line[:2] == "C+":
            time.sleep(0.1)
        elif line[:2] == "C.":
            new += client.replies(float(line[3:]), 0.3)
        elif line.startswith("C"):
            got = client.replies(3.6, 1.3 if line[:2] == "C>" or port == 12031 else 0.2)
            new += got
            if line[3:].upper().startswith("STARTTLS") and got and got[0].startswith("S: 220"):
                client.begin_tls()
                new.append("[TLS]")
    if client:
        client.socket.close()
    write(path, "\n".join(tidy(new)) + "\n")


def tidy(lines):
    out = []
    for line in lines:
        line = re.sub(r"queued as [0-9A-F]+", "queued as ID", line)
        if line.startswith("S: 334 ") and len(line) > 40:
            line = "S: 334 CHALLENGE"
        out.append(line)
    return out


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--dir", default="/tmp/postern-capture")
    options.add_argument("--base", type=int, default=21200)
    options.add_argument("--keep", action="store_true", help="leave the servers running (end them by their pid files)")
    options.add_argument("names", nargs="*")
    given = options.parse_args()
    os.umask(0o022)
    names = given.names or sorted(f[:-4] for f in os.listdir(HERE + "/dialogues") if f.endswith(".txt"))
    peers = {"peer": Peer(given.dir, "peer", given.base), "reference": Peer(given.dir, "reference", given.base + 20)}
    try:
        for peer in peers.values():
            peer.start()
        for name in names:
            print(name, flush=True)
            capture(f"{HERE}/dialogues/{name}.txt", peers)
    finally:
        for peer in peers.values():
            peer.stop()


main()
