"""Links in a corner of Dagster's UI, which knows nothing of our pages: to batches, and to one's account."""

from html import escape

from starlette.responses import HTMLResponse

from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.web.common.principal import LOCAL, shown_name

_END = b"</body>"
_CORNER = '<div style="position:fixed;left:8px;bottom:6px;z-index:15;display:flex;gap:4px">{links}</div>'
_LINK = (
    '<a href="{href}" title="{title}" style="max-width:56px;overflow:hidden;text-overflow:ellipsis;white-space:nowrap;'
    "font:11px/16px system-ui,sans-serif;padding:0 5px;border-radius:8px;color:#fff;background:#4f43dd;"
    'text-decoration:none">{name}</a>'
)


def with_corner_links(page: HTMLResponse, principal: Principal, prefix: str) -> HTMLResponse:
    """Return Dagster's page with the links; without that to the account, if nobody has to sign in."""
    links = [("batches", "Batches", "Batches and tables: is anything wrong?")]
    if principal is not LOCAL:
        title = f"{principal.name} ({principal.role.name.lower()}): your account, sign out"
        links.append(("account", shown_name(principal), title))
    shown = "".join(
        _LINK.format(href=escape(f"{prefix}/{path}"), title=escape(title), name=escape(name))
        for path, name, title in links
    )
    headers = {name: value for name, value in page.headers.items() if name != "content-length"}
    added = _CORNER.format(links=shown).encode()
    return HTMLResponse(bytes(page.body).replace(_END, added + _END), page.status_code, headers)
