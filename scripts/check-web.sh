#!/usr/bin/env bash
# Whether web/dist was built from the sources beside it, by the hashes that were written down then: needs no Node.js.
# With --write, writes them down.
set -euo pipefail
cd "$(dirname "$0")/../web"

hashes() {
    git ls-files --cached --others --exclude-standard | grep -vx built.sha256 | LC_ALL=C sort | while read -r file; do
        if [ -e "$file" ]; then sha256sum "$file"; fi
    done
}

if [ "${1:-}" = --write ]; then
    hashes >built.sha256
elif ! hashes | diff built.sha256 - >&2; then
    echo "web/ has changed since web/dist was built from it: run make web, and commit what it makes" >&2
    exit 1
fi
