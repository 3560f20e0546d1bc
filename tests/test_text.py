"""Vocabularies, compared with hand-made cases and with a plain reading of the texts by a regular expression."""

import re
from collections import Counter

import pytest
import torch

from haa.errors import InputError
from haa.text import BOS, EOS, PAD, SPECIALS, UNK, Answers, Vocabulary, pack, unpack

TEXTS = ["What colour is the star?", "Is the star red? Yes.", "the 2 CATS' hats - and a dog", "naïve café"]


def plain_words(text):
    return re.findall(r"\w+|[^\w\s]", text.lower())


def test_the_specials_have_fixed_numbers():
    words = Vocabulary.build(TEXTS)
    assert (PAD, UNK, BOS, EOS) == (0, 1, 2, 3)
    assert words.decode(torch.tensor([[UNK, PAD, BOS, UNK]])) == ["<unk> <unk>"]


def test_words_and_their_order_equal_a_plain_count():
    counts = Counter(word for text in TEXTS for word in plain_words(text))
    ranked = sorted(counts, key=lambda w: (-counts[w], w))
    words = Vocabulary.build(TEXTS)
    assert len(words) == len(SPECIALS) + len(ranked)
    assert words.decode(torch.arange(4, len(words))[:, None]) == ranked


def test_encode_equals_a_plain_reading():
    words = Vocabulary.build(TEXTS)
    tokens, mask = words.encode(TEXTS)
    assert tokens.dtype == torch.long
    assert words.decode(tokens) == [" ".join(plain_words(text)) for text in TEXTS]
    assert mask.sum(1).tolist() == [len(plain_words(text)) for text in TEXTS]
    assert (tokens[~mask] == PAD).all()


def test_bounds_enclose_every_text_and_length_is_cut_inside_them():
    words = Vocabulary.build(["a b c"])
    tokens, mask = words.encode(["a b c", "c"], bounds=True, max_length=2)
    assert tokens.tolist() == [[BOS, 4, 5, EOS], [BOS, 6, EOS, PAD]]
    assert mask.tolist() == [[True] * 4, [True] * 3 + [False]]


def test_decoding_stops_at_the_end():
    words = Vocabulary.build(["a b c"])
    assert words.decode(torch.tensor([[BOS, 4, EOS, 5, EOS], [EOS, 4, 4, 4, 4]])) == ["a", ""]


def test_rare_words_go_first_and_unknown_ones_share_a_number():
    words = Vocabulary.build(["b b b a a c"], size=len(SPECIALS) + 2)
    assert words.encode(["a b c d"])[0].tolist() == [[5, 4, UNK, UNK]]
    assert len(Vocabulary.build(["b b b a a c"], min_count=2)) == len(SPECIALS) + 2


def test_a_text_without_words_reads_as_unknown():
    tokens, mask = Vocabulary.build(["a"]).encode(["", " \n"])
    assert tokens.tolist() == [[UNK], [UNK]]
    assert mask.all()


def test_no_texts_give_no_rows():
    tokens, mask = Vocabulary.build(["a"]).encode([])
    assert tokens.shape == mask.shape == (0, 0)


def test_a_special_is_never_read_from_a_text():
    tokens, _ = Vocabulary.build(["a <eos> b"]).encode(["<eos> <pad>"])
    assert (tokens != EOS).all()
    assert (tokens != PAD).all()


def test_vocabularies_survive_json():
    words, answers = Vocabulary.build(TEXTS), Answers.build(["größer", "no", "no"])
    read = unpack(pack({"question": words, "answer": answers}))
    again, answers_again = read["question"], read["answer"]
    assert again == words
    assert answers_again == answers
    assert torch.equal(again.encode(TEXTS)[0], words.encode(TEXTS)[0])


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"answers": 3', "{}"])
def test_what_is_not_a_vocabulary_is_refused_in_one_line(text):
    with pytest.raises(InputError) as error:
        unpack({"answer": ["Answers", text], "question": ["Vocabulary", text]})
    assert "\n" not in str(error.value)


def test_a_foreign_tokenizer_is_refused():
    from tokenizers import Tokenizer, models

    with pytest.raises(InputError, match="first four entries"):
        Vocabulary.from_json(Tokenizer(models.WordLevel({"a": 0}, unk_token="a")).to_str())


def test_answers_are_ranked_by_count_then_by_alphabet():
    answers = Answers.build(["c", "b", "a", "c", "d", "b"], size=3)
    assert answers.decode(torch.arange(3)) == ["b", "c", "a"]
    assert answers.encode(["a", "d", "B"]).tolist() == [2, -1, -1]
    assert len(Answers.build(["a", "b", "a"], min_count=2)) == 1


@pytest.mark.parametrize("people", [2, 3, 10])
def test_several_answers_give_the_official_accuracy(people):
    """Against the official evaluation's own procedure: leave one person out, min(matches / 3, 1), average."""
    answers = Answers(["yes", "no", "maybe"])
    for yes in range(people + 1):
        given = ["yes"] * yes + ["no"] * (people - yes)
        official = [
            sum(min(sum(a == answer for j, a in enumerate(given) if j != i) / 3, 1) for i in range(people)) / people
            for answer in ("yes", "no", "maybe")
        ]
        assert answers.targets([given])[0].tolist() == pytest.approx(official, abs=1e-6)
        if people == 10:
            assert official[0] == pytest.approx(min(1, 0.3 * yes))


def test_a_single_answer_counts_in_full_and_outside_ones_nowhere():
    answers = Answers(["red", "blue"])
    assert answers.targets([["blue"], ["green"]]).tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize("answers", [[], ["a", "a"]])
def test_useless_answer_lists_are_refused(answers):
    with pytest.raises(InputError):
        Answers(answers)
