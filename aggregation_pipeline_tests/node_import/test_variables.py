"""The old `.env`, with the defaults of the old code, as variables of this project."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from aggregation_pipeline.node_import.code.sources import NodeProject, open_project
from aggregation_pipeline.node_import.variables import Variables, secrets_of, variables_of
from aggregation_pipeline.settings.env_file import parse_env_file
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, written

SOURCE = "DB_HOST=localhost\nDB_USER=me\nDB_NAME=shop\n"


@pytest.fixture
def project(tmp_path: Path) -> NodeProject:
    return open_project(written(tmp_path, OLD_SERVICE))


def made_of(text: str, project: NodeProject | None) -> Variables:
    return variables_of(parse_env_file(text, Path(".env")), text, project, ["users"], "")


def said(made: Variables, name: str) -> list[tuple[str, str, str]]:
    return [(item.kind, item.text, item.place) for item in made.items if item.what == name]


def test_variables_of_the_same_meaning_keep_name_and_order(project: NodeProject):
    made = made_of(
        "LOG_LEVEL=debug\nDB_NAME=shop\nDB_USER=me\nDB_HOST=db\nSUPABASE_URL=https://x.supabase.co\nSUPABASE_KEY=k\n",
        project,
    )
    assert list(made.values)[:6] == ["LOG_LEVEL", "DB_NAME", "DB_USER", "DB_HOST", "SUPABASE_URL", "SUPABASE_KEY"]
    assert said(made, "DB_HOST") == [("carried", "the same", ".env")]


def test_an_empty_variable_leaves_nothing_to_do(project: NodeProject):
    made = made_of(f"{SOURCE}OSS_SECURITY_TOKEN=\nSUPABASE_KEY=\nWEBHOOK_URL=\nWEBHOOK_TOKEN=x\n", project)
    named = {item.what for item in made.items}
    assert named & {"OSS_SECURITY_TOKEN", "SUPABASE_KEY", "WEBHOOK_URL", "WEBHOOK_TOKEN"} == {"WEBHOOK_TOKEN"}


def test_defaults_of_the_code_are_written_out_with_their_place(project: NodeProject):
    made = made_of("DB_USER=me\nDB_NAME=shop\n", project)
    assert (made.values["DB_HOST"], made.values["DB_PORT"]) == ("localhost", "3306")
    assert said(made, "DB_HOST") == [("carried", "the default of the old code is written out", "config/database.js:2")]
    assert (made.values["CRON_SCHEDULE"], made.values["TIMEZONE"]) == ("0 0 2 * * *", "Asia/Shanghai")


def test_both_readers_read_what_node_read_and_each_variable_that_differed_is_named(
    project: NodeProject, tmp_path: Path
):
    text = SOURCE + 'DB_PASSWORD=p@ss#1word\nOSS_REGION: cn-x\nMASK_SALT=`0123456789 abcdef`\nSTORAGE_DIR="a\\tb"\n'
    made = made_of(text, project)
    path = tmp_path / "new.env"
    path.write_text("\n".join(made.lines), "utf-8")
    expected = {"DB_PASSWORD": "p@ss", "MASK_SALT": "0123456789 abcdef", "STORAGE_DIR": "a\\tb"}
    for read in (parse_env_file(path.read_text("utf-8"), path), dotenv_values(path)):
        assert {name: read[name] for name in expected} == expected
    different = {item.what for item in made.items if "read the old line differently" in item.text}
    assert different == {"DB_PASSWORD", "MASK_SALT", "STORAGE_DIR", "OSS_REGION"}
    assert not any("p@ss" in item.text or "abcdef" in item.text for item in made.items)


def test_a_value_that_no_line_gives_both_is_written_for_this_project_and_said(project: NodeProject):
    made = made_of(SOURCE + "DB_PASSWORD='a${HOME}b'\n", project)
    assert "DB_PASSWORD='a${HOME}b'" in made.lines
    ((kind, text, _),) = said(made, "DB_PASSWORD")
    assert kind == "not carried"
    assert "Set it in the environment" in text


@pytest.mark.parametrize(
    ("there", "here", "kind", "words"),
    [
        ("json", "json", "carried", "the same"),
        ("csv", "csv", "changed", "csv alone uploaded nothing there"),
        ("excel", "excel", "changed", "the files end in .xlsx"),
        ("all", "json,csv,excel", "changed", "here all has parquet too"),
        ("xml", "json", "not carried", "json is written instead"),
    ],
)
def test_formats_keep_their_meaning(project: NodeProject, there: str, here: str, kind: str, words: str):
    made = made_of(f"{SOURCE}OUTPUT_FORMAT={there}\n", project)
    assert made.values["OUTPUT_FORMAT"] == here
    assert said(made, "OUTPUT_FORMAT")[0][0] == kind
    assert words in said(made, "OUTPUT_FORMAT")[0][1]


@pytest.mark.parametrize(
    ("there", "here", "kind"),
    [
        ("0 30 2 * * *", "0 30 2 * * *", "carried"),
        ("0 0 2 1-7 * 1", "0 0 2 1-7 * 1", "carried"),
        ("0 2 1-7 * 1", "0 2 * * 1#1", "changed"),
        ("0 0 2 */2 * *", "0 2 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 * *", "changed"),
        ("0 0 2 1-6 * 1", "0 0 2 * * *", "not carried"),
        ("*/10 * * * * *", "0 0 2 * * *", "not carried"),
    ],
)
def test_a_schedule_means_what_their_version_of_node_cron_made_of_it(
    project: NodeProject, there: str, here: str, kind: str
):
    made = made_of(f"{SOURCE}CRON_SCHEDULE={there}\n", project)
    assert made.values["CRON_SCHEDULE"] == here
    assert said(made, "CRON_SCHEDULE")[0][0] == kind


def test_the_version_is_the_installed_one(project: NodeProject):
    written(project.root, {"node_modules/node-cron/package.json": '{"version": "4.2.1"}'})
    made = made_of(SOURCE + "CRON_SCHEDULE=0 0 2 */2 * *\n", project)
    assert made.values["CRON_SCHEDULE"] == "0 0 2 */2 * *"


def test_a_schedule_that_stands_in_the_code_is_taken(tmp_path: Path):
    code = "const cron = require('node-cron'); cron.schedule('0 15 3 * * *', run); cron.schedule('0 5 * * *', other);"
    made = made_of(SOURCE, open_project(written(tmp_path, {"server.js": code})))
    assert made.values["CRON_SCHEDULE"] == "0 15 3 * * *"
    ((kind, text, place),) = said(made, "CRON_SCHEDULE")
    assert (kind, place) == ("carried", "server.js:1")
    assert text.startswith("the same. '0 15 3 * * *' runs as '15 3 * * *'")
    assert "a second schedule" in said(made, "schedule")[0][1]


def test_zone_port_and_unknown_variables_are_said(project: NodeProject):
    made = made_of(SOURCE + "TZ=Europe/Berlin\nPORT=8080\nWEBHOOK_TOKEN=abcdef\nNODE_ENV=production\n", project)
    assert made.values["TIMEZONE"] == "Europe/Berlin"
    assert said(made, "PORT") == [
        ("not carried", "the port is an option here: aggregation-pipeline serve --port 8080", ".env")
    ]
    assert said(made, "WEBHOOK_TOKEN")[0][0] == "not carried"
    assert "WEBHOOK_TOKEN" not in made.values
    assert said(made, "NODE_ENV") == []


def test_what_this_project_would_refuse_is_said(project: NodeProject):
    made = made_of("DB_HOST=db:3307\nDB_USER=me\nDB_NAME=shop\nOSS_BUCKET=b\n", project)
    left = "; ".join(f"{item.what}: {item.text}" for item in made.items if item.kind == "not carried")
    assert "DB_HOST: the port goes into DB_PORT" in left


CRON = "const cron = require('node-cron');"
OF_CONFIG = {
    "server.js": CRON + "const c = require('./c'); cron.schedule(c.every, run)",
    "c.js": "exports.every = '0 5 * * *'",
}


@pytest.mark.parametrize(
    ("files", "cron", "zone"),
    [
        ({"server.js": CRON + "const C = '0 5 * * *'; cron.schedule(C, run, { timezone: 'Europe/Berlin' })"},
         True, True),
        (OF_CONFIG, True, False),
        ({"server.js": "const { CronJob } = require('cron'); new CronJob('0 5 * * *', f, null, true, 'Europe/Berlin')"},
         True, True),
        ({"server.js": "const cron_1 = require('cron'); new cron_1.CronJob('0 5 * * *', f, null, 1, 'Europe/Berlin')"},
         True, True),
        ({"server.js": "import s from 'node-schedule'; s.scheduleJob({ rule: '0 5 * * *', tz: 'Europe/Berlin' }, run)"},
         True, True),
        ({"server.js": "const s = require('node-schedule'); s.scheduleJob('daily', '0 5 * * *', run)"}, True, False),
        ({"server.js": CRON + "cron.schedule(of(day), run, { timezone: zone() })"}, False, False),
        ({"server.js": ""}, False, False),
    ],
)  # fmt: skip
def test_schedule_and_zone_are_those_of_the_call_or_said_to_be_unknown(
    tmp_path: Path, files: dict[str, str], cron: bool, zone: bool
):
    made = made_of(SOURCE, open_project(written(tmp_path, files)))
    kinds = {item.what: item.kind for item in made.items}
    assert (kinds["CRON_SCHEDULE"], kinds["TZ"]) == tuple("carried" if each else "not carried" for each in (cron, zone))
    assert made.values["CRON_SCHEDULE"] == ("0 5 * * *" if cron else "0 0 2 * * *")
    assert made.values["TIMEZONE"] == ("Europe/Berlin" if zone else "Asia/Shanghai")


def test_a_variable_that_the_scheduler_is_not_given_decides_nothing(tmp_path: Path):
    project = open_project(written(tmp_path, {"server.js": CRON + "cron.schedule('0 5 * * *', run)"}))
    made = made_of(SOURCE + "CRON_SCHEDULE=0 9 * * *\n", project)
    assert made.values["CRON_SCHEDULE"] == "0 5 * * *"
    assert said(made, "CRON_SCHEDULE")[0][0] == "not carried"


def test_what_is_secret_is_known_by_names_and_by_passwords_in_urls():
    env = {"API_PW": "hunter22", "MYSQL_URI": "mysql://u@h/d", "HOST": "mysql://root:topsecret@h", "PWNED": "harmless"}
    assert secrets_of(env) == ["hunter22", "mysql://u@h/d", "topsecret"]
