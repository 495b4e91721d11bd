"""Assets that depend on a table: one gets its rows, one only follows it."""

import dagster as dg
import polars as pl

ORDERS = dg.AssetKey(["aggregation", "orders"])


@dg.asset(ins={"orders": dg.AssetIn(ORDERS)})
def revenue(orders: pl.DataFrame) -> pl.DataFrame:
    """The revenue of the shop: the rows of the table come from where it is published."""
    return orders.select(pl.col("revenue").sum())


@dg.asset(deps=[ORDERS])
def announcement(context: dg.AssetExecutionContext) -> None:
    """Runs after the table."""
    context.log.info("new orders are published")
