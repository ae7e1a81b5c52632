"""TARGET, and the options that say which part of it is meant and how it is looked at; as the values that actions take."""

from typing import TYPE_CHECKING

from diskchain.actions.chains import Settings
from diskchain.actions.target import TargetName
from diskchain.readers.policy import POLICIES, policy_named
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from diskchain.actions.remote import RemoteReader


def add_target_arguments(
    parser: "argparse.ArgumentParser",
    *,
    several: bool = False,
    directory: bool = False,
    optional: bool = False,
    format_option: str | None = None,
) -> None:
    """TARGET and the options that say which part of it is meant.

    ``several``: any number of them; ``directory``: it may be one; ``optional``: or none. ``format_option``: how the format is spelt
    where ``-f`` is not.
    """
    kinds = "an image, a file with <domain>, <domainsnapshot> or <disk>, - for stdin"
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="*" if several else "?" if optional else None,
        help=f"{kinds}{', a directory' if directory else ''}; with -c a domain",
    )
    parser.add_argument(
        "-c", "--connect", metavar="URI", help="TARGET is the name or uuid of a domain of this libvirt connection"
    )
    parser.add_argument(
        "-d",
        "--disk",
        metavar="DISK",
        action="append",
        help="only this disk: vda; or a layer and what is below it: vda[2], a path, or a file's name; repeatable",
    )
    _add_format(parser, *(("-f", "--format") if format_option is None else (format_option,)))


def _add_format(parser: "argparse.ArgumentParser", *names: str) -> None:
    parser.add_argument(
        *names,
        metavar="FORMAT",
        choices=[str(f) for f in Format],
        help="TARGET is an image of this format (default: look)",
    )


def add_policy_argument(parser: "argparse.ArgumentParser") -> None:
    """``--policy``."""
    parser.add_argument(
        "--policy",
        choices=list(POLICIES),
        default="libvirt",
        help="what an image may make us open (default: %(default)s)",
    )


def add_directory_argument(parser: "argparse.ArgumentParser") -> None:
    """``--one-file-system``."""
    parser.add_argument(
        "--one-file-system", action="store_true", help="of a directory, leave out what is mounted below it"
    )


def target_name(args: "argparse.Namespace", name: str | None = None) -> TargetName:
    """The target that the arguments name, or another ``name`` looked at alike."""
    return TargetName(
        args.target if name is None else name,
        args.connect,
        None if (format := _format_of(args)) is None else Format(format),
        getattr(args, "timeout", DEFAULT_DEADLINE),
    )


def _format_of(args: "argparse.Namespace") -> str | None:
    """The format that is declared: of ``-f`` alone, where ``--format`` means something else."""
    found: str | None = args.f if hasattr(args, "f") else args.format
    return found


def target_names(args: "argparse.Namespace", names: "Iterable[str]") -> list[TargetName]:
    """As :func:`target_name` of each of ``names``, of which there may be many."""
    _, connect, format, timeout, *_ = target_name(args, "")
    return [TargetName(name, connect, format, timeout) for name in names]


def wanted_disks(args: "argparse.Namespace") -> list[str]:
    """The disks and layers that ``-d`` names; none: all."""
    return args.disk or []


def settings_of(args: "argparse.Namespace", reader: "RemoteReader | None" = None) -> Settings:
    """How the arguments want chains looked at. ``reader``: from ``options.remote``."""
    settings = Settings(
        timeout=getattr(args, "timeout", DEFAULT_DEADLINE),
        reader=reader,
        one_file_system=getattr(args, "one_file_system", False),
    )
    policy = getattr(args, "policy", None)
    return settings if policy is None else settings._replace(policy=policy_named(policy))
