# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TCP connections inside containers: who holds some to whom, and closing those whose network has gone.

A connection over a network that was taken away hangs without a reset until somebody's time-out, up to a quarter of an hour. The
kernel closes it at once for who asks with SOCK_DESTROY (sock_diag(7), Linux 4.5 with INET_DIAG_DESTROY), on either side.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ansible_collections.auren.stack.plugins.module_utils import proc_net
from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.host_state import Flow
from ansible_collections.auren.stack.plugins.module_utils.model import Container

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 4, 20, 21  # linux/netlink.h, linux/sock_diag.h
NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST_ACK, REQUEST_DUMP = 0x1 | 0x4, 0x1 | 0x300  # NLM_F_REQUEST with NLM_F_ACK, NLM_F_DUMP
IDENTITY, SOURCE, DESTINATION = 48, slice(4, 20), slice(20, 36)  # struct inet_diag_sockid: its size, and its addresses


def flows(containers: Iterable[Container], networks: Iterable[str]) -> tuple[Flow, ...]:
    """Who holds how many connections to whom over these networks, counted at the side that opened them."""
    wanted = set(networks)
    present = [(c, e) for c in containers if c.running for e in c.endpoints if e.network in wanted and e.ipv4]
    owners = {(e.network, e.ipv4): c.name for c, e in present}
    counts: Counter[tuple[str, str, str]] = Counter()
    for container, endpoint in present:
        here = proc_net.sockets(Path(f"/proc/{container.pid}/net"))
        listening = {one.local[1] for one in here if one.state == proc_net.LISTEN}
        for one in (one for one in here if one.state == proc_net.ESTABLISHED):
            server = owners.get((endpoint.network, one.remote[0]))
            if server and one.local[0] == endpoint.ipv4 and one.local[1] not in listening:
                counts[endpoint.network, container.name, server] += 1
    return tuple(Flow(*key, count) for key, count in sorted(counts.items()))


def close(address: str, remote: bool) -> int:
    """Close the connections of this process's network namespace from an address, or (remote) to it. Returns how many.

    Raises StackError of kind ``unsupported`` when the kernel cannot do it.
    """
    closed = 0
    for family in (socket.AF_INET, socket.AF_INET6):
        for identity in _established(family):
            end = identity[DESTINATION if remote else SOURCE]
            if proc_net.shown(end[:4] if family == socket.AF_INET else end) == address:
                closed += _destroy(family, identity)
    return closed


def _message(kind: int, flags: int, family: int, identity: bytes) -> bytes:
    """struct inet_diag_req_v2 behind a struct nlmsghdr (linux/inet_diag.h), for established connections of TCP."""
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 1 << int(proc_net.ESTABLISHED, 16)) + identity
    return struct.pack("=IHHII", 16 + len(body), kind, flags, 1, 0) + body


def _established(family: int) -> list[bytes]:
    """The struct inet_diag_sockid of every established connection: ports, addresses, interface, and the kernel's cookie for it.

    The cookie matters: for a connection that has ended meanwhile the kernel finds the socket that listens on its port, and would close
    that one (inet_diag_find_one_icsk).
    """
    found: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(2)
        kernel.send(_message(SOCK_DIAG_BY_FAMILY, REQUEST_DUMP, family, bytes(IDENTITY)))
        while True:
            data, at = kernel.recv(1 << 17), 0
            while at < len(data):
                length, kind = struct.unpack_from("=IH", data, at)
                if kind == NLMSG_DONE:
                    return found
                if kind == NLMSG_ERROR:
                    raise StackError("the kernel does not list connections", "unsupported")
                found.append(data[at + 20 : at + 20 + IDENTITY])
                at += (length + 3) & ~3


def _destroy(family: int, identity: bytes) -> int:
    """1 when it was closed, 0 when it had ended by itself."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(2)
        kernel.send(_message(SOCK_DESTROY, REQUEST_ACK, family, identity))
        code: int = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if code in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL):
        raise StackError("the kernel closes no connections for others", "unsupported")
    return int(code == 0)
