"""What a pickle would do is told; what real libraries write is not accused."""

from __future__ import annotations

import collections
import datetime as dt
import functools
import io
import pickle
from collections.abc import Callable
from pathlib import PurePosixPath

import joblib  # type: ignore[import-untyped]  # it has no stubs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import interp1d
from scipy.spatial.distance import cityblock
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.metrics import f1_score, make_scorer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ancile.formats.pickle_walk import walk
from ancile.scan import pickle_reading
from ancile.scan.examine import examine_part
from ancile.scan.names import Rule, Standing, lists, rule_of, standing
from ancile.scan.part import Part
from ancile.scan.pickle_reading import FIRST_OPCODE, read_pickles
from ancile.scan.wrong import Reading, Wrong


def wrong(data: bytes, *, persistent: bool = False) -> set[Wrong]:
    return set(read_pickles(data, persistent=persistent).wrong)


X, Y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2

BENIGN: dict[str, Callable[[], object]] = {
    "forest": lambda: RandomForestClassifier(3, random_state=0).fit(X, Y),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=2).fit(X, Y),
    "neighbours": lambda: make_pipeline(StandardScaler(), KNeighborsClassifier(algorithm="kd_tree")).fit(X, Y),
    "arrays": lambda: {"a": np.ones((3, 2)), "b": np.float32(2), "c": np.array(["x", None], dtype=object)},
    "structured": lambda: np.zeros(3, dtype=[("a", "f4"), ("b", "O")]),
    "random": lambda: np.random.default_rng(0),
    "standard library": lambda: [
        collections.OrderedDict(a=1), collections.Counter("abc"), collections.defaultdict(list, a=[1]),
        dt.datetime(2020, 1, 1, tzinfo=dt.UTC), PurePosixPath("a/b"), {1, 2}, frozenset((1,)), 1j, range(3),
    ],
    "functions that compute": lambda: [
        SelectKBest(f_classif, k=2).fit(X, Y), FunctionTransformer(np.nan_to_num), make_scorer(f1_score),
        interp1d([0, 1], [1, 2]), KNeighborsClassifier(metric=cityblock), functools.partial(np.clip, a_min=0),
    ],
    "ufunc in a partial": lambda: functools.partial(np.log1p),
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", BENIGN)
def test_what_libraries_write_is_not_accused(name: str, protocol: int) -> None:
    found = read_pickles(pickle.dumps(BENIGN[name](), protocol))
    assert found.wrong == {}, found.wrong


@pytest.mark.parametrize("name", BENIGN)
def test_raw_arrays_of_joblib_are_passed_over(name: str) -> None:
    file = io.BytesIO()
    joblib.dump(BENIGN[name](), file)
    assert read_pickles(file.getvalue()).wrong == {}


def test_the_packages_that_an_unpickler_needs_are_named() -> None:
    found = read_pickles(pickle.dumps(BENIGN["forest"]()))
    assert {"numpy", "scikit-learn"} <= found.packages


