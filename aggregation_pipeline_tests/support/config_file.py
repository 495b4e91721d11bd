"""aggregation.yaml for a test: written to a folder, loaded, and the issues that are found in it."""

import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.errors import ConfigError


def write_config(folder: Path, text: str | bytes) -> Path:
    """Write the file, its text dedented, and return its path."""
    path = folder / "aggregation.yaml"
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return path


def load_text(folder: Path, text: str | bytes) -> PipelineConfig:
    """Load a file with this text."""
    return load_config(write_config(folder, text))


def load_entries(folder: Path, tables: dict[str, Any]) -> PipelineConfig:
    """Load a file with these entries."""
    text = yaml.safe_dump({"tables": tables}, allow_unicode=True, sort_keys=False)
    return load_config(write_config(folder, text.encode()))


def find_issues(folder: Path, text: str | bytes) -> list[str]:
    """The issues in a file with this text, each as `line:column: message`."""
    with pytest.raises(ConfigError) as error:
        load_text(folder, text)
    lines = str(error.value).splitlines()
    return [line.partition("aggregation.yaml:")[2] for line in lines if str(folder) in line]
