from aggregation_pipeline.formats.types_page import page
from aggregation_pipeline_tests.support.paths import REPOSITORY

PAGE = REPOSITORY / "docs" / "types.md"


def test_the_page_of_types_says_what_the_code_does():
    assert PAGE.read_text("utf-8") == page(), "run: python -m aggregation_pipeline.formats.types_page > docs/types.md"
