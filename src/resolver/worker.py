"""Resolves pages with yt-dlp: one process for each, made by a fork of this one.

The server writes a line of JSON with the settings, then one line for each page; this program writes
one line when it is ready, and for each page two: that it has begun, with its process group, and what
came of it. When its input ends, everything is killed. Nothing else is ever written to its output.
"""

import ctypes
import errno
import gc
import ipaddress
import json
import os
import resource
import selectors
import signal
import socket
import sys
import time

MAX_ANSWER = 1 << 20
MAX_FORMATS = 300
MAX_ENTRIES = 200
MAX_TEXT = 5000
MAX_LINE = 64 << 10
# Seconds of the processor that one page may take.
MAX_CPU = 60
PR_SET_PDEATHSIG = 1

# A page of the internet never leads to this machine and its networks: the same ones as the rest of
# the server refuses (core/src/address.rs).
PRIVATE = [
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 "
        "192.88.99.0/24 192.168.0.0/16 224.0.0.0/3"
    ).split()
]
MAPPED = ipaddress.ip_network("::ffff:0:0/96")
NAT64 = ipaddress.ip_network("64:ff9b::/96")
UNICAST = ipaddress.ip_network("2000::/3")
# 6to4 and Teredo lead elsewhere than they say, and no platform has such an address.
TUNNELS = [ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32")]
ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(text):
    """Whether an address of a socket is one of the internet."""
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    if address.version == 6:
        if address in MAPPED or address in NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        else:
            is_tunnel = any(address in network for network in TUNNELS)
            is_tunnel = is_tunnel or int(address) >> 32 & 0xFFFFFFFF in ISATAP
            return address in UNICAST and not is_tunnel
    return not any(address in network for network in PRIVATE)


def addresses(hosts):
    """Where these hosts are: the way to a proxy is no way to a page."""
    found = set()
    for host in hosts:
        try:
            found.update(entry[4][0] for entry in socket.getaddrinfo(host.strip("[]"), None))
        except OSError:
            # Whoever asks it next is told.
            pass
    return found


class Refused(OSError):
    """The page wants to reach an address that is not public."""


def guard(allowed):
    """Refuses connections of this process to addresses that are not public."""

    def hook(event, args):
        if event != "socket.connect":
            return
        address = args[1]
        # Local sockets have a path: what resolves names may use one.
        if not isinstance(address, tuple) or address[0] in allowed or is_public(address[0]):
            return
        raise Refused(errno.EACCES, "this address is not public")

    sys.addaudithook(hook)


class Quiet:
    """A log that nobody reads."""

    def debug(self, message):
        pass

    info = warning = error = debug


class Worker:
    def __init__(self, settings):
        self.settings = settings
        for path in reversed(settings["paths"]):
            sys.path.insert(0, path)
        # It would open sockets that nothing here sees.
        sys.modules["curl_cffi"] = None
        import yt_dlp
        from yt_dlp.globals import plugin_dirs
        from yt_dlp.plugins import load_all_plugins

        self.yt_dlp = yt_dlp
        plugin_dirs.value = list(settings["plugin_dirs"])
        if plugin_dirs.value:
            load_all_plugins()
        self.ydl = yt_dlp.YoutubeDL(self.parameters())
        self.children = {}
        self.selector = selectors.DefaultSelector()

    def parameters(self):
        return {
            "quiet": True,
            "no_warnings": True,
            "logger": Quiet(),
            "noprogress": True,
            "skip_download": True,
            "cachedir": False,
            # Any format: the server chooses. Without this, yt-dlp runs ffmpeg for each page.
            "format": "b*",
            "noplaylist": True,
            "extract_flat": "in_playlist",
            "playlistend": MAX_ENTRIES,
            "socket_timeout": 10,
            "allowed_extractors": self.settings["extractors"],
            "extractor_args": {"youtube": {"skip": ["dash"]}},
            "proxy": self.settings["proxy"],
        }

    def javascript(self):
        for runtime in self.ydl._js_runtimes.values():
            info = runtime and runtime.info
            if info:
                return f"{info.name} {info.version}"
        return None

    def send(self, message):
        data = memoryview(json.dumps(message, separators=(",", ":")).encode() + b"\n")
        while data:
            data = data[os.write(1, data):]

    def run(self):
        self.send({"ready": self.yt_dlp.version.__version__, "js": self.javascript()})
        gc.collect()
        gc.freeze()
        self.selector.register(0, selectors.EVENT_READ)
        buffer = b""
        while True:
            now = time.monotonic()
            deadlines = [child.deadline for child in self.children.values()]
            patience = max(0, min(deadlines) - now) if deadlines else None
            for key, _ in self.selector.select(patience):
                if key.data:
                    self.read(key.data)
                    continue
                piece = os.read(0, 65536)
                buffer += piece
                if not piece or len(buffer) > MAX_LINE:
                    return
                *lines, buffer = buffer.split(b"\n")
                for line in lines:
                    self.start(json.loads(line))
            now = time.monotonic()
            for child in [child for child in self.children.values() if child.deadline <= now]:
                self.end(child, {"error": failure("timeout", "the page took too long")})

    def start(self, request):
        reader, writer = os.pipe()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.close(reader)
                self.resolve(request, writer, parent)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        try:
            # Whoever comes first: the child does the same.
            os.setpgid(pid, pid)
        except OSError:
            pass
        deadline = time.monotonic() + request["deadline_ms"] / 1000
        child = Child(request["id"], pid, reader, deadline)
        self.children[pid] = child
        self.selector.register(reader, selectors.EVENT_READ, child)
        self.send({"id": child.id, "group": pid})

    def read(self, child):
        piece = os.read(child.reader, 65536)
        child.answer += piece
        if len(child.answer) > MAX_ANSWER:
            self.end(child, {"error": failure("crashed", "the page has too much to say")})
        elif not piece:
            try:
                answer = json.loads(child.answer)
            except ValueError:
                answer = {"error": failure("crashed", "the resolver has ended without an answer")}
            self.end(child, answer)

    def end(self, child, answer):
        kill(child.pid)
        os.waitpid(child.pid, 0)
        self.selector.unregister(child.reader)
        os.close(child.reader)
        del self.children[child.pid]
        self.send({"id": child.id, **answer})

    def resolve(self, request, writer, parent):
        """In the child: writes the answer."""
        os.setpgid(0, 0)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return
        memory = self.settings["memory"]
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU, MAX_CPU))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        if not self.settings["allow_private"]:
            guard(addresses(self.settings["allowed_hosts"]))
        # What the parent holds of connections and cookies is not shared.
        for name in ("cookiejar", "_request_director"):
            self.ydl.__dict__.pop(name, None)
        self.ydl.params["cookiefile"] = request.get("cookies")
        answer = json.dumps(self.answer(request["url"]), separators=(",", ":")).encode()
        with os.fdopen(writer, "wb") as output:
            output.write(answer)

    def answer(self, url):
        try:
            info = self.ydl.extract_info(url, download=False)
        except MemoryError:
            return {"error": failure("crashed", "the page takes too much memory")}
        except Exception as error:
            return {"error": describe(error, self.yt_dlp)}
        if info is None:
            return {"error": failure("broken", "the extractor has found nothing")}
        return {"ok": project(info)}


