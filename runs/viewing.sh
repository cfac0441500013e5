#!/usr/bin/env bash
# The picture of docs/viewing.md: a recorded and explained fight on the viewer's page, in a headless Chromium.
#
#   runs/viewing.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
OUT=${OUT:-out/viewing}

rm -rf "$OUT/fight"
combatvla tracker demonstrate --out "$OUT/fight" --seed 7
combatvla tracker explain "$OUT/fight" --by truth
python runs/viewed.py "$OUT/fight" docs/view.png
