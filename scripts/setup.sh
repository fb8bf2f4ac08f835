#!/usr/bin/env bash
# Installs the Debian packages of the programs that are named and missing, or says which are missing.
set -euo pipefail

packages=()
for program in "$@"; do
    command -v "$program" >/dev/null && continue
    case $program in
        ffmpeg) packages+=(ffmpeg) ;;
        pebble) packages+=(pebble) ;;
        vlc) packages+=(vlc-bin vlc-plugin-base) ;;
        *) echo "setup: no package is known for $program" >&2; exit 1 ;;
    esac
done
[ ${#packages[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
    echo "The tests need programs that are not installed, and cannot install them here." >&2
    echo "On Debian or Ubuntu:  sudo apt-get install --no-install-recommends ${packages[*]}" >&2
    exit 1
fi
echo "installing ${packages[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
