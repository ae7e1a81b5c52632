"""The chains of a target, or of what was asked for of it."""

from collections.abc import Sequence

from diskchain.actions.chains import DEFAULT, Examined, Settings, examine_one
from diskchain.actions.select_layer import selected
from diskchain.actions.target import TargetName


def show(name: TargetName, wanted: Sequence[str] = (), settings: Settings = DEFAULT) -> Examined:
    """The disks and layers of a target that ``wanted`` names, examined; all disks for none.

    Raises LayerNotFound, and what :func:`~diskchain.actions.chains.examine_one` raises.
    """
    return selected(examine_one(name, settings), wanted, settings.timeout)
