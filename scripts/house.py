#!/usr/bin/env python3
"""Measures the structure of the crates that ship, and fails where an arrow points the wrong way.

A module may import what stands below it and nothing above it. In each folder, the modules that
lie side by side may not import each other in a circle. Tests are left out.

    scripts/house.py            the table, and exit code 1 with each wrong pair
    scripts/house.py --quiet    only the wrong pairs
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The rooms of each crate from the ground floor up: none may import one that stands later.
CRATES = {
    "core": [],
    "relay": ["clock", "error", "state", "file_changes", "model", "events", "net", "providers", "input", "provider_archives", "channel", "push"],
    "src": ["host", "programs", "exchange", "jws", "certificate", "config", "db", "telemetry", "supervisor", "tls", "accounts", "oidc", "catalogue", "relays", "lineup", "guide", "tuners", "jobs", "variants", "resolver", "reels", "page_jobs", "films", "backups", "webhooks", "http", "app", "cli"],
}


# A declaration `use …;`.
USE = r"^\s*(?:pub(?:\([^)]*\))? )?use ([\w:{}\s,*]+);"


def without_tests(text):
    """The text without its test modules, which stand at the end."""
    return re.split(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{", text)[0]


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


def module_of(path, root):
    parts = list(path.relative_to(root).with_suffix("").parts)
    if parts[-1] in ("mod", "lib", "main"):
        parts.pop()
    return tuple(parts)


def is_test(module):
    return any(part in ("tests", "fixture", "site", "linear_time") or part.endswith("_tests") for part in module)


def expand(tree):
    """The paths of a use tree: `a::{b, c::d}` is `a::b` and `a::c::d`."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        return [tree.split(" as ")[0].strip()]
    prefix, inner = tree[:brace], tree[brace + 1 : tree.rindex("}")]
    paths, depth, start = [], 0, 0
    for at, char in enumerate(inner + ","):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == "," and depth == 0:
            if inner[start:at].strip():
                paths += [prefix + path for path in expand(inner[start:at])]
            start = at + 1
    return paths


class Crate:
    def __init__(self, name):
        self.root = ROOT / (name if name == "src" else f"{name}/src")
        self.texts = {}
        for path in sorted(self.root.rglob("*.rs")):
            module = module_of(path, self.root)
            if not is_test(module):
                text = without_comments(without_tests(path.read_text()))
                self.texts[module] = self.texts.get(module, "") + text
        self.names = {module: self.reexports(module) for module in self.texts}

    def reexports(self, module):
        """Names that a module passes on from one below it."""
        names = {}
        for tree in re.findall(r"pub(?:\([^)]*\))? use ([^;]+);", self.texts[module]):
            for path in expand(tree):
                parts = path.removeprefix("self::").split("::")
                if module + (parts[0],) in self.texts and len(parts) > 1:
                    names[parts[-1]] = module + tuple(parts[:-1])
        return names

    def resolve(self, module, path):
        """The module in which the item at `path` is defined; nothing if it is of another crate."""
        parts = path.split("::")
        if parts[0] == "crate":
            at, parts = (), parts[1:]
        elif parts[0] in ("super", "self"):
            at = module
            while parts and parts[0] in ("super", "self"):
                at, parts = (at[:-1] if parts[0] == "super" else at), parts[1:]
        elif module + (parts[0],) in self.texts:
            at = module
        else:
            return None
        for part in parts:
            if at + (part,) in self.texts:
                at = at + (part,)
            else:
                at = self.names.get(at, {}).get(part, at)
                break
        return at

    def imports(self):
        """For each module, those that it imports from."""
        found = defaultdict(set)
        for module, text in self.texts.items():
            paths = [path for tree in re.findall(USE, text, re.M) for path in expand(tree)]
            rest = re.sub(USE, "", text, flags=re.M)
            paths += re.findall(r"\b(?:crate|super)(?:::\w+)+", rest)
            for path in paths:
                target = self.resolve(module, path)
                if target is not None and target != module:
                    found[module].add(target)
        return found


