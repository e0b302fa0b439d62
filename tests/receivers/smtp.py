"""A mail server of aiosmtpd that treats a mail as the recipient's name says.

Prints `port N` once it listens, and each mail that it takes as a line of JSON. Recipients that begin
with `refused` are refused for good, with `later` for now; `drops` ends the connection in the middle
of the mail, `hangs` never answers it. Ends when standard input does.

Called with CERTIFICATE KEY USER PASSWORD it insists on STARTTLS and on that login.
"""
import asyncio
import email
import email.policy
import json
import ssl
import sys
from base64 import b64encode

from aiosmtpd.smtp import SMTP, AuthResult


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("refused"):
            return "550 no such mailbox"
        if address.startswith("later"):
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server, session, envelope):
        name = envelope.rcpt_tos[0].split("@")[0]
        tell(envelope)
        if name.startswith("drops"):
            server.transport.abort()
        if name.startswith("hangs"):
            await asyncio.Event().wait()
        return "250 taken"


def tell(envelope):
    mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
    part = lambda kind: mail.get_body((kind,)).get_content()
    told = {
        "to": envelope.rcpt_tos,
        "id": mail["Message-ID"],
        "subject": mail["Subject"],
        "text": part("plain"),
        "html": part("html"),
        "attached": [
            {"name": one.get_filename(), "type": one.get_content_type(), "base64": b64encode(one.get_content()).decode()}
            for one in mail.iter_attachments()
        ],
    }
    print(json.dumps(told), flush=True)


def options():
    if len(sys.argv) == 1:
        return {}
    certificate, key, user, password = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def authenticate(server, session, envelope, mechanism, data):
        good = data.login.decode() == user and data.password.decode() == password
        return AuthResult(success=good)

    return {
        "tls_context": context,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": authenticate,
    }


async def main():
    loop = asyncio.get_running_loop()
    given = options()
    server = await loop.create_server(lambda: SMTP(Handler(), enable_SMTPUTF8=False, **given), "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    sys.exit(0)


asyncio.run(main())
