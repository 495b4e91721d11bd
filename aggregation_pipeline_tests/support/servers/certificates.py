"""A small authority that signs certificates, by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, PEM."""

    cert: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Whoever trusts `pair.cert` trusts what it signed."""

    folder: Path
    pair: Pair

    @classmethod
    def make(cls, folder: Path, name: str) -> "Authority":
        folder.mkdir(parents=True, exist_ok=True)
        pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        _request(pair, name, "basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        return cls(folder, pair)

    def sign(self, name: str, *hosts: str, expired: bool = False) -> Pair:
        """A certificate for `hosts`, as in `DNS:db.internal` or `IP:127.0.0.1`."""
        pair = Pair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        names = [f"subjectAltName={','.join(hosts)}"] if hosts else []
        _request(
            pair,
            name,
            "basicConstraints=CA:FALSE",
            *names,
            signer=self.pair,
            before=["faketime", "2020-01-01 00:00:00"] if expired else [],
        )
        return pair


def _request(
    pair: Pair, name: str, *extensions: str, signer: Pair | None = None, before: list[str] | None = None
) -> None:
    command = [
        *(before or []),
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        f"/CN={name}",
    ]
    command += [
        "-keyout",
        str(pair.key),
        "-out",
        str(pair.cert),
        *(part for text in extensions for part in ("-addext", text)),
    ]
    command += ["-CA", str(signer.cert), "-CAkey", str(signer.key)] if signer else []
    subprocess.run(command, check=True, capture_output=True)
