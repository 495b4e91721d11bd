"""What users may write in aggregation.yaml is what is registered."""

from aggregation_pipeline.config.format_names import FILE_ENDINGS, FORMAT_NAMES
from aggregation_pipeline.formats.registry import FORMATS


def test_the_names_of_formats_that_aggregation_yaml_takes_are_the_registered_ones():
    assert tuple(FORMATS) == FORMAT_NAMES


def test_a_template_of_file_names_is_refused_with_the_ending_of_any_registered_format():
    assert set(FILE_ENDINGS) == {file_type.ending for each in FORMATS.values() for file_type in each.file_types}
