"""The kernels themselves: whether they were built, and what they do with arguments that are wrong."""

import os
import struct
from typing import Any

import pytest
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.native.kernels import COMPILED, compiled, joiner


def test_where_everything_is_tested_the_kernels_were_built(request: pytest.FixtureRequest):
    if not os.environ.get("CI") or request.config.getoption("--without-native"):
        pytest.skip("they are optional elsewhere")
    assert COMPILED
    assert joiner is not None


def test_the_version_says_whether_they_were_built():
    shown = CliRunner().invoke(main, ["--version"], prog_name="aggregation-pipeline").output
    built = "with" if COMPILED and joiner else "without"
    assert shown == f"aggregation-pipeline, version 0.1.0, {built} C kernels\n"


@pytest.mark.skipif(not COMPILED, reason="not built")
@pytest.mark.parametrize(
    "arguments",
    [(b"",), (b"", -1), (b"", 1), (b"", 2**70), ("", 0), (memoryview(b"abcd")[::2], 0)],
)
def test_packet_ends_refuses_wrong_arguments(arguments: Any):
    with pytest.raises((TypeError, ValueError, OverflowError, BufferError)):
        compiled.packet_ends(*arguments)


@pytest.mark.skipif(not COMPILED, reason="not built")
@pytest.mark.parametrize(
    ("edges", "columns", "sizes"),
    [(b"", 1, (0, 0, 0)), (bytes(7), 1, (0, 0, 0)), (bytes(16), 0, (0, 0, 0)), (bytes(16), 2**62, (8, 8, 1))]
    + [(bytes(16), 1, sizes) for sizes in ((0, 8, 1), (8, 0, 1), (8, 8, 0), (16, 8, 1))],
)
def test_cells_refuse_buffers_of_other_sizes(edges: bytes, columns: int, sizes: tuple[int, int, int]):
    with pytest.raises(ValueError, match="another size"):
        compiled.cells(bytes(8), edges, columns, *map(bytearray, sizes))


@pytest.mark.skipif(not COMPILED, reason="not built")
@pytest.mark.parametrize(
    "edges", [(0, 9), (-1, 8), (8, 0), (0, 3), (-(2**63), 8), (0, -(2**63)), (2**63 - 1, 2**63 - 1)]
)
def test_edges_outside_of_the_data_are_no_rows(edges: tuple[int, int]):
    room = (bytearray(8), bytearray(8), bytearray(1))
    assert compiled.cells(bytes(8), struct.pack("<qq", *edges), 1, *room) is None
