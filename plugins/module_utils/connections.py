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

NETLINK_SOCK_DIAG, SOCK_DESTROY = 4, 21  # linux/netlink.h, linux/sock_diag.h
REQUEST_ACK = 0x1 | 0x4  # NLM_F_REQUEST | NLM_F_ACK
ANY_COOKIE = 0xFFFFFFFF  # INET_DIAG_NOCOOKIE


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
    established = [one for one in proc_net.sockets(Path("/proc/self/net")) if one.state == proc_net.ESTABLISHED]
    return sum(_destroy(one) for one in established if (one.remote if remote else one.local)[0] == address)


def _request(one: proc_net.Socket) -> bytes:
    """struct inet_diag_req_v2 behind a struct nlmsghdr (linux/inet_diag.h)."""
    family = socket.AF_INET if len(one.packed[0]) == 4 else socket.AF_INET6
    ports = struct.pack("!HH", one.local[1], one.remote[1])
    identity = ports + b"".join(end.ljust(16, b"\0") for end in one.packed) + struct.pack("=III", 0, ANY_COOKIE, ANY_COOKIE)
    body = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, 1 << int(proc_net.ESTABLISHED, 16)) + identity
    return struct.pack("=IHHII", 16 + len(body), SOCK_DESTROY, REQUEST_ACK, 1, 0) + body


def _destroy(one: proc_net.Socket) -> int:
    """1 when it was closed, 0 when it had ended by itself."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(2)
        kernel.send(_request(one))
        code: int = -struct.unpack_from("=i", kernel.recv(4096), 16)[0]
    if code in (errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL):
        raise StackError("the kernel closes no connections for others", "unsupported")
    return int(code == 0)
