"""The stand-in's Runtime API: HAProxy's commands and words, on its unix socket, plus the laboratory's two faults.

Commands are separated by `;` or end with the line; each answer ends with a blank line; the connection closes after
the first line. The words were read off HAProxy 2.6.12 and 2.8; a test runs the same table of exchanges on both.
`fault fail SHARE` lets that share of requests answer 500, `fault slow SECONDS` delays every request.
"""

import asyncio
import os
import time
from collections.abc import Callable

from lbmigrate.lab import fake_config
from lbmigrate.lab.fake_proxy import Balancer, Front, Pool, Server

VERSION = "2.6.0-lbmigrate-laboratory"
STATES = ("ready", "drain", "maint")
CHECKS = {"INI": 1, "L4OK": 6, "L4TOUT": 7, "L4CON": 8, "L7RSP": 13, "L7OK": 15, "L7STS": 17}
HEADER = (
    "pxname svname qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis status weight act "
    "bck chkfail chkdown lastchg downtime qlimit pid iid sid throttle lbtot tracked type rate rate_lim rate_max "
    "check_status check_code check_duration hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx hrsp_5xx hrsp_other hanafail req_rate "
    "req_rate_max req_tot cli_abrt srv_abrt comp_in comp_out comp_byp comp_rsp lastsess last_chk last_agt qtime ctime "
    "rtime ttime agent_status agent_code agent_duration check_desc agent_desc check_rise check_fall check_health "
    "agent_rise agent_fall agent_health addr cookie mode algo"
)
COLUMNS = tuple(HEADER.split())
STATE_COLUMNS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)
CODES = ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx")


def answer(balancer: Balancer, line: str) -> str:
    """The answers to one line of commands."""
    return "".join(f"{_one(balancer, part.split())}\n" for part in line.split(";"))


def _one(balancer: Balancer, words: list[str]) -> str:
    match words:
        case ["show", "info"]:
            return _info(balancer)
        case ["show", "stat"]:
            return _stat(balancer)
        case ["show", "servers", "state"]:
            return _servers_state(balancer, list(balancer.pools))
        case ["show", "servers", "state", name]:
            return _servers_state(balancer, [name]) if name in balancer.pools else "Can't find backend.\n"
        case ["show", "sess"]:
            return _sess(balancer)
        case ["show", "version"]:
            return f"{VERSION}\n"
        case ["experimental-mode", "on" | "off"]:
            return ""
        case ["add", "server", where, *rest]:
            return _add(balancer, where, rest)
        case ["fault", kind, amount]:
            return _fault(balancer, kind, amount)
        case [_, *_]:
            return _on_server(balancer, words)
        case _:
            return ""


def _on_server(balancer: Balancer, words: list[str]) -> str:
    match words:
        case ["del", "server", where]:
            return _with(balancer, where, lambda pool, server: _delete(pool, server))
        case ["enable" | "disable" as verb, "server" | "health" as what, where]:
            return _with(balancer, where, lambda _, server: _switch(server, what, verb == "enable"))
        case ["set", "server", where, "state", state]:
            return _with(balancer, where, lambda _, server: _state(server, state))
        case ["set", "server", where, "addr", host, "port", port]:
            return _with(balancer, where, lambda _, server: _move(server, host, port))
        case ["set", "weight", where, weight] | ["set", "server", where, "weight", weight]:
            return _with(balancer, where, lambda _, server: _weigh(server, weight))
        case ["get", "weight", where]:
            return _with(balancer, where, lambda _, server: f"{server.weight} (initial {server.conf.weight})\n")
        case _:
            return f"Unknown command: '{words[0]}'\n"


def _with(balancer: Balancer, where: str, act: Callable[[Pool, Server], str]) -> str:
    backend, _, name = where.partition("/")
    pool = balancer.pools.get(backend)
    if pool is None or name not in pool.servers:
        return "No such backend.\n" if pool is None else "No such server.\n"
    return act(pool, pool.servers[name])


