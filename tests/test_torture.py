"""The fault-injection suite: that it notices what it is there to notice, and a small part of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from benchmarks.torture import attacks, crew, mutate
from benchmarks.torture.crew import Chunk, Tally

from haa.errors import InputError

ROOT = Path(__file__).parents[1]


def outcomes(work, place, count=1) -> Tally:
    """What a crew of one says of cases that do ``work``."""

    def prepare(kind, folder):
        return lambda number: crew.attempt(lambda: work(number) or "same")

    tally = Tally()
    crew.run(iter([Chunk("x", 0, count)]), prepare, place, workers=1, tally=tally, limit_s=0.5)
    return tally


def refuse(number):
    raise InputError("a.json has no images: fetch it again")


def raw(number):
    {}["images"]


def hungry(number):
    bytes(8 << 30)


def crash(number):
    os.kill(os.getpid(), signal.SIGKILL)


def endless(number):
    end = time.process_time() + 20
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(
    ("work", "outcome"),
    [
        (lambda number: None, "same"),
        (refuse, "refused"),
        (raw, "raw"),
        (hungry, "memory"),
        (crash, "death"),
        (endless, "hang"),
    ],
)
def test_what_comes_of_a_case(tmp_path, work, outcome):
    tally = outcomes(work, tmp_path)
    assert dict(+tally.counts["x"]) == {outcome: 1}
    assert tally.through == (outcome not in crew.GOOD)


def test_after_a_death_the_next_case_has_its_turn(tmp_path):
    tally = outcomes(lambda number: crash(number) if number == 2 else None, tmp_path, count=5)
    assert dict(+tally.counts["x"]) == {"same": 4, "death": 1}
    [((_, outcome, _), (times, case, _))] = tally.faults.items()
    assert (outcome, times, case) == ("death", 1, 2)


WATCHED = """
import os, pickle, shutil, socket, sys
from pathlib import Path
from benchmarks.torture.payloads import Touch
from benchmarks.torture.watch import Watch
own, other = Path(sys.argv[1]), Path(sys.argv[2])
watch = Watch([own], secret=[other])
watch.armed = True
exec(sys.argv[3])
watch.armed = False
print(watch.seen)
"""


@pytest.mark.parametrize(
    ("code", "seen"),
    [
        ("os.system('true')", "os.system"),
        ("os.execv", ""),
        ("import subprocess; subprocess.run(['true'])", "subprocess.Popen"),
        ("(own / 'a').write_text('x'); shutil.rmtree(own)", ""),
        ("(other / 'a').write_text('x')", "written"),
        ("(other / 'secret').read_text()", "read"),
        ("os.remove(other / 'secret')", "os.remove"),
        ("shutil.rmtree(other)", "shutil.rmtree"),
        ("socket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect"),
        ("pickle.loads(pickle.dumps(Touch('x')))", "pickle posix.system"),
        ("pickle.loads(pickle.dumps([1, {2}]))", ""),
    ],
)
def test_what_a_process_does_is_seen(tmp_path, code, seen):
    for name in ("own", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "other" / "secret").write_text("s")
    command = [sys.executable, "-c", WATCHED, str(tmp_path / "own"), str(tmp_path / "other"), code]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr
    assert seen in done.stdout if seen else done.stdout == "[]\n"


def through(own, traps):
    os.system(f"touch {traps.canary}")


def leak(own, traps):
    (own / "config.yaml").write_text(os.environ["HAA_TORTURE_SECRET"])


def look(own, traps):
    (traps.outside / "secret.txt").read_text()


def stop(own, traps):
    raise SystemExit("haa: model._target_=os.system is not trusted")


@pytest.mark.parametrize(
    ("attack", "outcome"),
    [(through, "executed"), (leak, "executed"), (look, "executed"), (refuse, "raw"), (stop, "refused")],
)
def test_an_attack_that_gets_through_is_seen(tmp_path, monkeypatch, attack, outcome):
    def make(draw, number, traps, own, made):
        return "x", (lambda: attack(0)) if attack is refuse else lambda: attack(own, traps)

    monkeypatch.setitem(attacks.GROUPS, "x", (1, make))
    assert attacks.cases(0, "x", tmp_path, tmp_path)(0)[0] == outcome


@pytest.mark.parametrize("damage", [mutate.of_bytes, mutate.of_text, mutate.of_lines, mutate.of_json])
def test_damage_is_drawn_from_the_seed(damage):
    content = b'{"images": [{"id": 1, "name": "a.jpg"}], "x": [1, 2]}\n'
    drawn = [damage(content, Random(seed)) for seed in range(200)]
    assert drawn == [damage(content, Random(seed)) for seed in range(200)]
    assert len(set(drawn)) > 100
    assert sum(part == content for part in drawn) < 20


@pytest.mark.slow
def test_a_small_part(tmp_path):
    command = [sys.executable, "-m", "benchmarks.torture", "--small", "--seed", "0"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert "seed 0: nothing got through" in done.stdout
