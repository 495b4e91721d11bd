"""docs/access.md has every route and every mutation with the role that the code asks for, and nothing else."""

from pathlib import Path

import pytest

from aggregation_pipeline.access.roles import ROLES
from aggregation_pipeline.web.graphql.fields import IGNORED_MUTATIONS, MUTATIONS
from aggregation_pipeline.web.roles.permissions import ROLES as PERMISSION_ROLES
from aggregation_pipeline.web.roles.route_table import ROUTES, Need
from aggregation_pipeline_tests.support.markdown import CODE_SPAN, read, tables
from aggregation_pipeline_tests.support.paths import REPOSITORY

PAGES = [REPOSITORY / "docs" / name for name in ("access.md", "access.zh-CN.md")]


def shown(page: Path, title: int) -> list[list[str]]:
    """The table whose first cells are routes (0), or whose second are mutations (1)."""
    key = "`GET /health`" if title == 0 else "`launchRun`"
    (found,) = [table for table in tables(read(page)) if any(key in row[title] for row in table if len(row) > title)]
    return [list(row) for row in found if CODE_SPAN.findall(row[title])]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_route_is_there_with_its_role_and_its_scopes(page: Path):
    found: dict[str, Need] = {}
    for routes, role, scopes in shown(page, 0):
        word = role.replace("；", ";").partition(";")[0].strip()
        need = Need(ROLES.get(word), frozenset(CODE_SPAN.findall(scopes)))  # type: ignore[call-overload]
        found |= dict.fromkeys(CODE_SPAN.findall(routes), need)
    assert found == ROUTES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_mutation_is_there_with_its_role(page: Path):
    found = {name: ROLES[row[0].strip()] for row in shown(page, 1) for name in CODE_SPAN.findall(row[1])}  # type: ignore[index]
    assert found == {name: PERMISSION_ROLES[permission] for name, permission in MUTATIONS.items()}
    assert all(f"`{name}`" in page.read_text(encoding="utf-8") for name in IGNORED_MUTATIONS)
