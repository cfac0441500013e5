#!/usr/bin/env bash
# The numbers of docs/recording.md, which it writes itself: about seventy minutes on two idle cores. ViZDoom (`pip install
# combatvla[bench]`) tells what it received.
#
#   runs/recording.sh                # everything
#   runs/recording.sh bench kill     # only these; the others stay as out/recording has them
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
OUT=${OUT:-out/recording}
mkdir -p "$OUT"

# Keeps the last line as what was measured, if it is JSON: a run that failed leaves the figures of the one before.
last_line() { tee -a /dev/stderr | tail -n 1 | python -m json.tool --compact >"$OUT/$1.new" && mv "$OUT/$1.new" "$OUT/$1.json"; }

bench() { env -u DISPLAY "$PWD/.venv/bin/combatvla" tracker bench --seconds 300 --json | last_line bench; }
large() { env -u DISPLAY "$PWD/.venv/bin/combatvla" tracker bench --seconds 60 --size 1920x1080 --fps 30 --json | last_line large; }
kill() { env -u DISPLAY "$PWD/.venv/bin/combatvla" tracker drill kill --kills 50 --json | last_line kill; }
alignment() { env -u DISPLAY "$PWD/.venv/bin/combatvla" tracker drill alignment --actions 10000 --json | last_line alignment; }
export60() { combatvla tracker bench --what export --hours 0.2 --fps 60 --json | last_line export60; }
export10() { combatvla tracker bench --what export --hours 10 --json | last_line export10; }
export30() { combatvla tracker bench --what export --hours 0.2 --fps 30 --json | last_line export30; }

for part in "${@:-bench large kill export30 export60 alignment export10}"; do
    for each in $part; do "$each"; done
done
python runs/recorded.py "$OUT" docs/recording.md
