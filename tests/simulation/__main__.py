"""Plays one seed once more and prints its story: `python -m tests.simulation SEED`, in the project's folder."""

import sys

from .story import ended, story


def main(seed: int) -> int:
    """0 where no invariant broke and the migration came to an end."""
    run, state = story(seed, print)
    return int(bool(run.broken) or not ended(state))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
