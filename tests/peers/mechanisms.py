"""The user's side of SASL mechanisms for smtplib's SMTP.auth, and a test of each."""
import base64
import hashlib
import hmac
import os
import re


class Scram:
    """RFC 5802, RFC 7677. The server must prove that it knows the password, too."""

    def __init__(self, name, user, password):
        self.hash = {'SCRAM-SHA-1': 'sha1', 'SCRAM-SHA-256': 'sha256'}[name]
        self.password = password.encode()
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.first = f'n={user},r={self.nonce}'
        self.proved = False
        self.expected = None

    def hmac(self, key, text):
        return hmac.new(key, text.encode() if isinstance(text, str) else text, self.hash).digest()

    def __call__(self, challenge=None):
        if not challenge:
            return 'n,,' + self.first
        challenge = challenge.decode()
        if challenge.startswith('v='):
            self.proved = base64.b64decode(challenge[2:]) == self.expected
            return ''
        fields = dict(part.split('=', 1) for part in challenge.split(','))
        assert fields['r'].startswith(self.nonce)
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(fields['s']), int(fields['i']))
        final = 'c=biws,r=' + fields['r']
        signed = ','.join((self.first, challenge, final))
        client_key = self.hmac(salted, 'Client Key')
        signature = self.hmac(hashlib.new(self.hash, client_key).digest(), signed)
        self.expected = self.hmac(self.hmac(salted, 'Server Key'), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        return f'{final},p={base64.b64encode(proof).decode()}'


class DigestMd5:
    """RFC 2831, quality of protection auth."""

    def __init__(self, user, password):
        self.user, self.password = user, password
        self.proved = False
        self.expected = None

    def __call__(self, challenge=None):
        if challenge is None:
            return None
        text = challenge.decode()
        if text.startswith('rspauth='):
            self.proved = text == 'rspauth=' + self.expected
            return ''
        nonce = re.search('nonce="([^"]*)"', text)[1]
        realm = (re.search('realm="([^"]*)"', text) or ['', ''])[1]
        own, uri = os.urandom(12).hex(), 'smtp/mail.example.test'
        md5 = lambda data: hashlib.md5(data if isinstance(data, bytes) else data.encode())
        start = md5(f'{self.user}:{realm}:{self.password}').digest() + f':{nonce}:{own}'.encode()
        answer = lambda a2: md5(f'{md5(start).hexdigest()}:{nonce}:00000001:{own}:auth:{md5(a2).hexdigest()}').hexdigest()
        self.expected = answer(':' + uri)
        return (f'username="{self.user}",realm="{realm}",nonce="{nonce}",cnonce="{own}",nc=00000001,qop=auth,'
                f'digest-uri="{uri}",response={answer("AUTHENTICATE:" + uri)},charset=utf-8')


MECHANISMS = ['CRAM-MD5', 'DIGEST-MD5', 'LOGIN', 'PLAIN', 'SCRAM-SHA-1', 'SCRAM-SHA-256']


def log_in(client, mechanism, user, password):
    """The server's reply, and the exchange where it is one of the above (None: smtplib's own)."""
    client.user, client.password = user, password
    own = {'PLAIN': client.auth_plain, 'LOGIN': client.auth_login, 'CRAM-MD5': client.auth_cram_md5}
    if mechanism in own:
        return client.auth(mechanism, own[mechanism]), None
    exchange = DigestMd5(user, password) if mechanism == 'DIGEST-MD5' else Scram(mechanism, user, password)
    return client.auth(mechanism, exchange, initial_response_ok=mechanism != 'DIGEST-MD5'), exchange


class EveryMechanism:
    """For a test that has a `client` which has said EHLO, and check(mechanism)."""

    def test_every_mechanism_is_announced(self):
        self.assertEqual(sorted(self.client.esmtp_features.get('auth', '').split()), MECHANISMS)

    def test_plain(self):
        self.check('PLAIN')

    def test_login(self):
        self.check('LOGIN')

    def test_cram_md5(self):
        self.check('CRAM-MD5')

    def test_digest_md5(self):
        self.check('DIGEST-MD5')

    def test_scram_sha_1(self):
        self.check('SCRAM-SHA-1')

    def test_scram_sha_256(self):
        self.check('SCRAM-SHA-256')
