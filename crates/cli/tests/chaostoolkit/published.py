"""The experiments that Chaos Toolkit's own authors publish, as files, and what Chaos Toolkit says of each: JSON by name.

They are the values of `fixtures/experiments.py` in the tests of its source distribution, whose folder is the argument.
"""

import enum
import json
import logging
import sys
import tempfile

from chaoslib.experiment import ensure_experiment_is_valid
from chaoslib.loader import load_experiment

sys.path.insert(0, f"{sys.argv[1]}/tests")
from fixtures import experiments  # noqa: E402

logging.disable(logging.CRITICAL)


def plain(value):
    """What a file has in the place of a value of Python."""
    if isinstance(value, enum.Enum):
        return value.value
    raise TypeError(f"{value!r} is in no file")


def mistake(ending, text):
    """Why Chaos Toolkit does not take a file with this text; nothing when it does."""
    with tempfile.NamedTemporaryFile("w", suffix=ending) as file:
        file.write(text)
        file.flush()
        try:
            ensure_experiment_is_valid(load_experiment(file.name))
        except Exception as error:  # not only those of its own: an argument without a name is a TypeError
            return f"{type(error).__name__}: {error}"


def asked(value):
    ending, text = (".yaml", value) if isinstance(value, str) else (".json", json.dumps(value, default=plain))
    return {"text": text, "mistake": mistake(ending, text)}


found = {name: value for name, value in vars(experiments).items() if "Experiment" in name}
print(json.dumps({name: asked(value) for name, value in found.items()}))
