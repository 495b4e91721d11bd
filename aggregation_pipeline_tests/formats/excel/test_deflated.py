import io
import random
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation_pipeline.formats.excel import deflated
from aggregation_pipeline.formats.excel.deflated import Packed, Packer, write_zip

# XML of some blocks, in which no block is like the other.
TEXT = b"".join(b'<c r="A%d" s="1"><v>%d</v></c>' % (row, row * row) for row in range(80_000))


def deflate(cuts: list[int]) -> tuple[Packed, bytes]:
    file = io.BytesIO()
    packer = Packer(file)
    for start, end in zip([0, *cuts], [*cuts, len(TEXT)], strict=True):
        packer.write(TEXT[start:end])
    return packer.end(), file.getvalue()


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, len(TEXT)), max_size=8).map(sorted))
def test_the_same_bytes_give_the_same_piece_however_they_come(cuts: list[int]):
    assert len(TEXT) > 2 * deflated._BLOCK
    assert deflate(cuts) == deflate([])


@settings(max_examples=50, deadline=None)
@given(members=st.lists(st.lists(st.binary(max_size=300), max_size=4), max_size=4), seed=st.integers(0, 2**32))
def test_members_are_what_their_pieces_were_in_whatever_order_those_came(members: list[list[bytes]], seed: int):
    packed, target = io.BytesIO(), io.BytesIO()
    packer = Packer(packed)
    places = [(member, place) for member, parts in enumerate(members) for place in range(len(parts))]
    random.Random(seed).shuffle(places)
    made = {(member, place): packer.add(members[member][place]) for member, place in places}
    names = {f"m{i}": [made[i, place] for place in range(len(parts))] for i, parts in enumerate(members)}
    write_zip(target, names, packed)
    with zipfile.ZipFile(target) as archive:
        # read() compares the checksum.
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"m{i}": b"".join(parts) for i, parts in enumerate(members)
        }
        assert {each.date_time for each in archive.infolist()} <= {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.slow
def test_a_member_of_more_than_four_gigabytes_is_whole(tmp_path: Path):
    packed_path, path = tmp_path / "packed", tmp_path / "large.zip"
    with packed_path.open("x+b") as packed, path.open("x+b") as target:
        packer = Packer(packed)
        small = packer.add(b"small")
        for _ in range((4100 << 20) // deflated._BLOCK):
            packer.write(bytes(deflated._BLOCK))
        large = packer.end()
        assert large.size > 2**32
        write_zip(target, {"small": [small], "large": [small, large, small], "last": [small]}, packed)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert [each.extract_version for each in archive.infolist()] == [20, 45, 20]
