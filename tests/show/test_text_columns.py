from exporter.show.text_columns import aligned


def test_words_begin_together_and_numbers_end_together() -> None:
    assert aligned([["port", "stuck", "by"], ["443", "7", "nginx"]], right=[1]) == ["port stuck by", "443      7 nginx"]


def test_a_line_has_no_blanks_at_its_end() -> None:
    assert aligned([["a", "long heading"], ["b", ""]], right=(), gap="  ") == ["a  long heading", "b"]
