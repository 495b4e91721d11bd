"""Under which name a browser saves a file."""

from urllib.parse import quote


def content_disposition(filename: str) -> str:
    """Return the header by which a browser names the saved file.

    Today's browsers read the full name (RFC 5987); what does not gets it in ASCII.
    """
    plain = "".join(
        character if character.isascii() and character.isprintable() and character not in '"\\/%' else "_"
        for character in filename
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"
