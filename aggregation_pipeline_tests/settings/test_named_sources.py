"""Databases by name: aggregation.yaml, with the variables DB_<NAME>_... over it key by key."""

import logging
import os
from pathlib import Path

import pytest

from aggregation_pipeline.config.sources import Source
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.code_snapshot import pass_on_environment
from aggregation_pipeline.settings.named_sources import NamedSources
from aggregation_pipeline_tests.settings.settings_of import settings_of

CRM = {"DB_CRM_HOST": "crm.internal", "DB_CRM_USER": "u", "DB_CRM_NAME": "d", "DB_CRM_PASSWORD": "hush-hush"}
HIDDEN = "S3cr3tXYZ"


def test_variables_alone_make_a_source(read):
    sources = NamedSources(read(**CRM, DB_CRM_PORT="3307", DB_CRM_TIMEZONE="Europe/Berlin"), {})
    assert sources.names == ("crm",)
    options = sources.options("crm")
    assert (options.where, options.user, options.database, options.name) == ("crm.internal:3307", "u", "d", "crm")
    assert options.password.get_secret_value() == "hush-hush"
    assert sources.zone("crm").key == "Europe/Berlin"
    assert sources.zone(None).key == "Asia/Shanghai"


def test_the_environment_goes_before_the_file_key_by_key(read):
    given = Source(host="old", port=3307, user="reader", database="shop", timezone="UTC")
    sources = NamedSources(read(DB_SHOP_HOST="new", DB_SHOP_TIMEZONE="Asia/Tokyo"), {"shop": given})
    options = sources.options("shop")
    assert (options.where, options.user, options.database) == ("new:3307", "reader", "shop")
    assert sources.zone("shop").key == "Asia/Tokyo"


def test_a_host_of_the_environment_goes_before_a_socket_of_the_file(read):
    given = Source(socket="/run/my.sock", user="reader", database="shop")
    assert NamedSources(read(), {"shop": given}).options("shop").where == "/run/my.sock"
    assert NamedSources(read(DB_SHOP_HOST="db"), {"shop": given}).options("shop").where == "db:3306"


def test_a_password_can_stand_in_a_file_and_is_a_secret(read, tmp_path: Path):
    path = tmp_path / "password"
    path.write_text(f"{HIDDEN}\n")
    settings = read(
        **{**CRM, "DB_CRM_PASSWORD": ""}, DB_CRM_PASSWORD_FILE=str(path), DB_SHOP_HOST="h", DB_SHOP_PASSWORD="other-one"
    )
    options = NamedSources(settings, {}).options("crm")
    assert options.password.get_secret_value() == HIDDEN
    assert {HIDDEN, "other-one"} <= {*settings.secrets}
    assert HIDDEN not in repr(settings) + str(settings) + repr(options) + repr(settings.source_variables)


def test_variables_of_other_programs_change_nothing(read, tmp_path: Path):
    settings = read(
        DB_HOST="h",
        DB_USER="u",
        DB_NAME="d",
        DB_ROOT_PASSWORD="x",
        DB_ROOT_PASSWORD_FILE=str(tmp_path / "none"),
        DB_TEST_NAME="t",
        DB_READ_PORT="none",
        DB_USER_NAME="x",
    )
    assert NamedSources(settings, {}).names == ()
    assert NamedSources(settings, {}).options(None).where == "h:3306"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DB_SHOP_HOST": "h"}, r"half configured, user \(DB_SHOP_USER\), database \(DB_SHOP_NAME\) missing: write"),
        ({"DB_SHOP_USER": "u", "DB_SHOP_NAME": "d"}, r"half configured, host \(DB_SHOP_HOST\) missing"),
        ({"DB_SHOP_PORT": "many"}, "source shop cannot be used:\n  - DB_SHOP_PORT: a whole number is expected"),
        ({"DB_SHOP_HOST": "h:3307"}, "the port goes into DB_SHOP_PORT: write DB_SHOP_HOST=h and DB_SHOP_PORT=3307"),
        ({"DB_SHOP_HOST": f"u:{HIDDEN}@h"}, "the user goes into DB_SHOP_USER, the password into DB_SHOP_PASSWORD"),
        ({"DB_SHOP_TIMEZONE": "CST"}, "DB_SHOP_TIMEZONE: an IANA time zone"),
        ({"DB_SHOP_SSL_MODE": "verify-full"}, "DB_SHOP_SSL_MODE: one of .* Was VERIFY_IDENTITY meant"),
        (
            {"DB_SHOP_HOST": "h", "DB_SHOP_USER": "u", "DB_SHOP_NAME": "d", "DB_SHOP_SSL_CA": "none"},
            r"source shop cannot be used: DB_SHOP_SSL_CA: .*none cannot be read",
        ),
        ({"DB_SHOP_PASSWORD": "x", "DB_SHOP_PASSWORD_FILE": "y"}, "DB_SHOP_PASSWORD .* and DB_SHOP_PASSWORD_FILE"),
    ],
)
def test_what_is_wrong_is_said_where_the_source_is_read(read, variables: dict[str, str], words: str):
    sources = NamedSources(read(**variables), {"shop": Source()})
    with pytest.raises(SettingsError, match=words) as caught:
        sources.options("shop")
    assert HIDDEN not in str(caught.value)


