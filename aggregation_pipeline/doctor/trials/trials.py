"""The three tests of batch_jobs, one after the other; each goes on where the one before has failed."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from aggregation_pipeline.doctor.trials.logic import try_logic
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.runs.batch_job_text import without_secrets
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.findings import Finding, failure


def run_trials(names: Sequence[str], tables: Sequence[str] | None) -> Iterator[Finding]:
    """Yield what the tests `logic`, `connection` and `full` find, as they go on. `tables`: what `full` collects."""
    for name in names:
        try:
            secrets: Sequence[str] = ()
            if name == "logic":
                found = try_logic()
            else:
                settings = load_settings()
                secrets = settings.secrets
                # What they need takes long to import.
                if name == "connection":
                    from aggregation_pipeline.doctor.trials.connection import try_connection

                    found = try_connection(settings)
                else:
                    from aggregation_pipeline.doctor.trials.collection import try_collection

                    found = try_collection(settings, tables)
            for finding in found:
                text, remedy = (without_secrets(each, secrets) for each in (finding.text, finding.remedy))
                yield replace(finding, subject=name, text=text, remedy=remedy)
        except PipelineError as error:
            yield replace(failure("stopped", without_secrets(str(error), secrets)), subject=name)
