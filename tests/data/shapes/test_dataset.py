"""Scenes, texts and gaze of the embedded dataset, checked by routes that the generator does not take."""

from __future__ import annotations

import itertools
import os
import pickle
import subprocess
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from haa.data.shapes import Shapes
from haa.errors import InputError

KINDS = {"colour": 1, "shape": 1, "count": 1, "exists": 1, "left": 1}
SHAPES = ("circle", "square", "triangle", "ring", "cross", "star")
COLOURS = ("red", "yellow", "green", "cyan", "blue", "purple")


def objects(data, index):
    """(shape, colour, x, y, radius) of every object, positions in pixels."""
    scene = data.sample(index).scene
    place = scene.layout
    return [
        (SHAPES[s], COLOURS[c], x * data.size - 0.5, y * data.size - 0.5, r * data.size)
        for s, c, x, y, r in zip(scene.shape, scene.colour, place.x, place.y, place.radius, strict=True)
    ]


def singular(word):
    return {"crosses": "cross"}.get(word, word.removesuffix("s"))


def answer(question, things):
    """The answer, worked out from the words of the question and a list of objects."""
    words = question.rstrip("?").split()
    if question.startswith("what colour is the"):
        (found,) = [t for t in things if t[0] == words[-1]]
        return found[1]
    if question.startswith("what shape is the"):
        (found,) = [t for t in things if t[1] == words[-2]]
        return found[0]
    if question.startswith("is there"):
        return "yes" if any(t[:2] == (words[-1], words[-2]) for t in things) else "no"
    if question.startswith("how many"):
        asked = words[2] if words[3] == "shapes" else singular(words[2])
        return str(sum(asked in t[:2] for t in things))
    (asked,) = [t for t in things if t[0] == words[-1]]
    # further left than up or down, and nearest
    beside = [t for t in things if t[2] < asked[2] and abs(t[3] - asked[3]) < 64 / 6]
    return min(beside, key=lambda t: asked[2] - t[2])[0]


@pytest.mark.parametrize("kind", KINDS)
def test_answers_follow_from_the_objects(kind):
    data = Shapes("train", questions={kind: 1}, train=300)
    for i in range(len(data)):
        question = data.sample(i).question
        assert answer(question.text, objects(data, i)) == question.answer


@pytest.mark.parametrize("number", [4, 9, 16])
def test_answers_follow_for_any_number_of_objects(number):
    data = Shapes("train", questions={"colour": 1, "shape": 1, "count": 1, "exists": 1}, train=100, objects=number)
    for i in range(len(data)):
        question = data.sample(i).question
        assert len(objects(data, i)) == number
        assert answer(question.text, objects(data, i)) == question.answer


@pytest.mark.parametrize("kind", KINDS)
def test_no_answer_to_a_question_is_much_likelier_than_another(kind):
    """Pearson's statistic stays below its 99.99 % point, and a guess by question lands near the stated prior."""
    from scipy.stats import chi2

    data = Shapes("train", questions={kind: 1}, train=1500)
    pairs = [(q, a) for q, a in zip(data.strings("question"), data.strings("answers"), strict=True)]
    answers = Counter(a for _, a in pairs)
    expected = len(pairs) / len(answers)
    statistic = sum((n - expected) ** 2 / expected for n in answers.values())
    assert statistic < chi2.ppf(0.9999, len(answers) - 1)

    half = len(pairs) // 2
    seen = {}
    for q, a in pairs[:half]:
        seen.setdefault(q, Counter())[a] += 1
    right = np.mean([q in seen and seen[q].most_common(1)[0][0] == a for q, a in pairs[half:]])
    assert right == pytest.approx(data.prior, abs=4 * np.sqrt(data.prior * (1 - data.prior) / half))


def test_objects_do_not_overlap_and_stay_on_the_picture():
    for number in (4, 6, 16):
        data = Shapes("train", "saliency", objects=number, train=100)
        for i in range(len(data)):
            things = objects(data, i)
            for k, (_, _, x, y, r) in enumerate(things):
                assert min(x, y) + 0.5 >= r
                assert max(x, y) + 0.5 <= 64 - r
                assert all(max(abs(x - t[2]), abs(y - t[3])) > r + t[4] - 1e-9 for t in things[:k])


