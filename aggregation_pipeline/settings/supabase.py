"""The variables SUPABASE_...: how batch_jobs in Supabase is reached by REST."""

import re
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr, field_validator

from aggregation_pipeline.config.hosts_and_urls import url_problem

# Supabase's own pages. People copy their address from the browser.
_DASHBOARD: Final = re.compile(
    r"https?://(?:app\.|www\.)?supabase\.com\b(?:.*/project/(?P<project>[a-z0-9]+))?.*", re.IGNORECASE
)


class SupabaseSettings(BaseModel):
    """Both variables, or neither."""

    supabase_url: str | None = None
    supabase_key: SecretStr | None = None

    @field_validator("supabase_url")
    @classmethod
    def _read_project_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = value.strip()
        if dashboard := _DASHBOARD.fullmatch(url):
            raise ValueError(
                "that is the address of Supabase's own pages, and the project's is expected: "
                f"https://{dashboard['project'] or '<reference>'}.supabase.co"
            )
        problem = url_problem(url)
        parts = urlsplit("" if problem else url)
        local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        if problem or "@" in parts.netloc or (parts.scheme == "http" and not local):
            raise ValueError(
                "the URL of the Supabase project is expected, https://<reference>.supabase.co; a postgresql://"
                " connection string goes into BATCH_JOBS_URL, and http:// would send the key"
                f" unencrypted{f' ({problem})' if problem else ''}"
            )
        return f"{parts.scheme}://{parts.netloc}"

    @field_validator("supabase_key")
    @classmethod
    def _refuse_bad_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError(
                "a key is expected as Supabase shows it: Latin letters, digits and marks, without blanks and line ends"
            )
        return value
