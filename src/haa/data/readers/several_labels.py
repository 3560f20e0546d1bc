"""Labels of a table in which a stimulus may have several: their names in one field, or a column for each class."""

from __future__ import annotations

from haa.data.files.listing import composed
from haa.errors import InputError

BETWEEN = ";"
"""What stands between names in a field ``labels``."""

_VALUES = {
    **dict.fromkeys(("1", "1.0", "true", "yes"), 1),
    **dict.fromkeys(("0", "0.0", "false", "no"), 0),
    **dict.fromkeys(("-1", "-1.0", "", "nan", "na", "?"), -1),
}
"""What fields mean in a column of a class, in lower case: present, absent, unknown."""


def labels_of(row: dict[str, str], word: str, where: str) -> dict[str, int]:
    """Return what a line says of classes: 1 present, 0 absent, -1 unknown.

    Args:
        row: The line. A field ``labels`` names the classes that are present; without it every other column is a class.
        word: The column that names the stimulus.
        where: File and line, for the error.

    Raises:
        InputError: If there is no column of a class, or one holds something else.

    Example:
        >>> labels_of({"image": "a.png", "labels": "edema; mass"}, "image", "labels.csv, line 2")
        {'edema': 1, 'mass': 1}
        >>> labels_of({"image": "a.png", "edema": "1", "mass": "0", "scar": ""}, "image", "labels.csv, line 2")
        {'edema': 1, 'mass': 0, 'scar': -1}
    """
    if "labels" in row:
        return {composed(name.strip()): 1 for name in row["labels"].split(BETWEEN) if name.strip()}
    columns = {name: text for name, text in row.items() if name not in (word, "split")}
    for name, text in columns.items():
        if text.lower() not in _VALUES:
            raise InputError(
                f"{where}: {name}={text!r:.80} is none of 1 (present), 0 (absent) and empty (unknown): a table of "
                f"labels has a column label, or labels with names between {BETWEEN!r}, or such a column for each class"
            )
    if not columns:
        raise InputError(f"{where} has no label: give a column label, labels, or one for each class")
    return {composed(name): _VALUES[text.lower()] for name, text in columns.items()}


def by_class(labels: dict[str, dict[str, int]]) -> tuple[list[str], dict[str, list[int]]]:
    """Return the classes, and for each stimulus a value of each.

    Classes are in alphabetical order; what a stimulus' line does not name is absent.

    Example:
        >>> by_class({"a.png": {"mass": 1}, "b.png": {"edema": -1, "mass": 0}, "c.png": {}})
        (['edema', 'mass'], {'a.png': [0, 1], 'b.png': [-1, 0], 'c.png': [0, 0]})
    """
    classes = sorted({name for values in labels.values() for name in values})
    return classes, {stimulus: [values.get(name, 0) for name in classes] for stimulus, values in labels.items()}