def test_pixels_show_the_colours_that_are_told():
    """The hue of the pixels around an object's centre, by the standard library, is that of the colour's name."""
    import colorsys

    hues = {"red": 0, "yellow": 60, "green": 120, "cyan": 180, "blue": 240, "purple": 290}
    data = Shapes("train", "saliency", noise=0.0, train=50)
    for i in range(len(data)):
        image = data.image(i).astype(float) / 255
        for shape, colour, x, y, radius in objects(data, i):
            x += 0.72 * radius if shape == "ring" else 0
            middle = image[:, round(y), round(x)]
            hue = 360 * colorsys.rgb_to_hsv(*middle)[0]
            nearest = min(hues, key=lambda name: min(abs(hue - hues[name]), 360 - abs(hue - hues[name])))
            assert nearest == colour


def test_shapes_cover_the_area_of_their_geometry():
    """Counted on a fine grid, against closed forms of polygons with these corners."""
    from haa.data.shapes.render import outline

    inner, tau = 0.45 * 1.1, 2 * np.pi
    areas = {
        "circle": np.pi,
        "square": 1.7**2,
        "triangle": 3 * np.sqrt(3) * 0.6**2,
        "ring": np.pi * (1 - 0.44**2),
        "cross": 2 * (2 * 0.72) - 0.72**2,
        "star": 5 * 1.1 * inner * np.sin(tau / 10),
    }
    at = np.linspace(-1.5, 1.5, 1501)
    for shape, area in areas.items():
        inside = (outline(shape, at, at[:, None]) < 0).mean() * 9
        assert inside == pytest.approx(area, rel=0.01), shape


def test_captions_speak_of_objects_that_are_there():
    data = Shapes("train", "captioning", train=100)
    for i in range(len(data)):
        present = {(colour, shape) for shape, colour, *_ in objects(data, i)}
        captions = data[i]["captions"]
        assert len(set(captions)) == len(captions) == 5
        for caption in captions:
            words = caption.split()
            named = {(a, b) for a, b in itertools.pairwise(words) if a in COLOURS and b in SHAPES}
            assert named
            assert named <= present


def test_captions_put_objects_where_they_are():
    data = Shapes("train", "captioning", train=200)
    checked = 0
    for i in range(len(data)):
        things = objects(data, i)
        words = data.sample(i).captions[1].replace("large ", "").replace("small ", "").split()
        one, two = (words[2], words[1]), (words[-1], words[-2])
        places = [[t[2:4] for t in things if t[:2] == name] for name in (one, two)]
        if [len(p) for p in places] != [1, 1]:
            continue
        (x1, y1), (x2, y2) = places[0][0], places[1][0]
        relation = " ".join(words[4:-3])
        assert {"left of": x1 < x2, "right of": x1 > x2, "above": y1 < y2, "below": y1 > y2}[relation]
        checked += 1
    assert checked > 100


