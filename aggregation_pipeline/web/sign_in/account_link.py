"""A link to one's account in Dagster's UI, which knows nothing of people: their name, small, in a corner."""

from html import escape

from starlette.responses import HTMLResponse

from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.web.common.principal import LOCAL

_END = b"</body>"
# Of the name that a provider gives, what follows # is for machines.
_LINK = (
    '<a href="{href}" title="{title}" style="position:fixed;left:8px;bottom:6px;z-index:15;max-width:56px;'
    "overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font:11px/16px system-ui,sans-serif;padding:0 5px;"
    'border-radius:8px;color:#fff;background:#4f43dd;text-decoration:none">{name}</a>'
)


def with_account_link(page: HTMLResponse, principal: Principal, prefix: str) -> HTMLResponse:
    """Return Dagster's page with the link, unless nobody has to sign in."""
    if principal is LOCAL:
        return page
    link = _LINK.format(
        href=escape(f"{prefix}/account"),
        title=escape(f"{principal.name} ({principal.role.name.lower()}): your account, sign out"),
        name=escape(principal.name.partition("#")[0] or principal.name),
    )
    headers = {name: value for name, value in page.headers.items() if name != "content-length"}
    return HTMLResponse(bytes(page.body).replace(_END, link.encode() + _END), page.status_code, headers)
