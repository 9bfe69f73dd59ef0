"""Fetching from a hub: its digests, sizes and commits are believed, its redirects followed, its token kept."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from stenogram.config import Settings
from stenogram.errors import DownloadFailed, ModelDamaged, OptionError
from stenogram.models import hub as places
from stenogram.models import store
from stenogram.models.catalogue import File, Model
from stenogram.models.download import pull
from stenogram.models.fetch import Patience
from stenogram.types import ModelFiles
from tests.integration.hub_server import COMMIT, Hub, running

QUICK = Patience(timeout_s=5, tries=3, pause_s=0.001)
WEIGHTS = hashlib.shake_256(b"weights").digest(300_000)
WORD = "sesame"
CONFIG = b'{"layers": 2}'


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    with running() as made:
        made.files = {"model.bin": WEIGHTS, "sub/config.json": CONFIG}
        yield made


@pytest.fixture
def settings(tmp_path: Path, hub: Hub) -> Settings:
    return Settings(home=str(tmp_path), hub_url=hub.url)


def make_model(*, sha256: str | None = None, size: int | None = None, repo: str = "own/small") -> Model:
    files = (
        File(role="model", name="model.bin", bytes=size, about_bytes=250_000, sha256=sha256),
        File(role="config", name="sub/config.json", about_bytes=20),
    )
    return Model("small", "whisper", ("*",), "MIT", "https://x", "made here", files, repo=repo)


def fetch(settings: Settings, model: Model | None = None, patience: Patience = QUICK) -> ModelFiles:
    return pull(model or make_model(), settings, lambda *_: None, lambda: False, patience)


def test_files_come_from_the_repository_and_its_other_host(hub: Hub, settings: Settings) -> None:
    files = fetch(settings)

    assert files.paths["model"].read_bytes() == WEIGHTS
    assert files.paths["config"].read_bytes() == CONFIG
    assert files.paths["config"].parent.name == "sub"
    assert hub.asked("hub") == ["/own/small/resolve/main/model.bin", "/own/small/resolve/main/sub/config.json"]
    assert hub.asked("cdn") == ["/blob/model.bin"]


def test_what_the_hub_reports_is_remembered_and_counts_as_verified(hub: Hub, settings: Settings) -> None:
    fetch(settings)

    digests = store.digests_of(make_model(), settings)
    assert {name: (digest.source, digest.commit) for name, digest in digests.items()} == {
        "model.bin": ("hub", COMMIT),
        "sub/config.json": ("hub", COMMIT),
    }
    assert store.vouched(make_model(), settings)


def test_the_catalogues_own_digest_goes_first(settings: Settings) -> None:
    model = make_model(sha256=hashlib.sha256(WEIGHTS).hexdigest(), size=len(WEIGHTS))
    fetch(settings, model)

    assert store.digests_of(model, settings)["model.bin"].source == "catalogue"


@pytest.mark.parametrize("fault", ["flip 5", "flip 299999"])
def test_a_flipped_byte_of_a_large_file_is_refused_by_the_hubs_digest(hub: Hub, settings: Settings, fault: str) -> None:
    hub.faults = [fault]

    with pytest.raises(ModelDamaged, match=r"model\.bin"):
        fetch(settings)
    assert not list(settings.models_dir.glob("small/model.bin*"))


def test_a_flipped_byte_of_a_small_file_is_refused_by_its_git_id(hub: Hub, settings: Settings) -> None:
    fetch(settings)
    (settings.models_dir / "small/sub/config.json").unlink()
    (settings.models_dir / "small/record.json").unlink()
    hub.faults = ["flip 3"]

    with pytest.raises(ModelDamaged, match=r"config\.json"):
        fetch(settings)


def test_another_version_is_refused_before_its_bytes_come(hub: Hub, settings: Settings) -> None:
    hub.faults = [f"linked-etag {'a' * 64}"]

    with pytest.raises(DownloadFailed, match=r"another version of model\.bin .*models remove small"):
        fetch(settings, make_model(sha256=hashlib.sha256(WEIGHTS).hexdigest()))
    assert not list(settings.models_dir.glob("small/model.bin*"))


def test_a_pinned_digest_binds_the_newest_version_too(hub: Hub, settings: Settings) -> None:
    fetch(settings)
    (settings.models_dir / "small/model.bin").write_bytes(b"damaged")
    hub.files["model.bin"] = WEIGHTS[::-1]

    with pytest.raises(DownloadFailed, match="another version"):
        fetch(settings)


@pytest.mark.parametrize(
    ("size", "message"), [(None, "the server sends 300000 .*hub says 99"), (300_000, "hub says 99")]
)
def test_sizes_that_contradict_each_other_are_refused(
    hub: Hub, settings: Settings, size: int | None, message: str
) -> None:
    hub.faults = ["linked-size 99"]

    with pytest.raises(DownloadFailed, match=message):
        fetch(settings, make_model(size=size))


def test_a_cut_is_resumed_at_the_other_host(hub: Hub, settings: Settings) -> None:
    hub.faults = ["cut 100000", "cut 50000"]

    fetch(settings)

    ranges = [headers.get("range") for server, _, headers in hub.requests if server == "cdn"]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]


def test_a_file_that_another_version_replaced_during_a_break_is_begun_anew(hub: Hub, settings: Settings) -> None:
    hub.faults = ["cut 100000", "status 503", "status 503", "status 503"]
    with pytest.raises(DownloadFailed, match="503"):
        fetch(settings)
    hub.files["model.bin"] = newer = WEIGHTS[::-1]

    assert fetch(settings).paths["model"].read_bytes() == newer


def test_a_slow_server_is_given_up_and_resumed(hub: Hub, settings: Settings) -> None:
    hub.faults = ["slow 1.0"]

    files = fetch(settings, patience=Patience(timeout_s=0.3, tries=3, pause_s=0.001))

    assert files.paths["model"].read_bytes() == WEIGHTS
    assert "bytes=1000-" in [headers.get("range") for _, _, headers in hub.requests]


def test_a_login_page_in_the_way_is_no_model(hub: Hub, settings: Settings) -> None:
    hub.faults = ["page"]

    with pytest.raises(DownloadFailed, match="a web page came instead"):
        fetch(settings)


def test_packed_bytes_are_refused(hub: Hub, settings: Settings) -> None:
    hub.faults = ["packed"]

    with pytest.raises(DownloadFailed, match="packs"):
        fetch(settings)


def test_a_length_told_only_by_the_hub_will_do(hub: Hub, settings: Settings) -> None:
    hub.faults = ["nolength"]

    assert fetch(settings).paths["model"].read_bytes() == WEIGHTS


def test_without_any_length_nothing_is_believed(hub: Hub, tmp_path: Path) -> None:
    hub.files["own/file"] = WEIGHTS
    hub.faults = ["nolength"]
    model = Model(
        "plain",
        "gguf",
        ("*",),
        "MIT",
        "https://x",
        "here",
        (File("model", "own/file", about_bytes=9),),
        url=f"{hub.cdn_url}/blob",
    )

    with pytest.raises(DownloadFailed, match="nobody says how long"):
        fetch(Settings(home=str(tmp_path)), model)


def test_a_plain_server_is_pinned_not_believed(hub: Hub, tmp_path: Path) -> None:
    hub.files["own/file"] = WEIGHTS
    hub.faults = [f'etag "{"b" * 64}"']
    model = Model(
        "plain",
        "gguf",
        ("*",),
        "MIT",
        "https://x",
        "here",
        (File("model", "own/file", about_bytes=9),),
        url=f"{hub.cdn_url}/blob",
    )
    settings = Settings(home=str(tmp_path))
    fetch(settings, model)

    assert store.digests_of(model, settings)["own/file"].source == "pinned"
    assert not store.vouched(model, settings)


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", WORD)
    hub.token = WORD
    hub.renamed_from = "own/old"  # a redirect on the same host keeps it

    fetch(settings, make_model(repo="own/old"))

    seen = {(server, WORD in headers.get("authorization", "")) for server, _, headers in hub.requests}
    assert seen == {("hub", True), ("cdn", False)}


def test_a_hub_that_wants_a_token_says_how(hub: Hub, settings: Settings) -> None:
    hub.token = WORD

    with pytest.raises(DownloadFailed, match=r"401.*HF_TOKEN"):
        fetch(settings)


def test_no_token_over_a_connection_that_others_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", WORD)

    assert places.Address("https://hub.invalid/x", hub=True).token == WORD
    assert places.Address("http://hub.invalid/x", hub=True).token is None
    assert places.Address("https://elsewhere.invalid/x", hub=False).token is None


class TestAddress:
    MODEL = make_model()

    def of(self, settings: Settings, model: Model = MODEL) -> str | None:
        place = places.address(model, model.files[1], settings)
        return place.url if place else None

    def test_the_public_hub_is_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("HF_ENDPOINT", raising=False)

        assert self.of(Settings()) == "https://huggingface.co/own/small/resolve/main/sub/config.json"

    def test_the_usual_variable_and_the_setting_name_a_mirror(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_ENDPOINT", "https://mirror.invalid/")
        assert self.of(Settings()) == "https://mirror.invalid/own/small/resolve/main/sub/config.json"

        assert self.of(Settings(hub_url="https://ours.invalid/hf")) == (
            "https://ours.invalid/hf/own/small/resolve/main/sub/config.json"
        )

    def test_a_plain_mirror_has_a_folder_for_each_model(self) -> None:
        assert (
            self.of(Settings(models_url="https://files.invalid/m/")) == "https://files.invalid/m/small/sub/config.json"
        )

    def test_an_imported_model_comes_from_nowhere(self) -> None:
        files = (File("model", "a.bin", 1), File("config", "b", 1))
        assert self.of(Settings(), Model("mine", "whisper", ("ru",), "?", "", "imported", files)) is None

    @pytest.mark.parametrize("url", ["file:///srv", "hub.invalid", "https://"])
    def test_only_web_addresses_will_do(self, url: str) -> None:
        with pytest.raises(OptionError, match="STENOGRAM_HUB_URL"):
            self.of(Settings(hub_url=url))


class TestAnswers:
    def test_a_hub_that_is_there_answers_whatever_it_says(self, hub: Hub, settings: Settings) -> None:
        assert places.answers(make_model(), settings)
        hub.token = WORD
        assert places.answers(make_model(), settings)
        assert hub.asked("hub")

    def test_a_silent_one_does_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with socket.create_server(("127.0.0.1", 0)) as silent:
            settings = Settings(home=str(tmp_path), hub_url=f"http://127.0.0.1:{silent.getsockname()[1]}")

            assert not places.answers(make_model(), settings, timeout_s=0.1)

    def test_nor_one_that_is_not_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            settings = Settings(home=str(tmp_path), hub_url=f"http://127.0.0.1:{closed.getsockname()[1]}")

            assert not places.answers(make_model(), settings)

    def test_a_name_that_takes_for_ever_to_look_up_does_not_hold_it_up(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import threading

        release = threading.Event()
        monkeypatch.setattr(places, "_knock", lambda place, timeout_s: release.wait(20) or True)

        assert not places.answers(make_model(), settings, timeout_s=0.05)
        release.set()

    def test_offline_nobody_is_asked(self, hub: Hub) -> None:
        assert not places.answers(make_model(), Settings(hub_url=hub.url, offline=True))
        assert hub.requests == []
