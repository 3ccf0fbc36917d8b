"""Asks a name server for one name without pause and tells each change of its answer: `poll.py ADDRESS PORT NAME`.

A line is the moment (of the monotonic clock, which all processes share) and the sorted addresses. It is a process of
its own, so that its asking takes no time from what is measured.
"""

import socket
import sys
import time

import dns.message

PAUSE = 0.0005  # seconds


def main() -> None:
    """Ask until the reader is gone."""
    address, port, name = sys.argv[1:]
    query = dns.message.make_query(name, "A", flags=0).to_wire()
    last = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.connect((address, int(port)))
        server.settimeout(1.0)
        while True:
            server.send(query)
            reply = server.recv(4096)
            now = time.monotonic()
            if reply != last:
                last = reply
                found = sorted(str(one) for rrset in dns.message.from_wire(reply).answer for one in rrset)
                print(f"{now:.6f} {','.join(found)}", flush=True)
            time.sleep(PAUSE)


if __name__ == "__main__":
    main()
