"""Any image encoder of timm, with weights from the local disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xmer_spark.features.image.base import ImageExtractor, on_white, resize
from xmer_spark.features.local_model import LocalModel


class Timm(LocalModel, ImageExtractor):
    """Pooled features, before the classifier, of an encoder of PyTorch Image Models (Wightman 2019).

    ``folder`` holds model.safetensors and timm's config.json; without the latter ``architecture`` names
    the encoder. ``pixels`` replaces the side for which it was trained. Deviation from timm's own
    evaluation: the whole image is resized to a square, and its borders are not cropped.
    """

    name = "timm"
    version = 2
    package = "timm"

    def __init__(self, folder: str = "", architecture: str = "", pixels: int | None = None) -> None:
        self.folder = folder
        self.architecture = architecture
        self.pixels = pixels

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 -> (pixels, pixels, 3) uint8."""
        return resize(on_white(value), self._settings()["pixels"])

    def _extract(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        model = self.network()
        mean, deviation = (torch.tensor(self._settings()[k], device=self.device) for k in ("mean", "std"))

        def encode(batch: list[np.ndarray], length: int) -> Any:
            with torch.autocast("cuda", enabled=self.device.startswith("cuda")):
                images = torch.from_numpy(np.stack(batch)).to(self.device).float()
                return model(((images / 255 - mean) / deviation).permute(0, 3, 1, 2))

        return self.in_batches(prepared, encode)

    def _load(self) -> Any:
        settings = self._settings()
        with self.loading() as folder:
            return _load(folder, self.architecture, settings["pixels"]).to(self.device)

    def _settings(self) -> dict[str, Any]:
        """What the encoder expects: pixels per side, and the mean and std of its channels."""
        if not hasattr(self, "_found_settings"):
            with self.loading() as folder:
                self._found_settings = _settings(folder, self.architecture, self.pixels)
        return self._found_settings


def _settings(folder: Path, architecture: str, pixels: int | None) -> dict[str, Any]:
    from timm import get_pretrained_cfg
    from timm.data import resolve_data_config

    if (folder / "config.json").is_file():
        document = json.loads((folder / "config.json").read_text("utf-8"))
        trained = document.get("pretrained_cfg", document)
    elif architecture:
        known = get_pretrained_cfg(architecture, allow_unregistered=False)
        trained = known.to_dict() if known else {}
    else:
        raise ValueError("neither its config.json nor the parameter architecture says which encoder it is")
    found = resolve_data_config({}, pretrained_cfg=trained)
    return {"pixels": pixels or found["input_size"][-1], "mean": found["mean"], "std": found["std"]}


def _load(folder: Path, architecture: str, pixels: int) -> Any:
    """The encoder with every weight from the folder, and without its classifier."""
    from timm import create_model

    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise ValueError("model.safetensors is missing")
    model: Any
    if (folder / "config.json").is_file():
        model = create_model(f"local-dir:{folder}", pretrained=True)
    else:
        model = create_model(architecture, pretrained=True, pretrained_cfg_overlay={"file": str(weights)})
    # The classifier goes only now, for with it all names of weights are compared.
    model.reset_classifier(0)
    if hasattr(model, "set_input_size"):  # transformers; convolutions take any
        model.set_input_size(img_size=pixels)
    return model.eval()
