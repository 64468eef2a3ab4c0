"""What is known of every head, one number for each."""

import json

import numpy as np
import pytest

from headwise import HeadwiseError
from headwise.report import (
    write_report,
)
from headwise.report.schema import Packed, load_report
from helpers import pages


def test_numbers_of_the_wrong_length_are_refused(tmp_path):
    path = write_report(pages.whole(), tmp_path).parent / "results.json"
    data = json.loads(path.read_text())
    short = Packed.of(np.zeros((2, 4))).model_dump()
    measures = [data["heads"]["measures"][0] | {"effect": short}]
    path.write_text(json.dumps(data | {"heads": data["heads"] | {"measures": measures}}))
    with pytest.raises(HeadwiseError, match="not one value for each of 12 heads"):
        load_report(path)
    measures = [data["heads"]["measures"][0] | {"effect": short | {"shape": [3, 4]}}]
    path.write_text(json.dumps(data | {"heads": data["heads"] | {"measures": measures}}))
    with pytest.raises(HeadwiseError, match="not 3x4 numbers"):
        load_report(path)
    verdicts = data["heads"] | {"verdicts": "ss"}
    path.write_text(json.dumps(data | {"heads": verdicts}))
    with pytest.raises(HeadwiseError, match="2 verdicts on 12 heads"):
        load_report(path)
