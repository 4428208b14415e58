#!/usr/bin/env python3
"""Asks a real Postfix (Debian 12's 3.7) what its smtp(8) and lmtp(8) say to a server; writes it into the dialogues.

usage: client_capture.py [--dir DIR] [--base PORT] [NAME...]   (as root; NAME: a file of client_dialogues/, no .txt)

A private Postfix runs below DIR on 127.0.0.1, ports PORT..PORT+98, and ends with the script. A dialogue's first part is
kept:

  lmtp                    the protocol, else smtp
  login USER PASSWORD     smtp_sasl_password_maps
  from ADDRESS ARGUMENTS  as in MAIL; "<>" is the null sender
  to ADDRESS ARGUMENTS    as in RCPT
  message TEXT            a line of it, \\xHH and {N*text} read as usual
  S PREFIX: A|B           what the server says (lines A and B) to a line with this prefix; the longest counts; CONNECT
                          is the greeting; "drop" closes the connection. Else DATA has 354, all others 250

and what follows is written anew:

  C: line                 sent by the client      D: line  the message, without its Received
  L: ADDRESS DSN STATUS (TEXT)                    what was logged
  N: ...                  instead of all L: lines (or, as "N C: line", of all C: lines): what we do, "# why" above it
"""
import argparse, os, re, shutil, smtplib, socket, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - discard
virtual unix - n n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
MAIN = """
compatibility_level = 3.6
config_directory = {dir}/etc
queue_directory = {dir}/spool
data_directory = {dir}/data
maillog_file = {dir}/log
maillog_file_prefixes = {dir}
myhostname = client.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtputf8_enable = yes
transport_maps = texthash:{dir}/etc/transport
default_transport = discard:
smtpd_relay_restrictions = permit_mynetworks, reject
local_header_rewrite_clients =
"""


def unescape(text):
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), text)
    return re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda m: bytes([int(m.group(1), 16)]), text.encode())


def escape(data):
    return re.sub(rb"[^ -\[\]-~]", lambda m: b"\\x%02X" % m.group(0)[0], data).decode()


class Scenario:
    def __init__(self, path):
        self.path, self.kept, self.notes = path, [], []
        self.rules, self.to, self.message = {"CONNECT": "220 mx.example.test ESMTP", "DATA": "354 go on"}, [], b""
        self.lmtp, self.login, self.sender = False, None, ("", [])
        for line in open(path, encoding="utf-8").read().split("\n"):
            if re.match(r"[CDL]: |[CDL]:$", line):
                continue
            self.kept.append(line)
            word, _, rest = line.partition(" ")
            if word == "lmtp":
                self.lmtp = True
            elif word == "login":
                self.login = rest.split(" ")
            elif word == "from":
                self.sender = (rest.split(" ")[0], rest.split(" ")[1:])
            elif word == "to":
                self.to.append((rest.split(" ")[0], rest.split(" ")[1:]))
            elif word == "message":
                self.message += unescape(rest) + b"\r\n"
            elif word == "S":
                prefix, _, reply = rest.partition(": ")
                self.rules[prefix] = reply

    def reply(self, line):
        best = max((p for p in self.rules if line.upper().startswith(p.upper())), key=len, default=None)
        return self.rules[best] if best else "250 Ok"


class Sink(threading.Thread):
    def __init__(self, scenario, port):
        super().__init__(daemon=True)
        self.scenario, self.out = scenario, []
        self.listener = socket.create_server(("127.0.0.1", port))
        self.listener.settimeout(30)

    def say(self, connection, reply):
        for part in reply.split("|"):
            if part == "drop":
                connection.shutdown(socket.SHUT_RDWR)
                return False
            connection.sendall(unescape(part) + b"\r\n")
        return True

    def run(self):
        connection, _ = self.listener.accept()
        self.listener.close()
        stream = connection.makefile("rb")
        in_data, going = False, self.say(connection, self.scenario.rules["CONNECT"])
        while going:
            try:
                line = stream.readline()
            except OSError:
                break
            if not line:
                break
            line = line.rstrip(b"\r\n")
            if in_data and line != b".":
                self.out.append("D: " + escape(line))
                continue
            in_data = False
            self.out.append("C: " + escape(line))
            reply = self.scenario.reply(line.decode("utf-8", "replace"))
            in_data = reply.startswith("354")
            try:
                going = self.say(connection, reply)
            except OSError:
                break
        connection.close()


