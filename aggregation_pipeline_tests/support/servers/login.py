"""Authenticate a client as MySQL 8 and 9 do: `caching_sha2_password`, cached or in full, over TLS or without.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
"""

import functools
import hashlib
import os
import ssl
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pymysql.constants import CLIENT

from aggregation_pipeline_tests.support.servers import packets
from aggregation_pipeline_tests.support.servers.packets import Wire

NATIVE, SHA2 = "mysql_native_password", "caching_sha2_password"
_FAST_DONE, _FULL_NEEDED, _KEY_WANTED = b"\x01\x03", b"\x01\x04", b"\x02"
_CAPABILITIES = (
    CLIENT.LONG_PASSWORD | CLIENT.LONG_FLAG | CLIENT.CONNECT_WITH_DB | CLIENT.PROTOCOL_41 | CLIENT.TRANSACTIONS
    | CLIENT.SECURE_CONNECTION | CLIENT.PLUGIN_AUTH | CLIENT.PLUGIN_AUTH_LENENC_CLIENT_DATA | CLIENT.MULTI_RESULTS
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """The one account that the server knows.

    Attributes:
        user: its name.
        password: its password.
        plugin: how it proves itself; `offered` is what the server asks for before it knows who comes.
        remembered: whether the server knows the password's hash already, from an earlier login.
        unloaded: a plugin that the server does not have: MySQL 9 has no `mysql_native_password`.
    """

    user: str = "reader"
    password: str = ""
    plugin: str = SHA2
    offered: str = SHA2
    remembered: bool = True
    unloaded: str | None = None


@dataclass(frozen=True)
class Certificate:
    """A key and a self-signed certificate, in files."""

    key: Path
    certificate: Path

    @classmethod
    def make(cls, folder: Path) -> "Certificate":
        """Write the pair of this process into a folder: a new one takes half a second."""
        made = cls(folder / "key.pem", folder / "certificate.pem")
        key, certificate = _pair()
        made.key.write_bytes(key)
        made.certificate.write_bytes(certificate)
        return made

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def public_key(self) -> bytes:
        return subprocess.run(
            ["openssl", "pkey", "-in", str(self.key), "-pubout"], check=True, capture_output=True
        ).stdout

    def decrypt(self, secret: bytes) -> bytes:
        """Decrypt RSA with OAEP padding, by openssl, which shares no code with the driver's encryption."""
        command = ["openssl", "pkeyutl", "-decrypt", "-inkey", str(self.key), "-pkeyopt", "rsa_padding_mode:oaep"]
        return subprocess.run(command, check=True, capture_output=True, input=secret).stdout


@functools.cache
def _pair() -> tuple[bytes, bytes]:
    """A new key and its certificate, PEM."""
    with tempfile.TemporaryDirectory() as name:
        key, certificate = Path(name, "key.pem"), Path(name, "certificate.pem")
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=MySQL"]
        subprocess.run([*request, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        return key.read_bytes(), certificate.read_bytes()


class LoginRefusedError(Exception):
    """The server refuses the client's login."""

    def __init__(self, code: int, state: str, message: str) -> None:
        super().__init__(code, state, message)


def let_in(
    wire: Wire, version: str, account: Account, certificate: Certificate, *, tls: bool
) -> tuple[str, str | None]:
    """Go through the handshake; return how the client authenticated, and its database.

    That is one of "native", "fast", "full over TLS" and "full by RSA".

    Raises:
        LoginRefusedError: wrong name or password, or a plugin that the server lacks.
    """
    nonce = bytes(byte % 127 + 1 for byte in os.urandom(20))
    capabilities = _CAPABILITIES | (CLIENT.SSL if tls else 0)
    wire.write(
        b"\x0a" + version.encode() + b"\0" + struct.pack("<I", 7) + nonce[:8] + b"\0"
        + struct.pack("<HBHHB10x", capabilities & 0xFFFF, packets.UTF8MB4, packets.AUTOCOMMIT, capabilities >> 16, 21)
        + nonce[8:] + b"\0" + account.offered.encode() + b"\0"
    )  # fmt: skip
    greeting = wire.read()
    secure = bool(tls and struct.unpack_from("<I", greeting)[0] & CLIENT.SSL)
    if secure:
        wire.socket = certificate.context().wrap_socket(wire.socket, server_side=True)
        greeting = wire.read()
    user, rest = greeting[32:].split(b"\0", 1)
    proof, rest = rest[1 : 1 + rest[0]], rest[1 + rest[0] :]
    database = (
        rest.split(b"\0", 1)[0].decode() if struct.unpack_from("<I", greeting)[0] & CLIENT.CONNECT_WITH_DB else None
    )
    if account.plugin == account.unloaded:
        raise LoginRefusedError(1524, "HY000", f"Plugin '{account.plugin}' is not loaded")
    if account.plugin != account.offered:
        wire.write(b"\xfe" + account.plugin.encode() + b"\0" + nonce + b"\0")
        proof = wire.read()
    way = (
        _check_native(proof, nonce, account)
        if account.plugin == NATIVE
        else _check_sha2(wire, proof, nonce, account, certificate, secure)
    )
    if way is None or user.decode() != account.user:
        raise LoginRefusedError(
            1045, "28000", f"Access denied for user '{user.decode()}'@'localhost' (using password: YES)"
        )
    wire.write(packets.ok())
    return way, database


def _check_native(proof: bytes, nonce: bytes, account: Account) -> str | None:
    if not account.password:
        return None if proof else "native"
    stored = _sha1(_sha1(account.password.encode()))
    return "native" if _sha1(_xor(proof, _sha1(nonce + stored))) == stored else None


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data, usedforsecurity=False).digest()


def _check_sha2(
    wire: Wire, proof: bytes, nonce: bytes, account: Account, certificate: Certificate, secure: bool
) -> str | None:
    password = account.password.encode()
    if not password:
        return None if proof.strip(b"\0") else "fast"
    stored = hashlib.sha256(hashlib.sha256(password).digest()).digest()
    if account.remembered:
        first = _xor(proof, hashlib.sha256(stored + nonce).digest())
        if hashlib.sha256(first).digest() != stored:
            return None
        wire.write(_FAST_DONE)
        return "fast"
    wire.write(_FULL_NEEDED)
    said = wire.read()
    if secure:
        return "full over TLS" if said == password + b"\0" else None
    if said == _KEY_WANTED:
        wire.write(b"\x01" + certificate.public_key())
        said = wire.read()
    clear = certificate.decrypt(said)
    return "full by RSA" if _xor(clear, (nonce * (len(clear) // 20 + 1))[: len(clear)]) == password + b"\0" else None


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else b""
