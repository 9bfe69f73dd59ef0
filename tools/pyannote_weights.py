"""Make a speaker diarization pipeline for pyannote.audio, in its own file formats, that really tells tones apart.

The folder is laid out like that of speaker-diarization-community-1: ``config.yaml``, PyanNet, WeSpeaker ResNet34, PLDA.
Nothing is trained: nearly all weights are zero, the others pass on what matters. The segmentation hears the first tone
of each voice of ``diarization_weights``, in one band of its sinc filters each; the embedding is the loudness of every
eighth mel band.

Needs pyannote.audio. The tests call ``write``; by hand::

    python -m tools.pyannote_weights FOLDER
"""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from stenogram.types import SAMPLE_RATE
from tools.diarization_weights import VOICES_HZ

WINDOW_S = 10.0
PLDA_DIMENSION = 128
ROWS = 10
"""Every eighth of 80 mel bands is left after three steps of two."""
FAINT = 1e-5
"""Amplitude of what goes into PyanNet's norms: so small that they divide by their epsilon, not by the sound."""
HEARD = 0.05
"""Share of the loudest answer from which on a tone is heard."""
OPEN = 100.0
"""A gate of the LSTM with this bias is open, or shut with its negative."""
CONFIG = """\
dependencies:
  pyannote.audio: 4.0.0
pipeline:
  name: pyannote.audio.pipelines.SpeakerDiarization
  params:
    clustering: VBxClustering
    segmentation: $model/segmentation
    segmentation_step: 0.5
    segmentation_batch_size: 4
    embedding: $model/embedding
    embedding_batch_size: 4
    embedding_exclude_overlap: true
    plda: $model/plda
params:
  clustering:
    threshold: 0.6
    Fa: 0.3
    Fb: 0.8
  segmentation:
    min_duration_off: 0.0
"""


def segmentation() -> Any:
    """A PyanNet whose local speakers are three tones."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.segmentation import PyanNet

    voices = len(VOICES_HZ)
    network = PyanNet(
        lstm={"hidden_size": voices, "num_layers": 1, "bidirectional": False}, linear={"num_layers": 0}
    ).eval()
    network.specifications = Specifications(
        problem=Problem.MONO_LABEL_CLASSIFICATION,
        resolution=Resolution.FRAME,
        duration=WINDOW_S,
        classes=[f"speaker#{voice + 1}" for voice in range(voices)],
        powerset_max_classes=2,
        permutation_invariant=True,
    )
    network.build()
    sinc = network.sincnet
    with torch.no_grad():
        for parameter in network.parameters():
            if (
                parameter is not sinc.conv1d[0].filterbank.low_hz_
                and parameter is not sinc.conv1d[0].filterbank.band_hz_
            ):
                parameter.zero_()
        sinc.wav_norm1d.weight.fill_(FAINT)
        for norm in sinc.norm1d:
            norm.weight.fill_(norm.eps**0.5)
        sounds = torch.stack([tone(pair[0]) for pair in VOICES_HZ])[:, None]
        channels = sinc.conv1d[0](sounds).abs().mean(dim=-1).argmax(dim=-1)
        for voice, channel in enumerate(channels):
            sinc.conv1d[1].weight[voice, channel, 2] = 1
            sinc.conv1d[2].weight[voice, voice, 2] = 1
        loudest = sinc(sounds)[range(voices), range(voices)].amax(dim=-1)
        _pass_on(network, 1 / (HEARD * loudest))
    return network


def tone(hz: float) -> Any:
    """A window with a second of a tone, and silence."""
    import torch

    samples = torch.zeros(int(WINDOW_S * SAMPLE_RATE))
    samples[:SAMPLE_RATE] = torch.sin(2 * torch.pi * hz * torch.arange(SAMPLE_RATE) / SAMPLE_RATE)
    return samples


def _pass_on(network: Any, gains: Any) -> None:
    """Let the LSTM forget everything but this frame, and score each set of speakers by what its members say."""
    voices = len(gains)
    gate_in, gate_forget, gate_cell, gate_out = (slice(gate * voices, (gate + 1) * voices) for gate in range(4))
    bias = network.lstm.bias_ih_l0
    bias[gate_in], bias[gate_forget], bias[gate_out] = OPEN, -OPEN, OPEN
    bias[gate_cell] = -1
    for voice, gain in enumerate(gains):
        network.lstm.weight_ih_l0[gate_cell][voice, voice] = gain
    sets = [members for size in range(3) for members in combinations(range(voices), size)]
    for row, members in enumerate(sets):
        network.classifier.weight[row, list(members)] = OPEN


def embedding() -> Any:
    """A WeSpeaker ResNet34 that gives the mean loudness of ten mel bands."""
    import torch
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34

    network = WeSpeakerResNet34().eval()
    network.specifications = Specifications(
        problem=Problem.REPRESENTATION, resolution=Resolution.CHUNK, duration=WINDOW_S
    )
    resnet = network.resnet
    with torch.no_grad():
        for module in resnet.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
                module.weight.zero_()
            if isinstance(module, torch.nn.Conv2d) and module.kernel_size == (1, 1):
                module.weight[0, 0] = 1  # a shortcut; all else in its block is zero
        resnet.conv1.weight[0, 0, 1, 1] = 1
        resnet.seg_1.bias.zero_()
        for row in range(ROWS):
            resnet.seg_1.weight[row, row] = 1  # channel 0 comes first
    return network


def write(folder: Path) -> None:
    """Put the whole pipeline into ``folder``."""
    import torch

    for name, network in (("segmentation", segmentation()), ("embedding", embedding())):
        (folder / name).mkdir(parents=True, exist_ok=True)
        checkpoint = {
            "state_dict": network.state_dict(),
            "hyper_parameters": dict(network.hparams),
            "pytorch-lightning_version": "2.4.0",
        }
        network.on_save_checkpoint(checkpoint)
        torch.save(checkpoint, folder / name / "pytorch_model.bin")
    (folder / "plda").mkdir(exist_ok=True)
    wide, narrow = network.dimension, PLDA_DIMENSION
    psi = np.concatenate(
        [np.linspace(20, 10, ROWS), np.linspace(0.02, 0.01, narrow - ROWS)]
    )  # people differ in the rows
    np.savez(
        folder / "plda" / "xvec_transform.npz", mean1=np.zeros(wide), mean2=np.zeros(narrow), lda=np.eye(wide, narrow)
    )
    np.savez(folder / "plda" / "plda.npz", mu=np.zeros(narrow), tr=np.eye(narrow), psi=psi)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
