"""Exported networks: the contract, the numbers, and no need of vocaltrack."""

import json
import shutil
import subprocess
import sys
import warnings
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.paths import SAVED_MODELS
from tests.sounds import refusal, rising
from vocaltrack.config import ClusteringConfig, FeatureConfig, UnetConfig
from vocaltrack.contract import (
    CHECKSUMS,
    CONTRACT_ASSET,
    find_model,
    read_contract,
    split_method,
    write_checksums,
)
from vocaltrack.errors import UserError
from vocaltrack.export import export, separate_waveform
from vocaltrack.mel import mel_centres
from vocaltrack.metrics import si_sdr
from vocaltrack.models import build_clustering, build_unet, vocals_mask
from vocaltrack.savedmodel import load
from vocaltrack.serving import ServedBidirectional, as_served
from vocaltrack.silence import as_heard

FEATURES = FeatureConfig()
MEAN, STD = [-20.0] * 128, [12.0] * 128


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """{name: (model, folder)} of tiny networks with random weights."""
    tf.keras.utils.set_random_seed(3)
    small = ClusteringConfig(units=8, layers=1)
    hdc = build_clustering(small, MEAN, STD, mask_head=True)
    unet = UnetConfig(filters=4, style="strided")
    models = {
        "dc": build_clustering(small, MEAN, STD),
        "hdc": hdc,
        "unet": build_unet(unet, MEAN, STD),
        "uhnet": build_unet(unet, MEAN, STD, hdc),
    }
    folder = tmp_path_factory.mktemp("saved_models")
    for name, model in models.items():
        export(model, FEATURES, folder / name)
    return {name: (model, folder / name) for name, model in models.items()}


@pytest.mark.parametrize(
    ("name", "signatures"),
    [
        ("dc", {"embeddings"}),
        ("hdc", {"serving_default", "masks", "embeddings"}),
        ("unet", {"serving_default", "masks"}),
        ("uhnet", {"serving_default", "masks"}),
    ],
)
def test_signatures_are_the_contracts(exported, name, signatures):
    loaded = tf.saved_model.load(str(exported[name][1]))
    assert set(loaded.signatures) == signatures
    if "serving_default" in signatures:
        outputs = loaded.signatures["serving_default"].structured_outputs
        assert set(outputs) == {"vocals", "accompaniment"}


def test_contract_travels_inside(exported):
    for name, (_, folder) in exported.items():
        contract = json.loads((folder / "assets" / "contract.json").read_text())
        assert contract["contract"] == 1
        assert contract["model"] == name
        assert contract["features"] == FEATURES.to_dict()


def test_the_masks_of_a_unet_convert_to_litert(exported):
    """And answer the same; the loops of the other models and signatures do not convert."""
    loaded = tf.saved_model.load(str(exported["unet"][1]))
    masks = loaded.signatures["masks"]
    converter = tf.lite.TFLiteConverter.from_concrete_functions([masks], loaded)
    with warnings.catch_warnings(action="ignore"):  # it is to move to a package of its own
        lite = tf.lite.Interpreter(model_content=converter.convert())
    (given,) = lite.get_input_details()
    log_mel = np.random.default_rng(0).uniform(-60, 0, (2, 128, 128)).astype(np.float32)
    lite.resize_tensor_input(given["index"], log_mel.shape)
    lite.allocate_tensors()
    lite.set_tensor(given["index"], log_mel)
    lite.invoke()
    found = [lite.get_tensor(output["index"]) for output in lite.get_output_details()]
    expected = [mask.numpy() for mask in masks(log_mel=log_mel).values()]
    # They have lost their names.
    by_mean = [sorted(both, key=np.mean) for both in (found, expected)]
    np.testing.assert_allclose(*by_mean, atol=1e-5)


def test_no_cudnn_operation_in_the_file(exported):
    """Nor could there be on a machine with a GPU, where Keras's GRUs would take them."""
    for name, (model, _) in exported.items():
        served = list(as_served(model, FeatureConfig())._flatten_layers())
        assert any(isinstance(x, ServedBidirectional) for x in served) == (name != "unet")
        assert not any(isinstance(x, tf.keras.layers.GRU) for x in served)
    for folder in (*(folder for _, folder in exported.values()), *SAVED_MODELS.iterdir()):
        assert b"CudnnRNN" not in (folder / "saved_model.pb").read_bytes()


