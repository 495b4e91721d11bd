"""A small provider of OpenID Connect: real discovery, keys, signatures, PKCE and codes that count once.

Whoever comes is signed in at once, as the person that a test has put there.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "aggregation"
SECRET = "secret-of-the-client"


@dataclass
class OpenIdProvider:
    """What the provider does. A test changes `claims`, and `mistake` for what a bad provider would send."""

    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    mistake: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
        }

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser is sent back to."""
        assert (asked["client_id"], asked["response_type"]) == (CLIENT, "code")
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe()
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def token(self, sent: dict[str, str], authorization: str) -> dict[str, Any]:
        """Return the tokens for a code."""
        assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == f"{CLIENT}:{SECRET}"
        asked = self.codes.pop(sent["code"])
        challenge = (
            base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).decode().rstrip("=")
        )
        assert challenge == asked["code_challenge"]
        assert sent["redirect_uri"] == asked["redirect_uri"]
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            **self.claims,
        }
        key, header = self.key, {"alg": "RS256", "kid": "one"}
        match self.mistake:
            case "key":
                key = RSAKey.generate_key(2048, {"kid": "one"})
            case "issuer":
                claims["iss"] = "https://other.example"
            case "audience":
                claims["aud"] = "other"
            case "nonce":
                claims["nonce"] = "other"
            case "expired":
                claims["exp"] = now - 3600
            case "no token":
                return {"access_token": "a", "token_type": "Bearer"}
        made = jwt.encode(header, claims, key)
        if self.mistake == "unsigned":
            parts = (json.dumps({"alg": "none"}), json.dumps(claims))
            made = ".".join(_url_safe(part.encode()) for part in parts) + "."
        return {"access_token": "a", "token_type": "Bearer", "id_token": made}


def _url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


@contextmanager
def serving_provider() -> Iterator[OpenIdProvider]:
    """Serve a provider on a port of 127.0.0.1."""
    provider = OpenIdProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            provider.asked.append(url.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if url.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
                return
            answers: dict[str, Any] = {
                "/.well-known/openid-configuration": provider.discovery(),
                "/keys": {"keys": [provider.key.as_dict(private=False)]},
                "/userinfo": provider.userinfo,
            }
            self._send(answers[url.path])

        def do_POST(self) -> None:
            sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            fields = {name: values[0] for name, values in sent.items()}
            try:
                self._send(provider.token(fields, self.headers["Authorization"]))
            except (AssertionError, KeyError):
                self._send({"error": "invalid_grant"}, 400)

        def _send(self, answer: Any, status: int = 200) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.issuer = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
