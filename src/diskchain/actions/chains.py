"""The one pipeline from targets to examined chains."""

from typing import TYPE_CHECKING, Final

from diskchain.actions.target import Target

if TYPE_CHECKING:
    from collections.abc import Iterable

    from diskchain.checks.consistency import FileIdentity, Use
    from diskchain.discover import BackingChain, Discoverer


#: Layers of a chain above which reads get slow enough to say so.
DEPTH_WARNING: Final = 30


def discovered(
    discoverer: "Discoverer", chosen: list[Target], *, depth_warning: int = DEPTH_WARNING
) -> list[tuple[str, "BackingChain"]]:
    """The chains of targets by name, examined; only as described where the files are on another host."""
    chains = [(target, chain_of(discoverer, target)) for target in chosen]
    return examined(chains, in_use(chains), depth_warning=depth_warning)


def in_use(chains: "Iterable[tuple[Target, BackingChain]]") -> "dict[FileIdentity, Use]":
    """The backing files that the guest of one of the targets may write to while overlays rely on them."""
    from diskchain.checks.consistency import uses

    return uses([(target.name, chain) for target, chain in chains if target.attached and target.host is None])


def examined(
    chains: "Iterable[tuple[Target, BackingChain]]", used: "dict[FileIdentity, Use]", *, depth_warning: int
) -> list[tuple[str, "BackingChain"]]:
    """Chains by name, with what :mod:`diskchain.checks.consistency` says of them. ``used``: from :func:`in_use`."""
    from diskchain.checks.annotate import annotated
    from diskchain.checks.consistency import examine

    return [
        (target.name, _attached(target, annotated(chain, examine(chain, depth_warning=depth_warning, used=used))))
        for target, chain in chains
    ]


def _attached(target: Target, chain: "BackingChain") -> "BackingChain":
    if not target.attached:
        return chain
    from diskchain.actions.domain_findings import as_attached

    return as_attached(target, chain)


def chain_of(discoverer: "Discoverer", target: Target) -> "BackingChain":
    """The chain of one target; only as described when its files are on another host."""
    if target.host is None:
        return discoverer.discover(target.source, probe=target.probe)
    from diskchain.discover.declared import described

    return described(target.source, target.host)
