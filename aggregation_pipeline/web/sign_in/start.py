"""Before the service listens: whether it may, and the first account."""

import logging

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings

_log = logging.getLogger(__name__)


def refuse_open_host(settings: Settings, host: str, port: int) -> None:
    """Raise SettingsError if other machines reach the service, and passwords would travel without TLS."""
    if is_loopback(host) or settings.trusted_proxies or settings.allow_sign_in_over_http or settings.sign_in_at_proxy:
        return
    raise SettingsError(
        f"With --host {host} other machines reach port {port}, and passwords would travel without TLS. Leave --host"
        " out, and let people in by a proxy on this machine that speaks https, or by"
        f" ssh -L {port}:127.0.0.1:{port}. If the proxy is on another machine, name its address in TRUSTED_PROXIES. In"
        " a network where nobody listens, set ALLOW_SIGN_IN_OVER_HTTP=true. If the proxy itself signs people in, and"
        f" nobody gets to port {port} past it, set SIGN_IN_AT_PROXY=true."
    )


def prepare_access(settings: Settings, host: str, port: int) -> None:
    """Make the first account, where other machines reach the service and there is none.

    Raises:
        SettingsError: the service may not listen there.
        AccessError: the account cannot be made.
    """
    refuse_open_host(settings, host, port)
    signs_in_elsewhere = settings.sign_in_at_proxy or settings.sign_in_header or settings.oidc_issuer
    if is_loopback(host) and not signs_in_elsewhere and (settings.allowed_hosts or settings.trusted_proxies):
        _warn_of_no_account(settings)
    if is_loopback(host) or signs_in_elsewhere:
        return
    from aggregation_pipeline.access.first_admin import first_admin

    made = first_admin(settings.auth_path, settings.admin_password_file)
    if made is not None:
        _log.warning("The account %s was made. Its password is in %s", made.name, made.password_file)


def _warn_of_no_account(settings: Settings) -> None:
    if Accounts(settings.auth_path).is_empty:
        _log.warning(
            "There is no account, so only this machine is let in. `aggregation-pipeline users add NAME --role admin`"
            " makes the first one. If the proxy itself signs people in, set SIGN_IN_AT_PROXY=true"
        )
