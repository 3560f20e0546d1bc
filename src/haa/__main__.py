"""``python -m haa`` is the command ``haa``."""

from haa.cli import main

main()
