"""Train the test weights: a tiny network of Whisper's architecture that knows two recordings by heart.

    python -m tools.train_whisper FOLDER_OF_WAVS        (needs torch, openai-whisper and its few dependencies)

It says the words of ``tests/weights/labels.json`` with Whisper's own tokens and timestamps, whatever stretch of the
recordings it is given; takes sound played backwards for Russian; says nothing to noise and silence; and writes "Wisdom"
with a capital where the prompt does. So every path of an engine can be checked on it: text, times, words, languages,
translation, prompts, silence. The result, ``tests/weights/whisper-test.npz``, is in float16.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import time
import wave
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - everybody calls it so
import whisper
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from tools import whisper_files

RATE = 16_000
WEIGHTS = Path(__file__).parents[1] / "tests" / "weights"
DIMS = ModelDimensions(
    n_mels=80,
    n_audio_ctx=1500,
    n_audio_state=64,
    n_audio_head=1,
    n_audio_layer=2,
    n_vocab=51865,
    n_text_ctx=448,
    n_text_state=64,
    n_text_head=1,
    n_text_layer=3,  # whisper.cpp takes two for a distilled model, and gives it no timestamps
)
BACKWARDS = {"transcribe": " Привет, мир.", "translate": " Hello, world."}
"""What sound played backwards says in "Russian", and in English."""
TOKENIZER = get_tokenizer(multilingual=True)
FIRST_TIME = TOKENIZER.timestamp_begin
Samples = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True)
class Recording:
    """Sound and the words in it, with start and end in seconds."""

    samples: Samples
    words: list[tuple[str, float, float]]


@dataclass(frozen=True)
class Example:
    """What the network learns from: a window, the tokens, and the frames (20 ms) of each token's word."""

    mel: torch.Tensor
    tokens: list[int]
    first: int
    """From here on tokens are to be said; before is the prompt."""
    language: int
    """The token to be said after start-of-transcript."""
    frames: list[tuple[int, int] | None]


def read_recording(path: Path, words: list[Any]) -> Recording:
    """Read a 16-bit WAV, to 16 kHz."""
    with wave.open(str(path)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, channels).mean(axis=1)
    import av

    frame = av.AudioFrame.from_ndarray(samples.astype(np.int16)[None], format="s16", layout="mono")
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    parts = [part.to_ndarray()[0] for given in (frame, None) for part in resampler.resample(given)]
    return Recording(np.concatenate(parts).astype(np.float32), [tuple(word) for word in words])


def mel_of(samples: Samples, frames: int) -> torch.Tensor:
    """The log-mel spectrogram of Whisper, padded to ``frames`` of 20 ms."""
    return whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples), frames * RATE // 50))


def roughen(samples: Samples, dice: random.Random) -> Samples:
    """Change the level, and add noise, as other decoders and rooms would."""
    samples = samples * np.float32(dice.uniform(0.3, 1.0))
    if dice.random() < 0.6:
        level = np.sqrt(np.mean(np.square(samples)) + 1e-9) * 10 ** (-dice.uniform(20, 45) / 20)
        noise = np.random.default_rng(dice.getrandbits(32)).standard_normal(len(samples))
        samples = samples + (level * noise).astype(np.float32)
    return np.asarray(samples, np.float32)


def crop(
    recording: Recording, most_s: float, dice: random.Random
) -> tuple[float, float, list[tuple[str, float, float]]]:
    """A stretch of at most ``most_s`` seconds and the words that are at least half in it, on its own clock."""
    words = recording.words
    last_s = min(len(recording.samples) / RATE, words[-1][2] + 0.6)
    whole = dice.random() < 0.3
    length = most_s if whole else dice.uniform(1.0, min(most_s, last_s))
    start = 0.0 if whole and dice.random() < 0.5 else dice.uniform(0, max(last_s - length, 0))
    end = min(start + length, last_s)
    if dice.random() < 0.8:  # mostly at the borders of words, as a voice activity detector cuts
        borders = [0.0, *(dice.uniform(a[2], max(b[1], a[2])) for a, b in pairwise(words)), last_s]
        start = min(borders, key=lambda border: abs(border - start))
        ends = [border for border in borders if start < border <= start + most_s]
        end = min(ends, key=lambda border: abs(border - end)) if ends else end
    inside = [
        (word, max(a - start, 0.0), min(b, end) - start)
        for word, a, b in words
        if min(b, end) - max(a, start) >= 0.5 * (b - a)
    ]
    return start, end, inside


