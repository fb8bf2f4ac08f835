#!/usr/bin/env bash
# Installs target/package/*.deb in a Debian of its own, starts what it installs, plays a channel, upgrades, removes and
# purges it; asks systemd how much the unit may do, and starts the static binary in a folder with nothing else in it.
# Needs root, debootstrap and systemd. The Debian is kept in target/package/base, so that a second run needs no network.
set -euo pipefail
cd "$(dirname "$0")/../.."

OUT=$PWD/target/package
BASE=$OUT/base
ROOT=$(mktemp -d)
PORT=18097
STARTED=()

finish() {
    for process in "${STARTED[@]}"; do kill "$process" 2>/dev/null || true; done
    umount "$ROOT/proc" 2>/dev/null || true
    rm -rf "$ROOT"
}
trap finish EXIT

say() { printf '%-10s %s\n' "$1" "$2"; }
fail() { echo "check: $1" >&2; exit 1; }
inside() { chroot "$ROOT" env PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"; }

# Waits for a channel's first packets.
play() {
    for _ in $(seq 100); do
        if bytes=$(curl --silent --max-time 3 "http://127.0.0.1:$PORT/stream/testcard.ts" | head -c 188000 | wc -c) &&
            [ "$bytes" -ge 188000 ]; then
            say "$1" "played $bytes bytes"
            return
        fi
        sleep 0.2
    done
    fail "no channel plays $1"
}

# Starts what the unit starts, as its user, and waits until it says that it is ready.
start() {
    rm -f "$ROOT/run/notify" "$OUT/notified"
    python3 - "$ROOT/run/notify" "$OUT/notified" <<'PYTHON' &
import socket, sys, os
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1]); os.chmod(sys.argv[1], 0o777); listener.settimeout(60)
open(sys.argv[2], "w").write(listener.recv(100).decode())
PYTHON
    local waiter=$!
    while [ ! -S "$ROOT/run/notify" ]; do sleep 0.1; done
    local command
    command=$(sed -n 's/^ExecStart=//p' "$ROOT/lib/systemd/system/forebay.service" "$ROOT/usr/lib/systemd/system/forebay.service" 2>/dev/null | head -1)
    # shellcheck disable=SC2086
    inside setpriv --reuid forebay --regid forebay --init-groups --no-new-privs --inh-caps=-all \
        env --chdir=/var/lib/forebay NOTIFY_SOCKET=/run/notify $command --listen "127.0.0.1:$PORT" >"$OUT/forebay.log" 2>&1 &
    SERVER=$!
    STARTED+=("$SERVER")
    wait "$waiter" || true
    [ "$(cat "$OUT/notified" 2>/dev/null)" = READY=1 ] || fail "it does not say that it is ready: $(cat "$OUT/forebay.log")"
    say "$1" "ready, as user forebay"
}

stop() {
    kill "$SERVER"
    wait "$SERVER" || fail "it ended with an error: $(tail -5 "$OUT/forebay.log")"
}

package=$(ls -t "$OUT"/forebay_*.deb | head -1)
[ -n "$package" ] || fail "there is no package: make deb"

if command -v lintian >/dev/null; then
    # It is a package of ours, and not of Debian's: nobody has filed an intent to package it.
    lintian --fail-on error --suppress-tags initial-upload-closes-no-bugs,bogus-mail-host,maintainer-address-malformed "$package" >"$OUT/lintian" ||
        fail "lintian: $(grep '^E' "$OUT/lintian")"
    say lintian "no error"
fi

score=$(systemd-analyze security --offline=yes packaging/systemd/forebay.service | sed -n 's/.*level for [^:]*: \([0-9.]*\).*/\1/p')
awk -v score="$score" 'BEGIN { exit !(score <= 2.0) }' || fail "the unit may do too much: $score"
say unit "exposure $score of at most 2.0"

if [ ! -e "$BASE/usr/bin/dpkg" ]; then
    debootstrap --variant=minbase --include=adduser "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$BASE" >"$OUT/debootstrap.log"
fi
cp -a "$BASE/." "$ROOT"
mount -t proc none "$ROOT/proc"
cp "$package" "$ROOT/tmp/forebay.deb"

