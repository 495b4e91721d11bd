"""Every name that this project writes to Dagster, or reads there: tags of runs and sensors, keys of metadata.

What is stored under these names outlives a release, so each is spelled here and nowhere else. Dagster's own names are
repeated rather than imported: half of them are private, and modules without Dagster need them too. A test compares them
with Dagster's.
"""

from typing import Final

# Tags that Dagster sets on runs.
PARTITION_NAME_TAG: Final = "dagster/partition"
ASSET_PARTITION_RANGE_START_TAG: Final = "dagster/asset_partition_range_start"
ASSET_PARTITION_RANGE_END_TAG: Final = "dagster/asset_partition_range_end"
BACKFILL_ID_TAG: Final = "dagster/backfill"
SCHEDULE_NAME_TAG: Final = "dagster/schedule_name"
SENSOR_NAME_TAG: Final = "dagster/sensor_name"
PARENT_RUN_ID_TAG: Final = "dagster/parent_run_id"
ROOT_RUN_ID_TAG: Final = "dagster/root_run_id"
WILL_RETRY_TAG: Final = "dagster/will_retry"
AUTO_RETRY_RUN_ID_TAG: Final = "dagster/auto_retry_run_id"
RUN_KEY_TAG: Final = "dagster/run_key"
RUN_FAILURE_REASON_TAG: Final = "dagster/failure_reason"
GRPC_INFO_TAG: Final = ".dagster/grpc_info"

# Our tags of runs.
LOGICAL_TIME_TAG: Final = "aggregation/logical_time"
WINDOW_TAG: Final = "aggregation/window"
# On a run that takes the place of one that failed before it began; the value is the id of that one.
REPLACED_RUN_TAG: Final = "aggregation/replaced_run"
# On a run that somebody has launched in the UI or by HTTP: the name under which they have signed in.
REQUESTED_BY_TAG: Final = "aggregation/requested_by"
# On a run that was asked for by POST /aggregate: the id of the request.
REQUEST_ID_TAG: Final = "aggregation/request_id"
# On the runs of a tick that makes several: which tick of which job it is. Retries and re-executions keep it.
TICK_TAG: Final = "aggregation/tick"
# On a run that writes the files of a tick in the shape of the Node.js service: the ids of the tick's runs, with commas.
TICK_RUN_TAG: Final = "aggregation/tick_run"
# On a run of a partition whose rows have changed since it was published: the name of its table.
REFRESH_TAG: Final = "aggregation/refresh"
# On a run whose process holds its heartbeat; the value is the run's own id, because a re-execution copies its tags.
# Dagster's UI hides tags that begin with ".dagster/". The first is set on a run that was created with the heartbeat
# already held (`aggregation-pipeline run`), the second on a run of a worker, once it has started.
IN_PROCESS_TAG: Final = ".dagster/aggregation_in_process"
HEARTBEAT_TAG: Final = ".dagster/aggregation_heartbeat"
# On a run that was sent to workers a second time, because its message was lost; the value is the run's own id.
PUT_BACK_TAG: Final = ".dagster/aggregation_put_back"

# On sensors that need no attention of an operator's. In the UI, `not tag:internal=true` leaves them out of the list.
INTERNAL_TAG: Final = "internal"

# Keys of metadata that Dagster's UI shows in places of their own.
TABLE_NAME_KEY: Final = "dagster/table_name"
ROW_COUNT_KEY: Final = "dagster/row_count"
PARTITION_ROW_COUNT_KEY: Final = "dagster/partition_row_count"
URI_KEY: Final = "dagster/uri"
COLUMN_SCHEMA_KEY: Final = "dagster/column_schema"
COLUMN_LINEAGE_KEY: Final = "dagster/column_lineage"
CODE_REFERENCES_KEY: Final = "dagster/code_references"
LAST_UPDATED_KEY: Final = "dagster/last_updated_timestamp"

# Our keys of metadata: a manifest's materialization carries them, and the projection reads them.
TABLE_KEY: Final = "aggregation/table"
PLATFORM_KEY: Final = "aggregation/platform"
# The source by name that the table is read from; missing where it is the database without one.
SOURCE_KEY: Final = "aggregation/source"
WINDOW_KEY: Final = "aggregation/window"
ITEMS_KEY: Final = "aggregation/items"
SECONDS_KEY: Final = "aggregation/seconds"
STAGE_SECONDS_KEY: Final = "aggregation/stage_seconds"
BYTES_KEY: Final = "aggregation/bytes"
ATTEMPT_KEY: Final = "aggregation/attempt"
FILES_KEY: Final = "aggregation/files"
