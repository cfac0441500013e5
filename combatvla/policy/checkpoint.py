"""A policy's folder: an ordinary Hugging Face folder plus `combatvla.json`, which says how frames and text are made."""

from __future__ import annotations

import json
import os
import shutil
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from combatvla.actions import CAMERA_ACTIONS, Action
from combatvla.errors import UserError
from combatvla.policy.build import IMAGE_MEAN, IMAGE_STD
from combatvla.vision import MERGE, PATCH, FrameSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen2_5_VLForConditionalGeneration

INFO_FILE = "combatvla.json"
FORMAT_VERSION = 1
SHIPPED = {"tiny": "runs/tiny.sh", "flare": "runs/flare.sh"}
"""The checkpoints that ship with the package, and their recipes: `tiny` fights in the Arena, `flare` in Flare."""


class PolicyInfo(BaseModel):
    """What play must do exactly as training did. Stored as `combatvla.json`."""

    model_config = ConfigDict(extra="forbid")
    format: Literal["combatvla-policy"] = "combatvla-policy"
    version: int = FORMAT_VERSION
    width: int = 196
    height: int = 112
    """Size of a frame as the model sees it (`FrameSpec`)."""
    frames_per_decision: int = Field(default=1, ge=1, le=32)
    frame_gap_ms: int = Field(default=100, ge=1)
    """Time between the frames of a decision."""
    dialect: Literal["compact", "json"] = "compact"
    order: Literal["action_first", "thought_first"] = "action_first"
    camera: tuple[Action, ...] = ()
    """The actions for the camera (`CAMERA_ACTIONS`) that it was trained to say."""
    prompt: str
    """The user's text after the frames."""
    system: str | None = None

    @field_validator("version")
    @classmethod
    def _known_version(cls, version: int) -> int:
        if version != FORMAT_VERSION:
            raise ValueError(f"version {version}, this program reads {FORMAT_VERSION}")
        return version

    @field_validator("camera")
    @classmethod
    def _of_the_camera(cls, camera: tuple[Action, ...]) -> tuple[Action, ...]:
        if wrong := [a for a in camera if a not in CAMERA_ACTIONS]:
            raise ValueError(f"camera: expected actions of {', '.join(CAMERA_ACTIONS)}, got {wrong[0]}")
        return camera

    @property
    def spec(self) -> FrameSpec:
        return FrameSpec(self.width, self.height)


def check_target(folder: str | Path) -> None:
    """`UserError` when a checkpoint saved as `folder` would replace something that is none."""
    folder = Path(folder)
    free = folder.is_dir() and ((folder / INFO_FILE).is_file() or not any(folder.iterdir()))
    if not folder.name or (folder.exists() and not free):
        raise UserError(
            f"{folder} exists and is no CombatVLA checkpoint, and saving would replace it whole: choose another --out"
        )


