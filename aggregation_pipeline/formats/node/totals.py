"""How many tables and rows the files of a tick hold."""

from dataclasses import dataclass


@dataclass
class Totals:
    """Counted while the tables are written."""

    records: int = 0
    successes: int = 0
    errors: int = 0

    @property
    def tables(self) -> int:
        """All of them."""
        return self.successes + self.errors

    def as_written(self) -> dict[str, int]:
        """The totals by their names in the JSON file."""
        return {
            "totalTables": self.tables,
            "totalRecords": self.records,
            "successCount": self.successes,
            "errorCount": self.errors,
        }
