"""What is said of variables that cannot be used. Nothing slow is imported: completion in a shell reads variables."""

from collections.abc import Iterable


def unusable(problems: Iterable[str], *, in_component: bool = False) -> str:
    """Say that variables cannot be used. Those of a component stand in its `settings`, or else in the environment."""
    own = "settings, or the environment (or .env) for what is not there,"
    place = own if in_component else "The environment (or .env)"
    return f"{place} cannot be used:\n" + "\n".join(f"  - {problem}" for problem in problems)
