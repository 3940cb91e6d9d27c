"""The process that evaluates one submission: `python -P -m kerasexp.workflows.grade_process FOLDER SUBMISSION`.

`FOLDER` holds `job.json` and `hidden.npz`; `result.json` is written into it. Nothing is fetched, no code of the
submission is run, and nothing is written beside the submission.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from kerasexp import files
from kerasexp.config.rubric import Rubric
from kerasexp.errors import DataError
from kerasexp.workflows.grade_limits import limit_own_process, too_large


def main(folder: Path, submission: Path) -> None:
    """Evaluates the submission of a job."""
    job = files.read_json(folder / "job.json")
    (folder / "job.json").unlink()  # from here on only this process knows the word that makes its result believed
    rubric = Rubric.model_validate(job["rubric"])
    most_bytes = round(rubric.limits.memory_gb * 2**30)
    limit_own_process(rubric.limits.seconds, most_bytes)

    from kerasexp import environment

    environment.start_tensorflow("float32")
    result = {**_result(rubric, job, folder, submission, most_bytes), "word": job["word"]}
    # in ASCII, since names of files need not be text
    files.write_text(folder / "result.json", json.dumps(result))


def _result(rubric: Rubric, job: dict[str, Any], folder: Path, path: Path, most_bytes: int) -> dict[str, Any]:
    import tensorflow as tf

    from kerasexp.models.built_in import RefusedModel
    from kerasexp.workflows.grade_criteria import judge
    from kerasexp.workflows.grade_submission import open_submission

    hidden = files.read_npz(folder / "hidden.npz")
    try:
        submission = open_submission(path, rubric, hidden, most_bytes)
        return {"status": "graded", "kind": submission.kind, "criteria": judge(rubric, submission, job["data_dir"])}
    except RefusedModel as error:
        return {"status": "refused", "reason": str(error)}
    except DataError as error:
        return {"status": "failed", "reason": str(error)}
    except (MemoryError, tf.errors.ResourceExhaustedError):
        return {"status": "failed", "reason": too_large(rubric.limits)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
