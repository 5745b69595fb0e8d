"""pandera on its own, by the same schema: arguments are the back end, the table and the schema."""

import sys

backend, table, schema_path = sys.argv[1:]
text = open(schema_path).read()

if backend == "pandas":
    import pandas as pd
    import pandera.pandas as pa

    frame = pd.read_csv(table) if table.endswith(".csv") else pd.read_parquet(table)
    try:
        pa.DataFrameSchema.from_yaml(text).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        sys.exit(str(errors)[:1000])
else:
    import pandera.polars as pa
    import polars as pl
    import yaml
    from pandera.config import ValidationDepth, config_context

    types = {
        "int64": pl.Int64,
        "float64": pl.Float64,
        "str": pl.String,
        "datetime64[ns]": pl.Datetime("us"),
        "bool": pl.Boolean,
    }

    def checks(written):
        for name, value in (written or {}).items():
            check = getattr(pa.Check, name)
            yield check(**value) if isinstance(value, dict) else check(value)

    written = yaml.safe_load(text)
    columns = {
        name: pa.Column(
            types[column["dtype"]],
            checks=list(checks(column.get("checks"))),
            # NaN is a missing value to the pandas schema.
            nullable=column.get("nullable", False),
            unique=column.get("unique", False),
        )
        for name, column in written["columns"].items()
    }
    schema = pa.DataFrameSchema(columns, strict=True, ordered=True)
    frame = pl.scan_parquet(table)
    frame = frame.with_columns(pl.col(pl.Float64).fill_nan(None))
    with config_context(validation_depth=ValidationDepth.SCHEMA_AND_DATA):
        if backend == "polars-lazy":
            schema.validate(frame, lazy=True).collect()
        else:
            schema.validate(frame.collect(), lazy=True)