class Child:
    def __init__(self, id, pid, reader, deadline):
        self.id, self.pid, self.reader, self.deadline = id, pid, reader, deadline
        self.answer = b""


def kill(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def failure(kind, message, status=None, after=None):
    return {"kind": kind, "message": message, "status": status, "after": after}


def describe(error, yt_dlp):
    """What went wrong, by the type of the exception and of those that led to it."""
    from yt_dlp.networking.exceptions import HTTPError, TransportError
    from yt_dlp.utils import GeoRestrictedError, UnsupportedError, UserNotLive

    chain = []
    while error is not None and error not in chain and len(chain) < 10:
        chain.append(error)
        inner = getattr(error, "exc_info", None)
        error = (inner and inner[1]) or getattr(error, "cause", None) or error.__cause__
    said = [error.orig_msg for error in chain if getattr(error, "orig_msg", None)]
    message = str(said[0] if said else chain[0]).removeprefix("ERROR: ")[:MAX_TEXT]
    for error in chain:
        if isinstance(error, (MemoryError, RecursionError)):
            return failure("crashed", "the page takes too much memory")
        if isinstance(error, Refused):
            return failure("unsupported", "the page leads to an address that is not public")
        if isinstance(error, GeoRestrictedError):
            return failure("geo", message)
        if isinstance(error, UserNotLive):
            return failure("not_live", message)
        if isinstance(error, UnsupportedError):
            return failure("unsupported", message)
    for error in chain:
        if isinstance(error, HTTPError):
            after = error.response.headers.get("Retry-After", "")
            return failure("network", message, error.status, int(after) if after.isdigit() else None)
    if any(isinstance(error, (TransportError, OSError)) for error in chain):
        return failure("network", message)
    return failure("error", message)


def text(value):
    return value[:MAX_TEXT] if isinstance(value, str) else None


def number(value):
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def whole(value):
    value = number(value)
    return None if value is None or not 0 <= value < 1 << 53 else int(value)


def project(info):
    """The fields that the server reads, and no other: a live page's document may have 150 MB."""
    formats = info.get("formats") or ([info] if info.get("url") and not info.get("entries") else [])
    entries = info.get("entries")
    return {
        **{name: text(info.get(name)) for name in TEXTS},
        "duration": number(info.get("duration")),
        **{name: whole(info.get(name)) for name in COUNTS},
        "formats": [project_format(one) for one in list(formats)[-MAX_FORMATS:]],
        "entries": None if entries is None else [project_entry(one) for one in list(entries)[:MAX_ENTRIES] if one],
    }


TEXTS = ("id", "title", "description", "thumbnail", "uploader", "upload_date", "live_status")
COUNTS = ("view_count", "like_count")
FORMAT_TEXTS = ("format_id", "url", "manifest_url", "ext", "protocol", "format_note", "cookies")


def project_format(info):
    def codec(name):
        value = text(info.get(name))
        return None if value in (None, "none") else value

    headers = info.get("http_headers") or {}
    return {
        **{name: text(info.get(name)) for name in FORMAT_TEXTS},
        "vcodec": codec("vcodec"),
        "acodec": codec("acodec"),
        "width": whole(info.get("width")),
        "height": whole(info.get("height")),
        "fps": number(info.get("fps")),
        "bitrate": whole((number(info.get("tbr")) or 0) * 1000),
        "filesize": whole(info.get("filesize") or info.get("filesize_approx")),
        "has_drm": bool(info.get("has_drm")),
        "headers": {str(name): str(value) for name, value in list(headers.items())[:20]},
    }


def project_entry(info):
    return {
        "id": text(info.get("id")),
        "title": text(info.get("title")),
    }


def main():
    settings = json.loads(sys.stdin.buffer.raw.readline())
    try:
        worker = Worker(settings)
    except Exception as error:
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"[:MAX_TEXT]}), flush=True)
        return
    try:
        worker.run()
    finally:
        for child in worker.children.values():
            kill(child.pid)


if __name__ == "__main__":
    main()
