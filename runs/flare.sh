#!/usr/bin/env bash
# Flare, from nothing (docs/flare.md): the scripted player's recorded fights, a policy trained on these recordings alone,
# and twenty fights of each player in the game's own window. About an hour on two idle cores; needs `make setup` and
# `scripts/setup.sh flare`.
#
#   runs/flare.sh
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
WORK=${WORK:-out/flare}
MINUTES=${MINUTES:-20}
mkdir -p "$WORK"

# Keeps the last line as what was measured, if it is JSON.
last_line() { tee -a /dev/stderr | tail -n 1 | python -m json.tool --compact >"$WORK/$1.new" && mv "$WORK/$1.new" "$WORK/$1.json"; }

fights() { combatvla bench flare --episodes 20 --no-replay --out "$WORK/logs" --json "$@"; }

fights --sessions "$WORK/sessions" | last_line scripted
fights --player random | last_line random
combatvla tracker export "$WORK"/sessions/* --out "$WORK/data" --every-ms 100 --keep-repeated
combatvla train sft --data "$WORK/data" --init combatvla/checkpoints/tiny --out "$WORK/policy" \
    --minutes "$MINUTES" --turns 1 --lr 8e-4
fights --player "$WORK/policy" --seed 1000 | last_line policy
python runs/flare.py "$WORK"