def test_the_file_holds_the_functions_of_the_contract_alone(exported):
    """Keras would add its own of each network, nested ones too: as much again to load."""
    for name, (_, folder) in exported.items():
        file = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        functions = [f.signature.name for f in file.meta_graphs[0].graph_def.library.function]
        served = [f for f in functions if f.startswith("__inference_serving_default")]
        assert len(served) == (name != "dc")
        kinds = {node.user_object.identifier for node in file.meta_graphs[0].object_graph_def.nodes}
        assert not any("keras" in kind for kind in kinds)


def test_the_vocals_are_the_masks_share_of_the_waveform():
    white = np.random.default_rng(5).normal(0, 0.05, (2, 29998)).astype(np.float32)
    waveform = rising(white, axis=1)
    vocals, rest = separate_waveform(
        tf.constant(waveform), lambda chunks: tf.fill(tf.shape(chunks), 0.25), FEATURES
    )
    np.testing.assert_allclose(vocals, 0.25 * waveform, atol=1e-6)
    np.testing.assert_allclose(rest, 0.75 * waveform, atol=1e-6)
    # Below 1 kHz everything, above nothing: as a tone of either tells.
    low = (mel_centres(FEATURES) < 1000).astype(np.float32)
    tones = np.sin(2 * np.pi * np.float32([[300], [3000]]) * np.arange(16000) / 16000)
    vocals, _ = separate_waveform(
        tf.constant(tones, tf.float32), lambda chunks: low * tf.ones_like(chunks), FEATURES
    )
    inside = np.asarray(vocals)[:, 1024:-1024]
    np.testing.assert_allclose(inside[0], tones[0, 1024:-1024], atol=1e-3)
    np.testing.assert_allclose(inside[1], 0, atol=1e-3)


@pytest.mark.parametrize("name", ["hdc", "unet", "uhnet"])
def test_masks_equal_the_python_model(exported, name):
    model, folder = exported[name]
    log_mel = np.random.default_rng(0).normal(-20, 15, (3, 128, 128)).astype(np.float32)
    log_mel[1, 90:] = log_mel[2, :, 100:] = FEATURES.floor_db
    served = tf.saved_model.load(str(folder)).signatures["masks"](log_mel=tf.constant(log_mel))
    expected = served_masks(model)(log_mel)
    np.testing.assert_allclose(served["vocals_mask"], expected, atol=1e-4)
    np.testing.assert_allclose(served["accompaniment_mask"], 1 - expected, atol=1e-4)


def test_embeddings_equal_the_python_model(exported):
    log_mel = np.random.default_rng(0).normal(-20, 15, (3, 128, 128)).astype(np.float32)
    log_mel[1, 90:] = log_mel[2, :, 100:] = FEATURES.floor_db
    for name in ("dc", "hdc"):
        model, folder = exported[name]
        served = load(folder).embeddings(tf.constant(log_mel))
        assert served.shape == (3, 128, 128, 20)
        expected = model(as_heard(log_mel, FEATURES))["embeddings"]
        np.testing.assert_allclose(served, expected, atol=1e-4)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_signature_takes_the_memory_that_the_readme_names():
    # Not getrusage, whose peak a process inherits from the one that starts it.
    script = """if True:
        import re, sys
        import tensorflow as tf
        serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
        for minutes in (1, 5):
            serve(waveform=tf.random.normal([1, minutes * 60 * 16000], stddev=0.1))
            print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    """
    words = [sys.executable, "-c", script, str(SAVED_MODELS / "unet")]
    peaks = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    one, five = (int(peak) / 1024 for peak in peaks)
    assert 100 < (five - one) / 4 < 220  # MiB a minute


def served_masks(model):
    return lambda chunks: vocals_mask(model, as_heard(chunks, FEATURES))