inside dpkg --install /tmp/forebay.deb >"$OUT/install.log" 2>&1 || fail "not installed: $(cat "$OUT/install.log")"
say install "$(inside forebay --version), $(stat -c %s "$package") bytes"
[ "$(inside stat -c '%U:%G %a' /etc/forebay/channels.toml)" = "root:forebay 640" ] || fail "all can read the configuration"
[ "$(inside stat -c '%U:%G %a' /var/lib/forebay)" = "forebay:forebay 750" ] || fail "the folder of data is not its own"
[ -e "$ROOT/usr/share/man/man1/forebay.1.gz" ] && [ -e "$ROOT/usr/share/bash-completion/completions/forebay" ] ||
    fail "no manual page or completions"
[ -L "$ROOT/etc/systemd/system/multi-user.target.wants/forebay.service" ] || fail "the unit is not enabled"
inside forebay check --config /etc/forebay/channels.toml >/dev/null || fail "the configuration is not good"
start start
play start
inside setpriv --reuid forebay --regid forebay --clear-groups forebay --config /etc/forebay/channels.toml user add anna >/dev/null ||
    fail "no user can be added beside it"
stop

# An upgrade keeps what an admin has written and what users have made.
echo "# Of the admin." >>"$ROOT/etc/forebay/channels.toml"
mkdir "$OUT/next" 2>/dev/null || rm -rf "$OUT/next"
dpkg-deb --raw-extract "$package" "$OUT/next"
sed -i 's/^Version: .*/Version: 99.0-1/' "$OUT/next/DEBIAN/control"
dpkg-deb --root-owner-group --build "$OUT/next" "$ROOT/tmp/next.deb" >/dev/null
rm -rf "$OUT/next"
inside dpkg --install /tmp/next.deb >"$OUT/upgrade.log" 2>&1 || fail "not upgraded: $(cat "$OUT/upgrade.log")"
grep -q "Of the admin" "$ROOT/etc/forebay/channels.toml" || fail "the upgrade has changed the configuration"
start upgrade
play upgrade
inside setpriv --reuid forebay --regid forebay --clear-groups forebay --config /etc/forebay/channels.toml user list | grep -q anna ||
    fail "the upgrade has lost a user"
stop

inside dpkg --remove forebay >/dev/null 2>&1
[ ! -e "$ROOT/usr/bin/forebay" ] && [ -e "$ROOT/etc/forebay/channels.toml" ] && [ -e "$ROOT/var/lib/forebay/data/forebay.db" ] ||
    fail "removing it has left the program, or taken the data"
say remove "the program has gone, configuration and data are there"
inside dpkg --purge forebay >"$OUT/purge.log" 2>&1
[ ! -e "$ROOT/etc/forebay" ] && [ ! -e "$ROOT/var/lib/forebay" ] || fail "purging it has left something"
! inside getent passwd forebay >/dev/null || fail "purging it has left the user"
say purge "nothing is left"

if [ -x "$OUT/static/forebay" ]; then
    empty=$(mktemp -d)
    mkdir -p "$empty/data" "$empty/tmp" "$empty/etc/forebay" "$empty/usr/bin"
    cp "$OUT/static/forebay" "$empty/usr/bin/"
    cp packaging/container/channels.toml "$empty/etc/forebay/"
    chown 65534:65534 "$empty/data" "$empty/tmp"
    chroot --userspec=65534:65534 "$empty" /usr/bin/forebay --config /etc/forebay/channels.toml --listen "127.0.0.1:$PORT" \
        >"$OUT/static.log" 2>&1 &
    SERVER=$!
    STARTED+=("$SERVER")
    play static
    stop
    rm -rf "$empty"
    say static "$(stat -c %s "$OUT/static/forebay") bytes, in an empty folder as user 65534"
fi
if [ -e "$OUT/image.tar" ]; then
    size=$(stat -c %s "$OUT/image.tar")
    [ "$size" -le $((20 << 20)) ] || fail "the image has $size bytes"
    say image "$size bytes"
fi
echo "all is well"
