"""The driver for Amazon Route 53: weighted record sets, changed in whole batches that name what they replace.

names: its spelling and order of names · api: the calls, their pace and their errors · listing: record sets as the model
has them · batch: the changes from one state to another · driver: `model.Zone` over these
"""

from lbmigrate.errors import Failed
from lbmigrate.model import Zone
from lbmigrate.spec import Dns


def make(entry: Dns, timeout: float, update_timeout: float) -> Zone:
    """The driver of one `dns:` entry; nothing is connected yet. Timeouts in seconds. Raises Failed without boto3."""
    try:
        from lbmigrate.dns.route53.driver import Route53
    except ImportError as wrong:
        raise Failed(f"dns: driver route53: {wrong}; install it: pip install 'lbmigrate[route53]'") from wrong
    return Route53(entry, timeout, update_timeout)
