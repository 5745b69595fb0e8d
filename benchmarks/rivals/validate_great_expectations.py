"""Great Expectations on pandas, with the expectations that say the same as the schema."""

import sys

import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd
import yaml

table, schema_path = sys.argv[1:]
written = yaml.safe_load(open(schema_path))
context = gx.get_context(mode="ephemeral")
suite = context.suites.add(gx.ExpectationSuite(name="suite"))
types = {"int64": "int64", "float64": "float64", "str": "str", "datetime64[ns]": "datetime64[us]", "bool": "bool"}
suite.add_expectation(gxe.ExpectTableColumnsToMatchOrderedList(column_list=list(written["columns"])))
for name, column in written["columns"].items():
    suite.add_expectation(gxe.ExpectColumnValuesToBeOfType(column=name, type_=types[column["dtype"]]))
    if not column.get("nullable"):
        suite.add_expectation(gxe.ExpectColumnValuesToNotBeNull(column=name))
    if column.get("unique"):
        suite.add_expectation(gxe.ExpectColumnValuesToBeUnique(column=name))
    for check, value in (column.get("checks") or {}).items():
        if check == "in_range":
            low, high = value["min_value"], value["max_value"]
            suite.add_expectation(gxe.ExpectColumnValuesToBeBetween(column=name, min_value=low, max_value=high))
        elif check == "isin":
            suite.add_expectation(gxe.ExpectColumnValuesToBeInSet(column=name, value_set=value))
        elif check == "str_length":
            low, high = value["min_value"], value["max_value"]
            suite.add_expectation(gxe.ExpectColumnValueLengthsToBeBetween(column=name, min_value=low, max_value=high))
        elif check == "str_matches":
            suite.add_expectation(gxe.ExpectColumnValuesToMatchRegex(column=name, regex=value))
source = context.data_sources.add_pandas("pandas")
batch = source.add_dataframe_asset("table").add_batch_definition_whole_dataframe("whole")
result = batch.get_batch({"dataframe": pd.read_parquet(table)}).validate(suite)
for item in result.results:
    if not item.success:
        print(item.expectation_config.type, item.expectation_config.kwargs, item.exception_info)
sys.exit(0 if result.success else 1)