def without_trace(lines):
    kept, skipping = [], False
    for line in lines:
        if re.match(r"D: Received:", line):
            skipping = True
        elif not (skipping and re.match(r"D: ( |\\x09)", line)):
            skipping = False
            kept.append(re.sub(r" SIZE=\d+", " SIZE=N", line) if line.startswith("C: MAIL") else line)
    return kept


def capture(scenario, port, arguments):
    etc = arguments.dir + "/etc"
    domains = sorted({address.rpartition("@")[2] for address, _ in scenario.to})
    agent = "lmtp:inet:127.0.0.1:%d" if scenario.lmtp else "smtp:[127.0.0.1]:%d"
    with open(etc + "/transport", "w") as f:
        for domain in domains:
            f.write("%s %s\n" % (domain, agent % port))
    extra = ["default_destination_recipient_limit = 500"]
    if scenario.login:
        for kind in ("smtp", "lmtp"):
            extra += ["%s_sasl_auth_enable = yes" % kind, "%s_sasl_security_options = noanonymous" % kind,
                      "%s_sasl_password_maps = static:%s" % (kind, ":".join(scenario.login))]
    with open(etc + "/main.cf", "w") as f:
        f.write(MAIN.format(dir=arguments.dir) + "\n".join(extra) + "\n")
    subprocess.run(["postfix", "-c", etc, "reload"], check=True, capture_output=True)
    time.sleep(1)  # a real server's reload; the captured text doesn't depend on it
    mark = os.path.getsize(arguments.dir + "/log")
    sink = Sink(scenario, port)
    sink.start()
    with smtplib.SMTP("127.0.0.1", arguments.base) as client:
        client.command_encoding = "utf-8"
        client.ehlo("submitter.example.test")
        code, text = client.docmd("MAIL", " ".join(["FROM:<%s>" % scenario.sender[0].strip("<>")] + scenario.sender[1]))
        assert code == 250, text
        for address, options in scenario.to:
            client.putcmd("RCPT TO:<%s> %s" % (address, " ".join(options)))
            code, text = client.getreply()
            assert code == 250, text
        assert client.docmd("DATA")[0] == 354
        client.send(re.sub(rb"(?m)^\.", b"..", scenario.message) + b".\r\n")
        assert client.getreply()[0] == 250
    sink.join(40)
    wanted, told = len(scenario.to), {}
    for _ in range(100):
        with open(arguments.dir + "/log", "rb") as f:
            f.seek(mark)
            log = f.read().decode("utf-8", "replace")
        line = r"postfix/[sl]mtp\[\d+\]: \w+: to=<([^>]*)>.*? dsn=([\d.]+), status=(\w+) \((.*)\)$"
        for m in re.finditer(line, log, re.M):
            text = re.sub(r"message size \d+", "message size N", m.group(4))
            told[m.group(1)] = "L: %s %s %s (%s)" % (m.group(1), m.group(2), m.group(3), text)
        if len(told) >= wanted:
            break
        time.sleep(0.1)
    subprocess.run(["postsuper", "-c", etc, "-d", "ALL"], capture_output=True)
    with open(scenario.path, "w", encoding="utf-8") as f:
        f.write("\n".join(scenario.kept).rstrip("\n") + "\n")
        f.write("\n".join(without_trace(sink.out) + [told[a] for a, _ in scenario.to if a in told]) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", default="/tmp/postfix-client-capture")
    parser.add_argument("--base", type=int, default=46000)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    folder = os.path.join(HERE, "client_dialogues")
    names = arguments.names or sorted(f[:-4] for f in os.listdir(folder) if f.endswith(".txt"))
    shutil.rmtree(arguments.dir, ignore_errors=True)
    for sub in ("etc", "spool", "data"):
        os.makedirs(os.path.join(arguments.dir, sub))
    shutil.chown(arguments.dir + "/data", "postfix")
    etc = arguments.dir + "/etc"
    open(etc + "/main.cf", "w").write(MAIN.format(dir=arguments.dir))
    open(etc + "/master.cf", "w").write(MASTER.format(port=arguments.base))
    open(etc + "/transport", "w").write("")
    subprocess.run(["postfix", "-c", etc, "start"], check=True, capture_output=True)
    try:
        for index, name in enumerate(names):
            capture(Scenario(os.path.join(folder, name + ".txt")), arguments.base + 1 + index, arguments)
            print(name)
    finally:
        subprocess.run(["postfix", "-c", etc, "stop"], capture_output=True)


if __name__ == "__main__":
    sys.exit(main())