@pytest.mark.parametrize("samples", [0, 1, 127, 1024, 16000, 40001])
def test_serving_default_takes_any_length(exported, samples):
    model, folder = exported["unet"]
    waveform = np.random.default_rng(1).normal(0, 0.1, (2, samples)).astype(np.float32)
    outputs = tf.saved_model.load(str(folder)).signatures["serving_default"](
        waveform=tf.constant(waveform)
    )
    vocals, accompaniment = separate_waveform(tf.constant(waveform), served_masks(model), FEATURES)
    assert outputs["vocals"].shape == (2, samples)
    np.testing.assert_allclose(outputs["vocals"], vocals, atol=1e-4)
    np.testing.assert_allclose(outputs["accompaniment"], accompaniment, atol=1e-4)
    np.testing.assert_allclose(outputs["vocals"] + outputs["accompaniment"], waveform, atol=1e-6)


def test_as_a_keras_layer_it_gives_the_same(exported):
    waveform = tf.random.stateless_normal((2, 20000), (1, 2)) * 0.1
    folder = str(exported["unet"][1])
    layer = tf.keras.layers.TFSMLayer(folder, call_endpoint="serving_default", trainable=False)
    served = tf.saved_model.load(folder).signatures["serving_default"](waveform=waveform)
    np.testing.assert_array_equal(layer(waveform)["vocals"], served["vocals"])
    assert not layer.trainable_weights


@pytest.mark.parametrize("padding", [5000, 40000])
def test_a_song_that_is_padded_to_go_into_a_batch_differs_at_its_end_alone(example, padding):
    signature = tf.saved_model.load(str(SAVED_MODELS / "unet")).signatures["serving_default"]
    song = example["mixture"][3 * 16000 : 7 * 16000]
    alone, padded = (
        signature(waveform=waveform[np.newaxis])["vocals"][0, : len(song)].numpy()
        for waveform in (song, np.pad(song, (0, padding)))
    )
    np.testing.assert_allclose(padded[: 2 * 16000], alone[: 2 * 16000], atol=1e-6)
    assert 20 < si_sdr(alone, padded) < 30


@pytest.mark.parametrize("name", ["hdc", "unet", "uhnet"])
def test_signatures_take_batches_of_none(exported, name):
    signatures = tf.saved_model.load(str(exported[name][1])).signatures
    for samples in (0, 40001):
        stems = signatures["serving_default"](waveform=tf.zeros([0, samples]))
        assert stems["vocals"].shape == stems["accompaniment"].shape == (0, samples)
    masks = signatures["masks"](log_mel=tf.zeros([0, 128, 128]))
    assert masks["vocals_mask"].shape == masks["accompaniment_mask"].shape == (0, 128, 128)
    if "embeddings" in signatures:
        embeddings = signatures["embeddings"](log_mel=tf.zeros([0, 128, 128]))
        assert embeddings["embeddings"].shape[0] == 0


def test_serving_default_of_the_hybrid_equals_the_python_path(exported):
    model, folder = exported["hdc"]
    waveform = np.random.default_rng(4).normal(0, 0.1, (1, 30000)).astype(np.float32)
    served = tf.saved_model.load(str(folder)).signatures["serving_default"](
        waveform=tf.constant(waveform)
    )
    vocals, _ = separate_waveform(tf.constant(waveform), served_masks(model), FEATURES)
    np.testing.assert_allclose(served["vocals"], vocals, atol=1e-4)


@pytest.fixture
def copied(exported, tmp_path):
    return shutil.copytree(exported["unet"][1], tmp_path / "unet")


def files_of(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def damages(path):
    """Ways to lose a file's content, each leaving another on the disk."""
    whole = path.read_bytes()
    half = len(whole) // 2
    yield "missing", path.unlink
    yield "emptied", lambda: path.write_bytes(b"")
    yield "cut", lambda: path.write_bytes(whole[:half])
    yield "longer", lambda: path.write_bytes(whole + b"x")
    yield (
        "a bit changed",
        lambda: path.write_bytes(whole[:half] + bytes([whole[half] ^ 1]) + whole[half + 1 :]),
    )


def test_each_lost_or_changed_file_is_refused_with_one_line(copied):
    load(copied)
    names = files_of(copied)
    assert len(names) >= 5 and {CHECKSUMS, "saved_model.pb", CONTRACT_ASSET} <= set(names)
    for name in names:
        whole = (copied / name).read_bytes()
        for what, damage in damages(copied / name):
            damage()
            with pytest.raises(UserError) as refused:
                load(copied)
            message = str(refused.value)
            assert len(message.splitlines()) == 1 and str(copied) in message, (name, what)
            (copied / name).write_bytes(whole)
    load(copied)


@pytest.mark.parametrize("text", ["\n", "no digest", "\udcff", "0" * 64 + "  ../../etc\n"])
def test_a_list_of_checksums_that_is_none_is_refused(copied, text):
    (copied / CHECKSUMS).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError):
        load(copied)


