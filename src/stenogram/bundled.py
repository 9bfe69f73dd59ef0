"""What lies inside the wheel ``moonshine-voice``: the default model's files, real recordings, and three small networks.

The wheel is read where pip installed it; its Python package is never imported and its library never loaded. The three
networks are embedded in the native library in onnxruntime's own format, which begins 4 bytes before the letters
``ORTM``. They are found by that mark and told apart by length and SHA-256; the four platforms' wheels of version 0.1.0
hold the same bytes (compared byte for byte).

Whose work this is:

- ``silero``: Silero VAD, by the Silero team, MIT. The generation before v6, 16 and 8 kHz in one graph, batch axis kept.
- ``segmentation``: pyannote ``speaker-diarization-community-1``, segmentation, by Hervé Bredin / pyannoteAI, CC BY 4.0.
- ``embedding``: WeSpeaker ResNet34 speaker embedding trained on VoxCeleb, by the WeSpeaker authors; code Apache-2.0,
  weights CC BY 4.0.
- the wheel itself, its English models and recordings: Moonshine AI, MIT.
"""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from stenogram.errors import ModelDamaged, ModelError, ModelNotInstalled

DISTRIBUTION = "moonshine-voice"
VERSION = "0.1.0"

_INSTALL = f"Install it with: pip install {DISTRIBUTION}=={VERSION}"
_REINSTALL = f"Repair it with: pip install --force-reinstall --no-deps {DISTRIBUTION}=={VERSION}"
_LIBRARIES = frozenset({"libmoonshine.so", "libmoonshine.dylib", "moonshine.dll"})
_MARK = b"ORTM"
_MARK_OFFSET = 4


@dataclass(frozen=True, slots=True)
class _Network:
    length_bytes: int
    sha256: str


_NETWORKS = {
    "silero": _Network(2_421_272, "a620103ef77fbdae23c7798b9271506a48a883997e55f851d2884551e0947437"),
    "segmentation": _Network(1_594_080, "9715e3996ef181252aa1cc0c9398060f42b2c984c2fb65e3604262555e2efb1a"),
    "embedding": _Network(6_975_920, "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b"),
}


def asset(name: str) -> Path:
    """Where a file of the wheel's package is, by its path in there (``"assets/tiny-en/encoder_model.ort"``).

    Raises ``ModelNotInstalled`` without the wheel, ``ModelError`` for another version of it, ``ModelDamaged`` when the
    file is gone.
    """
    path = Path(str(_wheel().locate_file(f"moonshine_voice/{name}")))
    if not path.is_file():
        raise ModelDamaged(model=f"{DISTRIBUTION}/{name}", path=path, advice=_REINSTALL)
    return path


def network(name: Literal["silero", "segmentation", "embedding"]) -> bytes:
    """The bytes of one network, as ``onnxruntime.InferenceSession`` takes them.

    Inputs and outputs (float32 unless said): ``silero`` ``input [B,576]``, ``state [2,B,128]``, ``sr`` int64 ``[]`` ->
    ``output [B,1]``, ``stateN [2,B,128]``; ``segmentation`` ``waveforms [B,1,160000]`` -> ``segmentation [B,589,3]``;
    ``embedding`` ``fbank [B,n,80]``, ``weights [B,n]`` -> ``embedding [B,256]``.

    Raises as ``asset`` does; ``ModelDamaged`` also when no embedded network has the recorded SHA-256.
    """
    path = _library()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as library:
        found = _find(library, _NETWORKS[name])
    if found is None:
        raise ModelDamaged(model=f"{DISTRIBUTION}/{name}", path=path, advice=_REINSTALL)
    return found


def _wheel() -> Distribution:
    try:
        wheel = distribution(DISTRIBUTION)
    except PackageNotFoundError as error:
        raise ModelNotInstalled(model=DISTRIBUTION, advice=_INSTALL) from error
    if wheel.version != VERSION:
        raise ModelError(
            model=DISTRIBUTION, cause=f"version {wheel.version} is installed, {VERSION} is needed. {_INSTALL}"
        )
    return wheel


def _library() -> Path:
    for file in _wheel().files or ():
        path = Path(str(file.locate()))
        if file.name in _LIBRARIES and path.is_file() and path.stat().st_size:
            return path
    raise ModelDamaged(model=DISTRIBUTION, path=" or ".join(sorted(_LIBRARIES)), advice=_REINSTALL)


def _find(library: mmap.mmap, wanted: _Network) -> bytes | None:
    """Copy the embedded network that has the wanted SHA-256; the rest of the library is only looked through."""
    mark = library.find(_MARK)
    while mark >= 0:
        start = mark - _MARK_OFFSET
        with memoryview(library) as view, view[max(start, 0) : start + wanted.length_bytes] as candidate:
            if hashlib.sha256(candidate).hexdigest() == wanted.sha256:
                return bytes(candidate)
        mark = library.find(_MARK, mark + len(_MARK))
    return None