def test_who_gives_an_authority_wants_it_verified(read, tmp_path: Path):
    settings = read()
    by_name = {"user": "u", "database": "d", "ssl_ca": "ca.pem"}
    sources = NamedSources(
        settings,
        {
            "a": Source(host="h", **by_name),
            "b": Source(socket="/run/my.sock", **by_name),
            "c": Source(host="h", ssl_mode="verify-ca", **by_name),
            "d": Source(host="h", ssl_mode="REQUIRED", **by_name),
        },
    )
    modes = [sources.of(name).tls.mode for name in sources.names]
    assert modes == ["VERIFY_IDENTITY", "VERIFY_CA", "VERIFY_CA", "REQUIRED"]
    assert "DB_D_SSL_CA is set, but DB_D_SSL_MODE=REQUIRED verifies nothing" in sources.problem("d")


def test_without_a_name_and_without_db_host_the_sources_are_named(read):
    with pytest.raises(SettingsError, match=r"Give each entry its `source` \(there are crm\), or set DB_HOST"):
        NamedSources(read(**CRM), {}).options(None)
    with pytest.raises(SettingsError, match=r"^No source database is configured\. Set DB_HOST"):
        NamedSources(read(), {}).options(None)


def test_slips_in_the_variables_of_a_source_are_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
):
    from aggregation_pipeline.project import load_project

    path = tmp_path / "aggregation.yaml"
    path.write_text("sources: {warehouse: {host: h, user: u, database: d}}\ntables: {a: {source: warehouse}}\n")
    settings = settings_of(
        monkeypatch,
        AGGREGATION_CONFIG=str(path),
        DAGSTER_PG_URL="postgresql://u@h/d",
        DB_WAREHOUSE_HSOT="h",
        DB_WAREHUOSE_USER="u",
        DB_WAREHOUSE_SSL="on",
        DB_WAREHOUSE_PASSWORD_FIEL="x",
        DB_OTHER_HOST="h",
    )()
    with caplog.at_level(logging.WARNING):
        load_project(settings)
    for wrong, right in {
        "DB_WAREHOUSE_HSOT": "DB_WAREHOUSE_HOST",
        "DB_WAREHUOSE_USER": "DB_WAREHOUSE_USER",
        "DB_WAREHOUSE_SSL": "DB_WAREHOUSE_SSL_MODE",
        "DB_WAREHOUSE_PASSWORD_FIEL": "DB_WAREHOUSE_PASSWORD_FILE",
    }.items():
        assert f"sets {wrong}, which has no meaning here. Was {right} meant?" in caplog.text
    assert "DB_OTHER_HOST" not in caplog.text


def test_children_inherit_what_env_and_files_say_of_a_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path, password = tmp_path / ".env", tmp_path / "password"
    password.write_text(HIDDEN)
    path.write_text(f"DB_CRM_HOST=h\nDB_CRM_USER=u\nDB_CRM_NAME=d\nDB_CRM_PASSWORD_FILE={password}\n")
    settings = settings_of(monkeypatch, AGGREGATION_ENV_FILE=str(path))()
    # What children inherit, and no test after this one.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    pass_on_environment(settings.variable_names)
    password.unlink()
    options = NamedSources(load_settings(), {}).options("crm")
    assert (options.where, options.password.get_secret_value()) == ("h:3306", HIDDEN)
