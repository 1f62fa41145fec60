"""Plants one fault after the other into a copy of the package and counts those that the property tests find.

    python -m tests.mutation [--jobs N] [NUMBER …]

Number 0 is the copy without a fault, which a run of all faults begins with.

``faults.txt`` has the faults: a title, the file, the text and what replaces it. Nothing in the working tree changes.
A counter-example is not made small: that it exists is what counts.
"""

from __future__ import annotations

import argparse
import compileall
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import hypothesis
import jax
import pytest

assert jax  # imported once, for all children

ROOT = Path(__file__).parents[2]
PARTS = ("graphc", "backends", "grammar", "models", "tests", "pyproject.toml")

# What is run against each fault in turn, what finds most in the least time first: laws and properties of graphs, then
# lowerings, on fewer examples because they take most of the time. Tables and recorded values stand beside properties.
SUITES = (
    ("laws", ("tests/testing/test_identities.py", "tests/testing/test_operator_laws.py")),
    ("passes", ("tests/passes/test_pass_properties.py",)),
    ("lowerings", ("tests/testing/test_lowerings.py", "--graphc-examples", "5")),
    ("recurrences", ("tests/recurrences/test_unrolled.py",)),
    ("tables", ("tests/ops", "tests/passes/test_pass_fixtures.py", "tests/backends/test_reference.py")),
)
_LIMIT = 900


@dataclass(frozen=True)
class Fault:
    number: int
    title: str
    file: str
    before: str
    after: str

    def plant(self, folder: Path) -> None:
        path = folder / self.file
        text = path.read_text("utf-8")
        assert text.count(self.before) == 1, (
            f"fault {self.number}: {self.file} has the text {text.count(self.before)} times"
        )
        path.write_text(text.replace(self.before, self.after), "utf-8")

    def nearest(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The part of the suite to run first: that which names the operators of the file."""
        names = re.findall(r'^    names: ClassVar = \("(\w+)"', (ROOT / self.file).read_text("utf-8"), re.MULTILINE)
        if names:
            yield "laws", ("tests/testing/test_operator_laws.py", "-k", " or ".join(names))
        elif "/passes/" in self.file:
            of_rules = "RULES" in (ROOT / self.file).read_text("utf-8") or "constants" in self.file
            yield "passes", ("tests/passes/test_pass_properties.py", *(["-k", "each_rule"] if of_rules else []))
        elif self.file.endswith(("recurrence.py", "scans.py", "layout.py")):
            yield "lowerings", ("tests/testing/test_lowerings.py", "-k", "along_sequences")
        elif "/xla/" in self.file:
            yield "lowerings", ("tests/testing/test_lowerings.py", "--graphc-examples", "5")


def faults() -> list[Fault]:
    """The faults of ``faults.txt``; spaces before a line count, ``\\n`` is a new line."""
    text = (Path(__file__).parent / "faults.txt").read_text("utf-8")
    found = []
    for number, block in enumerate(re.split(r"^# ", text, flags=re.MULTILINE)[1:], 1):
        title, file, before, after = block.rstrip("\n").split("\n")[:4]
        found.append(Fault(number, title, file, before.replace("\\n", "\n"), after.replace("\\n", "\n")))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="how many faults are tried at a time")
    parser.add_argument("numbers", type=int, nargs="*", help="only these faults")
    arguments = parser.parse_args()
    wanted = set(arguments.numbers)
    chosen = [fault for fault in faults() if not wanted or fault.number in wanted]
    if not wanted or 0 in wanted:
        require_sound()
    killers: Counter[str] = Counter()
    for fault, killer, test, seconds in results(chosen, arguments.jobs):
        killers[killer] += 1
        print(f"{fault.number:3} {killer:9} {seconds:4.0f} s  {fault.title}  {test}", flush=True)
    total = len(chosen)
    share = 100 * (total - killers["none"]) / max(total, 1)
    print(
        f"{total} faults: {', '.join(f'{count} {name}' for name, count in killers.most_common())}; {share:.1f} % found"
    )
    return 0 if share >= 95 else 1


def require_sound() -> None:
    """What fails without any fault finds none."""
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        for _, arguments in SUITES:
            if test := failure(Path(name), arguments):
                raise SystemExit(f"{test} fails where no fault is planted")
    print("all tests pass where no fault is planted", flush=True)


def results(chosen: list[Fault], jobs: int) -> Iterator[tuple[Fault, str, str, float]]:
    """What finds each fault: the part of the suite, its test, and the seconds that it took."""
    with tempfile.TemporaryDirectory() as name, multiprocessing.get_context("fork").Pool(jobs) as pool:
        sound = Path(name)
        copy(sound)
        yield from pool.imap(partial(result, sound), chosen)


def result(sound: Path, fault: Fault) -> tuple[Fault, str, str, float]:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "copy"
        shutil.copytree(sound, folder, symlinks=True)
        fault.plant(folder)
        for killer, arguments in dict.fromkeys((*fault.nearest(), *SUITES)):
            if test := failure(folder, arguments):
                return fault, killer, test, time.monotonic() - start
    return fault, "none", "", time.monotonic() - start


def copy(folder: Path) -> None:
    """The package and its tests, compiled, so that a child compiles nothing but what has the fault."""
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.ctf", "Output")
            shutil.copytree(source, folder / part, symlinks=True, ignore=ignored)
        else:
            shutil.copy(source, folder / part)
    compileall.compile_dir(folder, quiet=2)


def failure(folder: Path, arguments: tuple[str, ...]) -> str | None:
    """The first test that fails in the copy; none if all pass."""
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        # A child has everything imported but what is tested, which it imports from the copy.
        if (child := os.fork()) == 0:
            _run_and_exit(folder, arguments, output.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        output.seek(0)
        found = re.search(r"^(?:FAILED|ERROR) (\S+)", output.read(), flags=re.MULTILINE)
    if status == 0:
        return None
    return found[1] if found else "(nothing could be collected)"


def _run_and_exit(folder: Path, arguments: tuple[str, ...], output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(folder)
    signal.alarm(_LIMIT)  # what hangs has been found
    sys.path.insert(0, str(folder))
    hypothesis.settings.register_profile("as found", phases=(hypothesis.Phase.generate,))
    hypothesis.settings.load_profile("as found")
    try:
        status = int(
            pytest.main(["-q", "-x", "--no-header", "-p", "no:cacheprovider", "--graphc-as-found", *arguments])
        )
    except BaseException:
        status = 1
    sys.stdout.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
