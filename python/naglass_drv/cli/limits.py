"""Whether a machine can give what an input asks for, before anything is submitted."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..wording import counted, duration

if TYPE_CHECKING:
    from ..config.slurm import Slurm
    from ..runtime.batch import Shape
    from ..runtime.forecast import Row

# the job that plans the run carries out small tasks itself
_PLAN, _PLAN_H = "plan", 2.0


class Limits:
    """What `slurm` of the site profile says that a machine can give; `shipped` is the file that it comes from, if it is
    not the user's own. Each problem is an InputError with the line of the profile.
    """

    def __init__(self, slurm: "Slurm", shipped: Path | None):
        self.slurm = slurm
        self._shipped = shipped

    def where(self, *keys: str) -> str:
        """The line of the profile where a key stands, or should."""
        from ..config.site import line_of

        return line_of(self._shipped, "slurm", *keys)

    def check(self, ranks: Mapping[str, int], gpus: int, threads: int, own: bool) -> None:
        """Accounts, cores and GPUs; `ranks` are those that each section of the input requests. `own`: tasks have jobs
        of their own, on the nodes of their stage; otherwise one job has all, on those at the top of the profile.
        """
        cores = self.check_known()
        self._check_nodes()
        if not own and threads > cores:
            raise InputError(f"--threads {threads}: {self.where('cores_per_node')} is {cores}")
        for section, count in ranks.items():
            stage = section.partition("[")[0]
            asked = gpus if stage == "md" else 0
            kind = self._kind(stage, asked) if own else ""
            cores, where = self._stated(kind, "cores_per_node")
            if threads > cores:
                raise InputError(f"--threads {threads}: {where} is {cores}")
            # CP2K is started on the node of the rank that needs it, and GPUs are those of one node
            if count * threads > cores and (stage == "reference" or asked):
                raise InputError(
                    f"{section}.ranks: {count} of {counted(threads, 'core')} on one node: {where} is {cores}"
                )
            equipped, where = self._stated(kind, "gpus_per_node")
            if asked > equipped:
                raise InputError(f"md.gpus: {asked}: {where} is {equipped}")

    def _check_nodes(self) -> None:
        """Each kind of nodes has stages that exist and that no other has, and no more GPUs for a task than a node."""
        owner: dict[str, str] = {}
        for kind, nodes in self.slurm.nodes.items():
            for stage in nodes.stages:
                where = f"{self.where('nodes', kind, 'stages')}: {stage}"
                if stage != _PLAN and not _is_stage(stage):
                    raise InputError(f"{where}: no such stage")
                if stage in owner:
                    other = "twice here" if owner[stage] == kind else f"also in {self.where('nodes', owner[stage])}"
                    raise InputError(f"{where}: is {other}; a stage has one kind of nodes")
                owner[stage] = kind
            most, where = self._stated(kind, "gpus_per_node")
            if nodes.gpus > most:
                raise InputError(f"{self.where('nodes', kind, 'gpus')}: {nodes.gpus}: {where} is {most}")

    def _stated(self, kind: str, key: str) -> tuple[Any, str]:
        """The value of a key for a kind of nodes, and the line where it stands: that of the kind, or at the top."""
        from ..runtime.executors.slurm import words_of

        own = kind and getattr(self.slurm.nodes[kind], key) is not None
        return words_of(self.slurm.model_dump(), kind)[key], self.where(*(("nodes", kind) if own else ()), key)

    def check_known(self) -> int:
        """What every job needs: an account where one is asked for, and the cores of a node, which are returned."""
        from ..config.site import own_place

        if self.slurm.needs_account and not self.slurm.account:
            where = self.where("account")
            raise InputError(
                f"{where}: is needed here; give it with --account, or{own_place(self._shipped) or ' there'}"
            )
        if self.slurm.cores_per_node is None:
            where, place = self.where("cores_per_node"), own_place(self._shipped)
            raise InputError(f"{where}: is not known (scontrol show node tells); state it{place or ' there'}")
        return self.slurm.cores_per_node

    def hours(self, walltime: str, rows: Mapping[str, "Row"], own: bool) -> float:
        """The length of a job (h), which its nodes allow. Where tasks have jobs of their `own`, the nodes of one of the
        stages that `rows` expect have to; jobs on other nodes are as long as these allow.
        """
        from ..runtime.stop import walltime_seconds

        hours = walltime_seconds(walltime) / 3600.0
        kinds = {self._kind(stage, row.gpus) for stage, row in rows.items() if own} or {""}
        known = [self._stated(kind, "longest_h") for kind in sorted(kinds)]
        most, where = max(known, key=lambda each: math.inf if each[0] is None else each[0])
        if most is not None and hours > most:
            raise InputError(f"--walltime {walltime}: {where} is {most:g}")
        return hours

    def planner(self) -> tuple["Shape", dict[str, Any]]:
        """What the job that plans the run asks for."""
        from ..runtime.batch import Shape
        from ..runtime.executors.slurm import words_of

        words = words_of(self.slurm.model_dump(), self._kind(_PLAN, 0))
        return Shape(1, 1, 1, 0, min(_PLAN_H, words["longest_h"] or _PLAN_H)), words

    def check_queue(self, words: Mapping[str, Any]) -> None:
        """There is a Slurm here, with the partitions that are named."""
        from ..runtime.batch import command

        known = set(command(["sinfo", "--noheader", "--format=%R"]).split())
        named = {("partition",): words.get("partition")}
        named |= {("nodes", kind, "partition"): each.partition for kind, each in self.slurm.nodes.items()}
        for keys, partition in named.items():
            if partition and not known.issuperset(partition.split(",")):
                known_here = ", ".join(sorted(known))
                raise InputError(f"{self.where(*keys)}: {partition}: no such partition; there are {known_here}")

    def check_length(self, rows: Mapping[str, "Row"], own: bool, walltime: str, hours: float | None) -> None:
        """No job is shorter than what a task does before it saves anything. `own`: tasks have jobs of their own, on
        the nodes of their stage; otherwise one job has all.

        `rows` are what is expected; what is not known is not checked. `hours` is the length that was asked for.
        """
        for stage, row in rows.items():
            kind = self._kind(stage, row.gpus) if own else ""
            most_h, where = self._stated(kind, "longest_h")
            length_h = min((each for each in (hours, most_h) if each is not None), default=math.inf)
            if 3600.0 * length_h > row.at_once_s:
                continue
            said = f"{where}: {most_h:g}" if length_h == most_h else f"--walltime {walltime}"
            raise InputError(
                f"{said}: a task of {stage} is expected to work {duration(row.at_once_s)} before it saves anything; "
                "make jobs longer, or give the task more ranks"
            )

    def kinds(self, rows: Mapping[str, "Row"]) -> Iterator[str]:
        """The tasks that are expected, and the nodes that their jobs will have, in words."""
        yield "\n# jobs that it will submit, as far as can be foreseen:"
        for stage, row in rows.items():
            kind = self._kind(stage, row.gpus)
            asked = counted(row.ranks, "rank") + (f" and {counted(row.gpus, 'GPU')}" if row.gpus else "")
            yield f"# {stage}: {counted(row.tasks, 'task')} of {asked}{f', on nodes {kind}' if kind else ''}"

    def _kind(self, stage: str, gpus: int) -> str:
        from ..runtime.executors.slurm import kind_of

        return kind_of(self.slurm.model_dump(), stage, gpus)


def _is_stage(name: str) -> bool:
    from ..stages import load

    try:
        return name.isidentifier() and hasattr(load(name), "revision")
    except ImportError:
        return False
