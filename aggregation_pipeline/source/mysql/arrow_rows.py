"""The rows of one statement as Arrow record batches, masked where the entry says so."""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import SecretStr

from aggregation_pipeline.source.mysql.as_of import as_of
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates


class ArrowRows:
    """The rows of one statement as Arrow record batches.

    Attributes:
        zero_dates: counts the dates that no calendar has.
        schema: one field for each column that is kept, in the statement's order.
        stream: the row packets; its `warnings` and `status` are known at the end.
    """

    def __init__(self, session: Session, described: DescribedQuery, zero_dates: ZeroDates, salt: SecretStr) -> None:
        self._session = session
        self.zero_dates = zero_dates
        with session.translate_errors():
            self.stream = RowStream(session.driver_connection, as_of(described.query.sql, session.capabilities.scn))
        self._columns = described.column_types(self.stream.fields, session.clock, zero_dates, salt)
        self.schema = pa.schema([column.field for column in self._columns if column is not None])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order. Take all of them before the session is used for anything else."""
        blocks = self.stream.blocks()
        while True:
            with self._session.translate_errors():
                block = next(blocks, None)
            if block is None:
                return
            arrays = [
                column.build(block, cells)
                for column, cells in zip(self._columns, block.columns, strict=True)
                if column is not None
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)
