"""A child that dies without a word, as one that the machine kills."""

import sys

if __name__ == "__main__":
    sys.exit("out of memory")
