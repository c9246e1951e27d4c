"""What no linter checks: lengths of files, their names, and the file that must not exist."""

import subprocess
import sys
from pathlib import Path

LONGEST = 400
USUAL_LONGEST = 300
USUAL_SHARE = 0.9
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}


def main() -> int:
    files = [Path(line) for line in _tracked() if line.endswith(".py") and "_pb2" not in line]
    lengths = {path: len(path.read_text().splitlines()) for path in files if path.exists()}
    troubles = [
        f"{path} has {n} lines; split it (at most {LONGEST})" for path, n in lengths.items() if n > LONGEST
    ]
    over = sorted(path for path, n in lengths.items() if n > USUAL_LONGEST)
    if lengths and len(over) > (1 - USUAL_SHARE) * len(lengths):
        troubles.append(f"{len(over)} of {len(lengths)} files have over {USUAL_LONGEST} lines: {over}")
    troubles += [
        f"{path} has a vague name; name it after what it does"
        for path in files
        if VAGUE & {part.removesuffix(".py") for part in path.parts}
    ]
    if Path("operator/__init__.py").exists():
        troubles.append("operator/__init__.py shadows the standard library's operator module; remove it")
    for trouble in troubles:
        print(trouble, file=sys.stderr)
    if not troubles:
        print(f"{len(lengths)} Python files, the longest {max(lengths.values())} lines")
    return 1 if troubles else 0


def _tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


if __name__ == "__main__":
    sys.exit(main())
