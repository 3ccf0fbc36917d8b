"""Who listens on which TCP port of this machine, and whether a program started now could.

Linux lets sockets of one user share a port when all ask for SO_REUSEPORT (socket(7)), as HAProxy does: a second
listener on the *same* address silently takes half of the connections, while one on a specific address beside a
wildcard gets exactly what is sent to that address (measured with HAProxy 2.6 and 2.8).
"""

import errno
import ipaddress
import os
import socket
from collections.abc import Collection, Iterator
from pathlib import Path

from lbmigrate.errors import Failed

LISTEN, ESTABLISHED = "0A", "01"  # states of tcp(7) sockets as the kernel's tables write them
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


def listeners(address: str, port: int) -> frozenset[int]:
    """Inodes of the sockets that listen on exactly this address and port; wildcards do not count."""
    wanted = ipaddress.ip_address(address)
    return frozenset(inode for ip, number, inode, _ in _sockets(LISTEN) if (ip, number) == (wanted, port))


def listens(pid: int) -> bool:
    """Whether the process holds a listening TCP socket. What may not be read counts as yes: it is not known gone."""
    mine = inodes(pid)
    return mine is None or any(inode in mine for _ip, _port, inode, _peer in _sockets(LISTEN))


def peers(pid: int, addresses: Collection[str], numbers: Collection[int]) -> frozenset[str]:
    """Who is connected to the process at these addresses and ports, idle or not; nobody where we may not read it."""
    mine, here = inodes(pid) or frozenset(), {ipaddress.ip_address(one) for one in addresses}
    found = (one for one in _sockets(ESTABLISHED) if one[0] in here and one[1] in numbers and one[2] in mine)
    return frozenset(str(peer) for *_, peer in found)


def inodes(pid: int) -> frozenset[int] | None:
    """Inodes of a process's sockets; empty when it is gone, None when we may not read them."""
    try:
        links = [_link(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        return frozenset()
    return frozenset(int(one[8:-1]) for one in links if one.startswith("socket:["))


def _link(path: Path) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


def _sockets(state: str) -> Iterator[tuple[Address, int, int, Address]]:
    """Of every TCP socket in this state: its own address and port, its inode, its peer's address."""
    for table in TABLES:
        for line in _rows(Path(table)):
            fields = line.split()
            if fields[3] == state:
                host, port = fields[1].split(":")
                yield _address(host), int(port, 16), int(fields[9]), _address(fields[2].split(":")[0])


def _rows(table: Path) -> list[str]:
    try:
        return table.read_text().splitlines()[1:]
    except FileNotFoundError:
        return []  # a kernel without IPv6 has no such table
    except OSError as wrong:
        raise Failed(f"reading {table}: {wrong.strerror}; run where /proc can be read") from wrong


def _address(text: str) -> Address:
    """The kernel prints each 32-bit word in the machine's own (little-endian) order."""
    raw = bytes.fromhex(text)
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
    return ipaddress.ip_address(words)


def unbindable(address: str, port: int) -> str:
    """Why a program of this user could not listen there with SO_REUSEPORT; "" when it could. Takes no traffic."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((address, port))
        except OSError as wrong:
            return _why(wrong, address)
    return ""


def _why(wrong: OSError, address: str) -> str:
    match wrong.errno:
        case errno.EADDRINUSE:
            return "another program holds the port (perhaps by a wildcard bind) and does not share it"
        case errno.EADDRNOTAVAIL:
            return f"{address} is no address of this machine"
        case _:
            return str(wrong.strerror)
