#!/usr/bin/env python3
"""Makes tests/schemas/N.db from the migrations up to N."""

import json
import sqlite3
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
number = int(sys.argv[1])
path = ROOT / f"tests/schemas/{number}.db"
path.unlink(missing_ok=True)
database = sqlite3.connect(path, isolation_level=None)
# What `fold` of forebay_core::lineup::names makes of plain ASCII.
database.create_function("fold", 1, str.lower)
for step in sorted((ROOT / "src/db/schema").glob("*.sql"))[:number]:
    database.executescript(step.read_text())
database.execute(f"PRAGMA application_id = {0x46524259}")
database.execute(f"PRAGMA user_version = {number}")
for fields in (
    {"id": "sport-tv", "name": "Sport TV", "sources": ["http://cdn1.example/sport.m3u8", "http://cdn2.example/sport.m3u8"]},
    {"id": "gone", "sources": ["testcard://"]},
    {"id": "news", "number": 7, "group": "News", "sources": ["testcard://"]},
):
    database.execute(
        "INSERT INTO relays (path, name, number, group_title, spec, created_at, changed_at) VALUES (?, ?, ?, ?, ?, 1764374400, 1764374400)",
        (fields["id"], fields.get("name", fields["id"]), fields.get("number"), fields.get("group"), json.dumps(fields)),
    )
if "search" in [column[1] for column in database.execute("PRAGMA table_info(relays)")]:
    database.execute("UPDATE relays SET search = fold(name) || char(10) || fold(coalesce(group_title, ''))")
database.execute("DELETE FROM relays WHERE path = 'gone'")
database.execute("PRAGMA journal_mode = WAL")
database.close()
