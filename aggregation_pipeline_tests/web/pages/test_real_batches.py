"""The pages of batches over a deployment that has run its tables."""

from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

from pydantic import SecretStr

from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.pages.test_batch_pages import links_of, text_of
from aggregation_pipeline_tests.web.served import free_port
from aggregation_pipeline_tests.web.shop import Shop, opened_app


def test_the_morning_after(shop: Shop):
    answer = shop.get("/batches")
    assert answer.status == 200, answer.body
    text = text_of(answer)
    assert f"/batches/{shop.runs['gone']}" in list(links_of(answer)), "of the failed table"
    assert "not_there" in text, "its error"
    for name in ("orders", "用户 明细", "gone"):
        assert name in text, name
    assert "3 of 3 tables" in text
    assert "max_rows" in text, "the check that warned"


def test_a_table_links_to_its_files(shop: Shop):
    answer = shop.get("/batches/tables/用户 明细")
    assert answer.status == 200, answer.body
    text = text_of(answer)
    assert "Newest window 2026-11-03" in text
    assert "30 6 * * *" in text
    for check in ("formats_reconciled", "stable_names_set"):
        assert check in text, check
    files = [link for link in links_of(answer) if link.startswith("/files/")]
    assert {link.rpartition(".")[2] for link in files} == {"csv", "json"}
    for link in files:
        assert shop.get(unquote(link)).status == 200, link


def test_a_batch_has_stages_checks_and_files(shop: Shop):
    answer = shop.get(f"/batches/{shop.runs['orders']}")
    assert answer.status == 200, answer.body
    text = text_of(answer)
    for shown in ("Read 0", "Publish 0", "max_rows", "warned", "orders.summary.csv"):
        assert shown in text, shown
    assert f"/runs/{shop.runs['orders']}" in list(links_of(answer))
    failed = text_of(shop.get(f"/batches/{shop.runs['gone']}"))
    assert "Errors gone" in failed
    assert "not_there" in failed


def test_a_day_lists_its_batches(shop: Shop):
    day = datetime.now(UTC).astimezone(shop.settings.zone).date()
    found = [shop.get(f"/batches/days/{day - timedelta(days=back)}") for back in (0, 1)]
    # The tables may have run before midnight.
    links = {link.rpartition("/")[2] for answer in found for link in links_of(answer)}
    assert set(shop.runs.values()) <= links
    one = [shop.get(f"/batches/days/{day - timedelta(days=back)}?table=orders&status=completed") for back in (0, 1)]
    links = {link.rpartition("/")[2] for answer in one for link in links_of(answer)}
    assert links & set(shop.runs.values()) == {shop.runs["orders"]}


def test_without_batch_jobs_the_rest_is_shown(shop: Shop):
    away = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    changed = shop.settings.model_copy(update={"batch_jobs_url": SecretStr(away)})
    with opened_app(changed, shop.instance) as app:
        answer = ask(app, "/batches")
        assert answer.status == 200
        assert "The database of batch_jobs does not answer" in text_of(answer)
        assert "3 of 3 tables" in text_of(answer)
        table = ask(app, "/batches/tables/orders")
        assert "The batches of this table cannot be read now" in text_of(table)
        batch = ask(app, f"/batches/{shop.runs['orders']}")
        assert ask(app, "/batches/days/2026-11-20").status == 503
        assert (batch.status, "this is what Dagster knows" in text_of(batch)) == (200, True)
