#!/usr/bin/env bash
# The pictures of docs/agent.md and the one of README: a fight of the shipped policy, its replay, the strip, and the
# viewer's page in a headless Chromium.
#
#   runs/seeing.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
OUT=${OUT:-out/seeing}

rm -rf "$OUT"
env -u DISPLAY "$PWD/.venv/bin/combatvla" demo --out "$OUT"
EPISODE=$(echo "$OUT"/*)
python runs/seen.py "$EPISODE" docs
python runs/viewed.py "$EPISODE" docs/episode.png
