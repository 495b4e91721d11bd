"""What is remembered of somebody whom we have sent to a provider: in the browser's own cookie, sealed by us.

So they may come back to another web process than the one that sent them, also after a restart. The code that they bring
counts once, at the provider, and for the verifier of PKCE and the nonce of this attempt only.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from typing import Final

# How long somebody may take to sign in there.
_SECONDS: Final = 600
# Browsers keep no cookie of more than 4096 bytes, with its name.
LONGEST: Final = 3800


class SealedAttempts:
    """Attempts as texts that nobody can make or change who does not know `secret`."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"aggregation-pipeline attempt to sign in", hashlib.sha256)

    def seal(self, attempt: Mapping[str, str]) -> str:
        """Return the text of an attempt that begins now. Without its `next`, where that would make it too long."""
        written = self._write(attempt)
        return written if len(written) <= LONGEST else self._write({**attempt, "next": ""})

    def open(self, text: str) -> Mapping[str, str]:
        """Return the attempt; nothing if the text is none of ours, or too old."""
        content, _, seal = text.partition(".")
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), self._seal(content).encode()):
            return {}
        try:
            found = json.loads(base64.urlsafe_b64decode(content))
        except (ValueError, binascii.Error):
            return {}
        attempt: Mapping[str, str] = found["attempt"]
        return attempt if time.time() < found["until"] else {}

    def _write(self, attempt: Mapping[str, str]) -> str:
        kept = json.dumps({"until": time.time() + _SECONDS, "attempt": attempt}, ensure_ascii=False)
        content = base64.urlsafe_b64encode(kept.encode("utf-8", "replace")).decode()
        return f"{content}.{self._seal(content)}"

    def _seal(self, content: str) -> str:
        return hmac.new(self._key, content.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
