"""Where the repository lies, for tests that read its documents or start its commands."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).parents[2]
