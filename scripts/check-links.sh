#!/usr/bin/env bash
# Every relative link in a Markdown file leads to a file of the project.
set -euo pipefail
cd "$(dirname "$0")/.."

broken=0
while read -r file; do
    while read -r link; do
        target=${link%%#*}
        if [ -n "$target" ] && [ ! -e "$(dirname "$file")/$target" ]; then
            echo "$file: $link leads nowhere" >&2
            broken=1
        fi
    done < <(grep -oE '\]\([^)[:space:]]+\)' "$file" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' || true)
done < <(git ls-files '*.md')
exit $broken
