"""Models of the hub, loaded and uploaded, against a local fake."""

import logging
import pickle
import re

import pytest
import torch
import yaml
from hub_standin import Hub, serving

import lipsync
from lipsync.checkpoints import describe, load_model, save_model
from lipsync.checkpoints.card import model_page
from lipsync.checkpoints.hub import HubAddress
from lipsync.cli import main
from lipsync.errors import CheckpointError
from lipsync.export import export
from lipsync.models import SyncNet

REPO = "someone/expert"
FILE = "model.safetensors"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("LIPSYNC_CACHE", str(tmp_path / "cache"))
    with serving(Hub()) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.address)
        yield hub


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> dict[int, bytes]:
    """Files of an expert whose first bias is the key."""
    made = {}
    for value in (1, 2):
        network = SyncNet(96, 0.125, 0.0)
        next(iter(network.parameters())).data.fill_(value)
        path = tmp_path_factory.mktemp("weights") / FILE
        save_model(network, path, {"licence": "Apache-2.0", "name": f"expert-{value}"})
        made[value] = path.read_bytes()
    return made


def value(network: torch.nn.Module) -> int:
    return int(next(iter(network.parameters())).flatten()[0])


def refusal(address: str) -> str:
    with pytest.raises(CheckpointError) as caught:
        lipsync.from_pretrained(address)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- loading


def test_one_line_loads_a_model_and_fetches_it_once(hub, weights, caplog):
    hub.put(REPO, {FILE: weights[1], "README.md": b"---", "pytorch_model.bin": b"never"})
    with caplog.at_level(logging.WARNING):
        network = lipsync.from_pretrained(f"hf://{REPO}")
    assert value(network) == 1
    assert not network.training
    assert network.card["name"] == "expert-1"
    assert "apache-2.0" in caplog.text
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1
    assert sum("resolve" in asked for asked in hub.asked) == 1
    assert not any("pytorch_model.bin" in asked for asked in hub.asked)
    assert describe(f"hf://{REPO}")["model"] == "SyncNet"


def test_names_and_paths_load_as_before(weights, tmp_path):
    (tmp_path / FILE).write_bytes(weights[2])
    assert value(lipsync.from_pretrained(tmp_path / FILE)) == 2
    assert lipsync.from_pretrained("judge-open").card["name"] == "judge-open"


def test_a_revision_is_what_it_was(hub, weights):
    first = hub.put(REPO, {FILE: weights[1]})
    hub.put(REPO, {FILE: weights[1]}, "v1.0")
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1
    hub.put(REPO, {FILE: weights[2]})
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 2  # a branch moves
    assert value(lipsync.from_pretrained(f"hf://{REPO}@v1.0")) == 1
    before = len(hub.asked)
    assert value(lipsync.from_pretrained(f"hf://{REPO}/{FILE}@{first}")) == 1
    assert len(hub.asked) == before  # a cached commit needs no request