def save_checkpoint(
    folder: str | Path,
    model: Qwen2_5_VLForConditionalGeneration,
    tokenizer: PreTrainedTokenizerBase,
    info: PolicyInfo,
    *,
    dtype: str = "bfloat16",
) -> None:
    """Writes the whole folder beside its place and then moves it in: what stood there before is complete until then.

    `UserError` when it cannot be written, or would replace what is no checkpoint.
    """
    import torch
    from safetensors import SafetensorError
    from transformers.utils import logging as transformers_logging

    folder = Path(folder)
    check_target(folder)
    # Names that nobody gives a copy of their own: both are deleted when they are in the way.
    part, old = (folder.with_name(f".{folder.name}.saving-{end}") for end in ("new", "old"))
    try:
        for stale in (part, old):
            shutil.rmtree(stale, ignore_errors=True)
        part.mkdir(parents=True)
        transformers_logging.disable_progress_bar()
        weights = {k: v.detach().to(getattr(torch, dtype)) for k, v in model.state_dict().items()}
        model.save_pretrained(part, state_dict=weights)
        _write_dtype(part / "config.json", dtype)
        tokenizer.save_pretrained(part)
        (part / "preprocessor_config.json").write_text(json.dumps(_preprocessor(info.spec), indent=2) + "\n")
        (part / INFO_FILE).write_text(info.model_dump_json(indent=2) + "\n")
        for file in part.iterdir():
            file.chmod(0o644)  # safetensors writes for the owner alone
        if folder.exists():
            os.replace(folder, old)
        os.replace(part, folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(part, ignore_errors=True)
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(
            f"cannot write the checkpoint {folder}: {reason}; free some space or choose another --out"
        ) from error


def policy_folder(name_or_path: str | Path) -> Path:
    """The folder itself, or that of a shipped checkpoint (`SHIPPED`). `UserError` when that is not there."""
    name = str(name_or_path)
    if name not in SHIPPED:
        return Path(name_or_path)
    folder = Path(str(resources.files("combatvla") / "checkpoints" / name))
    if not (folder / "config.json").is_file():
        raise UserError(f"the checkpoint {name} is not in {folder}: make it with {SHIPPED[name]}, or name another")
    return folder


def read_info(folder: str | Path) -> PolicyInfo:
    """`combatvla.json` of a policy's folder. `UserError` when the folder is missing or not one of ours."""
    folder = Path(folder)
    hint = f"expected the folder that `combatvla train sft` writes, or the name {' or '.join(SHIPPED)}"
    if not folder.is_dir():
        raise UserError(f"no checkpoint at {folder}: {hint}")
    path = folder / INFO_FILE
    if not path.is_file():
        if (folder / "config.json").is_file():
            hint = f"make one of it with `combatvla train sft --init {folder}`"
        raise UserError(f"{folder} is not a CombatVLA checkpoint: it has no {INFO_FILE}; {hint}")
    try:
        info = PolicyInfo.model_validate_json(path.read_text(encoding="utf-8"))
        info.spec  # noqa: B018  (raises for an impossible size)
    except (ValidationError, ValueError, OSError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error).splitlines()[0]
        raise UserError(f"{path} cannot be used: {reason}; was it written by another version?") from error
    return info


def load_checkpoint(
    folder: str | Path, *, dtype: str = "float32"
) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerBase, PolicyInfo]:
    """Model (evaluation mode), tokenizer and info. `UserError` for a missing, foreign or damaged folder.

    Only safetensors are read: a folder whose weights are pickled is refused.
    """
    info = read_info(folder)
    model, tokenizer = load_qwen(folder, dtype=dtype)
    return model, tokenizer, info


def load_qwen(
    folder: str | Path, *, dtype: str = "float32"
) -> tuple[Qwen2_5_VLForConditionalGeneration, PreTrainedTokenizerBase]:
    """Any local Qwen2.5-VL folder, ours or published. `UserError` when it is not one, or damaged."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoTokenizer, Qwen2_5_VLForConditionalGeneration
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    folder = Path(folder)
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{folder} is not a model folder: it has no readable config.json") from error
    if kind != "qwen2_5_vl":
        raise UserError(f"{folder} holds a model of type {kind!r}: expected qwen2_5_vl")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder} has no .safetensors weights: other weight files are not read; convert them first")
    try:
        model, report = Qwen2_5_VLForConditionalGeneration.from_pretrained(
            folder, dtype=getattr(torch, dtype), use_safetensors=True, local_files_only=True, output_loading_info=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError, TypeError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"the checkpoint {folder} is damaged or foreign: {reason}") from error
    if report["missing_keys"] or report["mismatched_keys"]:
        missing = sorted(report["missing_keys"])[:1] or report["mismatched_keys"]
        raise UserError(f"the checkpoint {folder} is damaged: its weights lack {missing}")
    return model.eval(), tokenizer


def _write_dtype(path: Path, dtype: str) -> None:
    """Says in `config.json` what the file's weights are, which is not what the model in memory has."""
    config = json.loads(path.read_text(encoding="utf-8"))
    for part in (config, config["text_config"], config["vision_config"]):
        part["dtype"] = dtype
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _preprocessor(spec: FrameSpec) -> dict:
    pixels = spec.width * spec.height
    return {
        "image_processor_type": "Qwen2VLImageProcessor",
        "processor_class": "Qwen2_5_VLProcessor",
        "do_resize": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
        "rescale_factor": 1 / 255,
        "resample": 3,
        "image_mean": [float(f"{v:.8f}") for v in IMAGE_MEAN],
        "image_std": [float(f"{v:.8f}") for v in IMAGE_STD],
        "size": {"shortest_edge": min(3136, pixels), "longest_edge": max(1003520, pixels)},
        "patch_size": PATCH,
        "temporal_patch_size": 2,
        "merge_size": MERGE,
    }
