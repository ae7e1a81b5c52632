"""Rights of files on storage that does not answer: told in time, nothing changed, and what is noted can be given back later."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from diskchain.access.grants.apply import GrantFailed, apply
from diskchain.access.grants.file_state import open_rights
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.revert import revert
from diskchain.access.grants.revert_rules import Result
from diskchain.access.kernel.identity import Identity
from diskchain.actions.rights_audit import label_findings
from diskchain.errors import StorageTimeout
from diskchain.storage.operation import Start
from tests.access.world import chain_of, has_acl, plan_for, state_of
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2
from tests.live.hung import Served
from tests.live.peers import requires

pytestmark = requires("root")

_SECONDS = 0.5
#: Owns what a FUSE daemon of root shows, and may do nothing else.
_OWNER = Identity(0, 0, frozenset({0}), frozenset(), None)

Serve = Callable[[Path], Served]


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Path]:
    """An overlay that only a stranger may read, and its base."""
    base = tmp_path / "base"
    base.write_bytes(bytes(1 << 16))
    top = write_qcow2(tmp_path / "top", "base", "raw")
    os.chown(top, 64999, 64999)
    top.chmod(0o600)
    return top, base


def test_access_could_not_tell(chain: tuple[Path, Path], serve: Serve) -> None:
    top, base = chain
    serve(base).hang()
    told = diskchain("access", "--timeout", str(_SECONDS), top, "--as", "root", seconds=20)
    assert told.code == 3
    assert f"first: {base}: no answer in time" in told.out
    assert told.err == ""


def test_a_layer_can_be_named_by_its_path(chain: tuple[Path, Path], serve: Serve) -> None:
    top, base = chain
    serve(base).hang()
    words = ("--as", "root", "--for", "commit", "--base", base)
    assert diskchain("access", "--timeout", str(_SECONDS), top, *words, seconds=20).code == 3


@pytest.mark.parametrize("words", [(), ("--apply",)])
def test_grant_changes_nothing_when_a_file_does_not_answer(
    chain: tuple[Path, Path], serve: Serve, tmp_path: Path, words: tuple[str, ...]
) -> None:
    top, base = chain
    before = state_of(top)
    serve(base).hang()
    asked = ("--timeout", str(_SECONDS), top, "--as", "+64998:+64998", "--state", tmp_path / "state")
    told = diskchain("grant", *asked, *words, seconds=20)
    assert told.code == 3
    assert f"could not tell: {base}: no answer within 0.5 s" in told.out
    assert ("nothing was changed" in told.out) == bool(words)
    assert state_of(top)[:4] == before[:4]


def test_a_grant_that_is_given_up_gives_back_what_it_changed(
    chain: tuple[Path, Path], serve: Serve, tmp_path: Path
) -> None:
    top, base = chain
    before = state_of(top)
    served = serve(base)
    with Journal(tmp_path / "state") as journal:
        plan = plan_for(chain_of(top, base), journal, _OWNER, Start())
        assert [step.path for step in plan.changing] == [str(top)]
        served.hang()
        with pytest.raises(GrantFailed, match="no answer within") as caught:
            apply(plan, journal, target="vm", operation="start", seconds=_SECONDS)
        assert {outcome.path: outcome.result for outcome in caught.value.given_back} == {str(top): Result.RESTORED}
        assert not journal.grants()
    assert state_of(top)[:4] == before[:4]


def test_what_did_not_answer_is_given_back_by_a_later_revert(
    chain: tuple[Path, Path], serve: Serve, tmp_path: Path
) -> None:
    top, base = chain
    before = state_of(top)
    served, state = serve(base), tmp_path / "state"
    with Journal(state) as journal:
        apply(plan_for(chain_of(top, base), journal, _OWNER, Start()), journal, target="vm", operation="start")
    assert has_acl(top)
    served.hang()
    told = diskchain("revert", "--timeout", str(_SECONDS), "1", "--state", state, seconds=20)
    assert (told.code, told.err) == (3, "")
    assert f"grant 1: {base}: no answer: no answer within 0.5 s" in told.out
    assert f"grant 1: {top}: restored" in told.out
    assert state_of(top)[:4] == before[:4]
    served.answer()
    with Journal(state) as journal:
        assert [(outcome.path, outcome.result) for outcome in revert(journal, [1])] == [(str(base), Result.RESTORED)]


def test_findings_about_rights_pass_over_what_does_not_answer(
    chain: tuple[Path, Path], serve: Serve, tmp_path: Path
) -> None:
    top, base = chain
    serve(base).hang()
    disk = f"<disk><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda'/></disk>"
    domain = f"<domain type='qemu'><name>vm</name><devices>{disk}</devices></domain>"
    found = label_findings([domain.encode()], state=tmp_path / "state", seconds=_SECONDS)
    assert str(base) not in {each.file for each in found}


def test_the_descriptor_somebody_still_waits_at_becomes_no_other_file(chain: tuple[Path, Path], serve: Serve) -> None:
    _, base = chain
    served = serve(base)
    with open_rights(str(base), seconds=_SECONDS) as file:
        wanted = replace(file.state(), mode=0o640)
        served.hang()
        with pytest.raises(StorageTimeout):
            file.write(wanted)
    assert Path(file.link).readlink() == base
