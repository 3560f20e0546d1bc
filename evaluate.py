import sys

from haa.cli.main import evaluate

evaluate(sys.argv[1:])
