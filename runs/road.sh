#!/usr/bin/env bash
# The whole road once, in a few minutes, without a person: two fights recorded in a real window by the reaction player,
# which presses real keys; the recordings made into a dataset; the tiny policy trained on with it; its fights measured.
#
#   runs/road.sh
#
# A person's recording goes the same way: `combatvla env play`, and `combatvla tracker record` beside it.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
WORK=${WORK:-data/road}
[ ! -e "$WORK" ] || { echo "$WORK exists: delete it, or give another folder as WORK" >&2; exit 2; }

for seed in 1 2; do
    combatvla tracker demonstrate --out "$WORK/session-$seed" --seed "$seed"
    combatvla tracker check "$WORK/session-$seed" || [ $? -eq 1 ]    # 1: it can be used, but something is odd
done
combatvla tracker export "$WORK"/session-* --out "$WORK/rows"
combatvla train sft --data "$WORK/rows" --init combatvla/checkpoints/tiny --out "$WORK/policy" \
    --steps "${STEPS:-60}" --lr 1e-4 --held-out 60
combatvla bench combat --players policy,random --policy "$WORK/policy" --episodes "${FIGHTS:-5}"
