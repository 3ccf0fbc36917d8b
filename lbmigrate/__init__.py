"""lbmigrate: replace a load balancer behind live DNS names without one failed request."""

__version__ = "0.1.0"
