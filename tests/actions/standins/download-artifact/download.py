"""Copy artifacts out of the folder ARTIFACTS."""

import os
import shutil
import sys
from pathlib import Path

stored, target = Path(os.environ["ARTIFACTS"]), Path(os.environ["TARGET"])
if os.environ["NAME"]:
    if not (stored / os.environ["NAME"]).is_dir():
        sys.exit(f"there is no artifact {os.environ['NAME']}")
    shutil.copytree(stored / os.environ["NAME"], target, dirs_exist_ok=True)
for artifact in sorted(stored.glob(os.environ["PATTERN"])) if os.environ["PATTERN"] else []:
    where = target if os.environ["MERGE"] == "true" else target / artifact.name
    shutil.copytree(artifact, where, dirs_exist_ok=True)
