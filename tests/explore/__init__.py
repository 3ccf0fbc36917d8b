"""Every order of events of a small world, explored over the shipped rules; see docs/testing.md."""
