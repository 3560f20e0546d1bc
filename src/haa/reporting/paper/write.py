"""The files of a paper in a report's folder, and what its page shows of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from haa.disk import make_folder, write_whole
from haa.reporting import across, style
from haa.reporting.arms import Study
from haa.reporting.paper import captions, citations
from haa.reporting.paper.methods import methods
from haa.reporting.paper.table import escaped
from haa.reporting.paper.tables import tables
from haa.reporting.pays.standard import Standardised
from haa.reporting.verdict import Claim

WIDE = "_wide"
"""What the name of a figure as wide as a page ends in."""


@dataclass(frozen=True)
class Item:
    """A table or a figure, as the page lists it."""

    name: str
    caption: str
    files: list[tuple[str, str]]
    """Each file's path in the report's folder, and what it is."""


@dataclass(frozen=True)
class Paper:
    """What an author pastes."""

    tables: list[Item]
    figures: list[Item]
    methods: list[str]
    """Paragraphs, with citations by their place in `references`."""
    references: list[str]


def write(
    studies: Sequence[Study],
    claims: Sequence[Sequence[Claim]],
    standard: Sequence[Standardised],
    folders: Sequence[Path],
    output: Path,
    drawn: Sequence[tuple[str, str]] = (),
) -> Paper:
    """Write tables, figures over studies, the paragraphs of methods, and a paper that holds all of it.

    Args:
        studies: All studies of the report.
        claims: The claims of each, as `haa.reporting.verdict.family` returns them.
        standard: What `haa.reporting.pays.standard.standardise` returns for them.
        folders: Where runs were looked for; what ``haa probe`` wrote there makes the table of layers.
        output: The report's folder: ``tables/`` has ``NAME.csv`` and ``NAME.tex``, ``figures/`` has ``NAME.pdf``,
            ``text/`` has ``methods.tex``, ``methods.md`` and ``references.bib``; ``paper.tex`` takes them together.
        drawn: Names and captions of each study's own figures, which lie in ``figures/`` already.
    """
    made = []
    for table in tables(studies, claims, standard, folders):
        make_folder(output / "tables")
        files = [(f"tables/{table.name}.{ending}", ending) for ending in ("tex", "csv")]
        write_whole(output / files[0][0], table.tex())
        write_whole(output / files[1][0], table.csv())
        made.append(Item(table.name, table.told(), files))
    listed = [*drawn, *_across(studies, claims, standard, output)]
    figures = [
        Item(name, caption, [(f"figures/{name}.pdf", "column"), (f"figures/{name}{WIDE}.pdf", "page")])
        for name, caption in listed
    ]
    texts = methods(studies, claims) if studies else []
    keys = citations.cited(texts)
    if texts:
        make_folder(output / "text")
        write_whole(output / "text" / "methods.tex", "\n\n".join(map(citations.latex, texts)) + "\n")
        write_whole(output / "text" / "methods.md", "\n\n".join(map(citations.markdown, texts)) + "\n")
        write_whole(output / "text" / "references.bib", citations.bib(keys))
        write_whole(output / "paper.tex", _paper(made, figures))
    told = [citations.numbered(text, keys) for text in texts]
    return Paper(made, figures, told, [citations.reference(key) for key in keys])


def _across(
    studies: Sequence[Study], claims: Sequence[Sequence[Claim]], standard: Sequence[Standardised], output: Path
) -> list[tuple[str, str]]:
    firsts = [each[0] if each else None for each in claims]
    found = {
        "backbones": (
            lambda width: across.backbones(studies, firsts, width),
            "Score against attention's consistency with human gaze. Filled: without alignment; hollow: with human "
            "gaze, where an arrow leads from the one to the other. Means over seeds, without intervals.",
        ),
        "gains": (
            lambda width: across.gains(standard, width),
            "What alignment with human gaze adds to the score and to attention, in standard deviations of a run. "
            "Lines: 95 % intervals (Monte Carlo), not corrected for the number of studies.",
        ),
    }
    folder = output / "figures"
    return [
        (name, f"{caption} {captions.n(studies)}.")
        for name, (draw, caption) in found.items()
        if style.save(draw, folder, name) is not None
    ]


def _paper(tables: Sequence[Item], figures: Sequence[Item]) -> str:
    """Return a paper in two columns that holds the paragraphs, tables and figures, to be taken apart."""
    lines = [
        "% pdflatex paper; bibtex paper; pdflatex paper; pdflatex paper",
        "\\documentclass[10pt,twocolumn]{article}",
        "\\usepackage[letterpaper,margin=0.8in,columnsep=0.2in]{geometry}",
        "\\usepackage{booktabs,graphicx}",
        "\\setlength{\\belowcaptionskip}{6pt} % between a table and its caption above",
        "\\begin{document}",
        "\\section{Methods}",
        "\\input{text/methods}",
    ]
    lines += [f"\\input{{tables/{item.name}}}" for item in tables]
    for item in figures:
        lines += [
            "\\begin{figure}",
            "\\centering",
            f"\\includegraphics{{{item.files[0][0]}}}",
            f"\\caption{{{escaped(item.caption)}}}",
            f"\\label{{fig:{item.name}}}",
            "\\end{figure}",
        ]
    lines += ["\\bibliographystyle{plain}", "\\bibliography{text/references}", "\\end{document}", ""]
    return "\n".join(lines)
