#!/usr/bin/env bash
# Every number in README's section Measured: about an hour on two idle cores. Writes the section itself, and the tables
# of docs/arena.md.
#
#   runs/measure.sh                  # everything
#   runs/measure.sh combat window    # only these; the other figures stay as they were
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
OUT=${OUT:-out/measure}
mkdir -p "$OUT"

# Keeps the last line as what was measured, if it is JSON: a run that failed leaves the figures of the one before.
last_line() { tee -a /dev/stderr | tail -n 1 | python -m json.tool --compact >"$OUT/$1.new" && mv "$OUT/$1.new" "$OUT/$1.json"; }

combat() { combatvla bench combat --tasks first --episodes 100 --json | last_line combat; }

window() { env -u DISPLAY "$PWD/.venv/bin/combatvla" demo --episodes 20 --no-replay --json | last_line window; }

# Seconds of `make demo`, of a second one, and of `make test`, in a fresh clone of what is committed.
clone() {
    local folder began first second tests
    folder=$(mktemp -d)
    git clone -q . "$folder/project"
    clean() { env -u DISPLAY -u VIRTUAL_ENV -u PYTHONPATH make -C "$folder/project" "$1" >&2; }
    began=$SECONDS && clean demo && first=$((SECONDS - began))
    began=$SECONDS && clean demo && second=$((SECONDS - began))
    rm -rf "$folder/project/.venv"
    began=$SECONDS && clean test && tests=$((SECONDS - began))
    rm -rf "$folder"
    echo "{\"demo_s\": $first, \"second_demo_s\": $second, \"test_s\": $tests}" | last_line clone
}

speed() { combatvla env speed --json | last_line speed; }

soak() { combatvla env soak --json | last_line soak; }

# The scripted players in all thirteen fights, and the list of the fights with its picture.
tasks() {
    combatvla env calibrate --write docs/arena.md --json | last_line calibrate
    combatvla env tasks --write docs/arena.md --pictures "$OUT/tasks" && cp "$OUT/tasks/tasks.png" docs/tasks.png
}

help() {
    python - <<'PYTHON' | last_line help
import json, subprocess, time
times = []
for _ in range(11):
    began = time.perf_counter()
    subprocess.run(["combatvla", "--help"], stdout=subprocess.DEVNULL, check=True)
    times.append(time.perf_counter() - began)
print(json.dumps({"help_s_median": sorted(times)[5], "help_s_max": max(times)}))
PYTHON
}

for part in "${@:-combat window speed soak tasks help clone}"; do
    for each in $part; do "$each"; done
done
python runs/measured.py "$OUT" README.md
