#!/usr/bin/env bash
# Makes the root of all offline images: Debian trixie without documents, from this host's own package mirror, with this
# host's certificate authorities, proxy, pip and npm settings, so that apt, pip, npm and mvn work in whatever is built
# on it.
#
#   build.sh TAG [LABEL=VALUE ...]      prints one line: "TAG unchanged" or "TAG built in N s"
#
# The image carries the label auren.stack.context, a digest of this script and of what it takes from the host; with the
# same digest nothing is done. The host's settings end up inside: such an image is not for publishing.
# shellcheck disable=SC2016  # what stands in single quotes is for apt-get and for the hooks' own shell
set -euo pipefail

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
tag=${1:?usage: build.sh TAG [LABEL=VALUE ...]}
shift

# Prints the URI of the host's Debian source with this label; apt itself reads deb822 and one-line files alike.
mirror_of() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' "Label: $1" 2>/dev/null |
        grep -E '^https?://' | head -n 1 || true
}

# Prints sources.list lines; nothing on a host that knows no Debian mirror (mmdebstrap then has its own default).
sources() {
    local mirror security trust=
    command -v apt-get >/dev/null || return 0
    mirror=$(mirror_of Debian)
    security=$(mirror_of Debian-Security)
    [ -z "$mirror" ] && return 0
    [ -e "$keyring" ] && trust="[signed-by=$keyring] "
    echo "deb $trust$mirror $suite main"
    echo "deb $trust$mirror $suite-updates main"
    [ -z "$security" ] || echo "deb $trust$security $suite-security main"
}

# Prints apt.conf lines: how this host reaches its mirror.
apt_settings() {
    command -v apt-config >/dev/null || return 0
    apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' || true
}

# Prints npmrc lines: the registry and how this host reaches it, as npm itself says or, without npm, as its files do
# (the user's last: npm takes the last of two). Never a token, a login or a password.
npm_settings() {
    if command -v npm >/dev/null; then
        (cd / && npm config get registry proxy https-proxy noproxy 2>/dev/null) || true
    else
        cat /etc/npmrc /usr/etc/npmrc /usr/local/etc/npmrc ~/.npmrc 2>/dev/null || true
    fi | sed -nE '/=[[:space:]]*(null)?$/d
        s|//[^/@]*@|//|
        s/^[[:space:]]*((registry|proxy|https-proxy|noproxy)[[:space:]]*=)/\1/p'
}

first_of() { local path; for path; do if [ -r "$path" ]; then echo "$path"; return; fi; done; }

# Adds to the image the authorities that only this host trusts. As files of ca-certificates they survive its next
# update and reach Java's trust store.
authorities_hook() {
    cat <<'HOOK'
set -e
mkdir -p "$1/usr/local/share/ca-certificates"
awk -v dir="$1/usr/local/share/ca-certificates" '
    /BEGIN CERT/ { body = "" }
    { body = body $0 "\n" }
    /END CERT/ { if (NR == FNR) known[body] = 1; else if (!(body in known)) {
        known[body] = 1; file = dir "/host-" ++n ".crt"; printf "%s", body > file; close(file) } }
' "$1/etc/ssl/certs/ca-certificates.crt" "$AUTHORITIES"
chroot "$1" update-ca-certificates >/dev/null
HOOK
}

export AUTHORITIES PIP_SETTINGS NPM_SETTINGS
AUTHORITIES=$(first_of /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /dev/null)
PIP_SETTINGS=$(first_of /etc/pip.conf /etc/xdg/pip/pip.conf ~/.config/pip/pip.conf ~/.pip/pip.conf /dev/null)
NPM_SETTINGS=$(npm_settings)
context=$( (cat "$0" "$AUTHORITIES" "$PIP_SETTINGS"; echo "$NPM_SETTINGS"; sources; apt_settings) | sha256sum | cut -c1-32)

known=$(docker image inspect --format '{{index .Config.Labels "auren.stack.context"}}' "$tag" 2>/dev/null || true)
if [ "$known" = "$context" ]; then
    echo "$tag unchanged"
    exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
authorities_hook >"$work/authorities"
changes=(--change "LABEL auren.stack.context=$context" --change 'CMD ["bash"]'
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
for label; do changes+=(--change "LABEL \"${label%%=*}\"=\"${label#*=}\""); done
mapfile -t mirrors < <(sources)
options=('Acquire::Languages "none"' 'Acquire::Retries "6"' 'APT::Install-Recommends "false"'
    'Dir::Cache::pkgcache ""' 'Dir::Cache::srcpkgcache ""')
mapfile -t -O ${#options[@]} options < <(apt_settings)

if ! mmdebstrap --quiet --variant=minbase --format=tar --include=ca-certificates \
    "${options[@]/#/--aptopt=}" \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --customize-hook='mkdir -p "$1/usr/share/man/man1" "$1/usr/share/man/man7"' \
    --customize-hook="sh $work/authorities \"\$1\"" \
    --customize-hook='sed "/^ *cert *=/d" "$PIP_SETTINGS" >"$1/etc/pip.conf"' \
    --customize-hook='echo "$NPM_SETTINGS" >"$1/etc/npmrc"' \
    "$suite" "$work/root.tar" "${mirrors[@]}" 2>"$work/log"; then
    tail -n 20 "$work/log" >&2
    exit 1
fi
docker import "${changes[@]}" "$work/root.tar" "$tag" >/dev/null
echo "$tag built in $SECONDS s"
