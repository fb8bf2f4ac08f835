"""What pyxtream makes of a panel: one JSON object.

    python list.py http://host:port NAME PASSWORD FOLDER
"""

import contextlib
import json
import sys

from pyxtream import XTream

url, name, password, folder = sys.argv[1:]
# It tells of its progress on the output.
with contextlib.redirect_stdout(sys.stderr):
    panel = XTream("Forebay", name, password, url, cache_path=folder)
    panel.authenticate()
    loaded = panel.load_iptv()
print(json.dumps({
    "auth": panel.auth_data.get("user_info", {}).get("auth"),
    "channels": [[it.name, it.group_title, it.url] for it in panel.channels],
    "groups": sorted(it.name for it in panel.groups if it.group_type == 0),
    "loaded": loaded,
    "movies": [it.name for it in panel.movies],
}))
