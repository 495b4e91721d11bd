"""What `serve` refuses before it starts anything. live/test_services.py tests the rest."""

import socket
from pathlib import Path

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.local.serve import require_free, run_serve
from aggregation_pipeline.services.supervisor import Address
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.web.sign_in.start import refuse_open_host
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Settings:
    url = "postgresql://nobody@127.0.0.1:1/none"
    environment = {**environment_without_settings(), "AGGREGATION_ENV_FILE": "/dev/null", "DAGSTER_PG_URL": url}
    use_environment(monkeypatch, {**environment, **variables})
    return load_settings()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "dagster.example", ""])
def test_other_machines_reach_the_service_only_if_a_setting_says_how_passwords_travel(
    host: str, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(SettingsError, match=r"(?s)without TLS.*ssh -L.*TRUSTED_PROXIES.*ALLOW_SIGN.*SIGN_IN_AT_PROXY"):
        refuse_open_host(settings(monkeypatch), host, 3000)
    for name, value in (
        ("SIGN_IN_AT_PROXY", "true"),
        ("TRUSTED_PROXIES", "10.0.0.1"),
        ("ALLOW_SIGN_IN_OVER_HTTP", "true"),
    ):
        refuse_open_host(settings(monkeypatch, **{name: value}), host, 3000)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_reaches_the_service(host: str, monkeypatch: pytest.MonkeyPatch):
    refuse_open_host(settings(monkeypatch), host, 3000)


def test_a_port_in_use_is_named_before_anything_starts():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SettingsError, match=f"Port {port} is in use, .* serve --port {port + 1}"):
            require_free(Address("127.0.0.1", port), "aggregation-pipeline serve")
    require_free(Address("127.0.0.1", port), "aggregation-pipeline serve")
    with pytest.raises(SettingsError, match=r"no\.such\.host is no address of this machine"):
        require_free(Address("no.such.host", port), "aggregation-pipeline serve")
    with pytest.raises(SettingsError, match=r"192\.0\.2\.1:.* cannot be listened on"):
        require_free(Address("192.0.2.1", port), "aggregation-pipeline serve")


def test_a_home_without_dagster_yaml_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings(monkeypatch, DAGSTER_HOME=str(tmp_path))
    with pytest.raises(SettingsError, match=r"There is no dagster\.yaml in DAGSTER_HOME"):
        run_serve(Address("127.0.0.1", 3000), None)
