"""docs/types.md shows what the formats do now."""

from aggregation_pipeline.formats.types_page import with_table
from aggregation_pipeline_tests.support.paths import REPOSITORY


def test_the_table_of_types_says_what_the_formats_do():
    page = (REPOSITORY / "docs" / "types.md").read_text(encoding="utf-8")
    assert with_table(page) == page, "run python -m aggregation_pipeline.formats.types_page docs/types.md"
