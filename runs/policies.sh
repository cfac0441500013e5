#!/usr/bin/env bash
# The measured table of docs/policies.md: so many fights by each back end on the same weights and seeds, unpaused.
# About five minutes on two idle cores. vLLM is that of COMBATVLA_VLLM_PYTHON, or else of .venv.
#
#   runs/policies.sh [FIGHTS]
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=$PWD/.venv/bin/python
export COMBATVLA_VLLM_PYTHON=${COMBATVLA_VLLM_PYTHON:-$PYTHON} PYTHONPATH=$PWD
PORT=8765

row() { # INTERPRETER POLICY: a row of the table
    "$1" -m combatvla bench combat --players policy --policy "$2" --episodes "${FIGHTS:-5}" --out out/policies --json | tail -n 1 |
        "$PYTHON" -c 'import json, sys
r = json.load(sys.stdin); p = r["players"]["policy"]
print("| `{}` | {}/{} | {:.2f} | {:.1f} / {:.1f} ms | {} | {} |".format(r["policy"], p["wins"], p["episodes"], p["damage_taken"],
    p["decision_ms_p50"], p["decision_ms_p95"], p["decisions"], p["parse_failures"]))'
}

FIGHTS=${1:-5}
mkdir -p out
"$PYTHON" -m combatvla serve tiny --port "$PORT" 2>out/serve.log >&2 &
SERVER=$!
trap 'kill "$SERVER"' EXIT
until "$PYTHON" -c "import urllib.request as r; r.urlopen('http://127.0.0.1:$PORT/health')" 2>/dev/null; do
    kill -0 "$SERVER" && sleep 1
done
echo "| policy | won | damage taken | decision p50 / p95 | decisions | no plan |"
echo "|---|---|---|---|---|---|"
row "$PYTHON" tiny
row "$COMBATVLA_VLLM_PYTHON" vllm:tiny
row "$PYTHON" "openai:http://127.0.0.1:$PORT/v1#tiny"
