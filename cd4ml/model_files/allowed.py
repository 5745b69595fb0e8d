"""The names that a model file may mention: exact pairs of module and name, never a prefix and never a pattern.

A package such as scikit-learn or scipy holds functions that read files, import modules or evaluate text; whoever may
name any of its members may run code. So each pair is here for what it can do at most, whatever a file does with it:

- `CLASS`: may be created empty and filled with attributes, and stand nowhere else. `__setstate__` and methods only
  compute; constructors may do more (those of boosters read files).
- `DATA`: may be created with arguments as well, and stand as a value: containers, dates, small compiled parts.
- `FUNCTION`: may be called, at loading or when the model predicts. It computes with arrays.
- `REBUILD`: may be called while loading and stand nowhere else: what pickles call to make an empty object.
- `VALUE`: may stand as a value (the type of a column, the default of a dictionary), not be called.
- `ARRAY`: may stand as the first argument of what rebuilds arrays, nowhere else. Called freely, `numpy.ndarray` makes
  an array of objects out of bytes, which are then taken for addresses.

Left out on purpose: `getattr`, `eval` and their like; `operator`; `numpy.load`; tables of pandas, whose `query` and
`eval` evaluate text; distributions of `scipy.stats`, whose `__setstate__` executes a text of the file; joblib's memory,
which unpickles what lies in a folder; modules of the model's own, which this list cannot know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final

from cd4ml.model_files import scikit_learn


class Use(Enum):
    """What a file may do with a name."""

    CLASS = "class"
    DATA = "data"
    FUNCTION = "function"
    REBUILD = "rebuild"
    VALUE = "value"
    ARRAY = "array"


# The first name of each pair of modules is the present one; numpy and scipy renamed theirs.
_NUMPY: Final = ("numpy._core", "numpy.core")
_SPARSE: Final = ("bsr", "coo", "csc", "csr", "dia", "dok", "lil")
_NUMBERS: Final = (
    "bool bool_ int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc uintc intp uintp longlong ulonglong "
    "float16 float32 float64 longdouble complex64 complex128 datetime64 timedelta64"
)
_TEXTS: Final = "str_ bytes_ object_"
# What people put into FunctionTransformer: element by element, nothing else.
_ELEMENTWISE: Final = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh cbrt ceil cos cosh deg2rad degrees divide "
    "equal exp exp2 expm1 fabs floor floor_divide fmax fmin fmod greater greater_equal hypot isfinite isinf isnan less "
    "less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod "
    "multiply negative not_equal positive power rad2deg radians reciprocal remainder rint sign sin sinh sqrt square "
    "subtract tan tanh true_divide trunc"
)
# No sum or maximum: of an array of texts they give a text, which a method that writes a file may take for its name.
_OF_ARRAYS: Final = "asarray clip mean median nan_to_num round std var"
_GENERATORS: Final = {
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random._generator": "Generator",
    "numpy.random.mtrand": "RandomState",
    "numpy.random.bit_generator": "SeedSequence",
}

_MADE_OF_NUMBERS: Final = ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast", "sklearn.tree._tree")
_DATA: Final[Mapping[str, str]] = {
    "collections": "Counter OrderedDict defaultdict deque",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    **_GENERATORS,
    **{module: scikit_learn.CLASSES[module] for module in _MADE_OF_NUMBERS},
}
_CLASSES: Final[Mapping[str, str]] = {
    "scipy.interpolate._bsplines": "BSpline",
    **{f"scipy.sparse._{kind}": f"{kind}_array {kind}_matrix" for kind in _SPARSE},
    **{f"scipy.sparse.{kind}": f"{kind}_matrix" for kind in _SPARSE},
    "xgboost.core": "Booster",
    "xgboost.sklearn": "XGBClassifier XGBModel XGBRFClassifier XGBRFRegressor XGBRanker XGBRegressor",
    "lightgbm.basic": "Booster",
    "lightgbm.sklearn": "LGBMClassifier LGBMModel LGBMRanker LGBMRegressor",
    "catboost.core": "CatBoost CatBoostClassifier CatBoostRanker CatBoostRegressor",
    "pandas": "CategoricalDtype Index RangeIndex",
    "pandas.core.dtypes.dtypes": "CategoricalDtype",
    "pandas.core.indexes.base": "Index",
    "pandas.core.indexes.range": "RangeIndex",
    **scikit_learn.CLASSES,
}
_FUNCTIONS: Final[Mapping[str, str]] = {
    "numpy": f"{_ELEMENTWISE} {_OF_ARRAYS}",
    **{f"{core}._multiarray_umath": _ELEMENTWISE for core in _NUMPY},
    "scipy.special._ufuncs": "boxcox boxcox1p expit inv_boxcox inv_boxcox1p log_expit logit xlogy",
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
    "numpy.random._pickle": "__bit_generator_ctor",
    **scikit_learn.FUNCTIONS,
}
_REBUILDING: Final[Mapping[str, str]] = {
    "builtins": "bytearray bytes complex frozenset range set slice",
    "_codecs": "encode",
    "copyreg": "_reconstructor __newobj__",
    "functools": "partial",
    "numpy": "dtype",
    **{f"{core}.multiarray": "_reconstruct scalar" for core in _NUMPY},
    **{f"{core}.numeric": "_frombuffer" for core in _NUMPY},
    "numpy.ma.core": "_mareconstruct",
    "numpy.random._pickle": "__generator_ctor __randomstate_ctor",
    "numpy.random.bit_generator": "__pyx_unpickle_SeedSequence",
    "pandas.core.indexes.base": "_new_Index",
    **scikit_learn.REBUILDING,
}
_VALUES: Final[Mapping[str, str]] = {"builtins": "bool dict float int list object", "numpy": _NUMBERS}
_ARRAYS: Final[Mapping[str, str]] = {"numpy": "ndarray", "numpy.ma": "MaskedArray", "numpy.ma.core": "MaskedArray"}


def _pairs(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return the pairs of a table."""
    for module, names in table.items():
        for name in names.split():
            yield module, name


USES: Final[Mapping[tuple[str, str], Use]] = {
    pair: use
    for table, use in (
        (_VALUES, Use.VALUE),
        (_ARRAYS, Use.ARRAY),
        (_REBUILDING, Use.REBUILD),
        (_FUNCTIONS, Use.FUNCTION),
        (_CLASSES, Use.CLASS),
        (_DATA, Use.DATA),
    )
    for pair in _pairs(table)
}
# The rest of what a file may fill item by item.
CONTAINERS: Final = frozenset(
    {*(("collections", name) for name in _DATA["collections"].split()), ("sklearn.utils._bunch", "Bunch")}
)
SCALARS: Final = frozenset(("numpy", name) for name in f"{_NUMBERS} {_TEXTS}".split())
XGBOOST: Final = frozenset(
    f"{module}.{name}" for module, name in _pairs(_CLASSES) if module in ("xgboost.core", "xgboost.sklearn")
)