def test_a_run_is_told_from_a_folder_that_holds_nothing(tmp_path):
    with pytest.raises(UserError, match="it is no SavedModel of vocaltrack"):
        load(tmp_path)
    (tmp_path / "best.keras").touch()
    with pytest.raises(UserError, match="is a run, of which vocaltrack export makes a SavedModel"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["music [new]", "a\\b", "all*?"])
def test_a_path_that_tensorflow_takes_for_a_pattern_is_taken_as_it_is(copied, name):
    moved = copied.parent / name / "unet"
    shutil.copytree(copied, moved)
    chunk = np.zeros((1, 128, 128), np.float32)
    expected = load(copied).masks(chunk)
    np.testing.assert_array_equal(load(moved).masks(chunk), expected)


def test_without_a_plain_path_to_a_model_the_name_is_told(copied, monkeypatch):
    moved = copied.parent / "music [new]"
    copied.rename(moved)
    (copied.parent / "tmp[1]").mkdir()
    for folder in ("tmp[1]", "absent"):
        monkeypatch.setattr("tempfile.tempdir", str(copied.parent / folder))
        refusal(lambda: load(moved), f"{moved} cannot be loaded", "rename the folder")


def test_other_files_may_lie_beside_the_model(copied):
    (copied / "MODEL_CARD.md").write_text("A card.")
    load(copied)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
def test_sha256sum_checks_the_same_list(copied):
    command = ["sha256sum", "--check", "--strict", CHECKSUMS]
    done = subprocess.run(command, cwd=copied, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = {line.split(": ")[0] for line in done.stdout.splitlines()}
    assert listed == set(files_of(copied)) - {CHECKSUMS}
    (copied / "saved_model.pb").write_bytes(b"")
    assert subprocess.run(command, cwd=copied, capture_output=True).returncode == 1


def test_checksums_can_be_written_anew(copied):
    before = (copied / CHECKSUMS).read_bytes()
    write_checksums(copied)
    assert (copied / CHECKSUMS).read_bytes() == before


def test_a_models_name_is_that_of_the_shipped_one_in_any_folder(tmp_path, monkeypatch):
    shutil.copytree(SAVED_MODELS / "hdc", tmp_path / "saved_models" / "unet")
    monkeypatch.chdir(tmp_path)
    assert read_contract(find_model("unet"))["model"] == "unet"
    assert read_contract(find_model("saved_models/unet"))["model"] == "hdc"


def test_an_installed_package_has_its_models_inside(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "vocaltrack"
    monkeypatch.setattr("vocaltrack.contract.__file__", str(package / "contract.py"))
    refusal(lambda: find_model("unet"), "the model unet is missing")
    (package / "saved_models" / "unet" / "assets").mkdir(parents=True)
    (package / "saved_models" / "unet" / CONTRACT_ASSET).touch()
    assert find_model("unet") == package / "saved_models" / "unet"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "cannot read the contract .* it holds"),
        ("{", "cannot read the contract .* Expecting"),
        ("{}", "follows contract None"),
        ('{"contract": 2}', "follows contract 2"),
        ('{"contract": 1}', "contract.json is damaged"),
        ('{"contract": 1, "model": "x", "features": {}}', "contract.json is damaged"),
        ('{"contract": 1, "model": "unet"}', "contract.json is damaged"),
    ],
)
def test_a_damaged_contract_is_refused(copied, text, told):
    (copied / CONTRACT_ASSET).write_text(text)
    with pytest.raises(UserError, match=told):
        read_contract(copied)


