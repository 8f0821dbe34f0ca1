"""Model folders: `config.json`, `model.safetensors` and a `README.md`, written, found by name, and read back."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from torch import Tensor

from ..backbone.classification.model_folder import SavedClassifier, is_classifier_folder, read_classifier
from ..backbone.googlenet import Backbone, GoogLeNet
from ..backbone.precision import Device, choose_device
from ..backbone.weights import compact, load_checked, read_metadata, read_weights, save_weights, tensors_hash
from ..data.class_names import hint
from ..data.diagnostics import listed
from ..data.errors import DataError, UsageError
from ..data.files.atomic import write_atomically
from ..proposals.methods import Proposer, proposer
from ..proposals.multibox.network import MultiBox, MultiBoxHead
from .box_predictor import Subclasses
from .config import DetectorConfig, read_config, read_hashes
from .ensemble import Ensemble
from .network import RegionNetwork

MODELS = Path(__file__).with_name("models")
DEFAULT_MODEL = "googlenet-voc"
ILSVRC_MODEL = "googlenet-ilsvrc"
CONFIG = "config.json"
WEIGHTS = "model.safetensors"
MULTIBOX = "multibox.safetensors"


def model_folder(name: str | None = None) -> Path:
    """The folder of a model: one that ships, by name (the default without one), or the user's own."""
    name = DEFAULT_MODEL if name is None else name
    shipped = sorted(path.parent.name for path in MODELS.glob("*/config.json"))
    if name in shipped:
        return MODELS / name
    if name and Path(name).is_dir():  # an empty path is the current folder
        return Path(name)
    known = hint(name, shipped, f"models that ship: {', '.join(shipped) or 'none'}.")
    raise UsageError(f"there is no model {name!r}: {known} A folder with config.json and {WEIGHTS} will do too")


def load_detector(folder: Path) -> tuple[RegionNetwork | Ensemble, DetectorConfig]:
    """The network, or all of an ensemble's as one, and the configuration of a model folder."""
    config = read_config(folder / CONFIG)
    if config.members == 1:
        return load_network(folder)
    networks = []
    for member in member_folders(folder, config.members):
        network, own = load_network(member)
        for name in ("classes", "subclasses", "modes", "scores", "short_sides", "box_deltas"):
            if getattr(own, name) != getattr(config, name):
                raise DataError(f"{member} has {name} {getattr(own, name)}, its ensemble {getattr(config, name)}")
        networks.append(network)
    return Ensemble(networks).eval(), config


def member_folders(folder: Path, members: int) -> list[Path]:
    """Where the networks of an ensemble are: a model folder each."""
    return [folder / f"member-{number}" for number in range(1, members + 1)]


def weights_files(folder: Path) -> list[Path]:
    """The files of weights that a model folder has, one for each network."""
    members = read_config(folder / CONFIG).members
    return [folder / WEIGHTS] if members == 1 else [each / WEIGHTS for each in member_folders(folder, members)]


def load_network(folder: Path) -> tuple[RegionNetwork, DetectorConfig]:
    """The network and the configuration of a model folder; DataError names the file that is damaged."""
    config = read_config(folder / CONFIG)
    if config.members > 1:
        raise UsageError(f"{folder} is an ensemble: name one of its {config.members} members, as {folder}/member-1")
    tensors = _weights_in(folder, WEIGHTS)
    _check_outputs(tensors, config, folder)
    _check_names(folder, config)
    network = network_of(config)
    load_checked(network, tensors, str(folder / WEIGHTS))
    return network.eval(), config


def network_of(config: DetectorConfig) -> RegionNetwork:
    """A network with new weights."""
    return RegionNetwork(len(config.classes), config.modes, config.pooled_size, config.class_of)


def _check_names(folder: Path, config: DetectorConfig) -> None:
    """DataError where the weights are of other classes than the configuration."""
    names = read_metadata(folder / WEIGHTS).get("classes")
    if names is not None and names != "\n".join(config.classes):
        raise DataError(
            f"{folder}: {WEIGHTS} is of the classes {listed(names.splitlines())}, and {CONFIG} names "
            f"{listed(config.classes)}: copy both from one model"
        )


