"""Write the training and test rows to data/."""

from __future__ import annotations

from pathlib import Path

from loan_approval.data import clean, raw, split


def main() -> None:
    """Write data/train.parquet and data/test.parquet."""
    folder = Path("data")
    folder.mkdir(exist_ok=True)
    train, test = split(clean(raw()))
    train.to_parquet(folder / "train.parquet", index=False)
    test.to_parquet(folder / "test.parquet", index=False)
    print(f"{len(train)} training rows and {len(test)} test rows in {folder}/")


if __name__ == "__main__":
    main()
