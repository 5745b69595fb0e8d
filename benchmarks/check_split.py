#!/usr/bin/env python3
"""check-split and its rivals on 12 planted problems and 12 clean controls: found, missed, false alarms, CPU, memory.

    .venv/bin/python benchmarks/check_split.py                       every tool on 2,000 rows, then what one split costs
    .venv/bin/python benchmarks/check_split.py --rows 50000 --tools cd4ml
    .venv/bin/python benchmarks/check_split.py --cost 50000 10000000 --tools cd4ml

A problem is found if a tool flags anything on its table; a control is a false alarm if it flags anything there. Giskard
and the whole gate of bdp-model-gate judge a model as well: what they flag on a plain table does not count.
Fitting the model that rivals ask for does not count either.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.measure import CACHE, ROOT, Run, environment, run, stage  # noqa: E402
from benchmarks.planted import PROBLEMS  # noqa: E402

RIVALS: Final = ROOT / "benchmarks" / "rivals"
OURS: Final = "cd4ml"
_OLD: Final = ["numpy<2", "pandas<2.2", "scikit-learn<1.4", "pyarrow<18"]
REQUIREMENTS: Final = {
    "deepchecks": ["deepchecks==0.19.1", "setuptools<81", *_OLD],
    "bdp-model-gate": ["bdp-model-gate[structured]==0.7.0", "pyarrow==25.0.1"],
    "giskard": ["giskard==2.19.2", *_OLD],
}
_SCRIPTS: Final = {
    "deepchecks": ["split_deepchecks.py"],
    "bdp-model-gate": ["split_bdp_model_gate.py"],
    "bdp-model-gate, all of it": ["split_bdp_model_gate.py", "--all"],
    "giskard": ["split_giskard.py"],
}
TOOLS: Final = (OURS, *_SCRIPTS)
_JUDGES_A_MODEL: Final = ("giskard", "bdp-model-gate, all of it")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a tool said of each split, and what its processes took: CPU and time of all, the peak of any."""

    flags: Sequence[frozenset[str]]
    cost: Run


def ask(tool: str, folders: Sequence[Path]) -> Told:
    """Run a tool on splits: a rival in one process, since to start it takes longer than some of its work."""
    if tool == OURS:
        costs, flags = [], []
        for folder in folders:
            costs.append(run(ours(folder), expected=(0, 1, 4)))
            report = json.loads((folder / "report.json").read_text())
            flags.append(frozenset(one["id"] for one in report["checks"] if one["status"] == "failed"))
        total = [sum(one.cpu for one in costs), sum(one.wall for one in costs), max(one.peak for one in costs)]
        return Told(flags=flags, cost=Run(cpu=total[0], wall=total[1], peak=total[2]))
    name = tool.partition(",")[0]
    script, *arguments = _SCRIPTS[tool]
    cost = run([environment(f"split-{name}", REQUIREMENTS[name]), RIVALS / script, *folders, *arguments])
    lines = [line for line in (CACHE / "output").read_text().splitlines() if line.startswith('{"flags"')]
    said = [json.loads(line) for line in lines]
    own = cost.cpu - sum(one.get("aside", 0.0) for one in said)
    return Told(flags=[frozenset(one["flags"]) for one in said], cost=Run(cpu=own, wall=cost.wall, peak=cost.peak))


def ours(folder: Path) -> list[str | Path]:
    """Return our command."""
    told = json.loads((folder / "split.json").read_text())
    command: list[str | Path] = [stage("check-split", "check-split"), "-m", "cd4ml", "check-split"]
    command += ["--train-data", folder / "train.parquet", "--test-data", folder / "test.parquet"]
    command += ["--target", told["target"], "--config", folder / "none.yaml", "--report", folder / "report.json"]
    return [*command, *(part for name, value in told["declared"].items() for part in (f"--{name}", value))]


def write(folder: Path, name: str, rows: int, seed: int, *, planted: bool) -> Path:
    """Write a split in a process of its own: what is measured afterwards would inherit its peak of memory."""
    place = folder / f"{name}-{'planted' if planted else 'clean'}"
    run([sys.executable, __file__, "--make", place, name, str(rows), str(seed), str(planted)])
    (place / "none.yaml").write_text("")
    return place


def compare(tools: Sequence[str], rows: int, seed: int, folder: Path) -> None:
    """Print what each tool finds."""
    plain = write(folder, "near-overlap", rows, seed + 1, planted=False).rename(folder / "plain")
    places = [write(folder, name, rows, seed, planted=planted) for name in PROBLEMS for planted in (True, False)]
    said: dict[str, list[frozenset[str]]] = {}
    costs: dict[str, Run] = {}
    for tool in tools:
        told = ask(tool, [plain, *places])
        always, *flags = told.flags
        said[tool] = [one - always if tool in _JUDGES_A_MODEL else one for one in flags]
        costs[tool] = told.cost
        print(f"{tool} has looked at {len(places)} splits", file=sys.stderr, flush=True)
    print(f"\n{rows:,} rows\n\n| planted | {' | '.join(tools)} |\n|---|{'---|' * len(tools)}")
    for number, name in enumerate(PROBLEMS):
        cells = []
        for tool in tools:
            bad, good = said[tool][2 * number], said[tool][2 * number + 1]
            cells.append(", ".join(sorted(bad)) or "missed")
            cells[-1] += f"; false alarm: {', '.join(sorted(good))}" if good else ""
        print(f"| {name} | {' | '.join(cells)} |")
    for what, first in ((f"found of {len(PROBLEMS)}", 0), (f"false alarms of {len(PROBLEMS)}", 1)):
        print(f"| {what} | {' | '.join(str(sum(map(bool, said[tool][first::2]))) for tool in tools)} |")
    print(f"| CPU s a split | {' | '.join(f'{costs[tool].cpu / (len(places) + 1):.2f}' for tool in tools)} |")
    print(f"| peak MiB | {' | '.join(f'{costs[tool].peak:.0f}' for tool in tools)} |", flush=True)


def cost(tools: Sequence[str], rows: int, seed: int, folder: Path) -> None:
    """Print what a clean split costs."""
    place = write(folder, "strong-feature", rows, seed, planted=False)
    runs = {tool: ask(tool, [place]).cost for tool in tools}
    print(f"\n{rows:,} rows\n\n| tool | CPU s | wall s | peak MiB | CPU / {tools[0]} |\n|---|---|---|---|---|")
    for tool, one in runs.items():
        ratio = one.cpu / runs[tools[0]].cpu
        print(f"| {tool} | {one.cpu:.2f} | {one.wall:.2f} | {one.peak:.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", default=[2_000])
    parser.add_argument("--cost", type=int, nargs="*", default=[2_000, 50_000])
    parser.add_argument("--tools", nargs="*", default=list(TOOLS), choices=TOOLS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--make", nargs=5, metavar=("FOLDER", "NAME", "ROWS", "SEED", "PLANTED"), help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    if arguments.make:
        folder, name, rows, seed, planted = arguments.make
        rng = np.random.default_rng(int(seed))
        PROBLEMS[name](int(rows), rng, planted=planted == "True").write(Path(folder))
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        for rows in arguments.rows:
            compare(arguments.tools, rows, arguments.seed, Path(temporary))
        for rows in arguments.cost:
            cost(arguments.tools, rows, arguments.seed, Path(temporary))


if __name__ == "__main__":
    main()
