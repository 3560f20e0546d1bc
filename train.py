import sys

from haa.cli import train

train(sys.argv[1:])
