"""Where a side runs: programs on this machine."""
