"""Pages of HTML: one way to fill every template, in which texts from elsewhere can do nothing."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from haa.printing.plain import plain


def template(room: str) -> Template:
    """Return the template ``page.html.jinja`` of a room, which escapes what it is given.

    Texts lose what is not printed (`haa.printing.plain.plain`), and a name that is not given is an error.

    Args:
        room: Package that has the template, such as ``"haa.reporting"``.

    Example:
        >>> "<h1>" in template("haa.scoring").environment.from_string("{{ text }}").render(text="<h1>")
        False
    """
    environment = Environment(
        loader=PackageLoader(room, "."),
        autoescape=True,
        finalize=lambda value: plain(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")
