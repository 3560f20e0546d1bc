"""``python -m haa`` is the command ``haa``."""

from haa.cli.main import main

main()
