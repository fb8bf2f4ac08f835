#!/usr/bin/env python3
"""Sends requests to a server that docs/openapi.json allows, and such as it does not, and compares the
answers with what it says.

    scripts/schemathesis/run.py [SERVER]    by default target/debug/forebay

The server runs in a folder of its own. Fails where an answer is a server error, or has a status, a
type or a document that is not described. Schemathesis says how many requests it made.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCHEMATHESIS = ROOT / "scripts/schemathesis/.venv/bin/schemathesis"

# For each operation, so that there are 5,000 and more; some have few parameters, and need fewer.
EXAMPLES = 400

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]

# Their answers end when a viewer goes away, or with the reading of a list.
ENDLESS = ["watchChannel", "watchChannelByNumber", "watchAsUser", "playStreamToken", "listen", "watchPlaylist"]

# They ask platforms of the internet, for up to half a minute.
ELSEWHERE = ["getPage", "getPageAddress", "getPageFile"]

# Channels and relays that there are, in the words of parameters. What is made up is hardly ever there.
CONFIG = """
[server]
listen = "127.0.0.1:0"
# All requests come from one address.
max_requests_per_address = "off"
[[channels]]
id = "0"
number = 1
sources = ["testcard://"]
[[channels]]
id = "card"
name = "Test card"
group = "Cards"
sources = ["testcard://"]
"""


def start(server, folder):
    """The running server, and where it listens."""
    (folder / "channels.toml").write_text(CONFIG)
    process = subprocess.Popen(
        [server, "--config", "channels.toml"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=(folder / "log").open("w"),
        text=True,
    )
    for line in process.stdout:
        if found := re.search(r"listening on (http://\S+)", line):
            return process, found[1]
    sys.exit(f"the server did not start: {(folder / 'log').read_text()}")


def main():
    server = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/debug/forebay").resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        process, address = start(server, folder)
        try:
            token = (folder / "hls_cache/admin.token").read_text().strip()
            words = [SCHEMATHESIS, "run", ROOT / "docs/openapi.json", "--url", address]
            words += ["--header", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS)]
            words += ["--max-examples", str(EXAMPLES), "--seed", "1", "--request-timeout", "30"]
            words += ["--phases", "examples,coverage,fuzzing,stateful", "--continue-on-failure", "--no-color"]
            words += ["--suppress-health-check", "all", "--warnings", "off"]
            for operation in ENDLESS + ELSEWHERE:
                words += ["--exclude-operation-id", operation]
            code = subprocess.run(words, cwd=folder, env={**os.environ, "NO_COLOR": "1"}).returncode
            if process.poll() is not None:
                sys.exit(f"the server has ended: {(folder / 'log').read_text()[-4000:]}")
        finally:
            process.terminate()
            process.wait()
        sys.exit(code)


if __name__ == "__main__":
    main()
