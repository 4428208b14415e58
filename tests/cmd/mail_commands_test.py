#!/usr/bin/env python3
"""sendmail, mailq, newaliases, postqueue, postsuper and `postern queue` while no server runs: what they write, say and answer.

The golden texts are Postfix 3.7.11's own, with our ids and reasons put in.

usage: mail_commands_test.py POSTERN
"""
import fcntl
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest

POSTERN = ""
PATIENCE_S = 60  # only ever waited in full where something is broken
FNV_PRIME, FNV_START = 0x100000001B3, 0xCBF29CE484222325


def checksum(data):
    value = FNV_START
    for byte in data:
        value = ((value ^ byte) * FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


def seal(head, message):
    return head + message + b"\nEND %020d %016x\n" % (len(message), checksum(head + message))


def queue_file(name, sender, recipients, message=b"Subject: x\n\nbody\n", arrived=1795544060):
    lines = ["POSTERN-QUEUE 1", f"id {name}", "trace t1", "body -", "ret -", "envid -", "client_name -", "client_address -", "helo -",
             "protocol -", "sasl_method -", "sasl_username -", f"arrived {arrived}000000", "smtputf8 0", f"sender {sender or '-'}"]
    lines += [f"recipient {address} smtp - {original} - 0" for address, original in recipients]
    return seal(("\n".join(lines) + "\nmessage\n").encode(), message)


def comes(condition):
    """Waits until it is true; false where that takes PATIENCE_S."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Case(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="postern-commands-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "etc/postfix").mkdir(parents=True)
        (self.root / "etc/postfix/main.cf").write_text("myhostname = mail.example.test\n")
        (self.root / "etc/postfix/master.cf").write_text("")
        self.spool = self.root / "var/spool/postfix/postern"

    def run_command(self, name, *args, input="", status=0, place=True, **options):
        where = ["--root", str(self.root)] if place else []
        input = input.encode() if isinstance(input, str) else input
        done = subprocess.run([POSTERN, name, *where, *args], input=input, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
                              env={"TZ": "UTC", "PATH": os.environ["PATH"], **options})
        done.stdout, done.stderr = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, status, (name, args, done.stdout, done.stderr))
        return done

    def sendmail(self, *args, input="Subject: x\n\nbody\n", status=0, **options):
        return self.run_command("sendmail", *args, input=input, status=status, **options)

    def dropped(self):
        """The only file of maildrop: its facts as (name, value) and its message."""
        (file,) = (self.spool / "maildrop").iterdir()
        self.assertRegex(file.name, r"^[0-9A-F]{12}$")
        self.assertEqual(stat.S_IMODE(file.stat().st_mode), 0o600)
        whole = file.read_bytes()
        head, message = whole[:whole.index(b"\nmessage\n") + 9], whole[whole.index(b"\nmessage\n") + 9:-43]
        self.assertEqual(seal(head, message), whole)
        file.unlink()
        lines = head.decode().splitlines()
        self.assertEqual((lines[0], lines[-1]), ("POSTERN-MAILDROP 1", "message"))
        return [tuple(line.split(" ", 1)) for line in lines[1:-1]], message.decode()

    def facts(self, *args, **options):
        self.sendmail(*args, **options)
        facts, _ = self.dropped()
        return {name: value for name, value in facts if name != "recipient"}, [value for name, value in facts if name == "recipient"]

    def put(self, folder, name, *args, journal="", **options):
        (self.spool / folder).mkdir(parents=True, exist_ok=True)
        (self.spool / "journal").mkdir(exist_ok=True)
        (self.spool / folder / name).write_bytes(queue_file(name, *args, **options))
        if journal:
            (self.spool / "journal" / name).write_text(journal)

    def places(self):
        return {file.name: file.parent.name for folder in ("maildrop", "incoming", "deferred", "hold", "corrupt")
                if (self.spool / folder).is_dir() for file in (self.spool / folder).iterdir()}


class Sendmail(Case):
    def test_what_callers_really_pass(self):
        header = "From: a@x.example\nTo: t@x.example\nSubject: x\n\nbody\n"
        cases = [
            (("-t", "-i"), ["t@x.example"]),                                                        # PHP mail(), Symfony
            (("-t", "-i", "-fb@x.example"), ["t@x.example"]),
            (("-oi", "-fb@x.example", "-t"), ["t@x.example"]),                                     # PHPMailer
            (("-fb@x.example", "--", "r@x.example", "s@x.example"), ["r@x.example", "s@x.example"]),
            (("-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root"), ["root"]),                       # cron
            (("-FAnacron", "root"), ["root"]),
            (("-oi", "-t"), ["t@x.example"]),
            (("-t",), ["t@x.example"]),                                                             # logwatch, mdadm
            (("-i", "-t", "-f", "b@x.example"), ["t@x.example"]),                                  # bsd-mailx
            (("-i", "-f", "b@x.example", "--", "r@x.example"), ["r@x.example"]),                   # s-nail
            (("-oem", "-oi", "-f", "b@x.example", "-N", "failure,delay", "-R", "hdrs", "--", "r@x.example"), ["r@x.example"]),  # mutt
            (("-f", "b@x.example", "-i", "r@x.example"), ["r@x.example"]),                         # git send-email
            (("-f", "b@x.example", "root"), ["root"]),                                             # fail2ban
            (("-r", "b@x.example", "r@x.example", "-i"), ["r@x.example"]),                         # options behind recipients
            (("-t", "u@x.example"), ["u@x.example", "t@x.example"]),
            (("-O", "foo=bar", "-A", "c", "-h", "3", "-e", "p", "-oem", "-U", "-p", "x", "-n", "-m", "-G", "-L", "tag", "-v", "-x", "-c",
              "-bm", "r@x.example"), ["r@x.example"]),
        ]
        for args, recipients in cases:
            with self.subTest(args=args):
                facts, found = self.facts(*args, input=header)
                self.assertEqual(found, recipients)
                sender = "b@x.example" if any("b@x.example" in arg for arg in args) else None
                self.assertEqual(facts.get("sender"), sender)

    def test_every_fact_is_kept(self):
        before = time.time()
        facts, recipients = self.facts("-F", "Full Näme", "-f", "Name <a@x.example>", "-N", "Success, DELAY", "-R", "full", "-V", "id=1",
                                       "-o8", "r@x.example, S <s@x.example>", "Group: t@x.example (comment);")
        self.assertAlmostEqual(int(facts.pop("arrived")) / 1e6, before, delta=60)
        self.assertEqual(facts, {"uid": str(os.getuid()), "login": facts["login"], "full_name": "Full+20N+C3+A4me", "sender": "a@x.example",
                                 "notify": "10", "ret": "FULL", "envid": "id+3D1", "body": "8BITMIME"})
        self.assertEqual(recipients, ["r@x.example", "s@x.example", "t@x.example"])
        facts, recipients = self.facts("-B", "7bit", "é@x.example", NAME="From Environment")
        self.assertEqual((facts["body"], facts["smtputf8"], facts["full_name"]), ("7BIT", "1", "From+20Environment"))

    def test_the_null_sender(self):
        for args in (("-f", ""), ("-f", "<>"), ("-f<>",), ("-r", "<>")):
            facts, _ = self.facts(*args, "r@x.example")
            self.assertEqual(facts["sender"], "-")

    def test_the_message(self):
        self.sendmail("-t", input="From cron Mon\r\nTo: a@x.example\r\nBcc: b@x.example\r\n\r\nbody\r\n.\r\nrest\r\n")
        facts, message = self.dropped()
        self.assertEqual(message, "To: a@x.example\n\nbody\n")
        self.assertEqual([value for name, value in facts if name == "recipient"], ["a@x.example", "b@x.example"])
        self.sendmail("-i", "a@x.example", input="Subject: x\n\n.\nrest")
        self.assertEqual(self.dropped()[1], "Subject: x\n\n.\nrest\n")
        self.sendmail("-t", input="To: a@x.example\n\n" + "x" * 3_000_000)
        self.assertEqual(len(self.dropped()[1]), 3_000_000 + 18)

    def test_what_cannot_be_sent_leaves_nothing(self):
        (self.root / "etc/postfix/main.cf").write_text("message_size_limit = 1000\n")
        user = re.escape(subprocess.check_output(["id", "-un"], text=True).strip()) + r"\(%d\)" % os.getuid()
        cases = [
            ((), "", 64, user + ": Recipient addresses must be specified on the command line or via the -t option"),
            (("-t",), "Subject: x\n\nbody\n", 64, user + ": No recipient addresses found in message header"),
            (("-t",), "To: a b c\n\nbody\n", 65, user + ": To: no address: a b c"),
            (("a b",), "", 64, user + ": no address: a b"),
            (("r@x.example",), "x" * 1001, 65, user + ": message file too big"),
            (("-t",), "To: r@x.example\n\n" + "x" * 1001, 65, user + ": message file too big"),
            (("-t",), "To: r@x.example\nX: " + "x" * 100001, 65, user + ": message file too big"),
            (("-B", "foo", "r"), "", 64, "-B option needs 8BITMIME or 7BIT"),
            (("-f", "a b@c", "r"), "", 64, "-f option specified malformed sender: a b@c"),
            (("-bX",), "", 64, "unsupported: -bX"),
            (("-X", "log", "r"), "", 64, "unsupported: -Xl"),
            (("-XV", "r"), "", 69, "-XV .* is not supported"),
            (("-qSfoo",), "", 64, "-qS is not implemented"),
            (("-qx",), "", 64, "-qx is not implemented"),
            (("-bs",), "", 69, "-bs is not supported: .*port 25"),
            (("-bv", "r"), "", 69, "-bv is not supported: "),
            (("-bd",), "", 69, "the server is started with `postern serve`"),
            (("-C", "/nonexistent", "r"), "", 78, "open /nonexistent/main.cf: "),
        ]
        for args, text, status, said in cases:
            with self.subTest(args=args):
                done = self.sendmail(*args, input=text, status=status)
                self.assertRegex(done.stderr, r"^sendmail: fatal: %s" % said)
                self.assertEqual(self.places(), {})
        done = self.sendmail("-Z", status=64)
        self.assertEqual(done.stderr.splitlines()[-1], "sendmail: fatal: usage: sendmail [options]")

    def test_bad_options_that_postfix_only_warns_of(self):
        for args, said in ((("-N", "foo"), "bad -N option value -- ignored"), (("-N", "never,delay"), "bad -N option value -- ignored"),
                           (("-R", "foo"), "bad -R option value -- ignored"), (("-V", ""), "bad syntax in -V option value -- ignored")):
            done = self.sendmail(*args, "r@x.example")
            self.assertEqual(done.stderr, f"sendmail: warning: {said}\n")
            facts, _ = self.dropped()
            self.assertEqual({name for name, _ in facts} & {"notify", "ret", "envid"}, set())

    def test_what_does_nothing_does_it_well(self):
        for args in (("-bi",), ("-I",), ("-bh",), ("-bH",), ("-q30m",)):
            done = self.sendmail(*args)
            self.assertEqual((done.stdout, done.stderr), ("", ""))
        self.run_command("newaliases")
        self.assertFalse(self.spool.exists())

    def test_a_caller_that_goes_away_in_the_middle_leaves_no_mail(self):
        process = subprocess.Popen([POSTERN, "sendmail", "--root", str(self.root), "r@x.example"], stdin=subprocess.PIPE)
        process.stdin.write(b"x" * 100_000)
        process.stdin.flush()
        self.assertTrue(comes(self.places))
        self.assertEqual([name[:4] for name in self.places()], ["tmp-"])
        process.kill()
        process.wait()
        process.stdin.close()
        self.assertEqual([name[:4] for name in self.places()], ["tmp-"])
        self.assertEqual(self.run_command("mailq").stdout, "Mail queue is empty\n")

    def test_the_names_decide(self):
        for name, said in (("mailq", "Mail queue is empty\n"), ("newaliases", "")):
            link = self.root / name
            link.symlink_to(os.path.abspath(POSTERN))
            done = subprocess.run([link, "--root", self.root], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, said, ""))
        self.assertEqual(self.sendmail("-bp", place=True).stdout, "Mail queue is empty\n")
        done = self.run_command("mailq", place=False, MAIL_CONFIG=str(self.root / "nothing"), status=69)
        self.assertRegex(done.stderr, "^postqueue: fatal: open .*/nothing/main.cf: ")

    def test_everybody_may_leave_mail(self):
        if os.getuid() != 0:
            self.skipTest("needs the rights to become somebody else")
        self.sendmail("r@x.example")
        self.dropped()
        self.assertEqual(stat.S_IMODE((self.spool / "maildrop").stat().st_mode), 0o1733)
        for folder in ("incoming", "deferred", "hold", "journal", "requests", "tmp"):
            self.assertEqual(stat.S_IMODE((self.spool / folder).stat().st_mode), 0o700)
        program = self.root / "postern"  # where others may read it
        shutil.copy(POSTERN, program)
        self.root.chmod(0o755)
        os.chmod(self.root / "etc/postfix/main.cf", 0o644)
        def as_nobody(*words):
            return subprocess.run([program, *words], input=b"Subject: x\n\nbody\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=65534,
                                  group=65534, extra_groups=[], timeout=60)
        done = as_nobody("sendmail", "--root", str(self.root), "r@x.example")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        facts, _ = self.dropped()
        self.assertIn(("uid", "65534"), facts)
        done = as_nobody("mailq", "--root", str(self.root))
        self.assertEqual(done.returncode, 77)
        self.assertRegex(done.stderr, rb"^postqueue: fatal: User \S+\(65534\) is not allowed to view the mail queue\n$")
        done = as_nobody("postqueue", "--root", str(self.root), "-f")
        self.assertEqual(done.returncode, 77)


LONG_REASON = "host mx.far.example[192.0.2.1] said: 450 4.2.0 Greylisted, please come back later (in reply to RCPT TO command)"


class Queue(Case):
    def fill(self):
        self.put("incoming", "9794BABC01B", "s@x.example", [("a@b.example", "a@b.example")], message=b"x" * 300)
        self.put("deferred", "A7D12ABC020", "", [("a@b.example", "a@b.example"), ("b@b.example", "-"), ("c@d.example", "root"), ("e@d.example", "-")],
                 arrived=1795544061, message=b"y" * 800,
                 journal="done 1\ndeferred 0 4.4.1 first\ndeferred 0 4.4.1 " + LONG_REASON.replace(" ", "+20")
                 + "\ndeferred 2 4.4.1 short\ndeferred 3 4.4.1 short\ndone 2 torn")
        self.put("hold", "B7D12ABC020", "\"o+20d\"@x.example", [("a@b.example", "-")], arrived=1795544062)

    def test_as_showq_prints_it(self):
        self.fill()
        expected = f"""\
-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
9794BABC01B*     300 Tue Nov 24 18:14:20  s@x.example
                                         a@b.example

A7D12ABC020     800 Tue Nov 24 18:14:21  MAILER-DAEMON
({LONG_REASON})
                                         a@b.example
{" " * 71}(short)
                                         c@d.example
                                         e@d.example

B7D12ABC020!      17 Tue Nov 24 18:14:22  o d@x.example
                                         a@b.example

-- 1 Kbytes in 3 Requests.
"""
        for command in (("mailq",), ("postqueue", "-p"), ("sendmail", "-bp"), ("queue list",)):
            words = command[0].split() if command[0] == "queue list" else command
            if words[0] == "queue":
                done = subprocess.run([POSTERN, "queue", "list", "--root", str(self.root)], stdout=subprocess.PIPE, text=True,
                                      env={"TZ": "UTC"}, timeout=60)
                self.assertEqual(done.stdout, expected)
            else:
                self.assertEqual(self.run_command(*command).stdout, expected)

    def test_as_postqueue_prints_json(self):
        self.fill()
        lines = self.run_command("postqueue", "-j").stdout.splitlines()
        self.assertEqual(lines[0], '{"queue_name": "active", "queue_id": "9794BABC01B", "arrival_time": 1795544060, "message_size": 300, '
                         '"forced_expire": false, "sender": "s@x.example", "recipients": [{"address": "a@b.example"}]}')
        self.assertEqual(lines[1], '{"queue_name": "deferred", "queue_id": "A7D12ABC020", "arrival_time": 1795544061, "message_size": 800, '
                         '"forced_expire": false, "sender": "MAILER-DAEMON", "recipients": [{"address": "a@b.example", "delay_reason": "'
                         + LONG_REASON + '"}, {"orig_address": "root", "address": "c@d.example", "delay_reason": "short"}, '
                         '{"address": "e@d.example", "delay_reason": "short"}]}')
        self.assertEqual(json.loads(lines[2])["queue_name"], "hold")

    def test_mail_that_nobody_took_yet_is_shown(self):
        self.sendmail("-f", "a@x.example", "r@x.example", "root")
        (entry,) = [json.loads(line) for line in self.run_command("postqueue", "-j").stdout.splitlines()]
        self.assertEqual((entry["queue_name"], entry["sender"], entry["message_size"]), ("maildrop", "a@x.example", 17))
        self.assertEqual(entry["recipients"], [{"address": "r@x.example"}, {"address": "root"}])
        done = self.run_command("postsuper", "-d", entry["queue_id"])
        self.assertEqual(done.stderr, f"postsuper: {entry['queue_id']}: removed\npostsuper: Deleted: 1 message\n")
        self.assertEqual(self.places(), {})

    def test_flush(self):
        self.fill()
        old = 4_000_000_000
        def due():
            return os.stat(self.spool / "deferred/A7D12ABC020").st_mtime
        for args, now in ((("-i", "A7D12ABC020"), True), (("-s", "D.example"), True), (("-f",), True), (("-s", "other.example"), False),
                          (("-i", "9794BABC01B"), False), (("-i", "ABCDEF123456"), False)):
            os.utime(self.spool / "deferred/A7D12ABC020", (old, old))
            done = self.run_command("postqueue", *args)
            self.assertEqual(done.stderr, "postqueue: warning: Mail system is down -- it will be tried when that is started\n")
            self.assertEqual(due() < old, now, args)
        for args in (("-q",), ("-qIA7D12ABC020",), ("-qRb.example",)):
            os.utime(self.spool / "deferred/A7D12ABC020", (old, old))
            self.sendmail(*args)
            self.assertLess(due(), old)

    def test_postqueue_says_what_is_wrong(self):
        usage = "postqueue: fatal: usage: postqueue -f | postqueue -i queueid | postqueue -j | postqueue -p | postqueue -s site"
        for args in ((), ("-x",), ("-f", "foo"), ("-p", "-j"), ("-i",)):
            self.assertEqual(self.run_command("postqueue", *args, status=69).stderr.splitlines()[-1], usage)
        for args in (("-i", "xx"), ("-s", "a/b"), ("-s", "")):
            self.assertEqual(self.run_command("postqueue", *args, status=64).stderr, f'postqueue: fatal: Invalid request: "{args[1]}"\n')

    def test_postsuper(self):
        self.fill()
        steps = [
            (("-h", "A7D12ABC020"), "postsuper: A7D12ABC020: placed on hold\npostsuper: Placed on hold: 1 message\n", ("A7D12ABC020", "hold")),
            (("-h", "A7D12ABC020"), "postsuper: Placed on hold: 0 messages\n", ("A7D12ABC020", "hold")),
            (("-H", "A7D12ABC020"), "postsuper: A7D12ABC020: released from hold\npostsuper: Released from hold: 1 message\n", ("A7D12ABC020", "incoming")),
            (("-h", "ALL"), "postsuper: Placed on hold: 2 messages\n", ("A7D12ABC020", "hold")),
            (("-r", "A7D12ABC020"), "postsuper: A7D12ABC020: requeued\npostsuper: Requeued: 1 message\n", ("A7D12ABC020", "incoming")),
            (("-d", "ALL", "deferred"), "postsuper: Deleted: 0 messages\n", ("A7D12ABC020", "incoming")),
            (("-d", "xx"), "postsuper: Deleted: 0 messages\n", ("A7D12ABC020", "incoming")),
            (("-d", "../hold/B7D12ABC020"), "postsuper: Deleted: 0 messages\n", ("B7D12ABC020", "hold")),
            (("-d", "ALL", "active"), "postsuper: Deleted: 1 message\n", ("A7D12ABC020", None)),
            (("-s", "-p", "-v", "hold"), "", ("B7D12ABC020", "hold")),
            ((), "", ("B7D12ABC020", "hold")),
            (("-d", "ALL", "defer"), "postsuper: Deleted: 0 messages\n", ("B7D12ABC020", "hold")),
            (("-H", "ALL"), "postsuper: Released from hold: 2 messages\n", ("B7D12ABC020", "incoming")),
            (("-d", "ALL"), "postsuper: Deleted: 2 messages\n", ("B7D12ABC020", None)),
        ]
        for args, said, (name, folder) in steps:
            with self.subTest(args=args):
                done = self.run_command("postsuper", *args)
                self.assertEqual((done.stdout, done.stderr), ("", said))
                self.assertEqual(self.places().get(name), folder)
        self.assertEqual(list((self.spool / "journal").iterdir()), [])
        self.assertEqual(self.run_command("postsuper", "-d", "ALL", "nosuch", status=1).stderr, "postsuper: fatal: invalid directory name: nosuch\n")
        self.assertIn("usage: postsuper [-c config_dir] [-d queue_id (delete)]", self.run_command("postsuper", "-z", status=1).stderr)
        self.assertIn("fatal", self.run_command("postsuper", "-e", "ALL", status=1).stderr)

    def test_ids_come_on_standard_input(self):
        self.fill()
        done = self.run_command("postsuper", "-d", "-", input="9794BABC01B\nB7D12ABC020 \r\nnonsense\n")
        self.assertEqual(done.stderr, "postsuper: 9794BABC01B: removed\npostsuper: B7D12ABC020: removed\npostsuper: Deleted: 2 messages\n")
        self.assertEqual(self.places(), {"A7D12ABC020": "deferred"})

    def test_all_spares_what_is_kept_for_people(self):
        self.fill()
        self.put("corrupt", "C7D12ABC020", "s@x.example", [("a@b.example", "-")])
        self.run_command("postsuper", "-d", "ALL")
        self.assertEqual(self.places(), {"C7D12ABC020": "corrupt"})
        self.run_command("postsuper", "-d", "C7D12ABC020")
        self.assertEqual(self.places(), {})

    def test_our_own_verbs(self):
        self.fill()
        def ask(*args, status=0):
            return subprocess_queue(self, *args, status=status)
        self.assertEqual(ask("hold", "A7D12ABC020").stdout, "A7D12ABC020 held\n")
        done = ask("hold", "A7D12ABC020", "9794BABC01B", status=1)
        self.assertEqual(done.stdout, "9794BABC01B held\n")
        self.assertEqual(done.stderr, "postern: A7D12ABC020 was not held: no such message, or not where it could be\n")
        self.assertEqual(ask("release", "9794BABC01B", "--json").stdout, '{"queue_id": "9794BABC01B", "released": true}\n')
        self.assertEqual(ask("requeue", "A7D12ABC020").stdout, "A7D12ABC020 requeued\n")
        self.assertEqual(ask("flush").stdout, "no server runs: tried when one is started\n")
        self.assertEqual(ask("flush", "--site", "b.example", "--json").stdout, '{"server": false}\n')
        self.assertEqual(ask("flush", "ABCDEF123", status=1).stderr, "postern: no message ABCDEF123 in the queue\n")
        shown = ask("show", "A7D12ABC020").stdout
        self.assertIn("folder: incoming\nsize: 800\narrived: 1795544061\nsender: <>\ntrace id: t1\n", shown)
        self.assertIn("recipient: b@b.example by smtp, done\nrecipient: c@d.example (was root) by smtp, waits: 4.4.1 short\n", shown)
        entry = json.loads(ask("show", "A7D12ABC020", "--json").stdout)
        self.assertEqual(entry["recipients"][1], {"orig_address": "root", "address": "c@d.example", "delay_reason": "short",
                                                  "delay_status": "4.4.1", "transport": "smtp"})
        self.assertEqual(ask("show", "ABCDEF123", status=1).stderr, "postern: no message ABCDEF123 in the queue\n")
        self.assertEqual(ask("delete", "ALL", "ABCDEF123", status=1).stderr, "postern: ALL stands alone\n")
        self.assertEqual(sorted(ask("delete", "ALL").stdout.split()), ["9794BABC01B", "A7D12ABC020", "B7D12ABC020", "deleted", "deleted", "deleted"])
        self.assertEqual(self.places(), {})


def subprocess_queue(case, verb, *args, status=0):
    done = subprocess.run([POSTERN, "queue", verb, "--root", str(case.root), *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    case.assertEqual(done.returncode, status, (verb, args, done.stdout, done.stderr))
    return done


class WithServer(Case):
    """Somebody holds the lock: what commands want goes into files."""

    def setUp(self):
        super().setUp()
        self.put("deferred", "A7D12ABC020", "s@x.example", [("a@b.example", "-")])
        (self.spool / "requests").mkdir()
        self.lock = open(self.spool / "lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.seen = []
        self.addCleanup(self.lock.close)

    def serve(self, act):
        """A thread that is the server: carries out the first request and unlinks it."""
        requests = self.spool / "requests"
        def work():
            if comes(lambda: any(requests.iterdir())):
                file = next(requests.iterdir())
                self.seen.append(file.name)
                act(file.name)
                file.unlink()
        thread = threading.Thread(target=work)
        thread.start()
        self.addCleanup(thread.join)

    def test_the_server_does_it(self):
        self.serve(lambda name: (self.spool / "deferred/A7D12ABC020").unlink())
        done = self.run_command("postsuper", "-d", "A7D12ABC020")
        self.assertEqual(done.stderr, "postsuper: A7D12ABC020: removed\npostsuper: Deleted: 1 message\n")
        self.assertEqual(self.seen, ["delete-A7D12ABC020"])

    def test_the_names_of_requests(self):
        for args, name in ((("-f",), "flush"), (("-i", "A7D12ABC020"), "flush-A7D12ABC020"), (("-s", "B.example"), "flush-site-b.example")):
            self.seen.clear()
            self.serve(lambda name: None)
            self.assertEqual(self.run_command("postqueue", *args).stderr, "")
            self.assertEqual(self.seen, [name])
        self.serve(lambda name: (self.spool / "deferred/A7D12ABC020").unlink())
        self.seen.clear()
        self.run_command("postsuper", "-d", "ALL")
        self.assertEqual(self.seen, ["delete-ALL"])

    def test_what_the_server_did_not_do_is_not_said(self):
        self.serve(lambda name: None)
        self.assertEqual(self.run_command("postsuper", "-d", "A7D12ABC020").stderr, "postsuper: Deleted: 0 messages\n")

    def test_a_server_that_ends_meanwhile(self):
        (self.spool / "hold").mkdir()
        def end():
            if comes(lambda: any((self.spool / "requests").iterdir())):
                self.lock.close()
        thread = threading.Thread(target=end)
        thread.start()
        done = self.run_command("postsuper", "-h", "A7D12ABC020")
        thread.join()
        self.assertEqual(done.stderr, "postsuper: A7D12ABC020: placed on hold\npostsuper: Placed on hold: 1 message\n")
        self.assertEqual(list((self.spool / "requests").iterdir()), [])

    def test_a_server_that_does_not_answer(self):
        done = self.run_command("postqueue", "-f", status=69)
        self.assertEqual(done.stderr, "postqueue: fatal: the mail system does not answer; it will see the request when it does\n")
        self.assertEqual([file.name for file in (self.spool / "requests").iterdir()], ["flush"])

    def test_sendmail_does_not_wait(self):
        (self.spool / "maildrop").mkdir()
        self.sendmail("r@x.example")
        self.dropped()


if __name__ == "__main__":
    POSTERN = os.path.abspath(sys.argv.pop(1))
    unittest.main()
