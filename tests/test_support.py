from __future__ import annotations

import pytest
from benchmarks import support, support_tokens
from benchmarks.support_families import hugging_face_families, timm_families

FAMILIES = [*timm_families(), *hugging_face_families()]
REASONS = ("windows", "no attention that can be read", "2 attentions", "random order")


def row(family: support.Family) -> list[str]:
    """What docs/support.md says of a family, source by source."""
    lines = [line.split(" | ") for line in support.PAGE.read_text().splitlines() if line.startswith("| ")]
    (cells,) = (line[2:] for line in lines if line[0].removeprefix("| ") == family.name and line[1] == family.library)
    return [cell.strip(" |") for cell in cells]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: f"{family.library}-{family.name}")
def test_the_page_is_true(family: support.Family) -> None:
    found = support.results(family)
    assert len(row(family)) == len(support.SOURCES)
    for source, said in zip(support.SOURCES, row(family), strict=True):
        result = found.get(source)
        if result is None:
            assert said == "–", source
        elif isinstance(result, str):
            assert said == "refused", (source, result)
            assert "layer" in result
            assert any(reason in result for reason in REASONS), result
        else:
            assert result <= support.TOLERANCE, (source, result)
            assert float(said) <= support.TOLERANCE, (source, said)


@pytest.mark.parametrize("family", support_tokens.families(), ids=lambda family: family.name)
def test_the_page_is_true_of_vision_language_models(family: support_tokens.TokenFamily) -> None:
    lines = [line.strip("| ").split(" | ") for line in support.PAGE.read_text().splitlines() if line.startswith("| ")]
    ((_, *said),) = (line for line in lines if line[0] == family.name)
    found = support_tokens.differences(family)
    assert len(said) == len(found)
    assert all(value <= support.TOLERANCE for value in [*found.values(), *map(float, said)])


def test_the_page_has_every_family_and_no_other() -> None:
    rows = [line for line in support.PAGE.read_text().splitlines() if line.startswith("| ")]
    named = {
        tuple(line.strip("| ").split(" | ")[:2]) for line in rows if line.split(" | ")[1] in ("timm", "transformers")
    }
    assert named == {(family.name, family.library) for family in FAMILIES}
