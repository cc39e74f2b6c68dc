"""Changes the Python twins one place at a time, and lists the changes that `cargo xtask check` does not notice.

    python3 -m venv /tmp/mutants
    /tmp/mutants/bin/pip install --no-deps --require-hashes -r xtask/mutants/requirements.txt
    /tmp/mutants/bin/python xtask/mutants/mutants.py --step 06 --sample 50

cosmic-ray makes the changes: another operator, another number, a negated condition. The changed program is a mutant. A
mutant that passes every check survives. Then either a check is missing, or the mutant still keeps every promise: list
it in equivalent.toml, with the reason. The exit code is 1 if a mutant survived that is not listed there.
"""

import argparse
import concurrent.futures
import difflib
import json
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import namedtuple

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from cosmic_ray.testing import run_tests
from cosmic_ray.work_item import TestOutcome

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = ["03", "06", "07", "08", "09"]
EQUIVALENT = pathlib.Path(__file__).with_name("equivalent.toml")
# No check asks about the user's side of a program; the test `the_python_twin_gives_no_traceback…` does.
USERS_SIDE = ["program.py", "input.py", "console.py", "options.py"]
TIMEOUT = 900  # seconds; a mutant that takes longer is noticed

# The file that was changed, its line number, the lines that it had there and those that it has now.
Mutant = namedtuple("Mutant", "path number was now code")


def mutants_of(path):
    """Every program that one change makes of this one; none of them twice."""
    original = path.read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(original)))
    operators = [get_operator(name) for name in operator_names()]
    found = {}
    for operator in [operator() for operator in operators if not operator.arguments()]:
        places = sum(len(list(operator.mutation_positions(node))) for node in nodes)
        for place in range(places):
            code = mutate_code(original, operator, place)
            found.setdefault(code, mutant(path, original, code))
    return list(found.values())


def mutant(path, original, code):
    """The mutant with this code."""
    old, new = original.splitlines(), code.splitlines()
    places = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    (_, start, end, new_start, new_end) = next(place for place in places if place[0] != "equal")
    was, now = (" ".join(map(str.strip, lines)) for lines in (old[start:end], new[new_start:new_end]))
    return Mutant(path, start + 1, was, now, code)


def test_command(step, folder, file, judge):
    """What fails if the twin in this folder, in which this file was changed, breaks a promise."""
    client = (folder / "client.py").read_text(encoding="utf-8")
    is_in_client = file.name == "client.py" or f"from {file.stem} import" in client
    commands = []
    for side, is_affected in (("server", file.name != "client.py"), ("client", is_in_client)):
        if is_affected:
            check = [judge, "check", step, "--fail-fast", *(["--client"] if side == "client" else [])]
            program = [sys.executable, "-S", str(folder / f"{side}.py"), "{addr}"]
            commands.append(shlex.join([*check, "--", *program]))
    return shlex.join(["sh", "-c", " && ".join(commands)])


def passes(step, mutant, judge):
    """Whether every check passes for the twin with this change."""
    with tempfile.TemporaryDirectory() as folder:
        twin = pathlib.Path(folder, "twin")
        shutil.copytree(mutant.path.parent, twin, ignore=shutil.ignore_patterns("__pycache__"))
        (twin / mutant.path.name).write_text(mutant.code, encoding="utf-8")
        outcome, output = run_tests(test_command(step, twin, mutant.path, judge), TIMEOUT)
    if outcome == TestOutcome.INCOMPETENT:
        sys.exit(f"error: the test cannot be run: {output}")
    return outcome == TestOutcome.SURVIVED


def build_judge():
    """Builds what the checks need, and returns the path of the judge."""
    packages = ["xtask-check", *(f"step-{step_folder(step).name}" for step in STEPS)]
    build = ["cargo", "build", "--quiet", *(f"--package={package}" for package in packages)]
    subprocess.run(build, cwd=ROOT, check=True)
    metadata = ["cargo", "metadata", "--no-deps", "--format-version", "1"]
    metadata = json.loads(subprocess.check_output(metadata, cwd=ROOT))
    return str(pathlib.Path(metadata["target_directory"], "debug", "xtask-check"))


def step_folder(step):
    (folder,) = ROOT.glob(f"steps/{step}-*")
    return folder


def shown(path):
    return path.relative_to(ROOT / "steps").as_posix()


def judge_step(step, listed, judge, options):
    """Prints the mutants of a step that survive and are not listed, and returns their number."""
    paths = sorted(step_folder(step).glob("python/*.py"))
    paths = [path for path in paths if path.name not in USERS_SIDE]
    mutants = [mutant for path in paths for mutant in mutants_of(path)]
    equivalent = {mutant for mutant in mutants if listed & keys(mutant)}
    unknown = {entry for entry in listed if entry[0].startswith(step)}
    unknown = unknown.difference(*map(keys, mutants))
    if unknown:
        sys.exit("\n".join(["error: no such mutants any more:", *map(str, unknown)]))
    for path in (path for path in paths if path.name in ["server.py", "client.py"]):
        if not passes(step, Mutant(path, 0, "", "", path.read_text(encoding="utf-8")), judge):
            sys.exit(f"error: {shown(path)} fails its own step's checks without any change")

    judged = [mutant for mutant in mutants if mutant not in equivalent]
    if options.sample is not None and options.sample < len(judged):
        judged = random.Random(options.seed).sample(judged, options.sample)
    survivors = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as threads:
        results = threads.map(lambda mutant: passes(step, mutant, judge), judged)
        for mutant, survived in zip(judged, results):
            if survived:
                survivors += 1
                print(f"{shown(mutant.path)}:{mutant.number}")
                print(f"  was: {mutant.was}\n  now: {mutant.now}", flush=True)
    print(
        f"step {step}: {len(mutants)} mutants, {len(equivalent)} of them equivalent; "
        f"{survivors} of {len(judged)} survived",
        flush=True,
    )
    return survivors


def keys(mutant):
    """The entries of equivalent.toml that a mutant may have: its own, and that of all mutants of its line."""
    file = shown(mutant.path)
    return {(file, mutant.was, mutant.now), (file, mutant.was, None)}


def read_equivalent():
    """The mutants that may survive."""
    entries = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))["equivalent"]
    return {
        (file, was, now)
        for entry in entries
        for file in entry["files"]
        for was in entry["was"]
        for now in entry.get("now", [None])
        if entry["why"]
    }


def main():
    parser = argparse.ArgumentParser(description="List changes to the twins that no check notices.")
    parser.add_argument("--step", action="append", choices=STEPS, help="this step only")
    parser.add_argument("--sample", type=int, metavar="N", help="judge N mutants of each step")
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="choose the sample by this seed")
    parser.add_argument("--jobs", type=int, metavar="N", default=1, help="judge N mutants at once")
    options = parser.parse_args()

    listed, judge = read_equivalent(), build_judge()
    steps = options.step or STEPS
    sys.exit(1 if sum(judge_step(step, listed, judge, options) for step in steps) else 0)


if __name__ == "__main__":
    main()
