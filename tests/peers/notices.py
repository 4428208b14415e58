"""Reads the notices that came back to a mailbox (RFC 3461, 3462, 3464), for tests that have a `host`."""
import email
import email.policy
import re

import peers  # noqa: F401  It knows where host.py is.
from host import ALICE


class ReadsNotices:
    def bytes_of_notice(self, subject, user=ALICE):
        """The newest message about the one with this subject; None: none came yet."""
        found = [whole for whole in (file.read_bytes() for file in self.host.messages(user)) if b'\nSubject: ' + subject.encode() + b'\n' in whole]
        return found[-1] if found else None

    def notice(self, subject):
        """The parts of the report: text, fields of the message, list of those of recipients, the part that came back."""
        report = email.message_from_bytes(self.wait(lambda: self.bytes_of_notice(subject), f'the notice about {subject}'),
                                          policy=email.policy.default)
        self.assertEqual(report.defects, [])
        self.assertEqual(report.get_content_type(), 'multipart/report')
        self.assertEqual(report.get_param('report-type'), 'delivery-status')
        self.assertEqual((report['To'].addresses[0].addr_spec, report['Return-Path']), (ALICE, '<>'))
        self.assertEqual(report['Auto-Submitted'], 'auto-replied')
        text, status, returned = report.iter_parts()
        self.assertEqual((text.get_content_type(), status.get_content_type()), ('text/plain', 'message/delivery-status'))
        about, *recipients = status.get_payload()
        self.assertRegex(about['Reporting-MTA'], r'^dns; \S+$')
        return text.get_content(), about, recipients, returned

    def check_failed(self, fields, recipient, status, diagnostic, mta='mx.postfix.example'):
        """`mta`: None where nobody was reached."""
        self.assertEqual(fields['Final-Recipient'], f'rfc822; {recipient}')
        self.assertEqual((fields['Action'], fields['Status']), ('failed', status))
        self.assertEqual(fields['Remote-MTA'], mta and f'dns; {mta}')
        self.assertRegex(self.diagnostic(fields), '^' + diagnostic)

    @staticmethod
    def diagnostic(fields):
        return re.sub(r'\s+', ' ', fields['Diagnostic-Code'])  # unfolded
