"""What an author pastes: tables as csv and LaTeX, captions, figures, and a paragraph of methods with its references."""

from haa.reporting.paper.table import Number, Table, escaped

__all__ = ["Number", "Table", "escaped"]
