"""The keys of a job's encrypted layers: found when an engine or a comparison wants them, wiped when the job is over."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from diskchain.actions.keys import KeyPlaces, open_keys
from diskchain.jobs.plan import Plan, PlannedLayer, source_of
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.qemu.images import chain_argument
from diskchain.secrets.keys import Keys
from diskchain.secrets.value import SecretValue


class JobKeys:
    """See :class:`diskchain.jobs.engines.interface.Keys`."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._given: list[SecretValue] = []

    def of(self, emission: Emission, layers: Sequence[PlannedLayer]) -> Mapping[str, SecretValue]:
        """The value of each secret of an emission by its id. Raises SecretMissing."""
        found: dict[str, SecretValue] = {}
        for item in emission.items:
            if isinstance(item, SecretItem) and item.purpose == "encryption":
                layer = layers[item.layer]
                found[item.id] = self._keys.get(layer.names or (layer.name,), layer.secret)
        self._given += found.values()
        return found

    def check(self, plan: Plan) -> None:
        """Raise SecretMissing for the first layer of the disk whose key is not at hand, before anything is done."""
        if any(layer.encrypted is not None for layer in plan.layers):
            self.of(chain_argument(source_of(plan, plan.old)).emission, [plan.layers[place] for place in plan.old])

    def wipe(self) -> None:
        """Overwrite what was given out."""
        for value in self._given:
            value.wipe()


@contextmanager
def job_keys(places: KeyPlaces) -> Iterator[JobKeys]:
    """The keys in ``places``, wiped at the end. Raises UsageError for a malformed rule, PeerError."""
    with open_keys(places) as keys:
        made = JobKeys(keys)
        try:
            yield made
        finally:
            made.wipe()