def _add(balancer: Balancer, where: str, rest: list[str]) -> str:
    backend, _, name = where.partition("/")
    pool = balancer.pools.get(backend)
    if pool is None:
        return "No such backend.\n"
    if name in pool.servers:
        return "Already exists a server with the same name in backend.\n"
    try:
        conf = fake_config.server(name, rest[0] if rest else "", rest[1:])
    except ValueError as wrong:
        return f"{wrong}\n"
    taken = {one.number for one in pool.servers.values()}
    number = next(n for n in range(1, len(taken) + 2) if n not in taken)
    pool.servers[name] = Server(conf, number, True)
    return "New server registered.\n"


def _delete(pool: Pool, server: Server) -> str:
    if server.admin != "maint":
        return "Only servers in maintenance mode can be deleted.\n"
    del pool.servers[server.conf.name]
    return "Server deleted.\n"


def _switch(server: Server, what: str, on: bool) -> str:
    if what == "server":
        server.set_admin("ready" if on else "maint")
        return ""
    if on and not server.conf.check:
        return "Health check was not configured on this server, cannot enable.\n"
    server.checked = on
    return ""


def _state(server: Server, state: str) -> str:
    if state not in STATES:
        return "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"
    server.set_admin(state)
    return ""


def _move(server: Server, host: str, port: str) -> str:
    if not port.isdigit():
        return f"Invalid port '{port}' by 'stats socket command'\n"
    old, server.host, server.port = (server.host, server.port), host, int(port)
    moved = f"IP changed from '{old[0]}' to '{host}'" if old[0] != host else "no need to change the addr"
    turned = f"port changed from '{old[1]}' to '{port}'" if old[1] != int(port) else "no need to change the port"
    return f"{moved}, {turned} by 'stats socket command'\n"


def _weigh(server: Server, weight: str) -> str:
    share = weight.endswith("%")
    number = weight.removesuffix("%")
    if not number.lstrip("-").isdigit():
        return "Empty weight string empty or preceded by garbage"
    wanted = server.conf.weight * int(number) // 100 if share else int(number)
    if not 0 <= wanted <= 256:
        return "Absolute weight can only be between 0 and 256 inclusive.\n"
    server.weight = wanted
    return ""


def _fault(balancer: Balancer, kind: str, amount: str) -> str:
    try:
        size = float(amount)
    except ValueError:
        return f"fault: '{amount}' is no number\n"
    if kind == "fail" and 0 <= size <= 1:
        balancer.fail = size
    elif kind == "slow" and size >= 0:
        balancer.slow = size
    else:
        return "fault: 'fail SHARE' (0 to 1) or 'slow SECONDS'\n"
    return ""


def _info(balancer: Balancer) -> str:
    requests = sum(front.count["req_tot"] for front in balancer.fronts.values())
    sessions = sum(front.count["stot"] for front in balancer.fronts.values())
    uptime = int(time.monotonic() - balancer.born)
    lines = {
        "Name": "HAProxy",
        "Version": VERSION,
        "Process_num": 1,
        "Pid": os.getpid(),
        "Uptime_sec": uptime,
        "CurrConns": balancer.active(),
        "CumConns": sessions,
        "CumReq": requests,
        "Stopping": int(balancer.stopping.is_set()),
        "Start_time_sec": int(balancer.born_at),
    }
    return "".join(f"{key}: {content}\n" for key, content in lines.items()) + "\n"


def _stat(balancer: Balancer) -> str:
    rows = [_front_row(front) for front in balancer.fronts.values()]
    for pool in balancer.pools.values():
        rows += [_server_row(pool, server) for server in pool.servers.values()] + [_pool_row(pool)]
    head = f"# {','.join(COLUMNS)},\n"
    return head + "".join(",".join(str(row.get(one, "")) for one in COLUMNS) + ",\n" for row in rows)


def _front_row(front: Front) -> dict[str, object]:
    counted = {key: front.count[key] for key in ("stot", "req_tot", "ereq", "cli_abrt", *CODES)}
    row = {"pxname": front.conf.name, "svname": "FRONTEND", "status": "OPEN", "type": 0, "scur": len(front.sessions)}
    return {**row, **counted, "pid": 1, "iid": front.conf.number, "sid": 0, "mode": "http"}