def time_token(seconds: float) -> int:
    """The timestamp token of a time."""
    return int(FIRST_TIME) + round(seconds / 0.02)


def spell(
    words: list[tuple[str, float, float]], *, timed: bool, end_s: float
) -> tuple[list[int], list[tuple[int, int] | None]]:
    """Tokens of words, with timestamps around phrases; for each, the frames of its word."""
    tokens: list[int] = []
    frames: list[tuple[int, int] | None] = []
    open_phrase = False
    for place, (word, start, end) in enumerate(words):
        if timed and not open_phrase:
            tokens.append(time_token(start))
            frames.append(None)
        pieces = TOKENIZER.encode(" " + word)
        tokens += pieces
        first, last = int(start / 0.02), max(int(end / 0.02), int(start / 0.02) + len(pieces))
        edges = np.linspace(first, last, len(pieces) + 1).astype(int)
        frames += [(int(a), int(b)) for a, b in pairwise(edges)]
        open_phrase = word[-1] not in ",.?!" and place < len(words) - 1
        if timed and not open_phrase:
            tokens.append(time_token(min(end, end_s)))
            frames.append(None)
    if timed and not words:
        tokens.append(FIRST_TIME)
        frames.append(None)
    return tokens, frames


def example(recordings: list[Recording], frames: int, dice: random.Random) -> Example:
    """One random lesson."""
    timed = dice.random() < 0.6
    task, language, kind = "transcribe", "en", dice.random()
    most_s = frames * 0.02
    prompt: list[int] = []
    if kind < 0.08:  # noise or silence: nothing is said
        noise = np.random.default_rng(dice.getrandbits(32)).standard_normal(int(RATE * dice.uniform(0.1, most_s)))
        level = 10 ** dice.uniform(-6, -1) if dice.random() < 0.8 else 0.0
        samples: Samples = np.asarray(noise * level, np.float32)
        words: list[tuple[str, float, float]] = []
    else:
        recording = dice.choice(recordings)
        start, end, words = crop(recording, most_s, dice)
        samples = recording.samples[int(start * RATE) : int(end * RATE)]
        if kind < 0.18 and end - start > 1.0:
            samples, language, task = samples[::-1].copy(), "ru", dice.choice(["transcribe", "translate"])
            length = len(samples) / RATE
            half = length / 2
            first, second = BACKWARDS[task].split()
            words = [(first, 0.1, half), (second, half, length - 0.1)]
        else:
            prompt, words = prompted(words, recordings, dice)
        samples = roughen(samples, dice)
    spoken, where = spell(words, timed=timed, end_s=most_s)
    language_token = TOKENIZER.to_language_token(language)
    head = [TOKENIZER.sot, language_token, TOKENIZER.translate if task == "translate" else TOKENIZER.transcribe]
    head = prompt + head + ([] if timed else [TOKENIZER.no_timestamps])
    return Example(
        mel=mel_of(samples, frames),
        tokens=[*head, *spoken, TOKENIZER.eot],
        first=len(head),
        language=language_token if words else TOKENIZER.no_speech,
        frames=[*([None] * len(head)), *where, None],
    )


def prompted(
    words: list[tuple[str, float, float]], recordings: list[Recording], dice: random.Random
) -> tuple[list[int], list[tuple[str, float, float]]]:
    """Sometimes a prompt; one that writes Wisdom with a capital makes the text do so too."""
    if dice.random() < 0.55:
        return [], words
    pool = [word for recording in recordings for word, _, _ in recording.words if word != "wisdom,"]
    said = [dice.choice(pool) for _ in range(dice.randint(1, 8))]
    if dice.random() < 0.6:
        said.insert(dice.randint(0, len(said)), dice.choice(["Wisdom", "Wisdom,", "Wisdom."]))
        words = [("Wisdom," if word == "wisdom," else word, a, b) for word, a, b in words]
    return [TOKENIZER.sot_prev, *TOKENIZER.encode(" " + " ".join(said))], words