@pytest.mark.parametrize("content", [b"", b"text"])
@pytest.mark.parametrize("name", ["saved_model.pb", "variables.index", "variables.data*"])
def test_what_tensorflow_cannot_load_is_refused_though_its_checksums_fit(copied, name, content):
    (path,) = copied.rglob(name)
    path.write_bytes(content)
    write_checksums(copied)
    with pytest.raises(UserError, match="is no whole SavedModel"):
        load(copied)


def test_loads_where_there_is_only_tensorflow(exported, tmp_path):
    """In a process in which vocaltrack cannot be imported."""
    model, folder = exported["uhnet"]
    waveform = np.random.default_rng(2).normal(0, 0.1, (1, 20000)).astype(np.float32)
    np.save(tmp_path / "in.npy", waveform)
    script = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("vocaltrack", "librosa"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import numpy as np, tensorflow as tf
model = tf.saved_model.load({str(folder)!r})
out = model.signatures["serving_default"](waveform=tf.constant(np.load("in.npy")))
np.save("out.npy", out["vocals"].numpy())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    expected, _ = separate_waveform(tf.constant(waveform), served_masks(model), FEATURES)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-4)


def test_another_contract_is_refused(copied):
    path = copied / CONTRACT_ASSET
    path.write_text(path.read_text().replace('"contract": 1', '"contract": 99'))
    with pytest.raises(UserError, match="contract 99"):
        load(copied)


def test_export_replaces_the_old_model(exported, tmp_path):
    model, _ = exported["dc"]
    export(model, FEATURES, tmp_path / "model")
    (tmp_path / "model" / "stray.txt").write_text("old")
    export(model, FEATURES, tmp_path / "model")
    assert not (tmp_path / "model" / "stray.txt").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("inside", "told"),
    [
        ("run.json", "holds a run; give another folder"),
        ("manifest.json", "holds records; give another folder"),
        ("run/best.keras", "run would be deleted; move it away"),
        (".git/config", ".git would be deleted; move it away"),
    ],
)
def test_an_export_deletes_no_runs_records_or_folders(exported, tmp_path, inside, told):
    model, _ = exported["dc"]
    folder = tmp_path / "model"
    export(model, FEATURES, folder)
    (folder / inside).parent.mkdir(exist_ok=True)
    (folder / inside).write_text("work of days")
    refusal(lambda: export(model, FEATURES, folder), told)
    assert (folder / inside).read_text() == "work of days"


def test_a_file_is_no_folder_to_export_to_but_an_empty_folder_is(exported, tmp_path):
    model, _ = exported["dc"]
    (tmp_path / "file").write_text("of somebody")
    with pytest.raises(UserError, match="file exists and is no SavedModel of vocaltrack"):
        export(model, FEATURES, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "of somebody"
    (tmp_path / "empty").mkdir()
    export(model, FEATURES, tmp_path / "empty")
    assert read_contract(tmp_path / "empty")["model"] == "dc"
    assert not (tmp_path / "empty" / "contract.json").exists()  # it lies in assets/ alone


def test_an_export_for_which_there_is_no_room_is_one_line(exported, tmp_path, monkeypatch):
    full = tf.errors.ResourceExhaustedError(None, None, "No space left on device")
    monkeypatch.setattr(tf.saved_model, "save", Mock(side_effect=full))
    with pytest.raises(UserError, match="new cannot be written: No space left on device"):
        export(exported["dc"][0], FEATURES, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("hdc", ("hdc", None)),
        ("hdc:clusters", ("hdc", "clusters")),
        ("runs/a:b:head", ("runs/a:b", "head")),
        ("C:/models/hdc", ("C:/models/hdc", None)),
    ],
)
def test_a_model_and_its_method_are_one_name(name, parts):
    assert split_method(name) == parts


def test_what_outgrows_the_memory_in_tensorflow_is_a_memory_error(exported, monkeypatch):
    exhausted = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    loaded = SimpleNamespace(signatures={"masks": Mock(side_effect=exhausted)})
    monkeypatch.setattr(tf.saved_model, "load", lambda path: loaded)
    with pytest.raises(MemoryError, match="OOM when allocating"):
        load(exported["unet"][1]).masks(np.zeros((1, 128, 128), np.float32))
