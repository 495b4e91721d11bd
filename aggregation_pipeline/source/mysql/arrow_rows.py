"""The rows of one statement as Arrow record batches, masked where the entry says so."""

from collections.abc import Iterator

import pyarrow as pa
from pydantic import SecretStr

from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.row_protocol import RowStream
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates


class ArrowRows:
    """The rows of one statement as Arrow record batches.

    Attributes:
        shaped: the statement, its columns and their masks.
        zero_dates: counts what could not be dates.
        schema: one field a column that is kept, in the statement's order.
        stream: the packets below; its `warnings` are known at the end.
    """

    def __init__(self, session: Session, shaped: DescribedQuery, zero_dates: ZeroDates, salt: SecretStr) -> None:
        self._session = session
        self.shaped = shaped
        self.zero_dates = zero_dates
        with session.translate_errors():
            self.stream = RowStream(session.driver_connection, shaped.query.sql)
        self._columns = shaped.column_types(self.stream.fields, session.clock, zero_dates, salt)
        self.schema = pa.schema([column.field for column in self._columns if column is not None])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order. To be taken to the end before the session is used for anything else."""
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