@pytest.mark.slow
def test_the_same_in_every_process():
    """Another process with other hash randomisation, which reads backwards, gives the same bytes."""
    code = (
        "import hashlib, sys\n"
        "from haa.data.shapes import Shapes\n"
        "def digest(forwards):\n"
        "    digests = []\n"
        "    for task in ('vqa', 'captioning', 'saliency'):\n"
        "        for world in ('relevant', 'irrelevant'):\n"
        "            data = Shapes('val', task, world, val=6, seed=3)\n"
        "            samples = {i: data[i] for i in (range(6) if forwards else range(5, -1, -1))}\n"
        "            for i in range(6):\n"
        "                s, g = samples[i], samples[i].pop('gaze')\n"
        "                pixels = s.pop('image').numpy().tobytes()\n"
        "                seen = pixels + g.points.numpy().tobytes() + g.duration.numpy().tobytes()\n"
        "                digests += [hashlib.sha256(seen + repr(s).encode()).hexdigest()]\n"
        "    return hashlib.sha256(repr(digests).encode()).hexdigest()\n"
    )
    here: dict[str, Any] = {}
    exec(code, here)
    hashing = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    there = subprocess.run(
        [sys.executable, "-c", code + "print(digest(False))"],
        env={"PYTHONHASHSEED": hashing, "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert here["digest"](True) == there.stdout.strip()


def test_global_random_state_is_neither_read_nor_moved():
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    one = Shapes("train", train=1)[0]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    torch.manual_seed(1)
    np.random.seed(1)
    other = Shapes("train", train=1)[0]
    assert torch.equal(one["image"], other["image"])
    assert torch.equal(one["gaze"].points, other["gaze"].points)


def test_a_sample_may_be_changed_without_harm():
    data = Shapes("train", train=1)
    before = data[0]["image"].clone()
    data[0]["image"].zero_()
    assert torch.equal(data[0]["image"], before)
    assert torch.equal(Shapes("train", train=1, cache=False)[0]["image"], before)


def test_more_samples_leave_the_first_as_they_are():
    few, many = Shapes("train", train=3), Shapes("train", train=30)
    assert all(torch.equal(few[i]["image"], many[i]["image"]) for i in range(3))


def test_splits_and_seeds_share_no_scene():
    scenes = [
        Shapes(split, seed=seed, train=200, val=200, test=200).sample(i).scene.layout.x.tobytes()
        for split in ("train", "val", "test")
        for seed in (0, 1)
        for i in range(200)
    ]
    assert len(set(scenes)) == len(scenes)


def test_gaze_and_strings_render_nothing(monkeypatch):
    import haa.data.shapes.dataset as module

    def refuse(*_):
        raise AssertionError("a picture was rendered")

    monkeypatch.setattr(module, "render", refuse)
    for world in ("relevant", "irrelevant"):
        for task, keys in (("vqa", ("question", "answers")), ("captioning", ("captions",)), ("saliency", ())):
            data = Shapes("train", task, world, train=3)
            assert [data.gaze(i) is not None for i in range(3)] == [True] * 3
            for key in keys:
                assert list(data.strings(key))
    with pytest.raises(KeyError):
        list(data.strings("question"))


def test_strings_are_those_of_the_samples():
    data = Shapes("val", val=20, questions=KINDS)
    assert list(data.strings("question")) == [s["question"] for s in data]
    assert list(data.strings("answers")) == [a for s in data for a in s["answers"]]
    data = Shapes("val", "captioning", val=20)
    assert list(data.strings("captions")) == [c for s in data for c in s["captions"]]


def test_sample_is_what_the_contract_says():
    data = Shapes("test", test=3, size=48)
    assert data.simulated
    assert len(list(data)) == len(data) == 3
    sample = data[2]
    assert sample["image"].dtype == torch.uint8
    assert sample["image"].shape == (3, 48, 48)
    assert sample["gaze"].size == (48, 48)
    assert len({data.stimulus(i) for i in range(3)}) == 3
    assert torch.equal(pickle.loads(pickle.dumps(data))[1]["image"], data[1]["image"])
    with pytest.raises(IndexError):
        data[3]


def test_fingerprint_tells_pictures_apart():
    base = Shapes("train")
    assert base.fingerprint() == Shapes("train", miss=0.5, share_with_gaze=0.2, cache=False).fingerprint()
    others = [
        Shapes("val"),
        Shapes("train", seed=1),
        Shapes("train", size=32),
        Shapes("train", world="irrelevant"),
        Shapes("train", noise=0.2),
        Shapes("train", questions={"shape": 1}),
        Shapes("train", train=999),
    ]
    assert len({d.fingerprint() for d in (base, *others)}) == len(others) + 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "dev"}, "choose among train, val, test"),
        ({"task": "vcr"}, "choose among vqa, captioning, saliency"),
        ({"world": "flat"}, "choose among relevant, irrelevant"),
        ({"objects": 3}, "objects=3 .* 4 to 16"),
        ({"size": 64.5}, "whole number"),
        ({"miss": 1.5}, "0 to 1"),
        ({"miss": "often"}, "number"),
        ({"questions": {"color": 1}}, "questions=color .* choose among colour, shape"),
        ({"questions": {"colour": 1}, "world": "irrelevant"}, "choose among background, stripes, light"),
        ({"questions": {"colour": 0}}, "all weights are 0"),
    ],
)
def test_arguments_out_of_range_are_named(arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        Shapes(**{"split": "train", **arguments})
    assert "\n" not in str(caught.value)
