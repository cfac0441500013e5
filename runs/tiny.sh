#!/usr/bin/env bash
# The tiny policy that ships (combatvla/checkpoints/tiny), from nothing, on two cores without a GPU:
#
#   runs/tiny.sh                          # as it was made: about an hour, then the measuring; replaces the one that ships
#   OUT=out/quick ROWS=6000 MINUTES=8 FIGHTS=10 runs/tiny.sh   # a quarter of an hour: it won 10 of 10
#
# Pictures of simulated fights with the oracle's answers, then one supervised training from random weights. The length
# of the training is a time, so a faster machine gives a better policy. The seeds of the fights lie below 1,000,000;
# those from there on are held out for measuring.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
ROWS=${ROWS:-70000}
MINUTES=${MINUTES:-40}
FIGHTS=${FIGHTS:-100}
WORK=${WORK:-data/tiny}    # the rows and the training's curves; may be deleted afterwards
OUT=${OUT:-combatvla/checkpoints/tiny}

trap 'kill $(jobs -p) 2>/dev/null || true' EXIT    # Ctrl-C does not reach what runs in the background
combatvla env data --out "$WORK/a" --rows $((ROWS / 2)) --first-seed 0 &
combatvla env data --out "$WORK/b" --rows $((ROWS / 2)) --first-seed 300000
wait $!
combatvla train sft --data "$WORK/a" "$WORK/b" --out "$WORK/policy" --minutes "$MINUTES" --held-out 600 --eval-every 150
mkdir -p "$OUT"
cp "$WORK"/policy/* "$OUT"/
combatvla bench combat --tasks first --episodes "$FIGHTS" --policy "$OUT" --json
