"""A report from its sections: those that were run, and what could not be tested."""

import headwise
from headwise.data.suite import Suite
from headwise.report import sections
from headwise.report.schema import Section


def test_sections_that_were_run_the_first_with_what_the_suite_says(tiny_bert):
    suite = Suite.from_texts(["the blue mole dug", "a mole"])
    about = Suite(suite.name, suite.question, suite.sentences, about="Written by hand.")
    report = sections.compose(
        tiny_bert,
        analysis="mine",
        question="?",
        answer="!",
        verdict="inconclusive",
        sections=[
            None,
            Section(title="One", method=["Counted."]),
            sections.untested("Two", headwise.HeadwiseError("no pairs.")),
        ],
        suite=about,
    )
    one, two = report.sections
    assert one.title == "One" and one.method == ["Written by hand.", "Counted."]
    assert two.title == "Two" and two.findings == ["Not tested: no pairs."] and not two.method
