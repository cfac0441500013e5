"""The language model's work of a decision, over buffers that stay where they are: see a frame, read the prompt, take a
step.

Nothing is allocated or built anew from decision to decision but the results of torch's own operations: keys and values
lie in one `Cache`, whose first slots hold what stands before the pictures and is the same each time; rotary tables and
masks are made once. On a GPU each of the three is a CUDA graph, so that Python starts one kernel list and not hundreds
of kernels.
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
        self.frames = int(is_image.sum()) // net.spec.tokens
        self._length, total = len(prompt), len(prompt) + later
        self._prefix = int(is_image.nonzero()[0]) if is_image.any() else 0
        positions = text_positions(is_image, net.spec)
        positions = torch.cat([positions, (positions.max() + 1 + torch.arange(later)).expand(3, -1)], 1)
        self._cos, self._sin = net.rope(positions[:, None].to(device))
        self._slots = torch.arange(total, device=device)
        self._mask = self._slots <= self._slots[:, None]
        self._cache = Cache(model, total)
        self.at = 0
        """So many slots of the cache hold tokens."""
        self._few = model.lm_head.weight[torch.tensor(list(few), device=device)]
        spec, width = net.spec, model.config.text_config.hidden_size
        self._prompt = self._embed(self._ids)[:, self._prefix :]
        self._places = is_image[self._prefix :].nonzero().view(-1).to(device)
        if self._prefix:
            self._text(self._embed(self._ids[:, : self._prefix]), slice(0, self._prefix))
        frame = torch.zeros(1, spec.height, spec.width, 3, dtype=torch.uint8, device=device)
        self._see = recorded(net.vision, frame)
        pictures = torch.zeros(self.frames * spec.tokens, width, dtype=model.dtype, device=device)
        self._read = recorded(self._prefill, pictures)
        one = torch.zeros(1, 1, dtype=torch.int64, device=device)
        self._one = recorded(self._step, one, one[0]) if one.is_cuda else None

    def see(self, frames: torch.Tensor) -> torch.Tensor:
        """`uint8[B, H, W, 3]` to image tokens `[B, spec.tokens, D]`."""
        frames = frames.to(self._ids.device)
        if len(frames) > 1:
            return self.net.vision(frames)
        return self._see(frames).clone()

    def read(self, image_tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Begins anew with the pictures of a decision, `[frames * spec.tokens, D]`: what `step` gives, at the end of
        the prompt."""
        self.at = self._length
        return self._read(image_tokens)

    def step(self, tokens: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds `tokens`: the last hidden state `[1, D]`, and of it the scores of the `few`, `float32[n]`."""
        begin, self.at = self.at, self.at + len(tokens)
        ids = torch.tensor([list(tokens)])
        if self._one is None:
            return self._ends(self._text(self._embed(ids), slice(begin, self.at)))
        for i in range(len(tokens)):
            out = self._one(ids[:, i : i + 1], torch.tensor([begin + i]))
        return out

    def _prefill(self, image_tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        x = self._prompt.index_copy(1, self._places, image_tokens[None].to(self._prompt.dtype))
        return self._ends(self._text(x, slice(self._prefix, self._length)))

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
        return self.net.text(x, rope, mask, self._cache, at)

    def _ends(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        last = hidden[:, -1]
        return last, F.linear(last, self._few)[0].float()


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
