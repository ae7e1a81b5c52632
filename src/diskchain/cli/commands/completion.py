"""``diskchain completion``: the completion script for a shell, made by shtab from the real parsers."""

import argparse

from diskchain.errors import MissingExtra

EXAMPLE = """\
examples:
  diskchain completion bash > /etc/bash_completion.d/diskchain
  diskchain completion fish > ~/.config/fish/completions/diskchain.fish

exit codes: 0 printed, 2 usage, or shtab is not installed"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``completion``."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), help="the shell to complete in")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    try:
        import shtab
    except ImportError:
        raise MissingExtra("shtab", "completion", "completion") from None
    from diskchain.cli.full_parser import build_parser
    from diskchain.cli.verbs import VERBS

    print(shtab.complete(build_parser(tuple(VERBS)), args.shell))
    return 0
