#!/usr/bin/env bash
# packages.sh provide PACKAGE...  install these without recommended ones; nothing they bring is started without systemd
# packages.sh trixie PACKAGE...   let these packages of Debian 13, and no other, into Debian 12
# packages.sh beside PART         add cli, compose or sdk to an Engine that stays as it is
#
# PATIENCE: seconds in which `provide` tries again what a mirror did not give, or another apt held back
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1  # needrestart would restart the Engine after a library upgrade
SOURCES=/etc/apt/sources.list.d/auren-trixie.sources
PIN=/etc/apt/preferences.d/auren-trixie
POLICY=/usr/sbin/policy-rc.d  # without systemd a package's own start fails; the role starts the Engine itself

trixie() {
    local mirror
    # shellcheck disable=SC2016  # apt's own placeholders
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Codename: bookworm' 'Component: main' | head -n 1)
    [ -n "$mirror" ] || { echo "The apt sources of this host name no Debian 12 mirror that Debian 13 could be taken from" >&2; exit 1; }
    cat >"$SOURCES" <<END
Types: deb
URIs: ${mirror%/}
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    cat >"$PIN" <<END
Package: $*
Pin: release n=trixie
Pin-Priority: 500

Package: *
Pin: release n=trixie
Pin-Priority: -1
END
}

provide() {
    command -v apt-get >/dev/null || { echo "This host has no apt to install $* with: install that yourself, then run again" >&2; exit 1; }
    [ "$(id -u)" = 0 ] || { echo "User $(id -un) cannot install $*: run with become" >&2; exit 1; }
    local until=$((SECONDS + PATIENCE)) pause=5 lists packages
    while :; do
        # A broken source does not matter where the others have the packages: the download decides.
        lists=$(LC_ALL=C apt-get update -qq 2>&1) || true
        packages=$(LC_ALL=C apt-get install -y -qq --download-only --no-install-recommends "$@" 2>&1) && break
        # Lists that were read whole and do not have a package will not have it later.
        if ((SECONDS + pause > until)) || { [ -z "$lists" ] && [[ $packages == *"E: Unable to locate package"* ]]; }; then
            echo "apt cannot download $*: $(grep '^E:' <<<"$packages" | head -n 1) $(grep '^[EW]:' <<<"$lists" | head -n 1)" \
                "Mend the apt sources or the network of this host, then run again" >&2
            exit 1
        fi
        sleep "$pause"
    done
    if [ ! -d /run/systemd/system ] && [ ! -e "$POLICY" ]; then
        trap 'rm -f "$POLICY"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$POLICY"
        chmod 0755 "$POLICY"
    fi
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=60 "$@" >/dev/null
}

candidate() { # PACKAGE OLDEST: has apt a version of it that is new enough?
    local version
    version=$(LC_ALL=C apt-cache policy "$1" | awk '/Candidate:/ {print $2}')
    [ -n "$version" ] && [ "$version" != "(none)" ] && dpkg --compare-versions "$version" ge "$2"
}

touched() { # PACKAGE: packages of the Engine that installing it would change, and any that it would remove
    { LC_ALL=C apt-get install -s --no-install-recommends "$1" || echo "Remv unmet-dependencies"; } 2>/dev/null | awk '
        /^Remv / { print $2 }
        /^Inst / && $2 ~ /^(docker|containerd|runc|moby)/ && $3 ~ /^\[/ { print $2 }
        /^Inst / && $2 ~ /^(docker\.io|docker-ce|containerd|containerd\.io|runc|moby-(engine|containerd|runc))$/ && $3 !~ /^\[/ { print $2 }'
}

install_first() { # OLDEST PACKAGE...: the first that apt has and that leaves the Engine alone
    local oldest=$1 package
    shift
    for package in "$@"; do
        candidate "$package" "$oldest" || continue
        refused="$package (apt would also change: $(touched "$package" | sort -u | xargs))"
        if [ -z "$(touched "$package")" ]; then
            apt-get install -y -qq --no-install-recommends "$package" >/dev/null
            echo "added $package"
            exit 0
        fi
    done
}

extract_compose() { # the plugin alone, out of the package, where installing the package would change another
    local target=/usr/local/lib/docker/cli-plugins work
    candidate docker-compose 2~ || return 0
    work=$(mktemp -d)
    cd "$work"
    apt-get download -qq docker-compose
    dpkg-deb --extract docker-compose_*.deb .
    install -D -m 0755 "$(find . -path '*/cli-plugins/docker-compose' -type f)" "$target/docker-compose"
    rm -rf "$work"
    # The next upgrade of the host must not do what was avoided here.
    [ -z "$borrowed" ] || rm -f "$SOURCES" "$PIN"
    echo "added $target/docker-compose"
    exit 0
}

beside() {
    refused="" borrowed=""
    apt-get update -qq || true  # one broken source does not matter if another has the package
    case $1 in
        cli) install_first 0~ docker-ce-cli docker-cli ;;
        sdk) install_first 0~ python3-docker ;;
        compose)
            install_first 2~ docker-compose-plugin docker-compose-v2 docker-compose
            if grep -q '^VERSION_CODENAME=bookworm' /etc/os-release && ! candidate docker-compose 2~; then
                borrowed=yes
                trixie docker-compose
                apt-get update -qq || true
                install_first 2~ docker-compose
            fi
            extract_compose
            ;;
    esac
    echo "Docker's part '$1' is missing and cannot be added without changing the Engine: ${refused:-apt has no package for it}" >&2
    exit 1
}

"$@"
