"""Run by an interpreter that has vLLM: lets the vllm policy decide about the windows of pictures in a file.

python play_vllm.py FOLDER PICTURES.npy ANSWERS.json
"""

import json
import sys
import time

import numpy as np

from combatvla.policy import make_policy
from combatvla.policy.base import Frame, Policy

if __name__ == "__main__":
    folder, pictures, answers = sys.argv[1:]
    policy = make_policy(f"vllm:{folder}")
    assert isinstance(policy, Policy)
    said = []
    for number, window in enumerate(np.load(pictures)):
        decision = policy.decide([Frame(p, number * 100 + i) for i, p in enumerate(window)])
        tokens = policy.said
        said.append({"tokens": tokens, "parsed": decision.parsed, "total_ms": decision.timings_ms["total"]})
        said[-1]["explanation"] = policy.explain_last()
    late = policy.decide([Frame(p, 1) for p in window], deadline_ns=time.monotonic_ns())
    again = policy.decide([Frame(p, 1) for p in window])
    result = {"said": said, "late": late.tokens, "again": again.text == decision.text, "failed": policy.counts.failed}
    with open(answers, "w", encoding="utf-8") as file:
        json.dump(result, file)