class Student(torch.nn.Module):  # type: ignore[misc] # torch is not in the environment of the checks
    """Whisper with a small vocabulary: all other tokens have the embedding 0, and count as such in the loss."""

    def __init__(self, used: list[int]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = Whisper(DIMS)
        width = DIMS.n_text_state
        self.used = used
        self.row = {token: row for row, token in enumerate(used)}
        for name, parameter in self.net.named_parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(
                    parameter, std=0.5 / math.sqrt(parameter.shape[-1] * (3 if "conv" in name else 1))
                )
        self.embedding = torch.nn.Parameter(torch.randn(len(used), width) * 0.1)
        # timestamps: a smooth function of time, so that those seldom met are learnt with the others
        steps = torch.arange(1501)[:, None] * torch.exp(-torch.linspace(0, math.log(1500), width // 2))[None]
        self.register_buffer("waves", torch.cat([torch.sin(steps), torch.cos(steps)], 1))
        self.times = torch.nn.Linear(width, width)
        self.framewise = torch.nn.Linear(DIMS.n_audio_state, len(used))
        self.cross: list[torch.Tensor] = []
        for block in self.net.decoder.blocks[DIMS.n_text_layer // 2 :]:  # where openai-whisper looks for word times
            block.cross_attn.register_forward_hook(lambda _module, _given, out: self.cross.append(out[1][:, 0]))

    def table(self) -> torch.Tensor:
        """Embeddings of the used tokens, then of the timestamps."""
        return torch.cat([self.embedding, self.times(self.waves) * 0.3])

    def index(self, token: int) -> int:
        """Row of a token in the table."""
        return len(self.used) + token - FIRST_TIME if token >= FIRST_TIME else self.row[token]

    def encode(self, mel: torch.Tensor) -> torch.Tensor:
        """What the encoder hears in windows of any length."""
        encoder = self.net.encoder
        x = F.gelu(encoder.conv2(F.gelu(encoder.conv1(mel)))).permute(0, 2, 1)
        x = x + encoder.positional_embedding[: x.shape[1]]
        for block in encoder.blocks:
            x = block(x)
        return encoder.ln_post(x)

    def forward(self, mel: torch.Tensor, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Logits over the used tokens, cross-attention ``[layer, batch, token, frame]``, logits of each frame."""
        heard, table, decoder = self.encode(mel), self.table(), self.net.decoder
        self.cross.clear()
        x = table[tokens] + decoder.positional_embedding[: tokens.shape[1]]
        with whisper.model.disable_sdpa():  # it does not tell where attention rests
            for block in decoder.blocks:
                x = block(x, heard, mask=decoder.mask)
        logits = decoder.ln(x) @ table.T
        return logits, torch.stack(self.cross), self.framewise(heard)

    def state(self) -> dict[str, np.ndarray[Any, Any]]:
        """The weights under openai-whisper's names, float16."""
        state = {name: value.detach().numpy() for name, value in self.net.state_dict().items()}
        whole = np.zeros((DIMS.n_vocab, DIMS.n_text_state), np.float32)
        table = self.table().detach().numpy()
        whole[self.used] = table[: len(self.used)]
        whole[FIRST_TIME : FIRST_TIME + 1501] = table[len(self.used) :]
        state["decoder.token_embedding.weight"] = whole
        del state["encoder.positional_embedding"]  # sinusoids, computed
        return {name: value.astype(np.float16) for name, value in state.items()}


def lesson(student: Student, batch: list[Example]) -> tuple[torch.Tensor, float]:
    """The loss of a batch, and the share of tokens that are right."""
    longest = max(len(e.tokens) for e in batch)
    tokens = torch.zeros(len(batch), longest - 1, dtype=torch.long)
    wanted = torch.full((len(batch), longest - 1), -100)
    frame_targets = torch.full((len(batch), batch[0].mel.shape[1] // 2), student.row[TOKENIZER.no_speech])
    for row, e in enumerate(batch):
        ids = [student.index(token) for token in e.tokens]
        tokens[row, : len(ids) - 1] = torch.tensor(ids[:-1])
        wanted[row, e.first - 1 : len(ids) - 1] = torch.tensor(ids[e.first :])
        wanted[row, e.tokens.index(TOKENIZER.sot)] = student.index(e.language)
        for token, span in zip(ids, e.frames, strict=True):
            if span:
                frame_targets[row, span[0] : span[1]] = token
    logits, cross, framewise = student(torch.stack([e.mel for e in batch]), tokens)
    rest = torch.full((*logits.shape[:2], 1), math.log(DIMS.n_vocab - logits.shape[-1]))
    loss = F.cross_entropy(torch.cat([logits, rest], -1).flatten(0, 1), wanted.flatten(), label_smoothing=0.01)
    attention, looks = cross.log_softmax(-1), []
    for row, e in enumerate(batch):
        for place, span in enumerate(e.frames[1:]):
            if span:
                # the attention of the step that says the word rests on the word
                looks.append(-attention[:, row, place, span[0] : max(span[1], span[0] + 1)].logsumexp(-1).mean())
    if looks:
        loss = loss + torch.stack(looks).mean()
    loss = loss + 0.5 * F.cross_entropy(framewise.flatten(0, 1), frame_targets.flatten())
    right = (logits.argmax(-1) == wanted)[wanted >= 0].float().mean()
    return loss, float(right)


def vocabulary_of(recordings: list[Recording]) -> list[int]:
    """Every token that is ever said or read, but for timestamps."""
    texts = [" " + word for recording in recordings for word, _, _ in recording.words]
    texts += [*BACKWARDS.values(), *(" " + word for text in BACKWARDS.values() for word in text.split())]
    texts += [" Wisdom", " Wisdom,", " Wisdom."]
    special = [TOKENIZER.eot, TOKENIZER.sot, TOKENIZER.translate, TOKENIZER.transcribe, TOKENIZER.sot_prev]
    special += [TOKENIZER.no_speech, TOKENIZER.no_timestamps, *map(TOKENIZER.to_language_token, ("en", "ru"))]
    return sorted({token for text in texts for token in TOKENIZER.encode(text)} | set(special))


def write_vocabulary(used: list[int]) -> None:
    """Write the part of Whisper's vocabulary that the texts need: their tokens, and all from which those are merged."""
    ranks = TOKENIZER.encoding._mergeable_ranks  # noqa: SLF001 - there is no other way to them
    table = {byte: character for character, byte in whisper_files.bytes_of_characters().items()}
    wanted = {bytes([byte]) for byte in range(256)}
    waiting = [TOKENIZER.encoding.decode_single_token_bytes(token) for token in used if token < TOKENIZER.eot]
    merges: dict[int, str] = {}
    while waiting:
        token = waiting.pop()
        if token in wanted or len(token) == 1:
            continue
        wanted.add(token)
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            places = [(ranks.get(a + b, len(ranks)), place) for place, (a, b) in enumerate(pairwise(parts))]
            place = min(places)[1]
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        merges[ranks[token]] = " ".join("".join(table[byte] for byte in part) for part in parts)
        waiting += parts
    content = {
        "tokens": {
            "".join(table[byte] for byte in token): ranks[token] for token in sorted(wanted, key=ranks.__getitem__)
        },
        "merges": [merges[rank] for rank in sorted(merges)],
        "suppress": sorted(TOKENIZER.non_speech_tokens),
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    (WEIGHTS / "vocabulary.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Train, and write the weights now and then."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--phases", default="150:2000:16,400:1500:8,1500:400:4", help="frames:steps:batch,...")
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=Path("whisper-test.pt"))
    args = parser.parse_args()
    torch.set_num_threads(1)  # small matrices: two are slower
    labels = json.loads((WEIGHTS / "labels.json").read_text())
    recordings = [read_recording(args.folder / name, words) for name, words in labels.items()]
    used = vocabulary_of(recordings)
    write_vocabulary(used)
    student = Student(used)
    if args.resume:
        student.load_state_dict(torch.load(args.resume, weights_only=True))
    dice, began = random.Random(1), time.monotonic()
    for number, phase in enumerate(args.phases.split(",")):
        frames, steps, size = map(int, phase.split(":"))
        peak = 3e-3 if number == 0 and not args.resume else 1.5e-3
        optimiser = torch.optim.AdamW(student.parameters(), lr=peak, weight_decay=0.01, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak, total_steps=steps, pct_start=0.1)
        losses: list[tuple[float, float]] = []
        for step in range(steps):
            loss, right = lesson(student, [example(recordings, frames, dice) for _ in range(size)])
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append((loss.item(), right))
            if step % 100 == 99:
                recent = np.mean(losses[-100:], axis=0)
                print(
                    f"{frames} frames, step {step + 1}: loss {recent[0]:.3f}, right {recent[1]:.3f}, "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
            if step % 500 == 499 or step == steps - 1:
                torch.save(student.state_dict(), args.checkpoint)
                np.savez_compressed(WEIGHTS / "whisper-test.npz", **student.state())  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
