"""The documentation site, for Sphinx: ``make docs``. Nothing in it comes from elsewhere (decision 69)."""

import sys
from pathlib import Path

from pygments.lexers.special import TextLexer

sys.path.insert(0, str(Path(__file__).parents[1]))

from docs.builder import mathml
from docs.builder.pages import prepared, readable

import haa

project = "haa"
author = "The haa authors"
copyright = author
version = release = haa.__version__
root_doc = "index"
exclude_patterns = ["builder"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]

# pages
myst_heading_anchors = 4
nb_execution_mode = "off"  # the tests run the tutorials, and keep what they show
nb_merge_streams = True

# the reference
default_role = "py:obj"  # `name` in a docstring leads to the name, where it is documented
autosummary_generate = False
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 90
napoleon_numpy_docstring = False

# how it looks
html_theme = "pydata_sphinx_theme"
html_title = "haa"
html_static_path = ["builder/static"]
html_css_files = ["haa.css"]
html_math_renderer = "mathml"
html_sidebars = {"index": [], "start": []}  # nothing is below them
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "haa"},
    "header_links_before_dropdown": 8,
    "navbar_align": "left",
    "navbar_persistent": ["search-button"],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}


def setup(app):
    app.add_html_math_renderer("mathml", (mathml.inline, None), (mathml.block, None))
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", read)
    app.connect("html-page-context", write)


def read(app, page, text):
    if app.env.doc2path(page).suffix == ".md":
        text[0] = prepared(page, text[0])


def write(app, page, template, context, doctree):
    context["body"] = readable(context.get("body", ""))