def circles(edges):
    """Groups of nodes that reach each other."""
    index, low, stack, on, groups, count = {}, {}, [], set(), [], [0]

    def visit(node):
        index[node] = low[node] = count[0]
        count[0] += 1
        stack.append(node)
        on.add(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = []
            while True:
                other = stack.pop()
                on.discard(other)
                group.append(other)
                if other == node:
                    break
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return groups


def judge(name, crate):
    """What is wrong with the arrows of a crate, a line each: circles, and arrows upwards."""
    wrong = {"circles": [], "upward": []}
    imports = crate.imports()
    order = {room: at for at, room in enumerate(CRATES[name])}
    for module, targets in sorted(imports.items()):
        for target in sorted(targets):
            rooms = [room[0] if room else "" for room in (module, target)]
            if all(room in order for room in rooms) and order[rooms[0]] < order[rooms[1]]:
                wrong["upward"].append(f"{name}: {'::'.join(module)} imports {'::'.join(target)}, which is above it")
    folders = {module[:depth] for module in crate.texts for depth in range(len(module))}
    for folder in sorted(folders):
        edges, why = defaultdict(set), {}
        depth = len(folder)
        for module, targets in imports.items():
            for target in targets:
                if module[:depth] == target[:depth] == folder and min(len(module), len(target)) > depth:
                    pair = (module[depth], target[depth])
                    if pair[0] != pair[1]:
                        edges[pair[0]].add(pair[1])
                        why.setdefault(pair, (module, target))
        for group in circles(edges):
            pairs = [pair for pair in sorted(why) if pair[0] in group and pair[1] in group]
            told = "; ".join(f"{'::'.join(why[pair][0])} imports {'::'.join(why[pair][1])}" for pair in pairs)
            wrong["circles"].append(f"{name}: {' <-> '.join(group)} in a circle: {told}")
    return wrong


def bodies(text, pattern):
    """Each block that begins where `pattern` matches: its name and its text."""
    for match in re.finditer(pattern, text, re.M):
        depth, at = 0, text.find("{", match.end() - 1)
        start = at
        while 0 <= at < len(text):
            if text[at] == "{":
                depth += 1
            elif text[at] == "}":
                depth -= 1
                if depth == 0:
                    yield match.group(1), text[start : at + 1]
                    break
            at += 1


def measure(crate):
    lines = comments = inline = wide = early = 0
    structs, functions = [], []
    for path in sorted(crate.root.rglob("*.rs")):
        if is_test(module_of(path, crate.root)):
            continue
        text = without_tests(path.read_text())
        for line in text.splitlines():
            bare = line.strip()
            if bare.startswith("//"):
                comments += 1
                wide += len(line) > 100
                inline += not bare.startswith(("///", "//!"))
            elif bare:
                lines += 1
        code = without_comments(text)
        early += len(re.findall(r"else \{\s*return\b", code))
        where = "::".join(module_of(path, crate.root))
        for name, body in bodies(code, r"^\s*(?:pub(?:\([^)]*\))? )?struct (\w+)[^;{(]*\{"):
            fields = len(re.findall(r"^\s{4,}(?:pub(?:\([^)]*\))? )?\w+:", body, re.M))
            structs.append((fields, f"{where}::{name}"))
        for name, body in bodies(code, r"^\s*(?:pub(?:\([^)]*\))? )?(?:const |async )*fn (\w+)[^;{]*\{"):
            functions.append((body.count("\n") + 1, f"{where}::{name}"))
    largest = lambda all: ", ".join(f"{name} {size}" for size, name in sorted(all, reverse=True)[:3])
    return {
        "code lines": lines,
        "largest structs by fields": largest(structs),
        "largest functions by lines": largest(functions),
        "inline comments per 100 code lines": f"{100 * inline / max(lines, 1):.1f}",
        "comments wider than 100 columns": f"{100 * wide / max(comments, 1):.1f} %",
        "`else { return` per 1,000 code lines": f"{1000 * early / max(lines, 1):.1f}",
    }


def main():
    failed = []
    for name in CRATES:
        if not (ROOT / name).exists():
            continue
        crate = Crate(name)
        wrong = judge(name, crate)
        failed += wrong["circles"] + wrong["upward"]
        if "--quiet" not in sys.argv:
            print(f"{name}: import circles {len(wrong['circles'])}, upward arrows {len(wrong['upward'])}")
            for what, value in measure(crate).items():
                print(f"  {what}: {value}")
    for line in failed:
        print(line, file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
