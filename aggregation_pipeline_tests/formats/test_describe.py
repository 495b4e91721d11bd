from pathlib import Path

from aggregation_pipeline.formats.describe import page

PAGE = Path(__file__).parents[2] / "docs" / "types.md"


def test_the_page_of_types_says_what_the_code_does():
    assert PAGE.read_text("utf-8") == page(), "run: python -m aggregation_pipeline.formats.describe > docs/types.md"
