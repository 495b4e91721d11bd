"""The checksum of OSS."""

from pathlib import Path

from aggregation_pipeline.storage.crc64 import CHUNK, crc64, crc64_of_file


def test_it_is_crc_64_xz():
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA  # the check value of the catalogue of CRCs


def test_it_goes_on_from_an_earlier_piece():
    assert crc64(b"6789", crc64(b"12345")) == crc64(b"123456789")


def test_a_file_is_summed_across_chunk_boundaries(tmp_path: Path):
    content = bytes(range(251)) * (2 * CHUNK // 251 + 1)
    (tmp_path / "file").write_bytes(content)
    assert crc64_of_file(tmp_path / "file") == (len(content), str(crc64(content)))
