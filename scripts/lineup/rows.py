#!/usr/bin/env python3
"""Prints the channels that an import has put into a database, a line of JSON each, in the order of the list.

    scripts/lineup/rows.py data/forebay.db
"""

import json
import sqlite3
import sys

database = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
for name, group, entry in database.execute(
    "SELECT c.name, c.group_title, s.entry FROM channels c JOIN sources s USING (id) ORDER BY c.id"
):
    print(json.dumps({"name": name, "group": group, "url": json.loads(entry)[1]}))
