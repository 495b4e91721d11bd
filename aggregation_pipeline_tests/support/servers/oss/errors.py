"""OSS's refusals, as XML."""

from collections.abc import Mapping
from xml.sax.saxutils import escape


class OssRefusalError(Exception):
    """A refusal: HTTP status, OSS code, message, and further elements of the error document."""

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.details = status, code, message, dict(details or {})

    def document(self, request_id: str, host: str) -> bytes:
        fields = {"Code": self.code, "Message": self.message, "RequestId": request_id, "HostId": host, **self.details}
        inner = "\n".join(f"  <{name}>{escape(_printable(value))}</{name}>" for name, value in fields.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>\n{inner}\n</Error>\n'.encode()


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() or character in "\n\t" else "?" for character in text)
