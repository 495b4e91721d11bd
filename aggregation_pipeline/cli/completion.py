"""`completion`: the script by which a shell completes our commands."""

import click
from click.shell_completion import get_completion_class

_PROGRAM = "aggregation-pipeline"
# Where click looks for what the shell asks.
_VARIABLE = "_AGGREGATION_PIPELINE_COMPLETE"


@click.command(short_help="Print the script by which a shell completes commands.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script by which bash, zsh or fish completes commands, options, tables, windows and formats.

    Tables are those of aggregation.yaml and of the store's folder; windows are those that are published. What takes too
    long, or cannot be read, is left out.

    \b
    eval "$(aggregation-pipeline completion bash)"      in ~/.bashrc
    eval "$(aggregation-pipeline completion zsh)"       in ~/.zshrc, after compinit
    aggregation-pipeline completion fish > ~/.config/fish/completions/aggregation-pipeline.fish
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"this click has no completion for {shell}")
    # click's own asks the bash of this machine for its version, and says so on stderr where it is too old.
    click.echo(found(context.find_root().command, {}, _PROGRAM, _VARIABLE).source())
