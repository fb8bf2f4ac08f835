#!/usr/bin/env bash
# Installs what is named and missing, or says what is missing: Debian packages for programs, npm packages for folders
# that have a package-lock.json, Python packages for folders that have a requirements.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

have() {
    case $1 in
        # The programs alone play nothing.
        gstreamer) gst-inspect-1.0 --exists avdec_h264 && gst-inspect-1.0 --exists hlsdemux2 &&
            gst-inspect-1.0 --exists souphttpsrc ;;
        # Debian keeps it where the paths of users do not lead.
        debootstrap) command -v debootstrap || [ -x /usr/sbin/debootstrap ] ;;
        nginx) command -v nginx || [ -x /usr/sbin/nginx ] ;;
        nginx-rtmp) [ -e /usr/lib/nginx/modules/ngx_rtmp_module.so ] ;;
        # Its client of lists is a package of its own.
        kodi) [ -d /usr/share/kodi/addons/pvr.iptvsimple ] ;;
        xvfb) command -v Xvfb ;;
        venv) python3 -c "import ensurepip" ;;
        *) command -v "$1" ;;
    esac >/dev/null 2>&1
}

packages=()
folders=()
environments=()
for part in "$@"; do
    if [ -f "$part/package-lock.json" ]; then
        folders+=("$part")
        continue
    fi
    if [ -f "$part/requirements.txt" ]; then
        environments+=("$part")
        continue
    fi
    have "$part" && continue
    case $part in
        buildah) packages+=(buildah) ;;
        chromium) packages+=(chromium) ;;
        curl) packages+=(curl) ;;
        debootstrap) packages+=(debootstrap) ;;
        ffmpeg) packages+=(ffmpeg) ;;
        gstreamer) packages+=(gstreamer1.0-{tools,libav,plugins-{base,good,bad,ugly}}) ;;
        hdhomerun_config) packages+=(hdhomerun-config) ;;
        kodi) packages+=(kodi kodi-pvr-iptvsimple) ;;
        mpv) packages+=(mpv) ;;
        nginx) packages+=(nginx-light) ;;
        nginx-rtmp) packages+=(libnginx-mod-rtmp) ;;
        npm) packages+=(nodejs npm) ;;
        pebble) packages+=(pebble) ;;
        prometheus) packages+=(prometheus) ;;
        python3) packages+=(python3-minimal) ;;
        venv) packages+=(python3-venv) ;;
        tv_validate_file) packages+=(xmltv-util) ;;
        vlc) packages+=(vlc-bin vlc-plugin-base) ;;
        xmllint) packages+=(libxml2-utils) ;;
        xvfb) packages+=(xvfb) ;;
        *) echo "setup: no package is known for $part" >&2; exit 1 ;;
    esac
done

if [ ${#packages[@]} -gt 0 ]; then
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then as_root=(sudo -n); fi
    if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true 2>/dev/null; then
        echo "Programs are needed that are not installed, and cannot be installed here: $*." >&2
        echo "On Debian or Ubuntu:  sudo apt-get install --no-install-recommends ${packages[*]}" >&2
        exit 1
    fi
    echo "installing ${packages[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

for folder in "${folders[@]}"; do
    # npm writes this file last.
    [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ] && continue
    echo "installing the npm packages of $folder"
    (cd "$folder" && npm ci --no-audit --no-fund --loglevel=error >/dev/null)
done

for folder in "${environments[@]}"; do
    # Written when all is installed.
    [ "$folder/.venv/installed" -nt "$folder/requirements.txt" ] && continue
    echo "installing the Python packages of $folder"
    python3 -m venv "$folder/.venv"
    "$folder/.venv/bin/pip" install --quiet --requirement "$folder/requirements.txt"
    touch "$folder/.venv/installed"
done
