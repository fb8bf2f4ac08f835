#!/usr/bin/env bash
# Builds what Forebay is installed from, into target/package/.
#   scripts/package/build.sh deb      forebay_VERSION_ARCH.deb
#   scripts/package/build.sh static   static/forebay, which needs no other file
#   scripts/package/build.sh image    image.tar: an image of that alone, for docker, podman and others
set -euo pipefail
cd "$(dirname "$0")/../.."

CARGO=${CARGO:-cargo}
OUT=target/package
# The C library of this system, within the program.
HOST=$(rustc -vV | sed -n 's/^host: //p')

mkdir -p "$OUT"
case ${1:-} in
    deb)
        "$CARGO" build --release --package forebay
        program=target/release/forebay
        mkdir -p "$OUT/completions"
        "$program" completions bash >"$OUT/completions/forebay"
        "$program" completions zsh >"$OUT/completions/_forebay"
        "$program" completions fish >"$OUT/completions/forebay.fish"
        "$program" man >"$OUT/forebay.1"
        "$CARGO" deb --no-build --package forebay --output "$OUT/" ${DEB_VERSION:+--deb-version "$DEB_VERSION"}
        ;;
    static)
        RUSTFLAGS="-C target-feature=+crt-static" \
            "$CARGO" build --release --package forebay --bin forebay --target "$HOST" --target-dir target/static
        # The folders of the image begin empty.
        mkdir -p "$OUT/static" "$OUT/empty"
        cp "target/static/$HOST/release/forebay" "$OUT/static/forebay"
        strip "$OUT/static/forebay"
        if ldd "$OUT/static/forebay" 2>/dev/null | grep -q '=>'; then
            echo "$OUT/static/forebay needs other files" >&2
            exit 1
        fi
        ls -l "$OUT/static/forebay"
        ;;
    image)
        # Also where there is one: it may be of older sources.
        "$0" static
        rm -f "$OUT/image.tar"
        buildah --storage-driver vfs bud --isolation chroot --tag forebay \
            --file packaging/container/Dockerfile .
        buildah --storage-driver vfs push forebay "docker-archive:$OUT/image.tar:forebay:latest"
        ls -l "$OUT/image.tar"
        ;;
    *)
        sed -n '2,5s/^# \?//p' "$0" >&2
        exit 2
        ;;
esac