def _check_outputs(tensors: Mapping[str, Tensor], config: DetectorConfig, folder: Path) -> None:
    """DataError where the weights are of another number of classes, before a network of as many is made."""
    for mode in config.modes:
        biases = tensors.get(f"box_predictors.{mode}.classifier.bias")
        if biases is not None and biases.numel() != len(config.classes) + 1:
            raise DataError(
                f"{folder / WEIGHTS}: its classifier has {biases.numel()} outputs, and {CONFIG} names "
                f"{len(config.classes)} classes, which need {len(config.classes) + 1} with the background"
            )


def save_detector(folder: Path, network: RegionNetwork | Ensemble, config: DetectorConfig) -> None:
    """Write the model folder of a network, or of an ensemble and all of its members."""
    if isinstance(network, Ensemble):
        for member, own_folder in zip(network.members, member_folders(folder, len(network.members)), strict=True):
            save_network(own_folder, cast(RegionNetwork, member), replace(config, members=1))
        write_atomically(folder / CONFIG, replace(config, members=len(network.members)).to_json())
    else:
        save_network(folder, network, config)


def save_network(folder: Path, network: RegionNetwork, config: DetectorConfig, card: str | None = None) -> None:
    """Write a model folder, weights in fp16; an existing model card stays unless a new one is given.

    The weights carry their own checksum: whenever a run is killed, what lies in the folder fits together.
    """
    save_weights(folder / WEIGHTS, compact(network.state_dict()), {"classes": "\n".join(config.classes)})
    write_atomically(folder / CONFIG, config.to_json())
    if card is not None:
        write_atomically(folder / "README.md", card)


def open_classifier(name: str | Path) -> SavedClassifier:
    """A classifier by its folder or file of weights, or the one that a detector was grown from and still has."""
    path = Path(name)
    if is_classifier_folder(path) or (path.suffix and not path.is_dir()):
        return read_classifier(path)
    folder = model_folder(str(name))
    network, config = load_network(folder)
    if not config.subclasses or "crops" not in config.modes:
        raise UsageError(f"{folder} is a detector without a classifier of whole images: train one, or name another")
    model = GoogLeNet(len(config.subclasses))
    model.backbone, model.box_head = network.backbone, network.box_head("crops")
    model.classifier = cast(Subclasses, network.box_predictor("crops").subclasses).classifier
    return SavedClassifier(str(folder), model.eval(), tuple(config.subclasses))


def load_multibox(folder: Path, device: Device = "auto", backbone: Backbone | None = None) -> MultiBox:
    """The MultiBox of a model folder, or the one that ships with the default model.

    It sits on the very `backbone` given where it was trained on that one, else on the one of its own folder.
    """
    folder = folder if (folder / MULTIBOX).exists() else MODELS / DEFAULT_MODEL
    tensors, short_sides = _weights_in(folder, MULTIBOX), read_config(folder / CONFIG).short_sides
    head = MultiBoxHead.like(tensors)
    load_checked(head, tensors, str(folder / MULTIBOX))
    metadata = read_metadata(folder / MULTIBOX)
    trained_on = metadata.get("backbone", metadata.get("trunk"))  # the latter in files of 0.1.0
    if backbone is None or tensors_hash(backbone) != trained_on:
        backbone = load_detector(folder)[0].backbone
    if tensors_hash(backbone) != trained_on:
        raise DataError(f"{folder / MULTIBOX} was trained on another backbone than {folder / WEIGHTS}: train it anew")
    chosen = choose_device(device)
    return MultiBox(backbone.to(chosen), head.to(chosen), short_sides)


def proposer_named(name: str, model: str | None = None, device: str = "auto") -> Proposer:
    """The method of that name, with a model's MultiBox where it needs one."""
    return proposer(name, multibox=lambda: load_multibox(model_folder(model), device))


