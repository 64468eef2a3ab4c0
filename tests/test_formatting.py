"""Numbers in sentences."""


def test_numbers_in_sentences():
    from headwise._formatting import MINUS, could_be_found, percent, points

    assert [percent(x) for x in (0.789, -0.001, -0.2)] == ["79%", "0%", f"{MINUS}20%"]
    assert points(-0.0001, -0.05, 0.0499) == f"+0.0 points [{MINUS}5.0, +5.0]"
    assert could_be_found(0.114).startswith("an effect of 11 points would")
    assert could_be_found(float("nan"), "gain").startswith("no gain, however large, would")
