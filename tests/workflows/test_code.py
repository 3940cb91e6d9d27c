"""The digest of the code that decides numbers."""

import shutil
from pathlib import Path

from kerasexp.workflows import code

ROOT = Path(__file__).parents[2]


def test_the_code_digest_changes_with_what_decides_numbers(monkeypatch, tmp_path):
    shutil.copytree(ROOT / "kerasexp", tmp_path / "kerasexp")
    digests = [code.code_digest()]
    monkeypatch.setattr(code, "__file__", str(tmp_path / "kerasexp/workflows/code.py"))
    for changed in ("commands/train.py", "reporting/html.py", "training/trainer.py", "workflows/prepare.py"):
        with open(tmp_path / "kerasexp" / changed, "a") as file:
            file.write("# changed\n")
        code.code_digest.cache_clear()
        digests.append(code.code_digest())
    code.code_digest.cache_clear()  # whatever comes of it, other tests ask again
    assert digests[0] == digests[1] == digests[2] != digests[3] != digests[4] != digests[2]
