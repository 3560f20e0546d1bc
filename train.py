import sys

from haa.cli.main import train

train(sys.argv[1:])
