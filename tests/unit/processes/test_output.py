import io
import threading

from meetingtasks.processes.output import LONGEST_LINE_BYTES, Output


def test_every_line_stands_behind_its_padded_name() -> None:
    stream = io.StringIO()
    output = Output(stream, ["ai", "signaling"])

    output.copy("ai", io.BytesIO(b"one\r\ntwo\nlast without an end"))
    output.line("signaling", "ready")

    assert stream.getvalue().splitlines() == [
        "ai        | one",
        "ai        | two",
        "ai        | last without an end",
        "signaling | ready",
    ]


def test_names_are_coloured_when_asked_for_and_the_text_is_not() -> None:
    stream = io.StringIO()
    Output(stream, ["ai"], colour=True).line("ai", "ready")

    assert stream.getvalue() == "\x1b[36mai |\x1b[0m ready\n"


def test_bytes_that_are_no_text_are_shown_all_the_same() -> None:
    stream = io.StringIO()
    Output(stream, ["ai"]).copy("ai", io.BytesIO(b"caf\xe9\n"))

    assert stream.getvalue() == "ai | caf\N{REPLACEMENT CHARACTER}\n"


def test_an_endless_line_is_cut_in_pieces() -> None:
    stream = io.StringIO()
    Output(stream, ["ai"]).copy("ai", io.BytesIO(b"x" * (LONGEST_LINE_BYTES + 1)))

    assert [len(line) for line in stream.getvalue().splitlines()] == [LONGEST_LINE_BYTES + 5, 6]


def test_lines_of_several_programs_are_never_torn() -> None:
    stream = io.StringIO()
    names = ["ai", "media", "meeting"]
    output = Output(stream, names)
    threads = [threading.Thread(target=output.copy, args=(name, io.BytesIO(b"a line\n" * 300))) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(set(stream.getvalue().splitlines())) == ["ai      | a line", "media   | a line", "meeting | a line"]
    assert len(stream.getvalue().splitlines()) == 900


def test_a_reader_that_has_gone_does_not_end_the_programs() -> None:
    stream = io.StringIO()
    output = Output(stream, ["ai"])
    stream.close()

    source = io.BytesIO(b"one\ntwo\n")
    output.copy("ai", source)

    assert source.closed  # read to its end: the program never blocks on a full pipe
