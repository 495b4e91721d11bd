"""The registry: what the doctor examines, in the order in which it is shown."""

from collections.abc import Mapping
from typing import Final

from aggregation_pipeline.doctor.alerts import examine_alerts
from aggregation_pipeline.doctor.batch_jobs import examine_batch_jobs
from aggregation_pipeline.doctor.configuration import examine_configuration
from aggregation_pipeline.doctor.dagster import examine_dagster
from aggregation_pipeline.doctor.examination import Subject
from aggregation_pipeline.doctor.files import examine_files
from aggregation_pipeline.doctor.machine import examine_machine
from aggregation_pipeline.doctor.mysql import examine_mysql
from aggregation_pipeline.doctor.postgres import examine_postgres

SUBJECTS: Final[Mapping[str, Subject]] = {
    "settings": examine_configuration,
    "mysql": examine_mysql,
    "postgres": examine_postgres,
    "batch_jobs": examine_batch_jobs,
    "files": examine_files,
    "dagster": examine_dagster,
    "machine": examine_machine,
    "alerts": examine_alerts,
}
