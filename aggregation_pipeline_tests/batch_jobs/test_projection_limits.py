"""A row stays small and holds no secret, however much a run makes."""

import json

from aggregation_pipeline.batch_jobs.projection import ERRORS_IN_A_ROW, FILES_IN_A_ROW, INTEGER_MAX
from aggregation_pipeline.runs.model import Planned
from aggregation_pipeline_tests.batch_jobs.projected import done, failed, planned, row, run_info


def test_totals_end_at_the_columns_limit_and_the_summary_stays_exact():
    made = row(run_info("SUCCESS"), *planned("baidu", "weibo"), done(10, "baidu", INTEGER_MAX), done(11, "weibo", 5))
    assert (made.total_items, made.metadata["summary"]["rows"]) == (2**31 - 1, INTEGER_MAX + 5)


def test_secrets_in_error_texts_are_masked_and_the_text_is_cut():
    text = (
        "Access denied for mysql://ada:hunter2@db/shop, AccessKeySecret=LTAI5t password: 'p w', token s3cr3t-value\n"
        + "line\n" * 50
    )
    error = row(
        run_info("FAILURE"), *planned("baidu"), failed(10, "baidu", text), secrets=["s3cr3t-value", ""]
    ).metadata["errors"][0]["error"]
    assert error.startswith("Access denied for mysql://ada:***@db/shop, AccessKeySecret=*** password: ")
    assert not any(secret in error for secret in ("hunter2", "LTAI5t", "s3cr3t-value"))
    assert error.count("\n") == 9
    assert (
        len(
            row(run_info("FAILURE"), *planned("baidu"), failed(10, "baidu", "x" * 10_000)).metadata["errors"][0][
                "error"
            ]
        )
        == 2_000
    )


def test_a_row_stays_small_however_much_a_run_makes():
    partitions = tuple(f"p{number}" for number in range(1_000))
    files = tuple({"table": "baidu", "format": "csv", "uri": f"file:///{number}"} for number in range(6))
    events = [done(10 + number, "baidu", 1, partition, files=files) for number, partition in enumerate(partitions)]
    noise = [failed(5_000 + number, None, "e" * 5_000, step=f"s{number}") for number in range(200)]
    made = row(run_info("FAILURE"), Planned(1, "baidu", partitions), *events, *noise)
    result = made.metadata["results"]["baidu"]
    assert (len(result["files"]), result["files_left_out"], made.metadata["summary"]["files"]) == (
        FILES_IN_A_ROW,
        5_500,
        6_000,
    )
    assert len(made.metadata["errors"]) == ERRORS_IN_A_ROW
    all_of_them = row(run_info("SUCCESS"), done(1, "baidu", 1, files=files[:1] * FILES_IN_A_ROW)).metadata["results"][
        "baidu"
    ]
    assert (len(all_of_them["files"]), "files_left_out" in all_of_them) == (FILES_IN_A_ROW, False)
    assert len(json.dumps(made.metadata)) < 200_000


def test_each_platform_shows_a_file_however_many_there_are():
    names = [f"p{number}" for number in range(FILES_IN_A_ROW + 1)]
    files = tuple({"format": name} for name in ("csv", "json"))
    made = row(
        run_info("SUCCESS"), *(done(number, name, 1, files=files) for number, name in enumerate(names, 1)), platforms={}
    )
    assert {name: result["files"] for name, result in made.metadata["results"].items()} == {
        name: [{"format": "json"}] for name in names
    }
