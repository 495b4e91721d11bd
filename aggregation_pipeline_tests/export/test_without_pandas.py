"""pyarrow works without pandas, and with it as always once somebody imports it."""

import subprocess
import sys

CONVERSIONS = """
import datetime, io, sys
import numpy, pyarrow as pa
pa.array([1, None]).to_pylist(), pa.array(numpy.array([1.5])).to_numpy(), pa.scalar("a"), pa.table({"a": [1]})
print("pandas" in sys.modules, file=sys.stderr)
import pandas as pd
for values in (
    pd.Series([1, float("nan")]), pd.Series(["a", None]), pd.Categorical(["a", "b"]), pd.array([1, None], dtype="Int64")
):
    print(pa.array(values))
print(pa.array([pd.NaT, datetime.date(2026, 1, 1)], pa.date32(), from_pandas=True))
print(pa.table({"a": [1, None], "b": ["x", "y"]}).to_pandas(types_mapper=pd.ArrowDtype).dtypes)
moment = pd.Timestamp("2026-01-01", tz="Asia/Shanghai")
for values in (
    [pd.NA, "x", None], [pd.NaT, pd.NaT], [datetime.datetime(2026, 1, 1), pd.NaT], [moment, pd.NaT],
    [pd.Timedelta(1), None, pd.NaT], [1, pd.NA], [pd.DateOffset(months=2)],
):
    frame = pd.DataFrame({"value": pd.Series(values, dtype=object)})
    print(pa.Table.from_pandas(frame, preserve_index=False))
print(pd.read_csv(io.StringIO("a,b\\n1,x")), pd.read_json(io.StringIO(pd.DataFrame({"a": [1]}).to_json())))
print(sorted(vars(pd)))
import importlib.resources, pkgutil
print(len(pkgutil.get_data("pandas", "io/formats/templates/html.tpl")), type(pd.__spec__.loader), pd.__loader__.name)
print(sorted(each.name for each in importlib.resources.files("pandas").iterdir()))
"""
LEFT_OUT = "from aggregation_pipeline.export.without_pandas import leave_pandas_out as leave; leave(); leave()"


def test_pandas_is_not_loaded_and_works_as_always_when_it_is():
    usual, without = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for code in (CONVERSIONS, LEFT_OUT + CONVERSIONS)
    )
    assert (usual.stderr, without.stderr) == ("True\n", "False\n")
    assert without.stdout == usual.stdout


def test_in_a_command_pyarrow_gets_nothing_of_pandas_and_frames_work_all_the_same():
    frames = """
import sys, pyarrow as pa
pa.array([1, None]).to_pylist(), pa.scalar("a"), pa.table({"a": [1]})
print([name for name in sys.modules if name.partition(".")[0] == "pandas"], file=sys.stderr)
import pandas as pd
print(pa.table({"a": [1, None], "b": ["x", "y"]}).to_pandas())
frame = pd.DataFrame({"number": [1, 2], "text": ["a", None], "at": pd.to_datetime(["2026-01-01", None])})
print(pa.Table.from_pandas(frame), pa.array(pd.Series(["a", None])))
"""
    usual, without = (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for code in (frames, LEFT_OUT.replace("leave()", "leave(for_good=True)", 1) + frames)
    )
    assert without.stderr == "[]\n"
    assert without.stdout == usual.stdout
