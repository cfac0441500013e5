"""The model's work of a decision, over buffers that stay where they are: see a frame, read the prompt, take a step.

Nothing is allocated or built anew from decision to decision but the results of torch's own operations: keys and values
lie in one `Cache`, rotary tables and masks are made once. What the cache holds already is not read again: what stands
before the pictures, which is the same each time, and frames that were read ahead. Attention is causal, so all frames of
the next window but the newest can be read in the idle time before that one comes. What may be said is read together
with the newest frame (a draft: the decisions said most in this fight, as a tree), so that a foreseen decision takes no
step at all (speculative decoding: Leviathan et al. 2023, arXiv 2211.17192; as a tree: SpecInfer, arXiv 2305.09781). On
a GPU each kind of work is a CUDA graph, so that Python starts one list of kernels and not hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from combatvla.policy.draft import Tree
from combatvla.policy.net import Cache, Net, text_positions

NODES = 8
"""Of a draft. Each costs a token more to read (0.03 ms of the tiny model on a CPU, next to nothing on a GPU)."""

Ends = tuple[torch.Tensor, torch.Tensor]
"""Last hidden states `[t, D]`, and of each the scores of the `few`, `float32[t, n]`."""


class Engine:
    """Runs the towers of `net` for prompts of the token ids `prompt`, in which only the pictures differ. `later`: the
    most tokens that may follow the prompt; `few`: ids of which scores are wanted after each step."""

    def __init__(self, net: Net, prompt: Sequence[int], later: int, few: Sequence[int]):
        self.net, model = net, net.model
        device = model.device
        ids = torch.tensor([list(prompt)], device=device)
        is_image = ids[0].cpu() == model.config.image_token_id
        self._length, total = len(prompt), len(prompt) + later
        begins = (is_image & ~is_image.roll(1)).nonzero().view(-1).tolist()
        self.frames = len(begins)
        self._begins = [*begins, self._length]
        """The slot of each frame's first token; what lies between two of them is read with the first."""
        positions = text_positions(is_image, net.spec)
        positions = torch.cat([positions, (positions.max() + 1 + torch.arange(later)).expand(3, -1)], 1)
        self._cos, self._sin = net.rope(positions[:, None].to(device))
        slots = torch.arange(total, device=device)
        self._mask = _additive(slots <= slots[:, None], model.dtype)
        self._cache = Cache(model, total)
        self._at = 0
        """So many slots of the cache hold tokens of this decision."""
        self._ahead: list[torch.Tensor] = []
        """The frames that the cache holds, from the first on."""
        self._few = model.lm_head.weight[torch.tensor(list(few), device=device)]
        prompt_and_draft = self._embed(F.pad(ids, (0, NODES)))
        before = slice(0, begins[0])
        self.net.text(prompt_and_draft[:, before], self._rope(before), None, self._cache, before, last=1)
        size = net.spec.height, net.spec.width
        self._see = recorded(net.vision, torch.zeros(1, *size, 3, dtype=torch.uint8, device=device))
        self._parts = {}
        for i, j in {(0, self.frames), (self.frames - 1, self.frames), (0, self.frames - 1)}:
            if i < j:
                at = slice(self._begins[i], self._begins[j] + (NODES if j == self.frames else 0))
                places = is_image[at].nonzero().view(-1).to(device)
                self._parts[i, j] = _Part(self, at, places, prompt_and_draft[:, at].clone())
        one = torch.zeros(1, 1, dtype=torch.int64, device=device)
        self._one = recorded(self._step, one, one[0]) if one.is_cuda else None

    def see(self, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to image tokens `[B, spec.tokens, D]`."""
        frames = frames.to(self._few.device)
        if len(frames) > 1:
            return self.net.vision(frames)
        return self._see(frames).clone()

    def expect(self, draft: Tree) -> None:
        """What `read` reads after the prompt from now on: at most `NODES` nodes."""
        count = len(draft.tokens)
        ids = torch.zeros(1, NODES, dtype=torch.int64)
        ids[0, :count] = torch.tensor(draft.tokens, dtype=torch.int64)
        seen = torch.eye(NODES, dtype=torch.bool)
        slots = self._length + torch.arange(NODES)
        for node in range(count):
            path = draft.path(node)
            seen[node, path] = True
            slots[node] = self._length + len(path) - 1
        device = self._few.device
        x, slots = self._embed(ids.to(device)), slots.to(device)
        for (_, j), part in self._parts.items():
            if j == self.frames:
                part.end_with(x, (self._cos[:, slots], self._sin[:, slots]), seen)

    def read(self, frames: Sequence[torch.Tensor]) -> Ends:
        """Reads the prompt with the pictures of a decision, each the `[spec.tokens, D]` that `see` gave, and the draft:
        row 0 stands for the prompt's end, row i + 1 for the draft's node i."""
        begin = self.frames - 1 if _same(self._ahead[: self.frames - 1], frames[:-1]) else 0
        self._at, self._ahead = self._length, list(frames)
        return self._parts[begin, self.frames](torch.cat(list(frames[begin:])))

    def read_ahead(self, frames: Sequence[torch.Tensor]) -> None:
        """Reads the first frames of the next decision, all but its newest. What this decision read is gone then."""
        if frames and not _same(self._ahead[: len(frames)], frames):
            self._parts[0, self.frames - 1](torch.cat(list(frames)))
        self._ahead = list(frames)

    def keep(self, nodes: Sequence[int]) -> None:
        """Goes on after these nodes of the draft, from a first one to the next: they lie in the cache as if `step` had
        added them. Whatever followed the prompt before is gone."""
        if list(nodes) != list(range(len(nodes))):
            self._cache.move([self._length + node for node in nodes], self._length)
        self._at = self._length + len(nodes)

    def back_to(self, count: int) -> None:
        """Forgets all but the first `count` tokens after the prompt."""
        self._at = self._length + count

    def step(self, tokens: Sequence[int]) -> Ends:
        """Adds `tokens`, and gives the ends of the last one."""
        begin, self._at = self._at, self._at + len(tokens)
        ids = torch.tensor([list(tokens)])
        if self._one is None:
            at = slice(begin, self._at)
            mask = None if len(tokens) == 1 else self._mask[at, : at.stop]
            return self._ends(self.net.text(self._embed(ids), self._rope(at), mask, self._cache, at, last=1))
        for i in range(len(tokens)):
            out = self._one(ids[:, i : i + 1], torch.tensor([begin + i]))
        return out

    def _step(self, token: torch.Tensor, at: torch.Tensor) -> Ends:
        return self._ends(self.net.text(self._embed(token), self._rope(at), self._mask[at], self._cache, at, last=1))

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.net.model.model.language_model.embed_tokens(ids)

    def _rope(self, at: slice | torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._cos[:, at], self._sin[:, at]

    def _ends(self, hidden: torch.Tensor) -> Ends:
        return hidden[0], F.linear(hidden[0], self._few).float()


class _Part:
    """Reads the prompt's slots `at`, with pictures in some `places` among them and the draft at its end, if that is
    there: `[tokens of the pictures, D]` to the ends of the prompt's last token and of the draft's. `x`: `[1, T, D]`."""

    def __init__(self, engine: Engine, at: slice, places: torch.Tensor, x: torch.Tensor):
        self._engine, self._at, self._places, self._x = engine, at, places, x
        self._rope = tuple(r.clone() for r in engine._rope(at))
        self._mask = None if at.start == 0 and at.stop <= engine._length else engine._mask[at, : at.stop].clone()
        self._read = recorded(self._work, torch.zeros(len(places), x.shape[-1], dtype=x.dtype, device=x.device))

    def __call__(self, pictures: torch.Tensor) -> Ends:
        return self._read(pictures)

    def end_with(self, x: torch.Tensor, rope: tuple[torch.Tensor, torch.Tensor], seen: torch.Tensor) -> None:
        """Another draft, in the same buffers: its embeddings `[1, n, D]`, rotary tables, and which of its nodes each
        one attends to, `bool[n, n]`."""
        count = len(seen)
        self._x[:, -count:] = x
        self._mask[-count:, -count:] = _additive(seen, self._mask.dtype).to(self._mask.device)
        for kept, new in zip(self._rope, rope, strict=True):
            kept[:, -count:] = new

    def _work(self, pictures: torch.Tensor) -> Ends:
        x = self._x.index_copy(1, self._places, pictures[None].to(self._x.dtype))
        net, cache = self._engine.net, self._engine._cache
        last = NODES + 1 if self._at.stop > self._engine._length else 1
        return self._engine._ends(net.text(x, self._rope, self._mask, cache, self._at, last=last))


def _additive(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """A mask as attention adds it: made once, where a bool one is turned into it at each layer."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, -torch.inf)


def _same(a: Sequence[torch.Tensor], b: Sequence[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def recorded(work: Callable, *inputs: torch.Tensor) -> Callable:
    """`work` of tensors like `inputs`. On a GPU a CUDA graph of it, which gives its results in the same tensors each
    time; else `work` as it is."""
    if not inputs[0].is_cuda:
        return work
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # what libraries allocate once is not to lie in the graph
        for _ in range(3):
            work(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        results = work(*inputs)

    def replay(*values: torch.Tensor):
        for kept, value in zip(inputs, values, strict=True):
            kept.copy_(value, non_blocking=True)
        graph.replay()
        return results

    return replay
