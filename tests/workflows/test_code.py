"""The digest of the code that decides numbers."""

import shutil
from pathlib import Path

from kerasexp.workflows import code

ROOT = Path(__file__).parents[2]


def test_the_code_digest_changes_with_what_decides_numbers(monkeypatch, tmp_path):
    shutil.copytree(ROOT / "kerasexp", tmp_path / "kerasexp")
    digests = [code.code_digest()]
    monkeypatch.setattr(code, "__file__", str(tmp_path / "kerasexp/workflows/code.py"))
    for changed, line in [
        ("commands/train.py", "CHANGED = True"),
        ("training/trainer.py", "# changed"),
        ("training/trainer.py", "CHANGED = True"),
        ("workflows/prepare.py", "CHANGED = True"),
    ]:
        with open(tmp_path / "kerasexp" / changed, "a") as file:
            file.write(f"{line}\n")
        code.code_digest.cache_clear()
        digests.append(code.code_digest())
    code.code_digest.cache_clear()  # whatever comes of it, other tests ask again
    assert digests[0] == digests[1] == digests[2] != digests[3] != digests[4] != digests[2]


def test_comments_and_docstrings_are_no_statements(tmp_path):
    def statements(source: str) -> bytes:
        (tmp_path / "step.py").write_text(source)
        return code._statements(tmp_path / "step.py")

    told = statements('"""A room."""\n\n\ndef step(x):\n    """One."""\n    return 2 * x  # twice\n')
    assert told == statements('"""The room."""\ndef step(x):\n    """A step."""\n    return (2\n        * x)\n')
    assert told != statements('"""A room."""\n\n\ndef step(x):\n    """One."""\n    return 3 * x  # twice\n')
