#!/usr/bin/env python3
"""Asks a real Postfix (Debian 12's 3.7) what its smtp(8) and lmtp(8) say to a server; writes it into the dialogues.

usage: client_capture.py [--base PORT] [NAME...]   (as root; NAME: a file of client_dialogues/, no .txt)

A private Postfix (tests/peers) runs on 127.0.0.1 and ends with the script; it sends to the ports from PORT+1 on. A
dialogue's first part is kept:

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
import argparse, os, re, smtplib, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../peers"))
from peers import Postfix  # noqa: E402

SETTINGS = """
myhostname = client.example.test
mynetworks = 127.0.0.0/8
smtputf8_enable = yes
transport_maps = texthash:{folder}/etc/transport
smtpd_relay_restrictions = permit_mynetworks, reject
local_header_rewrite_clients =
default_destination_recipient_limit = 500
virtual_mailbox_domains =
"""
REPLIES_WITHIN_S = 40  # the longest dialogue waits for Postfix's own pauses


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


def capture(scenario, port, postfix):
    domains = sorted({address.rpartition("@")[2] for address, _ in scenario.to})
    agent = "lmtp:inet:127.0.0.1:%d" if scenario.lmtp else "smtp:[127.0.0.1]:%d"
    (postfix.etc / "transport").write_text("".join("%s %s\n" % (domain, agent % port) for domain in domains))
    extra = ""
    if scenario.login:
        for kind in ("smtp", "lmtp"):
            extra += "{0}_sasl_auth_enable = yes\n{0}_sasl_security_options = noanonymous\n{0}_sasl_password_maps = static:{1}\n".format(
                kind, ":".join(scenario.login))
    postfix.configure(SETTINGS + extra)
    postfix.reload()
    mark = len(postfix.log())
    sink = Sink(scenario, port)
    sink.start()
    with smtplib.SMTP("127.0.0.1", postfix.port) as client:
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
    sink.join(REPLIES_WITHIN_S)
    told = told_of(scenario, postfix, mark)
    subprocess.run(["postsuper", "-c", str(postfix.etc), "-d", "ALL"], capture_output=True)
    with open(scenario.path, "w", encoding="utf-8") as f:
        f.write("\n".join(scenario.kept).rstrip("\n") + "\n")
        f.write("\n".join(without_trace(sink.out) + [told[a] for a, _ in scenario.to if a in told]) + "\n")


def told_of(scenario, postfix, mark):
    """What the log says of each recipient, behind its first `mark` characters."""
    line = r"postfix/[sl]mtp\[\d+\]: \w+: to=<([^>]*)>.*? dsn=([\d.]+), status=(\w+) \((.*)\)$"
    told, end = {}, time.monotonic() + 10
    while len(told) < len(scenario.to) and time.monotonic() < end:
        for m in re.finditer(line, postfix.log()[mark:], re.M):
            text = re.sub(r"message size \d+", "message size N", m.group(4))
            told[m.group(1)] = "L: %s %s %s (%s)" % (m.group(1), m.group(2), m.group(3), text)
        time.sleep(0.1)
    return told


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", type=int, default=46000)
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    folder = os.path.join(HERE, "client_dialogues")
    names = arguments.names or sorted(f[:-4] for f in os.listdir(folder) if f.endswith(".txt"))
    with tempfile.TemporaryDirectory(prefix="postern-capture-") as place:
        os.chmod(place, 0o755)
        with Postfix(place, SETTINGS) as postfix:
            for index, name in enumerate(names):
                capture(Scenario(os.path.join(folder, name + ".txt")), arguments.base + 1 + index, postfix)
                print(name, flush=True)


if __name__ == "__main__":
    sys.exit(main())