def save_multibox(folder: Path, backbone: Backbone, head: MultiBoxHead) -> None:
    """Write a head into the model folder whose backbone it was trained on, in fp16."""
    save_weights(folder / MULTIBOX, compact(head.state_dict()), {"backbone": tensors_hash(backbone)})


def copy_multibox(folder: Path, out: Path) -> None:
    """Give a folder the MultiBox of another with the same backbone, if that has one, with a checksum."""
    if (folder / MULTIBOX).exists():
        save_weights(out / MULTIBOX, _weights_in(folder, MULTIBOX), read_metadata(folder / MULTIBOX))


def _weights_in(folder: Path, name: str) -> dict[str, Tensor]:
    """The tensors of a model folder's file, compared with the checksum that it or `config.json` states."""
    stated = read_hashes(folder / CONFIG).get(name) if (folder / CONFIG).is_file() else None
    return read_weights(folder / name, stated)


def initial_network(
    init: str | None, config: DetectorConfig, *, keep_modes: bool, new_outputs: bool = False
) -> tuple[RegionNetwork, DetectorConfig]:
    """A network to train `config.mode` of, from a detector (folder or name) or a classifier's weights file.

    A detector brings its backbone, and box head and box predictor of the mode, or of its first one. The last layers
    are new where classes, kind of scores or pooled size differ, or `new_outputs` are wanted. With `keep_modes`
    (right only if the backbone will not change) a detector of these classes brings its other modes, its default mode
    and its settings, all but short sides and proposals. A classifier (BVLC's, or one trained here: its folder will do)
    brings backbone and box head. The configuration that comes back has the modes found.
    """
    if init is not None and (Path(init).is_file() or is_classifier_folder(Path(init))):
        return _from_classifier(Path(init), config)
    return _from_detector(model_folder(init), config, keep_modes, new_outputs)


def initial_config(init: str | None) -> DetectorConfig | None:
    """The configuration of the detector that a training starts from; None of a classifier."""
    if init is not None and (Path(init).is_file() or is_classifier_folder(Path(init))):
        return None
    return read_config(model_folder(init) / CONFIG)


def _from_classifier(path: Path, config: DetectorConfig) -> tuple[RegionNetwork, DetectorConfig]:
    model = read_classifier(path).model
    config = replace(config, modes=(config.mode,))
    network = network_of(config)
    network.backbone.load_state_dict(model.backbone.state_dict())
    network.box_head(config.mode).load_state_dict(model.box_head.state_dict())
    if (subclasses := network.box_predictor(config.mode).subclasses) is not None:
        if (outputs := model.classifier.out_features) != len(config.subclasses):
            raise UsageError(f"{path} has {outputs} outputs, and the subclasses to keep are {len(config.subclasses)}")
        subclasses.classifier.load_state_dict(model.classifier.state_dict())
    return network, config


def _from_detector(
    folder: Path, config: DetectorConfig, keep_modes: bool, new_outputs: bool
) -> tuple[RegionNetwork, DetectorConfig]:
    (earlier, was), learning = load_network(folder), config.mode
    names = ("classes", "subclasses", "scores", "pooled_size")
    same_outputs = all(getattr(was, name) == getattr(config, name) for name in names)
    earlier_modes = was.modes if same_outputs and keep_modes else ()
    modes = earlier_modes if config.mode in earlier_modes else (*earlier_modes, config.mode)
    config = replace(config, modes=modes)
    if earlier_modes:
        regions = was.regions if was.proposals == config.proposals else config.regions
        config = replace(was, modes=modes, short_sides=config.short_sides, proposals=config.proposals, regions=regions)
    network = network_of(config)
    network.backbone.load_state_dict(earlier.backbone.state_dict())
    for mode in modes:
        nearest = mode if mode in was.modes else was.modes[0]
        network.load_mode(mode, earlier, nearest, outputs=same_outputs and not (new_outputs and mode == learning))
    return network, config
