"""Random but valid options of `docker create`.

A case is made from its seed and number alone, so one that fails is made again on its own.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.harness import docker

DOCKERFILE = """
FROM {base}
ENV FROM_IMAGE=yes ALSO="a b" PATH=/opt/x:/usr/bin:/bin
LABEL of.image=one shared.key=theirs
WORKDIR /srv
USER 999
EXPOSE 7000/tcp 7001/udp
VOLUME /data /cache
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=7s --retries=4 CMD ["true"]
ENTRYPOINT ["/entry", "--flag"]
CMD ["serve", "--port", "7000"]
"""
TEXTS = (
    "x",
    "a b",
    "it's",
    'say "hi"',
    "$HOME ${A} $$",
    "back\\slash",
    "é 漢 😀",
    "two\nlines",
    "#no comment",
    "a=b=c",
    " lead",
    "true",
    "0x10",
    "{{x}}",
)
GRANTS = ("NET_ADMIN", "SYS_TIME", "CAP_SYS_PTRACE", "IPC_LOCK")
TAKEN = ("CHOWN", "MKNOD", "NET_RAW", "ALL")


@dataclass(frozen=True)
class World:
    """What cases may refer to: all names begin with ``prefix``. other: a container. folder: on the host. images: rich and bare."""

    prefix: str
    folder: Path
    images: tuple[str, str]

    @property
    def other(self) -> str:
        return f"{self.prefix}-other"

    @property
    def network(self) -> str:
        return f"{self.prefix}-net"

    @property
    def volumes(self) -> tuple[str, str]:
        return f"{self.prefix}-one", f"{self.prefix}-two"

    def make(self, base: str) -> None:
        rich, bare = self.images
        subprocess.run(["docker", "build", "--quiet", "--tag", rich, "-"], input=DOCKERFILE.format(base=base).encode(), check=True)
        subprocess.run(["docker", "import", "-", bare], input=b"\0" * 10240, check=True, stdout=subprocess.DEVNULL)
        (self.folder / "a b").mkdir(parents=True)
        (self.folder / "seccomp.json").write_text('{"defaultAction": "SCMP_ACT_ALLOW"}')
        docker("network", "create", self.network)
        for volume in self.volumes:
            docker("volume", "create", volume)
        mounts = ["-v", f"{self.volumes[0]}:/from/volume", "-v", f"{self.folder}:/from/bind:ro"]
        docker("create", "--name", self.other, *mounts, base)

    def remove(self) -> None:
        for which in ("c", "b", "a", ""):  # see run_again.removed
            found = docker("ps", "-aq", "--filter", f"name={self.prefix}-{which}", check=False).split()
            if found:
                docker("rm", "-f", "-v", *found, check=False)
        docker("volume", "rm", "-f", *self.volumes, check=False)
        docker("network", "rm", self.network, check=False)
        docker("rmi", "-f", *self.images, check=False)


@dataclass
class Case:
    """One container: options, image, command. families: what of it was chosen."""

    name: str
    image: str
    words: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    families: list[str] = field(default_factory=list)

    def create(self) -> None:
        docker("create", "--name", self.name, *self.words, self.image, *self.command)

    def describe(self) -> str:
        return f"docker create {' '.join(map(repr, self.words))} {self.image} {' '.join(map(repr, self.command))}"


Chooser = Callable[[random.Random, World], list[str]]


def some(chance: random.Random, *choices: str, most: int = 2) -> list[str]:
    return chance.sample(choices, chance.randint(1, most))


def pairs(option: str, values: list[str]) -> list[str]:
    return [word for value in values for word in (option, value)]


def environment(chance: random.Random, world: World) -> list[str]:
    keys = some(chance, "A", "DB_URL", "dotted.key", "FROM_IMAGE", "PATH", "lower_case", most=4)
    values = [f"{key}={chance.choice((*TEXTS, ''))}" for key in keys]
    return pairs("-e", values) + (["-e", "NOT_SET_ANYWHERE"] if chance.random() < 0.1 else [])


def labels(chance: random.Random, world: World) -> list[str]:
    keys = some(chance, "a", "com.example/x-y", "shared.key", "$odd", most=3)
    return pairs("--label", [f"{key}={chance.choice((*TEXTS, ''))}" for key in keys])


def binds(chance: random.Random, world: World) -> list[str]:
    flags = ("", ":ro", ":z", ":ro,Z", ":rshared", ":ro,rslave", ":private", ":rprivate", ":cached")
    places = [f"{world.folder}:/b/one", f"{world.folder}/a b:/b/two words", f"{world.folder}/not/there:/b/three/", "/dev/null:/b/four"]
    return pairs("-v", [place + chance.choice(flags) for place in some(chance, *places, most=3)])


def named(chance: random.Random, world: World) -> list[str]:
    flags = ("", ":ro", ":nocopy", ":ro,nocopy", ":z", ":Z")
    return pairs(
        "-v", [f"{chance.choice(world.volumes)}:{place}{chance.choice(flags)}" for place in some(chance, "/data", "/v/one", "/v/two")]
    )


def anonymous(chance: random.Random, world: World) -> list[str]:
    return pairs("-v", some(chance, "/anon/one", "/anon/two words", "/cache"))


def long_mounts(chance: random.Random, world: World) -> list[str]:
    bind, volume = f"type=bind,src={world.folder},dst=", f"type=volume,src={world.volumes[1]},dst="
    found = some(
        chance,
        *(f"{bind}/m/one", f"{bind}/m/two,ro", f"{bind}/m/three,bind-propagation=rslave", f"{bind}/m/col:on"),
        *(f"{bind}/m/below,bind-recursive=disabled", f"{bind}/m/half,ro,bind-recursive=writable", f"{bind}/m/seen,consistency=cached"),
        *(f"{volume}/m/five", f"{volume}/m/six,ro,volume-nocopy", f"{volume}/m/label,volume-label=a=b", f"{volume}/m/c:d"),
        *("type=volume,dst=/m/nameless", "type=tmpfs,dst=/m/tmp", "type=tmpfs,dst=/m/small,tmpfs-size=1048577,tmpfs-mode=1770"),
        most=4,
    )
    return pairs("--mount", found)


def ports(chance: random.Random, world: World) -> list[str]:
    found = some(
        chance,
        *("6379", "8080:80", "127.0.0.1:5432:5432", "0.0.0.0:81:81/udp", "[::1]:82:82", "127.0.0.1::83", "[::1]::84/udp", "8000-8003:85"),
        *("127.0.0.1:8010-8012:86/udp", "87-89:87-89", "90:90/sctp", "[::]:91:91", "8443:7000", "127.0.0.1:8444:7000"),
        most=4,
    )
    return pairs("-p", found)


def memory(chance: random.Random, world: World) -> list[str]:
    limit = chance.choice(("64m", "100000000", "1g"))
    more = [[], ["--memory-swap", "-1"], ["--memory-swap", "2g"], ["--memory-swap", limit], ["--memory-reservation", "32m"]]
    return ["-m", limit, *chance.choice(more)]


def cpu(chance: random.Random, world: World) -> list[str]:
    if chance.random() < 0.5:
        return ["--cpus", chance.choice(("0.5", "1", "1.501", "0.01", "1.999", "0.333333333", "2"))]
    return chance.choice(
        (["--cpu-quota", "25000"], ["--cpu-period", "50000"], ["--cpu-quota", "33333", "--cpu-period", "66666"], ["--cpu-quota", "-1"])
    )


def security(chance: random.Random, world: World) -> list[str]:
    kinds = (
        *(("no-new-privileges", "no-new-privileges:true"), ("seccomp=unconfined", f"seccomp={world.folder}/seccomp.json")),
        *(("apparmor=unconfined",), ("label=disable", "label=type:some_t"), ("systempaths=unconfined",)),
    )
    return pairs("--security-opt", [chance.choice(kind) for kind in chance.sample(kinds, chance.randint(1, 3))])


def devices(chance: random.Random, world: World) -> list[str]:
    rules = pairs("--device-cgroup-rule", some(chance, "c 1:* rwm", "c 1:3 r"))
    return pairs("--device", some(chance, "/dev/null", "/dev/zero:/dev/nought", "/dev/full:/dev/full:r", "/dev/null:/dev/n:rw")) + rules


def gpus(chance: random.Random, world: World) -> list[str]:
    return [
        "--gpus",
        chance.choice(("all", "2", '"device=0,1","capabilities=utility,compute"', "driver=some,count=1", '"device=0","options=a=b"')),
    ]


def health(chance: random.Random, world: World) -> list[str]:
    if chance.random() < 0.2:
        return ["--no-healthcheck"]
    timing = some(chance, "--health-interval=1m30s", "--health-timeout=1500ms", "--health-retries=9", "--health-start-period=2h", most=4)
    return timing + (["--health-cmd", chance.choice(TEXTS)] if chance.random() < 0.6 else [])


def logging(chance: random.Random, world: World) -> list[str]:
    driver = ["--log-driver", "local", "--log-opt", "max-size=1m"]
    return chance.choice(
        (["--log-driver", "none"], driver, ["--log-opt", "max-file=2", "--log-opt", "max-size=1m"], ["--log-driver", "local"])
    )


def standing(chance: random.Random, world: World) -> list[str]:
    return chance.choice((["-t"], ["-i"], ["-it"]))


def one_of(*choices: list[str]) -> Chooser:
    return lambda chance, world: list(chance.choice(choices))


def list_of(option: str, *choices: str, most: int = 2) -> Chooser:
    return lambda chance, world: pairs(option, some(chance, *choices, most=most))


FAMILIES: dict[str, Chooser] = {
    "environment": environment,
    "labels": labels,
    "entrypoint": one_of(["--entrypoint", "/other"], ["--entrypoint", "/entry"], ["--entrypoint", ""]),
    "user": one_of(["-u", "0"], ["-u", "1000:1000"], ["-u", "redis"]),
    "workdir": one_of(["-w", "/srv"], ["-w", "/else where"]),
    "hostname": one_of(["-h", "box"], ["-h", "box.example.org"], ["-h", "deadbeef1234", "--domainname", "example.org"]),
    "binds": binds,
    "named volumes": named,
    "anonymous volumes": anonymous,
    "long mounts": long_mounts,
    "subpath": lambda chance, world: ["--mount", f"type=volume,src={world.volumes[0]},dst=/sub,volume-subpath=a/b"],
    "tmpfs": list_of("--tmpfs", "/t/one", "/t/two:size=64m,mode=1777", "/t/three:rw,noexec,size=1m"),
    "volumes from": lambda chance, world: ["--volumes-from", world.other + chance.choice(("", ":ro", ":z"))],
    "ports": ports,
    "all ports": one_of(["-P"]),
    "expose": list_of("--expose", "1234", "55/udp", "7000", "9000-9002"),
    "restart": list_of("--restart", "always", "unless-stopped", "on-failure", "on-failure:5", "no", most=1),
    "remove": one_of(["--rm"]),
    "memory": memory,
    "swappiness": list_of("--memory-swappiness", "0", "10", most=1),
    "kernel memory": one_of(["--kernel-memory", "64m"]),
    "cpu": cpu,
    "cpu shares": one_of(["-c", "512"]),
    "cpuset": one_of(["--cpuset-cpus", "0"], ["--cpuset-cpus", "0-1"]),
    "cpuset mems": one_of(["--cpuset-mems", "0"]),
    "real time": one_of(["--cpu-rt-period", "1000000", "--cpu-rt-runtime", "950000"]),
    "pids": list_of("--pids-limit", "-1", "100", most=1),
    "block weight": one_of(["--blkio-weight", "300"]),
    "block rates": lambda chance, world: some(chance, *(f"--device-{what}=/dev/null:4096" for what in BLOCK_RATES), most=4),
    "ulimits": list_of("--ulimit", "nofile=1024:2048", "nproc=64", "core=-1", "memlock=-1:-1"),
    "oom": one_of(["--oom-kill-disable"], ["--oom-score-adj", "-500"], ["--oom-score-adj", "300"]),
    "capabilities": lambda chance, world: pairs("--cap-add", some(chance, *GRANTS)) + pairs("--cap-drop", some(chance, *TAKEN)),
    "security": security,
    "sysctls": list_of("--sysctl", "net.core.somaxconn=1024", "net.ipv4.ip_local_port_range=1024 65000"),
    "devices": devices,
    "gpus": gpus,
    "hosts": list_of("--add-host", "a:1.2.3.4", "b:::1", "a:5.6.7.8", "g:host-gateway", most=3),
    "dns": lambda chance, world: [
        *pairs("--dns", some(chance, "1.1.1.1", "8.8.8.8", "::1", most=3)),
        *pairs("--dns-search", some(chance, ".", "example.org", "x.y")),
        *pairs("--dns-option", some(chance, "rotate", "ndots:2")),
    ],
    "logging": logging,
    "health": health,
    "start interval": one_of(["--health-start-interval", "1s500ms"]),
    "init": one_of(["--init"], ["--init=false"]),
    "stopping": one_of(["--stop-timeout", "90"], ["--stop-timeout", "0"], ["--stop-timeout", "-1"], ["--stop-signal", "SIGUSR1"]),
    "privileged": one_of(["--privileged"]),
    "read-only": one_of(["--read-only"]),
    "ipc": lambda chance, world: ["--ipc", chance.choice(("host", "none", "shareable", "private"))],
    "pid": lambda chance, world: ["--pid", chance.choice(("host", f"container:{world.other}"))],
    "uts": one_of(["--uts", "host"]),
    "userns": one_of(["--userns", "host"]),
    "cgroup": one_of(["--cgroupns", "host"], ["--cgroupns", "private"], ["--cgroup-parent", "/some"]),
    "groups": list_of("--group-add", "5", "audio"),
    "shm": list_of("--shm-size", "64m", "100m", "104857601", most=1),
    "runtime": list_of("--runtime", "runc", "io.containerd.runc.v2", most=1),
    "isolation": one_of(["--isolation", "default"]),
    "storage": one_of(["--storage-opt", "size=10G"]),
    "annotations": list_of("--annotation", "a.b=c d", "empty="),
    "standing": standing,
    "link": lambda chance, world: ["--link", f"{world.other}:alias"],
    "mac": one_of(["--mac-address", "02:42:ac:11:00:99"]),
    "network": lambda chance, world: ["--network", chance.choice(("host", "none", f"container:{world.other}", world.network))],
}
BLOCK_RATES = ("read-bps", "write-bps", "read-iops", "write-iops")

# Families that the Engine takes on their own and not together, as its documentation says.
APART: dict[str, tuple[str, ...]] = {
    "network": ("hostname", "ports", "all ports", "expose", "hosts", "dns", "mac", "link", "sysctls"),
    "uts": ("hostname",),
    "remove": ("restart",),
    "start interval": ("health",),
}

PROBED = (
    *("annotations", "block rates", "block weight", "cpuset mems", "gpus", "isolation", "kernel memory", "mac", "oom", "real time"),
    *("runtime", "start interval", "storage", "subpath", "swappiness", "userns"),
)


def refused(world: World) -> set[str]:
    """Families that this Engine refuses or discards, each tried once."""
    bad = set()
    for family in PROBED:
        words = FAMILIES[family](random.Random(0), world)
        name = f"{world.prefix}-probe"
        done = subprocess.run(["docker", "create", "--name", name, *words, world.images[0]], capture_output=True, text=True, check=False)
        if done.returncode or "discarded" in done.stderr:
            bad.add(family)
        docker("rm", "-f", "-v", name, check=False)
    return bad


def case(world: World, seed: int, number: int, without: set[str]) -> Case:
    """The case of this number: with few families or with many."""
    chance = random.Random(f"{seed}:{number}")
    made = Case(f"{world.prefix}-a{seed}-{number}", world.images[0] if chance.random() < 0.85 else world.images[1])
    offered = [family for family in FAMILIES if family not in without]
    for family in chance.sample(offered, chance.choice((1, 3, 8, 16, 24))):
        clash = {other for one in made.families for other in APART.get(one, ())} | {
            one for one in made.families if family in APART.get(one, ())
        }
        if family in clash or set(APART.get(family, ())) & set(made.families):
            continue
        made.families.append(family)
        made.words += FAMILIES[family](chance, world)
    if made.image == world.images[1] or "--entrypoint" in made.words or chance.random() < 0.4:
        made.command = [chance.choice(TEXTS) for _word in range(chance.randint(1, 3))]
        if chance.random() < 0.2 and made.image == world.images[0] and "" not in made.words:
            made.command = []
    return made


def cases(world: World, seed: int, count: int, without: set[str]) -> Iterator[Case]:
    return (case(world, seed, number, without) for number in range(count))
