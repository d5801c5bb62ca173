"""What is left of trainings after some of it was removed."""

from pipeline.registry.lineage import Lineage
from pipeline.storage.files import digest_of, read_json, write_json
from pipeline.storage.stage_outputs import RECIPE, Store
from tests.pipeline.training.training_outputs import train

DEAD = "f" * 64  # the bundle of the training that nobody wants


def trainings(home):
    """The stages that are left of each training, by the source of its snapshot."""
    store, found = Store(home.store), {}
    lineage = Lineage(store)
    for folder in lineage.inputs:
        for above in lineage.above([folder]):
            if above.parent.name == "snapshot":
                source = read_json(above / "stage.json")["inputs"]["source"]
                found.setdefault(source, set()).add(folder.parent.name)
    return found


def files(root):
    """Every file but a database's own."""
    return {path for path in root.rglob("*") if path.is_file() and ".db" not in path.name}


def rerun(home, source, digest):
    """Run the same training again; the stages that were not found."""
    built = files(home.store)
    train(home, source, {f"{source}.jpg": "train", "shared.jpg": "train"}, digest)
    return {path.parent.parent.name for path in files(home.store) - built if path.name == "stage.json"}


def plan(home, night, digest, planned=1):
    decided = {"model": {"digest": digest}, "counts": {"planned": planned}}
    write_json(home.store / "nights" / night / "r1" / "plan" / "plan.json", decided)


def unwanted(home, stage):
    """The digest of a stage of the training that nobody wants."""
    lineage = Lineage(Store(home.store))
    bundle = lineage.bundles[DEAD]
    [folder] = [folder for folder in lineage.above([bundle]) if folder.parent.name == stage]
    return digest_of({name: value for name, value in read_json(folder / RECIPE).items() if name != "seconds"})
