#!/usr/bin/env bash
# Serve Docker's own repository as far as a host sees it, on 127.0.0.1:8088: the layout and the package names of
# download.docker.com, signed with a key of its own. The packages are Debian's, renamed.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive GNUPGHOME=/root/gpg
root=/srv/docker/linux/debian
suite=$root/dists/trixie

repack() { # PACKAGE NEW-NAME: the same package under another name and version
    apt-get download -qq "$1"
    dpkg-deb --raw-extract "$1"_*.deb "$2.d"
    sed -i "s/^Package: .*/Package: $2/; s/^Version: .*/Version: 5:99.0-1/; /^\(Conflicts\|Breaks\|Replaces\|Provides\|Source\):/d" "$2.d/DEBIAN/control"
    sed -i 's/containerd (>= [^)]*)/containerd.io/' "$2.d/DEBIAN/control"
    dpkg-deb --build -Znone "$2.d" "$root/pool/$2_99.0_amd64.deb" >/dev/null
    rm -rf "$2.d" ./*.deb
}

apt-get update -qq
apt-get install -y -qq --no-install-recommends apt-utils gpg gpg-agent >/dev/null
mkdir -p "$root/pool" "$suite/stable/binary-amd64" "$GNUPGHOME" /tmp/repack
chmod 0700 "$GNUPGHOME"
cd /tmp/repack
repack docker.io docker-ce
repack docker-cli docker-ce-cli
repack containerd containerd.io
repack docker-compose docker-compose-plugin
repack docker-buildx docker-buildx-plugin
cd "$root"
apt-ftparchive packages pool >dists/trixie/stable/binary-amd64/Packages
apt-ftparchive -o APT::FTPArchive::Release::Codename=trixie -o APT::FTPArchive::Release::Suite=trixie \
    -o APT::FTPArchive::Release::Components=stable -o APT::FTPArchive::Release::Architectures=amd64 release dists/trixie >/tmp/Release
mv /tmp/Release "$suite/Release"
gpg --batch --quiet --passphrase '' --quick-generate-key 'test repository' ed25519 sign never
gpg --batch --armor --output gpg --export
gpg --batch --clearsign --output "$suite/InRelease" "$suite/Release"
cd /srv/docker
setsid nohup python3 -m http.server --bind 127.0.0.1 8088 >/tmp/http.log 2>&1 </dev/null &
