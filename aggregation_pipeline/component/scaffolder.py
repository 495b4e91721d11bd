"""What `dg scaffold defs aggregation_pipeline.AggregationComponent shop` writes."""

from typing import Any, Final

from dagster import Scaffolder, ScaffoldRequest
from dagster.components.component_scaffolding import scaffold_component

_EXAMPLE: Final = """\
type: {type}

attributes:
  # A table by name, with the keys that aggregation.yaml has: aggregates, rows, formats, partitions, masks, checks.
  # Or, in place of tables, a file in this folder: `config: aggregation.yaml`.
  tables:
    orders:
      group_by: [status]
      aggregations:
        - {{function: COUNT, alias: orders}}
        - {{function: SUM, field: amount, alias: revenue}}
      formats: [json, csv]

  # Variables of this component. Those that are missing come from the environment: DB_HOST, DB_USER, DB_PASSWORD,
  # DB_NAME; OSS_BUCKET and so on, or STORAGE_DIR; DAGSTER_PG_URL or BATCH_JOBS_URL for the window locks.
  # settings:
  #   DB_NAME: shop
  #   DB_PASSWORD: "{{{{ env.SHOP_DB_PASSWORD }}}}"
  #   OSS_PREFIX: shop      # a folder of its own, where another component has tables of the same names

  # Begins the keys of all assets. Without it the table above is aggregation/orders.
  # key_prefix: [shop]

  # schedules: false      # no schedules: runs are started by you, by your jobs or by declarative automation
  # sensors: false        # no catch_up, no refresh
  # batch_jobs: true      # a row of batch_jobs for each run
"""


class AggregationScaffolder(Scaffolder[Any]):
    """Writes a defs.yaml with comments."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        """Write the file; for Python, what Dagster writes."""
        if request.scaffold_format != "yaml":
            scaffold_component(request)
            return
        text = _EXAMPLE.format(type=request.type_name)
        if request.append:
            with request.target_path.open("a", encoding="utf-8") as file:
                file.write(f"---\n{text}")
        else:
            (request.target_path / "defs.yaml").write_text(text, encoding="utf-8")
