import sys

from haa.cli import evaluate

evaluate(sys.argv[1:])
