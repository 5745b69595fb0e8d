"""Copy files into the folder ARTIFACTS/<name>, from the least common ancestor of the paths on."""

import os
import shutil
import sys
from pathlib import Path

paths = [Path(line).absolute() for line in os.environ["PATHS"].splitlines() if line.strip()]
root = paths[0].parent if len(paths) == 1 else Path(os.path.commonpath([str(path) for path in paths]))
target = Path(os.environ["ARTIFACTS"]) / os.environ["NAME"]
found = [path for path in paths if path.is_file()]
if not found:
    print(f"no files at {paths}")
    sys.exit(os.environ["MISSING"] == "error")
if target.exists():
    sys.exit(f"an artifact of the name {target.name} exists already")
for path in found:
    copy = target / path.relative_to(root)
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, copy)
with open(os.environ["GITHUB_OUTPUT"], "a", encoding="utf-8") as stream:
    repository = f"{os.environ['GITHUB_SERVER_URL']}/{os.environ['GITHUB_REPOSITORY']}"
    stream.write(f"artifact-url={repository}/actions/runs/{os.environ['GITHUB_RUN_ID']}/artifacts/{target.name}\n")
