"""The model's work of a decision, over buffers that stay where they are: see a frame, read the prompt, take a step.

Nothing is allocated or built anew from decision to decision but the results of torch's own operations: keys and values
lie in one `Cache`, rotary tables and masks are made once. What the cache holds already is not read again: what stands
before the pictures, which is the same each time, and frames that were read ahead. Attention is causal, so all frames of
the next window but the newest can be read in the idle time before that one comes. On a GPU each kind of work is a CUDA
graph, so that Python starts one list of kernels and not hundreds of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from combatvla.policy.net import Cache, Net, text_positions


class Engine:
    """Runs the towers of `net` for prompts of the token ids `prompt`, in which only the pictures differ. `later`: the
    most tokens that may follow the prompt; `few`: ids of which `scores` are wanted after each step."""

    def __init__(self, net: Net, prompt: Sequence[int], later: int, few: Sequence[int]):
        self.net, model = net, net.model
        device = model.device
        self._ids = torch.tensor([list(prompt)], device=device)
        is_image = self._ids[0].cpu() == model.config.image_token_id
        self._length, total = len(prompt), len(prompt) + later
        begins = (is_image & ~is_image.roll(1)).nonzero().view(-1).tolist()
        self.frames = len(begins)
        self._begins = [*begins, self._length]
        """The slot of each frame's first token; what lies between two of them is read with the first."""
        positions = text_positions(is_image, net.spec)
        positions = torch.cat([positions, (positions.max() + 1 + torch.arange(later)).expand(3, -1)], 1)
        self._cos, self._sin = net.rope(positions[:, None].to(device))
        slots = torch.arange(total, device=device)
        self._mask = slots <= slots[:, None]
        self._cache = Cache(model, total)
        self.at = 0
        """So many slots of the cache hold tokens of this decision."""
        self._ahead: list[torch.Tensor] = []
        """The frames that the cache holds, from the first on."""
        self._few = model.lm_head.weight[torch.tensor(list(few), device=device)]
        self._prompt = self._embed(self._ids)
        self._text(self._prompt[:, : begins[0]], slice(0, begins[0]))
        spec, width = net.spec, model.config.text_config.hidden_size
        frame = torch.zeros(1, spec.height, spec.width, 3, dtype=torch.uint8, device=device)
        self._see = recorded(net.vision, frame)
        self._parts = {}
        for i, j in {(0, self.frames), (self.frames - 1, self.frames), (0, self.frames - 1)}:
            if i < j:
                at = slice(self._begins[i], self._begins[j])
                places = is_image[at].nonzero().view(-1).to(device)
                seen = torch.zeros((j - i) * spec.tokens, width, dtype=model.dtype, device=device)
                self._parts[i, j] = recorded(lambda x, at=at, places=places: self._read(x, at, places), seen)
        one = torch.zeros(1, 1, dtype=torch.int64, device=device)
        self._one = recorded(self._step, one, one[0]) if one.is_cuda else None

    def see(self, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to image tokens `[B, spec.tokens, D]`."""
        frames = frames.to(self._ids.device)
        if len(frames) > 1:
            return self.net.vision(frames)
        return self._see(frames).clone()

    def read(self, frames: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Reads the prompt with the pictures of a decision, each the `[spec.tokens, D]` that `see` gave, and gives what
        `step` gives, at its end."""
        begin = self.frames - 1 if _same(self._ahead[: self.frames - 1], frames[:-1]) else 0
        self.at, self._ahead = self._length, list(frames)
        return self._parts[begin, self.frames](torch.cat(list(frames[begin:])))

    def read_ahead(self, frames: Sequence[torch.Tensor]) -> None:
        """Reads the first frames of the next decision, all but its newest. What this decision read is gone then."""
        if frames and not _same(self._ahead[: len(frames)], frames):
            self._parts[0, self.frames - 1](torch.cat(list(frames)))
        self._ahead = list(frames)

    def step(self, tokens: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds `tokens`: the last hidden state `[1, D]`, and of it the scores of the `few`, `float32[n]`."""
        begin, self.at = self.at, self.at + len(tokens)
        ids = torch.tensor([list(tokens)])
        if self._one is None:
            return self._ends(self._text(self._embed(ids), slice(begin, self.at)))
        for i in range(len(tokens)):
            out = self._one(ids[:, i : i + 1], torch.tensor([begin + i]))
        return out

    def _read(self, image_tokens: torch.Tensor, at: slice, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The prompt's tokens `at` these slots, with pictures at some `places` among them."""
        x = self._prompt[:, at].index_copy(1, places, image_tokens[None].to(self._prompt.dtype))
        return self._ends(self._text(x, at))

    def _step(self, token: torch.Tensor, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self._ends(self._text(self._embed(token), at))

    def _embed(self, ids: torch.Tensor) -> torch.Tensor:
        return self.net.model.model.language_model.embed_tokens(ids)

    def _text(self, x: torch.Tensor, at: slice | torch.Tensor) -> torch.Tensor:
        rope = self._cos[:, :, at], self._sin[:, :, at]
        if isinstance(at, slice):
            mask = None if at.start == 0 or x.shape[1] == 1 else self._mask[at, : at.stop]
        else:
            mask = self._mask[at]
        return self.net.text(x, rope, mask, self._cache, at, last=True)

    def _ends(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        last = hidden[:, -1]
        return last, F.linear(last, self._few)[0].float()


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
