"""A child that is never done, and says so again and again until it is killed."""

import json
import sys

if __name__ == "__main__":
    while True:
        sys.stdout.write(json.dumps({"done": 1, "total": 2}) + "\n")
        sys.stdout.flush()