HOSTILE = {
    "a call": (b"cos\nsystem\n(Vtrue\ntR.", Wrong.UNLISTED_CALL),
    "a call that is popped": (b"N(cos\nsystem\nVtrue\no0.", Wrong.UNLISTED_CALL),
    "INST": (b"(Vtrue\nios\nsystem\n.", Wrong.UNLISTED_CALL),
    "a stored function": (b"cos\nsystem\n.", Wrong.UNLISTED_NAME),
    "a private module": (b"c_osx_support\n_find_build_tool\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "an installer": (b"cpip\nmain\n(]tR.", Wrong.UNLISTED_CALL),
    "Python 2": (b"ccommands\ngetoutput\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "a dotted path": (b"\x80\x04clogging\nos.system\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "a dotted path through a listed package": (b"\x80\x04csklearn.utils\n_joblib.os.system\n.", Wrong.UNLISTED_NAME),
    "a function of a listed package": (b"cnumpy.f2py.crackfortran\ngetlincoef\n(Vx\n}tR.", Wrong.UNLISTED_CALL),
    "torch.load": (b"ctorch.serialization\nload\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "what nobody knows is called": (b"caiohttp\nget\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "what a call gave is called": (b"ccollections\nOrderedDict\n)R)R.", Wrong.UNLISTED_CALL),
    "a computed name": (b"cstr\njoin\n)RVx\n\x93.", Wrong.COMPUTED_NAME),
    "an extension code": (b"\x82\x01)R.", Wrong.EXTENSION),
    "an item in a module": (b"csys\nmodules\nVx\nNs.", Wrong.FOREIGN_CHANGE),
    "a state for a class": (b"ccollections\nOrderedDict\n}b.", Wrong.FOREIGN_CHANGE),
    "a planted method": (b"ctypes\nSimpleNamespace\n)R}V__setstate__\nNsb.", Wrong.PLANTED),
    "a planted method in slots": (b"ctypes\nSimpleNamespace\n)R(N}V__class__\nNstb.", Wrong.PLANTED),
    "getattr on a module's function": (b"cbuiltins\ngetattr\n(cos\nsystem\nV__call__\ntR.", Wrong.UNLISTED_CALL),
    "getattr of a private name": (b"cbuiltins\ngetattr\n(cbuiltins\nobject\nV__subclasses__\ntR.", Wrong.UNLISTED_CALL),
    "map without __init__": (b"cbuiltins\nmap\n)\x81.", Wrong.UNLISTED_CALL),
    "partial of a call's result": (b"cfunctools\npartial\n(ccollections\nOrderedDict\n)RtR.", Wrong.UNLISTED_CALL),
    "full-width letters": ("c\uff4f\uff53\n\uff53\uff59\uff53\uff54\uff45\uff4d\n)R.".encode(), Wrong.UNLISTED_NAME),
    "behind the last pickle": (b"\x80\x04N.padding" + b"cos\nsystem\n(Vtrue\ntR.", Wrong.UNLISTED_CALL),
    "in the second pickle": (b"\x80\x04N.\x80\x04N." + b"cos\nsystem\n(Vtrue\ntR.", Wrong.UNLISTED_CALL),
    "before the end of broken data": (b"cos\nsystem\n(Vtrue\ntR", Wrong.UNLISTED_CALL),
    "a rebuilding function that calls": (
        b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\ncm\nC\n(Vx\nt}tR.", Wrong.UNLISTED_CALL,
    ),
    "a function that computes is called": (b"cnumpy\nmean\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "a method that evaluates": (b"\x80\x04cpandas\nDataFrame.query\n.", Wrong.UNLISTED_NAME),
    "a method that is called": (b"\x80\x04cpandas\nDataFrame.abs\n)R.", Wrong.UNLISTED_CALL),
    "a stored loader": (b"cjoblib.numpy_pickle\nload\n.", Wrong.UNLISTED_NAME),
    "a stored evaluator": (b"cpandas\neval\n.", Wrong.UNLISTED_NAME),
    "a stored function of a build tool": (b"cnumpy.f2py.crackfortran\nmarkinnerspaces\n.", Wrong.UNLISTED_NAME),
    "a partial of a loader": (b"cfunctools\npartial\n(ctorch\nload\nVx\ntR.", Wrong.UNLISTED_NAME),
    "a class that deletes when it goes": (b"cnumpy.lib.npyio\nDataSource\n)\x81.", Wrong.UNLISTED_CALL),
    "a base whose __init__ opens": (
        b"ccopyreg\n_reconstructor\n(cpandas\nExcelFile\ncpandas\nExcelFile\nVx\ntR.", Wrong.UNLISTED_CALL,
    ),
    "a compiled reader": (b"cpandas._libs.parsers\nTextReader\n(Vx\ntR.", Wrong.UNLISTED_CALL),
    "a method that writes": (b"cbuiltins\ngetattr\n(cxgboost.core\nBooster\n)\x81Vload_model\ntR.", Wrong.UNLISTED_CALL),
    "a hook of another class": (b"cbuiltins\ngetattr\n(ctorch.nn.modules.linear\nLinear\n)\x81V_lazy_load_hook\ntR.", Wrong.UNLISTED_CALL),
    "a hook that is called": (b"cbuiltins\ngetattr\n(ctorch.nn.modules.linear\nLazyLinear\n)\x81V_lazy_load_hook\ntR)R.", Wrong.UNLISTED_CALL),
    "a method of a path": (b"cbuiltins\ngetattr\n(cpathlib\nPath\n)RVunlink\ntR.", Wrong.UNLISTED_CALL),
    "an array in a file elsewhere": (
        b"cjoblib.numpy_pickle_compat\nNDArrayWrapper\n)\x81}Vfilename\nV../x.npy\nsb.", Wrong.FOREIGN_CHANGE,
    ),
    "an unknown class": (b"cmy_company.models\nScorer\n)\x81.", Wrong.UNKNOWN_CLASS),
    "a class of the main program": (b"c__main__\nNet\n)\x81.", Wrong.UNKNOWN_CLASS),
    "a persistent id": (b"P1\n.", Wrong.PERSISTENT),
    "data from outside": (b"\x97.", Wrong.OUTSIDE_DATA),
    "truncated data": (b"\x80\x04]", Wrong.UNREAD),
    "an opcode that no pickler writes": (b"\x80\x04]\xff.", Wrong.DAMAGED),
    "doubling": (b")" + b"2\x86" * 60 + b".", Wrong.EXPANSION),
    "nesting": (b"]" * 9000 + b"a" * 8999 + b".", Wrong.EXPANSION),
}  # fmt: skip


def test_an_array_of_a_subclass_is_made_without_it() -> None:
    assert wrong(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nmemmap\n(I0\ntVb\ntR.") == set()


def test_a_private_function_that_a_model_keeps_is_held_and_not_called() -> None:
    assert wrong(b"csklearn.cluster._kmeans\n_kmeans_single_lloyd\n.") == set()
    assert Wrong.UNLISTED_CALL in wrong(b"csklearn.cluster._kmeans\n_kmeans_single_lloyd\n)R.")


def test_methods_that_compute_may_be_held() -> None:
    assert wrong(b"cbuiltins\ngetattr\n(csklearn.base\nBaseEstimator\n)\x81Vpredict\ntR.") == set()


def test_an_object_may_hold_the_hook_that_its_class_gives_it() -> None:
    """torch/nn/modules/lazy.py, ``LazyModuleMixin.__init__``; as saved since torch 1.6 and before."""
    lazy, hook = b"torch.nn.modules.linear\nLazyLinear\n", b"V_lazy_load_hook\ntR."
    assert wrong(b"cbuiltins\ngetattr\n(c" + lazy + b")\x81" + hook) == set()
    old = b"(Vmodule\nc" + lazy + b"VF\nVS\ntQ)\x81"
    assert wrong(b"\x80\x02cbuiltins\ngetattr\n(" + old + hook, persistent=True) == set()


def test_of_a_package_that_was_read_in_part_only_what_is_listed_is_known() -> None:
    arguments = b"ctransformers.training_args\nTrainingArguments\n)\x81"
    kind = b"ctransformers.trainer_utils\nIntervalStrategy\n(Vsteps\ntR"
    assert wrong(arguments + b"}Vsave_strategy\n" + kind + b"sb.") == set()
    assert wrong(b"ctransformers.trainer_utils\nEvaluationStrategy\n(Vno\ntR.") == set()
    assert wrong(b"cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n.") == set()
    assert wrong(b"comegaconf.dictconfig\nDictConfig\n)\x81}b.") == set()
    assert wrong(b"cultralytics.nn.tasks\nDetectionModel\n)\x81}b.") == set()
    assert wrong(b"cultralytics.utils\nIterableSimpleNamespace\n)R}b.") == set()
    assert wrong(b"ctorchvision.models.resnet\nResNet\n)\x81.") == set()
    assert wrong(b"ctimm.models.vision_transformer\nVisionTransformer\n)\x81.") == set()
    assert wrong(b"cultralytics.utils\nSettingsManager\n)\x81.") == {Wrong.UNKNOWN_CLASS}
    assert wrong(b"cpytorch_lightning.trainer\nTrainer\n)\x81.") == {Wrong.UNKNOWN_CLASS}
    assert wrong(b"ctransformers.models.bert.modeling_bert\nBertModel\n)\x81.") == {Wrong.UNKNOWN_CLASS}
    assert wrong(b"ctransformers\npipeline\n(Vtext-generation\ntR.") == {Wrong.UNLISTED_CALL}
    assert wrong(b"ctransformers.trainer_utils\nset_seed\n(I1\ntR.") == {Wrong.UNLISTED_CALL}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_hostile_pickle_would_do_is_told(name: str) -> None:
    data, kind = HOSTILE[name]
    assert kind in wrong(data)


def test_the_class_of_an_old_torch_module_is_judged_by_its_name() -> None:
    """torch/serialization.py, _legacy_save: ('module', class, file, source) as a persistent id."""

    def made(name: bytes, end: bytes) -> bytes:
        return b"(Vmodule\nc" + name + b"VF\nVS\ntQ" + end

    linear, system = b"torch.nn.modules.linear\nLinear\n", b"os\nsystem\n"
    assert wrong(b"\x80\x02" + made(linear, b")\x81."), persistent=True) == set()
    assert Wrong.UNLISTED_CALL in wrong(b"\x80\x02" + made(linear, b"(Vx\ntR."), persistent=True)
    assert Wrong.UNLISTED_CALL in wrong(b"\x80\x02" + made(system, b"(Vtrue\ntR."), persistent=True)
    assert Wrong.UNLISTED_CALL in wrong(b"\x80\x02" + made(linear, b")\x81."))


def test_tensors_without_a_shape_yet_are_tensors() -> None:
    file = io.BytesIO()
    torch.save(torch.nn.LazyLinear(3).state_dict(), file)
    assert examine_part(Part("lazy.pt", file.getvalue())).verdict == "named-classes"


def test_a_persistent_id_is_the_loaders_business_in_torch() -> None:
    assert wrong(b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nK\x01tQ.", persistent=True) == set()


def test_bytes_that_a_listed_function_unpickles_are_handed_on() -> None:
    data = b"ctorch.storage\n_load_from_bytes\n(B\x03\x00\x00\x00abctR."
    seen: list[bytes] = []
    assert read_pickles(data, nested=lambda held, _: seen.append(held)).wrong == {}
    assert seen == [b"abc"]
    assert Wrong.UNLISTED_CALL in wrong(data)


def test_an_object_array_of_joblib_is_a_pickle_of_its_own() -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (exec, ("pass",))

    file = io.BytesIO()
    joblib.dump(np.array([Evil()], dtype=object), file)
    assert Wrong.UNLISTED_CALL in wrong(file.getvalue())


def test_a_payload_behind_a_raw_array_is_reached() -> None:
    file = io.BytesIO()
    joblib.dump(np.arange(5), file)
    held = file.getvalue()
    assert wrong(held[:-1] + b"cos\nsystem\n(Vtrue\ntR.") >= {Wrong.UNLISTED_CALL}


def test_places_are_kept_up_to_a_number_and_all_are_counted() -> None:
    found = Reading()
    for at in range(50):
        found.note(Wrong.ODD, at, f"place {at}")
    assert found.counts[Wrong.ODD] == 50
    assert len(found.wrong[Wrong.ODD]) == 20


def test_a_name_is_known_by_exact_lists_and_old_names_of_numpy_are_todays() -> None:
    assert standing("numpy.core.multiarray", "_reconstruct") is Standing.LISTED
    assert rule_of("numpy.core.multiarray", "_reconstruct") is Rule.CLASS_FIRST
    assert standing("sklearn.ensemble.forest", "RandomForestClassifier") is Standing.KNOWN_PACKAGE
    assert standing("os", "system") is Standing.FEARED
    assert standing("a b", "c") is Standing.NO_NAME
    assert standing("acme", "Net") is Standing.UNKNOWN_PACKAGE
    assert rule_of("numpy", "memmap") is None
    assert len(lists().names) > 3000


@pytest.mark.parametrize("hostile", [b"cos\nsystem\n(Vtrue\ntR.", b"\x80\x02cos\nsystem\n(Vtrue\ntR."])
def test_a_search_finds_a_pickle_across_the_windows_that_it_goes_by(
    hostile: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickle_reading, "WINDOW", 16)
    for before in range(40):
        held = bytes(before) + hostile + bytes(30)
        (place,) = pickle_reading.hidden_pickles(held).wrong[Wrong.UNLISTED_CALL]
        assert place.offset == before + hostile.index(b"R")


@given(st.lists(st.sampled_from([b"\x80", b"\x02", b"\x07", b"c", b"(", b"i", b"os", b"\n", b".", b" "])))
def test_a_search_looks_wherever_a_pickle_could_begin(pieces: list[bytes]) -> None:
    """As one pattern for all beginnings finds them, which takes twenty times as long; less those that end at once."""
    held, seen = b"".join(pieces), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickle_reading, "_read_one", lambda _, at, *__, **___: seen.append(at))
        pickle_reading.hidden_pickles(held)
    begins = {one.start() for one in pickle_reading.BEGIN.finditer(held)}
    last = len(held) - 1
    over = {at for at in begins if held[at] == 0x80 and held[min(at + 2, last)] not in FIRST_OPCODE}
    assert begins - over - {last - 1} <= set(seen)


@given(st.integers(0, 255).filter(lambda opcode: opcode not in FIRST_OPCODE), st.binary(max_size=30))
def test_a_pickle_of_another_first_opcode_does_nothing(opcode: int, rest: bytes) -> None:
    told: list[object] = []
    end, _ = walk(b"\x80\x04" + bytes([opcode]) + rest, 0, told.append)
    assert end.why
    assert not told
