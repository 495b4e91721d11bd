# What rows.c holds. It checks the sizes of buffers and raises ValueError for wrong ones.

from typing import TypeAlias

from typing_extensions import Buffer

# Kind, first item, number, and three buffers, some of which a kind does without: see rows.c.
Piece: TypeAlias = tuple[int, int, int, Buffer | None, Buffer | None, Buffer | None]

def join(pieces: list[Piece], start: int, rows: int, target: Buffer, /) -> tuple[int, int]: ...
