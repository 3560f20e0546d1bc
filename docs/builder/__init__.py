"""What makes the documentation site of the pages: text in, text out, and a little of Sphinx.

The pages are plain Markdown, to be read on a code host, too. Before Sphinx reads one, `pages.prepared` adds what a site
has besides: its place in the navigation, links that lead to pages of the site, and what is generated from the code.
"""
