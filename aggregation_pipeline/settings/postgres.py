"""The variables of PostgreSQL: Dagster's own storage, and batch_jobs, which is in the same database by default."""

from datetime import timedelta

from pydantic import BaseModel, Field, SecretStr, ValidationInfo, field_validator

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.postgres.url import normalize_url


class PostgresSettings(BaseModel):
    """Where runs, locks and batch_jobs are kept, and for how long."""

    dagster_pg_url: SecretStr | None = None
    batch_jobs_url: SecretStr | None = None
    batch_job_type: str = Field(default="data_collection", min_length=1, max_length=50)
    # Tells the rows of this deployment from those of others in the same batch_jobs.
    deployment_name: str = Field(default="default", min_length=1, max_length=63)
    # Our rows are deleted so many days after their runs ended; unset keeps them for ever.
    batch_jobs_retention_days: int | None = Field(default=None, ge=1, le=36_500)
    # How far back the first start of the sensors, and `batch-jobs backfill`, look for runs without a row.
    batch_jobs_history_days: int = Field(default=30, ge=0, le=36_500)

    @field_validator("dagster_pg_url", "batch_jobs_url")
    @classmethod
    def _normalize_url(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        try:
            return SecretStr(normalize_url(value.get_secret_value(), name=str(info.field_name).upper()))
        except SettingsError as error:
            # As a ValueError it joins the other problems in one message.
            raise ValueError(str(error)) from None

    @property
    def batch_jobs_history(self) -> timedelta:
        """How far back runs are given rows: never further than rows are kept."""
        return timedelta(
            days=min(self.batch_jobs_history_days, self.batch_jobs_retention_days or self.batch_jobs_history_days)
        )

    @property
    def batch_jobs_variable(self) -> str:
        """The variable that says where batch_jobs is, unless SUPABASE_URL does."""
        return "DAGSTER_PG_URL" if self.batch_jobs_url is None else "BATCH_JOBS_URL"

    def require_dagster_url(self) -> str:
        """Return the URL of Dagster's PostgreSQL.

        Raises:
            SettingsError: DAGSTER_PG_URL is not set.
        """
        if self.dagster_pg_url is None:
            raise SettingsError(
                "DAGSTER_PG_URL is not set: Dagster keeps its runs and schedules, and the one-at-a-time locks, in"
                " PostgreSQL. Set DAGSTER_PG_URL=postgresql+psycopg2://user:password@host:5432/dagster, or try"
                " everything on embedded servers with `make demo`."
            )
        return self.dagster_pg_url.get_secret_value()

    def require_batch_jobs_url(self) -> str:
        """Return the URL of the PostgreSQL that holds batch_jobs: BATCH_JOBS_URL, else Dagster's own.

        Raises:
            SettingsError: neither is set.
        """
        return self.batch_jobs_url.get_secret_value() if self.batch_jobs_url is not None else self.require_dagster_url()