def test_a_branch_of_the_cache_without_a_network(hub, weights, monkeypatch, caplog):
    commit = hub.put(REPO, {FILE: weights[1]})
    lipsync.from_pretrained(f"hf://{REPO}")
    hub.put(REPO, {FILE: weights[2]})
    for broken in ({"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}):
        with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
            for name, setting in broken.items():
                patch.setenv(name, setting)
            caplog.clear()
            assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1
            assert f"using the cached commit {commit[:12]}" in caplog.text
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 2


def test_without_a_network_one_line_says_what_to_do(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = refusal(f"hf://{REPO}")
    assert "http://127.0.0.1:9 cannot be reached (" in message
    assert "Connection refused" in message
    assert (
        f"download the file elsewhere from http://127.0.0.1:9/{REPO} and pass its path" in message
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refusal(f"hf://{REPO}")


def test_a_download_that_is_cut_leaves_nothing_under_the_name(hub, weights, tmp_path):
    commit = hub.put(REPO, {FILE: weights[1]})
    hub.cut = 1000
    assert "broke off after 0.0 MB in 3 attempts; run the command again" in refusal(f"hf://{REPO}")
    folder = tmp_path / "cache" / "hub" / "someone--expert" / commit
    assert [p.name for p in folder.iterdir() if p.name[0] != "."] == [f"{FILE}.part"]
    hub.cut = None
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1
    assert (folder / FILE).read_bytes() == weights[1]


def test_what_is_not_safetensors_is_refused_by_name(hub, weights, tmp_path):
    hub.put(REPO, {FILE: pickle.dumps({"state_dict": {}})})
    message = refusal(f"hf://{REPO}")
    assert f"{FILE} is not a safetensors file despite its name; it was deleted unread" in message
    assert list((tmp_path / "cache").rglob(FILE)) == []
    message = refusal(f"hf://{REPO}/pytorch_model.bin")
    assert "pytorch_model.bin is not a .safetensors file; only .safetensors files" in message
    hub.put("someone/pickles", {"model.pth": b"x"})
    message = refusal("hf://someone/pickles")
    assert "has no .safetensors file in revision main; only .safetensors files" in message


def test_another_content_than_was_promised_is_refused(hub, weights):
    commit = hub.put(REPO, {FILE: weights[1]})
    about = hub.files[REPO, commit]

    class Changed(dict):
        def __getitem__(self, name):
            return weights[2]

    hub.files[REPO, commit] = Changed(about)
    assert "expected" in refusal(f"hf://{REPO}")


def test_which_file_is_meant(hub, weights):
    hub.put(REPO, {"a.safetensors": weights[1], "sub/b.safetensors": weights[2]})
    assert "has several .safetensors files: a.safetensors, sub/b.safetensors; name one" in refusal(
        f"hf://{REPO}"
    )
    assert value(lipsync.from_pretrained(f"hf://{REPO}/sub/b.safetensors")) == 2
    message = refusal(f"hf://{REPO}/c.safetensors")
    assert "has no c.safetensors in revision main; it has: a.safet" in message
    hub.put(REPO, {FILE: weights[1]})
    assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1


def test_a_name_does_not_lead_out_of_the_cache(hub, weights):
    names = ("../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "c:\\x.safetensors")
    hub.put(REPO, dict.fromkeys(names, weights[1]))
    assert "has no .safetensors file" in refusal(f"hf://{REPO}")


def test_what_the_hub_refuses(hub, weights):
    hub.put(REPO, {FILE: weights[1]})
    assert "no such repository on the hub, or it is private; check the name, or set HF_TOKEN" in (
        refusal("hf://nobody/nothing")
    )
    message = refusal(f"hf://{REPO}@v9")
    assert f"has no revision v9; see {hub.address}/{REPO}/tree/main" in message
    hub.status = 503
    assert "answers 503" in refusal(f"hf://{REPO}")


@pytest.mark.parametrize(
    "text", ["hf://", "hf://expert", "hf://a/b@", "hf://a/../b", "hf://a b/c", "hf://a/b@x@y"]
)
def test_addresses_that_are_none(text):
    with pytest.raises(CheckpointError, match="is not a model address; expected hf://org/repo"):
        HubAddress.parse(text)


def test_addresses():
    for text in (
        "hf://a/b",
        "hf://a/b/c.safetensors",
        "hf://a/b@v1",
        "hf://a/b/c/d.safetensors@x/1",
    ):
        assert str(HubAddress.parse(text)) == text
    assert HubAddress.parse("hf://a/b/c/d.safetensors@x/1") == HubAddress(
        "a/b", "c/d.safetensors", "x/1"
    )


def test_a_token_goes_to_the_hub_alone(hub, weights, monkeypatch, tmp_path):
    hub.put(REPO, {FILE: weights[1]})
    with serving(Hub()) as store:  # the hub's store for large files
        store.revisions, store.files = hub.revisions, hub.files
        hub.moved = store.address
        monkeypatch.setenv("HF_TOKEN", "hf_secret")
        assert value(lipsync.from_pretrained(f"hf://{REPO}")) == 1
    assert hub.tokens == ["Bearer hf_secret"] * 2
    assert store.tokens == [None]


def test_the_token_that_a_login_has_left(hub, weights, tmp_path):
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text("hf_login\n")
    hub.put(REPO, {FILE: weights[1]})
    lipsync.from_pretrained(f"hf://{REPO}")
    assert hub.tokens[0] == "Bearer hf_login"


# ---------------------------------------------------------------- uploading


@pytest.fixture
def uploads(hub, monkeypatch):
    pytest.importorskip("huggingface_hub", reason="uploading needs the extra hub")
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # the fake has no such store
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    return hub


def header(page: bytes) -> dict:
    return yaml.safe_load(page.decode().split("---\n")[1])


def test_an_uploaded_model_comes_back(uploads):
    address = lipsync.push_to_hub("judge-grid", REPO)
    assert re.fullmatch(rf"hf://{REPO}@[0-9a-f]{{40}}", address)
    assert uploads.private == {REPO: True}
    there = uploads.files[REPO, uploads.revisions[REPO, "main"]]
    assert sorted(there) == ["README.md", FILE]
    again, before = lipsync.from_pretrained(address), load_model("judge-grid")
    for one, other in zip(again.parameters(), before.parameters(), strict=True):
        assert torch.equal(one, other)
    assert again.card["calibration"] == before.card["calibration"]
    assert header(there["README.md"])["license"] == "apache-2.0"
    assert f"hf://{REPO}" in there["README.md"].decode()


def test_a_network_needs_a_licence(uploads):
    network = SyncNet(96, 0.125, 0.0)
    with pytest.raises(CheckpointError, match="its card states no licence"):
        lipsync.push_to_hub(network, REPO)
    assert uploads.asked == []
    lipsync.push_to_hub(network, REPO, card={"licence": "Ours alone", "what": "A trial"})
    page = uploads.files[REPO, uploads.revisions[REPO, "main"]]["README.md"]
    assert header(page) == {
        "license": "other",
        "license_name": "Ours alone",
        "library_name": "lipsync",
        "tags": ["lip-sync", "talking-head", "video", "syncnet"],
    }


def test_the_command_uploads(uploads, weights, tmp_path, capsys):
    (tmp_path / FILE).write_bytes(weights[2])
    (tmp_path / "card.yaml").write_text("{licence: MIT, name: mine, metrics: {test PSNR: 30.5}}")
    command = ["export", str(tmp_path / FILE), "-o", f"hf://{REPO}"]
    assert main([*command, "--card", str(tmp_path / "card.yaml")]) == 0
    assert f"hf://{REPO}@" in capsys.readouterr().out
    network = lipsync.from_pretrained(f"hf://{REPO}")
    assert (network.card["name"], network.card["licence"]) == ("mine", "MIT")
    page = uploads.files[REPO, uploads.revisions[REPO, "main"]]["README.md"]
    assert header(page)["metrics"] == ["psnr"]


def test_what_cannot_be_uploaded(uploads, monkeypatch):
    with pytest.raises(CheckpointError, match="is not a repository"):
        lipsync.push_to_hub("judge-grid", "judge")
    uploads.status = 403
    with pytest.raises(CheckpointError, match=r"the hub refused the upload \(403\); set HF_TOKEN"):
        lipsync.push_to_hub("judge-grid", REPO)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"127\.0\.0\.1:9 cannot be reached"):
        lipsync.push_to_hub("judge-grid", REPO)
    assert uploads.files == {}


def test_a_mix_is_uploaded_with_its_card(uploads, tmp_path):
    (tmp_path / "card.yaml").write_text("licence: Apache-2.0")
    export(
        "wav2lip-gan-grid",
        f"hf://{REPO}",
        mix="wav2lip-gan-grid",
        share=0.5,
        card=tmp_path / "card.yaml",
    )
    assert type(lipsync.from_pretrained(f"hf://{REPO}")).__name__ == "Wav2Lip"


def test_the_page_shows_what_the_card_says():
    card = load_model("expert-open").card | {"sha256": "0" * 64}
    page = model_page(card, "hf://o/r")
    about = header(page.encode())
    assert about["library_name"] == "lipsync"
    assert about["metrics"] == ["accuracy"]
    measured = about["model-index"][0]["results"][0]["metrics"]
    assert {m["name"]: m["value"] for m in measured} == card["metrics"]
    for text in ("data", "training", "limits"):
        assert str(card[text]) in page
    assert 'lipsync.from_pretrained("hf://o/r")' in page
