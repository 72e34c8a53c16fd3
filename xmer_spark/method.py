"""What the methods of every room share: built by name, saved and loaded without pickle.

A method follows scikit-learn's conventions: its constructor stores parameters and does
nothing else, and what fitting finds out is kept in attributes whose names end in an
underscore. That is all the saving below relies on: arrays go to ``state.safetensors``,
the rest, with the parameters, to ``method.json``. A fit under ``Method.fitting`` repeats to
the last bit on any machine's number of threads, and a loaded method is what was fitted.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np

from xmer_spark.errors import ConfigError, XmerError
from xmer_spark.numerics.threads import one_thread

T = TypeVar("T")

#: What this process has loaded, by what loads it and the digest of the files, the latest used last.
_LOADED: OrderedDict[tuple[Callable[[Path], Any], str], Any] = OrderedDict()
#: Things that stay loaded at a time: the extractors, the model and the scorer of a run, and some to spare.
MOST_LOADED = 8


class Saved(Protocol):
    def save(self, folder: Path | str) -> object: ...


class Method:
    """A method with parameters and fitted state, which saves to and loads from a folder."""

    @classmethod
    def parameter_names(cls) -> list[str]:
        return [name for name in inspect.signature(cls).parameters if name != "self"]

    def parameters(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.parameter_names()}

    def state(self) -> dict[str, Any]:
        """The fitted attributes, by name: arrays, JSON values, or nested dicts of these."""
        return {k: v for k, v in vars(self).items() if k.endswith("_") and not k.startswith("_")}

    @contextmanager
    def fitting(self) -> Iterator[None]:
        """Around everything that fits: one thread, and a state that is what saving and loading make of it.

        Linear algebra adds up in another order over arrays that lie otherwise in memory.
        """
        with one_thread():
            yield
        for name, value in Method.state(self).items():
            setattr(self, name, _plain(value))

    def save(self, folder: Path | str) -> None:
        """Write parameters and fitted state into ``folder``, which is created."""
        from safetensors.numpy import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {}
        values = _split(self.state(), arrays)
        save_file(arrays, folder / "state.safetensors")
        document = {"class": type(self).__name__, "parameters": self.parameters(), "state": values}
        # In the order given, which for some parameters means something: the widths of joined blocks.
        (folder / "method.json").write_text(json.dumps(document, indent=1), "utf-8")

    def restore(self, folder: Path | str) -> Self:
        """Take over the fitted state that ``save`` wrote into ``folder``."""
        from safetensors.numpy import load_file

        folder = Path(folder)
        document = json.loads((folder / "method.json").read_text("utf-8"))
        state = _join(document["state"], load_file(folder / "state.safetensors"))
        for name, value in state.items():
            setattr(self, name, value)
        return self


class Registry:
    """The methods of one room by name; a method's module is imported when it is first built."""

    def __init__(self, room: str, methods: Mapping[str, str]) -> None:
        self.room = room
        self.methods = dict(methods)

    def method(self, name: str) -> type[Any]:
        """The class called ``name``; a ConfigError lists the known names where there is none."""
        if name not in self.methods:
            known = ", ".join(sorted(self.methods))
            raise ConfigError(f"{self.room}: unknown method {name!r}; known: {known}")
        module, _, attribute = self.methods[name].partition(":")
        cls: type[Any] = getattr(importlib.import_module(module), attribute)
        return cls

    def build(self, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """A new, unfitted method; a ConfigError names a parameter that it does not have."""
        cls = self.method(name)
        allowed = set(inspect.signature(cls).parameters)
        for parameter in parameters or {}:
            if parameter not in allowed:
                known = ", ".join(sorted(allowed)) or "none"
                raise ConfigError(f"{self.room}.{name}: unknown parameter {parameter!r}; known: {known}")
        return cls(**(parameters or {}))

    def load(self, folder: Path | str) -> Any:
        """The method that ``Method.save`` wrote into ``folder``."""
        path = Path(folder) / "method.json"
        if not path.is_file():
            raise XmerError(f"{self.room}: no saved method in {folder}; {path.name} is missing")
        document = json.loads(path.read_text("utf-8"))
        for name, target in self.methods.items():
            if target.partition(":")[2] == document["class"]:
                return self.build(name, document["parameters"]).restore(folder)
        raise XmerError(f"{self.room}: the saved method {document['class']!r} is not known to this version")


_ARRAY = "__array__"


def _split(value: Any, arrays: dict[str, np.ndarray], path: str = "") -> Any:
    """Move the arrays out of a nested value into ``arrays``, leaving their names behind."""
    if isinstance(value, np.ndarray):
        name = path or "array"
        arrays[name] = np.asarray(value, order="C")
        return {_ARRAY: name}
    if isinstance(value, Mapping):
        return {str(k): _split(v, arrays, f"{path}/{k}" if path else str(k)) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_split(v, arrays, f"{path}/{i}") for i, v in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _join(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, Mapping):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {k: _join(v, arrays) for k, v in value.items()}
    if isinstance(value, list):
        return [_join(v, arrays) for v in value]
    return value


def _plain(value: Any) -> Any:
    """A fitted value as saving and loading would give it back: arrays contiguous, scalars Python's own."""
    arrays: dict[str, np.ndarray] = {}
    return _join(_split(value, arrays), arrays)


def folder_bytes(folder: Path | str) -> dict[str, bytes]:
    """The files below a folder by relative name, as what a driver can broadcast to its workers."""
    folder = Path(folder)
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def saved_files(thing: Saved) -> dict[str, bytes]:
    """The files that ``thing.save`` writes, as bytes that can be broadcast."""
    with tempfile.TemporaryDirectory() as folder:
        thing.save(folder)
        return folder_bytes(folder)


def loaded_once(files: Mapping[str, bytes], load: Callable[[Path], T]) -> T:
    """What ``load`` makes of a folder of these files, read once per process.

    ``load`` is a function or class of a module, so that all tasks of a worker name the same. Of
    ``MOST_LOADED`` things the one that was not used for longest makes room for a further one.
    """
    digest = hashlib.sha256(b"".join(name.encode() + files[name] for name in sorted(files))).hexdigest()
    key = (load, digest)
    if key not in _LOADED:
        while len(_LOADED) >= MOST_LOADED:
            _LOADED.popitem(last=False)  # first, for it may be large
        with tempfile.TemporaryDirectory() as folder:
            _LOADED[key] = load(write_folder(files, folder))
    _LOADED.move_to_end(key)
    found: T = _LOADED[key]
    return found


def write_folder(files: Mapping[str, bytes], folder: Path | str) -> Path:
    """Write what ``folder_bytes`` read; a name that leads out of the folder is an error."""
    folder = Path(folder).resolve()
    for name, content in files.items():
        target = (folder / name).resolve()
        if not target.is_relative_to(folder):
            raise XmerError(f"saved state: {name!r} leads outside its folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