def _pool_row(pool: Pool) -> dict[str, object]:
    live = [one for one in pool.servers.values() if one.usable()]
    counts = {key: sum(one.count[key] for one in pool.servers.values()) for key in ("scur", "econ", "eresp", *CODES)}
    row = {"pxname": pool.conf.name, "svname": "BACKEND", "status": "UP" if live else "DOWN", "type": 1}
    weight = sum(one.weight for one in live)
    numbers = {"weight": weight, "act": len(live), "pid": 1, "iid": pool.conf.number, "sid": 0}
    return {
        **row,
        **counts,
        **numbers,
        "stot": pool.count["stot"],
        "req_tot": pool.count["stot"],
        "mode": "http",
        "algo": "roundrobin",
    }


def _server_row(pool: Pool, server: Server) -> dict[str, object]:
    counts = {key: server.count[key] for key in ("scur", "stot", "econ", "eresp", *CODES)}
    counts["req_tot"] = counts["stot"]
    row = {"pxname": pool.conf.name, "svname": server.conf.name, "status": _status(server), "type": 2}
    numbers = {"weight": server.weight, "act": 1, "bck": 0, "pid": 1, "iid": pool.conf.number, "sid": server.number}
    checks: dict[str, object] = {}
    if server.checked and server.admin != "maint":
        limits = {"check_rise": server.conf.rise, "check_fall": server.conf.fall, "check_health": server.health}
        checks = {"check_status": server.seen, **limits}
    since = int(time.monotonic() - server.changed)
    where = {"addr": f"{server.host}:{server.port}", "mode": "http", "lastchg": since}
    return {**row, **counts, **numbers, **checks, **where}


def _status(server: Server) -> str:
    rise, fall = server.conf.rise, server.conf.fall
    if server.admin == "maint":
        return "MAINT"
    if not server.checked:
        return "DRAIN" if server.admin == "drain" else "no check"
    if not server.up:
        return f"DOWN {server.health}/{rise}" if server.health else "DOWN"
    if server.admin == "drain":
        return "DRAIN"
    return "UP" if server.health == rise + fall - 1 else f"UP {server.health - rise + 1}/{fall}"


def _servers_state(balancer: Balancer, names: list[str]) -> str:
    lines = [_state_line(pool, server) for name in names for pool in [balancer.pools[name]] for server in _all(pool)]
    return "\n".join(["1", f"# {STATE_COLUMNS}", *lines]) + "\n"


def _all(pool: Pool) -> list[Server]:
    return sorted(pool.servers.values(), key=lambda one: one.number)


def _state_line(pool: Pool, server: Server) -> str:
    maint = server.admin == "maint"
    running = 2 if not maint and (server.up or not server.checked) else 0
    admin = {"ready": 0, "maint": 1, "drain": 8}[server.admin]
    since = int(time.monotonic() - server.changed)
    result = 0 if server.seen == "INI" else 3 if server.seen in ("L4OK", "L7OK") else 2
    state = 2 * server.conf.check + 4 * server.checked + 8 * (maint and server.checked)
    head = f"{pool.conf.number} {pool.conf.name} {server.number} {server.conf.name} {server.host} {running} {admin}"
    check = f"{CHECKS[server.seen]} {result} {0 if maint else server.health} {state}"
    return f"{head} {server.weight} {server.conf.weight} {since} {check} 0 0 0 - {server.port} - 0 0 - - 0"


def _sess(balancer: Balancer) -> str:
    lines = []
    for front in balancer.fronts.values():
        for session in (one for one in front.sessions.values() if not one.idle):
            age = int(time.monotonic() - session.began)
            target = front.conf.target or front.conf.name
            where = f"src={session.client} fe={front.conf.name} be={target} srv=<none>"
            lines.append(f"0x{session.number:x}: proto=tcpv4 {where} age={age}s\n")
    return "".join(lines)


async def serve(balancer: Balancer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection to the socket: one line, its answers, the end."""
    try:
        line = (await reader.readline()).decode(errors="replace").strip()
        writer.write(answer(balancer, line).encode())
        await writer.drain()
    finally:
        writer.close()
