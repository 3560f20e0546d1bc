"""Caption scores against the published values, pycocoevalcap's and cases by hand; the tokeniser against Stanford's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from haa.errors import InputError
from haa.metrics import BLEU, ROUGEL, CaptionScores, CIDEr
from haa.metrics.functional import caption_scores, java_caption_scores, ptb_tokenize


def real(*parts: str) -> Path:
    path = Path(os.environ.get("HAA_REAL_DATA", "absent")).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"HAA_REAL_DATA names no folder with {'/'.join(parts)}")
    return path


def test_published_scores():
    folder = real("reference", "captions")
    said, first, second = ((folder / f"{n}.txt").read_text().splitlines() for n in ("hyp", "ref1", "ref2"))
    scores = caption_scores(said, [list(pair) for pair in zip(first, second, strict=True)])
    published = {"bleu1": 0.55, "bleu2": 0.428174, "bleu3": 0.284043, "bleu4": 0.201143}
    published |= {"rouge_l": 0.522104, "cider": 1.242192}
    for name, value in published.items():
        assert scores[name][0] == pytest.approx(value, abs=1e-6), name


# made by pycocoevalcap 1.2's Bleu, Rouge and Cider on these very strings
SAID = ["a man rides a horse on the beach", "two dogs play", "the the the the", "a plate of food and a glass of wine"]
MEANT = [
    ["a man riding a horse on a beach", "someone rides a horse along the sea"],
    ["two dogs are playing in the grass", "dogs play", "a brown dog and a white dog play together"],
    ["the cat sat on the mat", "there is a cat on the mat"],
    ["a plate with food and a glass of wine on a table"],
]
PEER = json.loads(Path(__file__).with_name("captions_reference.json").read_text())


def test_values_of_pycocoevalcap():
    scores = caption_scores(SAID, MEANT)
    for name, (whole, each) in PEER.items():
        assert scores[name][0] == pytest.approx(whole, abs=1e-9), name
        assert scores[name][1].tolist() == pytest.approx(each, abs=1e-9), name


def test_by_hand():
    scores = caption_scores(["a b c d"], [["a b c d"]])
    assert scores["bleu4"][0] == pytest.approx(1, abs=1e-6)
    assert scores["rouge_l"][0] == 1
    assert scores["cider"][0] == 0  # every n-gram is in every document of a set of one
    # the candidate b d: precision 2/2 and recall 2/4 of the subsequence b d
    assert caption_scores(["b d"], [["a b c d"]])["rouge_l"][0] == pytest.approx(2.44 * 0.5 / (0.5 + 1.44), abs=1e-9)
    assert caption_scores(["", "a"], [["a"], ["a"]])["rouge_l"][1].tolist() == [0, 1]


def test_classes_collect_batches_and_score_at_the_end():
    metric, single = CaptionScores(tokenize=False), CIDEr(tokenize=False)
    assert metric.values_after == single.values_after == "compute"
    for i in range(4):
        metric.update(SAID[i : i + 1], MEANT[i : i + 1])
        single.update(SAID[i : i + 1], MEANT[i : i + 1])
    assert metric.values is None
    values = metric.compute()
    assert metric.values.keys() == values.keys()
    for name, (whole, each) in PEER.items():
        assert values[name].item() == pytest.approx(whole, abs=1e-6)
        assert metric.values[name].tolist() == pytest.approx(each, abs=1e-9)
    assert single.compute() == values["cider"]
    assert torch.equal(single.values, metric.values["cider"])
    bleu, rouge = BLEU(n=2, tokenize=False), ROUGEL(tokenize=False)
    for one in (bleu, rouge):
        one.update(SAID, MEANT)
    assert bleu.compute() == values["bleu2"]
    assert rouge.compute() == values["rouge_l"]
    metric.reset()
    single.reset()
    assert metric.values is None
    assert single.values is None
    metric.update(["a é \u2028 b"], [["a é \u2028 b\n"]])
    assert metric.compute()["rouge_l"] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: caption_scores(["a"], [["a"], ["b"]]), "1 candidates, 2 lists"),
        (lambda: caption_scores(["a", "b"], [["a"], []]), "image 1 of the set has no reference"),
        (lambda: caption_scores([], []), "at least one image"),
        (lambda: caption_scores(["a"], [["a"]], names=("meteor",)), "'meteor' is unknown"),
        (lambda: CaptionScores().update(["a"], []), "1 candidates, 0 lists"),
    ],
)
def test_what_cannot_be_used_raises_one_line(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_java_scores_say_what_is_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="no java is on the path"):
        java_caption_scores(["a"], [["a"]])


def test_meteor_of_the_published_set():
    folder = real("reference", "captions")
    pytest.importorskip("pycocoevalcap", reason="pycocoevalcap, which ships METEOR's jar, is absent")
    if shutil.which("java") is None:
        pytest.skip("there is no java")
    said, first, second = ((folder / f"{n}.txt").read_text().splitlines() for n in ("hyp", "ref1", "ref2"))
    references = [list(pair) for pair in zip(first, second, strict=True)]
    whole, each = java_caption_scores(said, references)["meteor"]
    assert whole == pytest.approx(0.295797, abs=1e-6)
    assert each.shape == (len(said),)
    with pytest.raises(InputError, match="Stanford CoreNLP"):  # its jars are a download of their own
        java_caption_scores(said, references, names=("spice",))


# pairs made by PTBTokenizer -preserveLines -lowerCase of Stanford CoreNLP 3.4.1, punctuation left out
TOKENS = {
    "I can't cannot gonna won't ain't": "i ca n't can not gon na wo n't ai n't",
    "the ho'ohu of d'oeuvre o'clock": "the ho'ohu of d'oeuvre o'clock",
    "\"quoted\" it's the dogs' bowl the '90s 'tis": "quoted it 's the dogs bowl the '90s 't is",
    "wait... and end -- dash --- en – em — a - b": "wait and end dash en em a b",
    "p.m. U.S. U.S.A. e.g. etc. vs. Mr. Smith St. Ave.": "p.m. u.s. u.s.a. e.g. etc. vs. mr. smith st. ave.",
    "1,000 10.5 10:30 3/4 10-29-2011 11.01.2009 50% $5.00 #1": (
        "1,000 10.5 10:30 3/4 10-29-2011 11.01.2009 50 % $ 5.00 # 1"
    ),
    "black/white and/or his/her w/o a / b AT&T": "black/white and/or his/her w/o a / b at&t",
    "(parens) [brackets] {braces}": "-lrb- parens -rrb- -lsb- brackets -rsb- -lcb- braces -rcb-",
    "have?q what?!? ??? _____ under_score": "have?q what ?!? ??? _____ under_score",
    "café “smart” don’t": "café smart do n't",
    "t-shirt jack-o-lanterns co-worker's": "t-shirt jack-o-lanterns co-worker 's",
    "the man.the end.A dog foo, bar foo,bar": "the man.the end.a dog foo bar foo bar",
    "": "",
}


@pytest.mark.parametrize("caption", TOKENS)
def test_tokens_of_the_stanford_tokeniser(caption):
    assert ptb_tokenize([caption]) == [TOKENS[caption]]


def test_the_stanford_tokeniser_itself_on_every_real_caption():
    annotations = real("coco", "annotations", "captions_val2017.json")
    package = pytest.importorskip("pycocoevalcap", reason="pycocoevalcap, which ships the tokeniser's jar, is absent")
    if shutil.which("java") is None:
        pytest.skip("there is no java")
    captions = [a["caption"].replace("\n", " ") for a in json.loads(annotations.read_text())["annotations"]]
    jar = next(Path(package.__path__[0]).glob("tokenizer/stanford-corenlp-*.jar"))
    command = ["java", "-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    lines = subprocess.run(command, input="\n".join(captions), capture_output=True, text=True, check=True).stdout
    dropped = {"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"}
    theirs = [" ".join(t for t in line.rstrip().split(" ") if t not in dropped) for line in lines.split("\n")]
    assert ptb_tokenize(captions) == theirs[: len(captions)]


def test_per_image_values_are_tensors():
    scores = caption_scores(SAID, MEANT, names=("rouge_l",))
    assert list(scores) == ["rouge_l"]
    assert scores["rouge_l"][1].dtype == torch.float64
