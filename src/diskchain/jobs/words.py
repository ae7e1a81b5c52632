"""A plan in words, and the commands that come nearest to it. Pure.

The commands do not do what the job does: they compare nothing, and where they are cut off the disk may read wrong. A test runs them.
"""

from dataclasses import dataclass
from typing import Literal

from diskchain.jobs.plan import NewFile, Plan, Repoint
from diskchain.system.shell_words import file_word, shell_word
from diskchain.units import human_size


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step. ``file``: what is changed, made or deleted by it, None where nothing is."""

    kind: Literal["make", "copy", "compare", "point", "document", "delete"]
    words: str
    file: str | None = None


def plan_steps(plan: Plan) -> list[PlanStep]:
    """What is done, in its order."""
    steps = []
    if plan.creates is not None and not plan.creates.temporary:
        new = plan.creates
        over = f" over {new.backing}" if new.backing is not None else ""
        steps.append(PlanStep("make", f"make {new.path} ({new.format}, {human_size(new.capacity)}){over}", new.path))
    steps += _copy(plan)
    if plan.proof is not None:
        steps.append(PlanStep("compare", _compare(plan)))
    steps += [PlanStep("point", pointer_words(pointer), pointer.path) for pointer in plan.repoints]
    if plan.document is not None:
        where = "the definition of domain " if plan.document.uri is not None else ""
        top = plan.layers[plan.new[0]].name
        steps.append(
            PlanStep("document", f"write {where}{plan.document.origin}: {plan.disk} is {top}", plan.document.origin)
        )
    steps += [PlanStep("delete", f"delete {path}", path) for path in plan.delete]
    return steps


def _copy(plan: Plan) -> list[PlanStep]:
    work = plan.work
    if work is None:
        return []
    top = plan.layers[work.top]
    amount = f"at most {human_size(plan.copies)}"
    if work.kind == "commit" and work.base is not None:
        base = plan.layers[work.base]
        first, last = plan.old.index(work.top), plan.old.index(work.base) - 1
        held = (
            top.name
            if first == last
            else f"{top.name} and {last - first} more down to {plan.layers[plan.old[last]].name}"
        )
        return [PlanStep("copy", f"copy what {held} holds into {base.name}, {amount}", base.name)]
    if work.kind == "stream":
        below = "all that is below" if work.base is None else f"what is between it and {plan.layers[work.base].name}"
        return [PlanStep("copy", f"copy {below} into {top.name}, {amount}", top.name)]
    if work.kind == "difference":
        base, way = plan.layers[work.base or 0], plan.layers[work.target or 0]
        words = f"copy into {top.name} what it reads as and {base.name} does not, by way of {way.name}, {amount}"
        return [PlanStep("copy", words, top.name)]
    target = plan.layers[work.target or 0]
    return [PlanStep("copy", f"copy {top.name} into {target.name}, {amount}", target.name)]


def _compare(plan: Plan) -> str:
    if plan.proof is not None and plan.proof.empty:
        return "see that the new overlay holds nothing itself"
    if not plan.verify:
        return "compare nothing (--no-verify)"
    return "compare all that the old and the new chain read as; go on if that is the same"


def pointer_words(pointer: Repoint) -> str:
    """A change of a pointer."""
    old = "nothing" if pointer.old is None else pointer.old
    return f"write into the header of {pointer.path}: over {pointer.new or 'nothing'} instead of {old}"


def nearest_commands(plan: Plan) -> list[str]:
    """What comes nearest to the plan, of qemu-img (7.2); empty where nothing does."""
    work, commands = plan.work, []
    if plan.verb == "relocate":
        return [_rebase(pointer) for pointer in plan.repoints]
    if plan.creates is not None and plan.creates.backing is not None and work is None:
        new = plan.creates
        below = f"-b {shell_word(new.backing or '')} -F {shell_word(new.backing_format or 'raw')}"
        commands.append(f"qemu-img create -f {new.format} {below} {file_word(new.path)}")
    if work is not None and work.kind == "commit" and work.base is not None:
        top, base = plan.layers[work.top], plan.layers[work.base]
        if top.path is None or base.path is None:
            return []
        commands.append(f"qemu-img commit -d -b {shell_word(_named_below(plan, work.base))} {file_word(top.path)}")
        commands += [_rebase(pointer) for pointer in plan.repoints]
    if plan.verb == "rebase" or (work is not None and work.kind == "stream"):
        pointer = plan.repoints[0]
        named = f"-b {shell_word(pointer.new or '')}" + (f" -F {pointer.new_format}" if pointer.new else "")
        unsafe = "" if work is not None else "-u "
        commands.append(f"qemu-img rebase {unsafe}{named} {file_word(pointer.path)}")
    if work is not None and work.kind == "mirror" and plan.creates is not None:
        commands += _convert(plan, plan.creates)
    commands += [f"rm -- {file_word(path)}" for path in plan.delete if commands]
    return commands


def _convert(plan: Plan, new: NewFile) -> list[str]:
    top = plan.layers[plan.old[0]]
    if top.path is None or new.backing is not None:
        return []  # of one layer alone qemu-img makes no copy
    return [f"qemu-img convert -O {new.format} {file_word(top.path)} {file_word(new.path)}"]


def _named_below(plan: Plan, base: int) -> str:
    """How qemu-img finds the base: by the name that QEMU makes of the references above it."""
    return plan.layers[base].path or plan.layers[base].name


def _rebase(pointer: Repoint) -> str:
    named = f"-b {shell_word(pointer.new or '')}" + (f" -F {pointer.new_format}" if pointer.new else "")
    return f"qemu-img rebase -u {named} {file_word(pointer.path)}"
