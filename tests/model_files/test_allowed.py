"""The list of names: it knows the installed scikit-learn, and holds nothing that a file could run code with."""

from __future__ import annotations

import importlib

import pytest

from cd4ml.model_files.allowed import USES, Use

CALLING = """
builtins.eval builtins.exec builtins.compile builtins.getattr builtins.setattr builtins.__import__ builtins.open
builtins.type builtins.map builtins.filter builtins.apply operator.attrgetter operator.methodcaller operator.itemgetter
functools.reduce os.system posix.system nt.system subprocess.Popen importlib.import_module runpy.run_path pickle.loads
_pickle.loads numpy.load numpy.save numpy.fromfile numpy.memmap numpy.frompyfunc numpy.vectorize numpy.apply_along_axis
numpy.ctypeslib.load_library numpy.f2py.compile numpy.testing._private.utils.runstring scipy.io.loadmat
scipy.stats._continuous_distns.norm_gen scipy.stats._distn_infrastructure.rv_continuous pandas.read_pickle pandas.eval
pandas.core.frame.DataFrame pandas.DataFrame pandas.core.series.Series joblib.load joblib.memory.Memory
joblib.numpy_pickle.load cloudpickle.cloudpickle._make_function cloudpickle.cloudpickle._builtin_type
copyreg.add_extension copyreg.constructor sklearn.utils._mocking.MockDataFrame sklearn.datasets.load_files
sklearn.datasets._openml.fetch_openml sklearn.utils._testing.assert_run_python_script_without_output
sklearn.metrics._dist_metrics.PyFuncDistance64 xgboost.core.DMatrix xgboost.dask.DaskXGBClassifier
lightgbm.basic.Dataset lightgbm.dask.DaskLGBMClassifier torch._utils._rebuild_tensor_v2 torch.load
""".split()


@pytest.mark.parametrize("path", CALLING)
def test_what_calls_or_reads_files_is_not_listed(path: str) -> None:
    """A name that runs code, imports, reads files or calls what it is given is not on the list."""
    module, _, name = path.rpartition(".")
    assert (module, name) not in USES


def test_every_estimator_is_listed() -> None:
    """All estimators of the installed scikit-learn are known: a new version without its names would be refused."""
    from sklearn.utils import all_estimators

    missing = {(cls.__module__, cls.__qualname__) for _, cls in all_estimators()} - set(USES)
    assert missing == set(), "run bin/model_classes.py"


def test_each_name_is_what_the_list_says() -> None:
    """Of the installed libraries, what may be made is a class that defines the name itself, and functions compute."""
    seen = 0
    for (module, name), use in USES.items():
        if not module.startswith("sklearn."):
            continue
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            continue  # of another version
        seen += 1
        if use in (Use.CLASS, Use.DATA):
            assert isinstance(found, type)
            assert found.__module__ in (module, module.rpartition(".")[2])
        else:
            assert callable(found) and not isinstance(found, type)
    assert seen > 300
