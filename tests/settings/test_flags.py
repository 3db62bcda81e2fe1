from pathlib import Path

import pytest

from exporter.settings import flags


def test_without_flags_the_defaults_are_the_product() -> None:
    found = flags.parse([])

    assert (found.listen_addresses, found.telemetry_path) == ((":10060",), "/metrics")
    assert (found.once, found.config_file, found.web_config_file) == (None, None, None)
    assert (found.exporter_metrics, found.enable_lifecycle, found.max_requests) == (True, False, 40)
    assert (found.details, found.allowed_hosts) == (True, frozenset())


def test_once_is_a_table_unless_another_form_is_named() -> None:
    assert flags.parse(["--once"]).once == "table"
    assert flags.parse(["--once=json"]).once == "json"


def test_addresses_add_up() -> None:
    found = flags.parse(["--web.listen-address=:1", "--web.listen-address=[::1]:2", "--config.file=a.yaml"])

    assert found.listen_addresses == (":1", "[::1]:2")
    assert found.config_file == Path("a.yaml")


def test_host_names_add_up_and_have_no_case() -> None:
    found = flags.parse(["--web.allowed-hosts=a.example, B.example", "--web.allowed-hosts=c"])

    assert found.allowed_hosts == {"a.example", "b.example", "c"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--web.allowed-hosts=a:80"], "argument --web.allowed-hosts: expected host names without ports"),
        (["--web.allowed-hosts=a,"], "argument --web.allowed-hosts: expected host names without ports"),
        (["--web.listen-adress=:1"], "unrecognized arguments: --web.listen-adress=:1"),
        (["--once=xml"], "argument --once: invalid choice: 'xml'"),
        (["--log.level=loud"], "argument --log.level: invalid choice: 'loud'"),
        (["--web.max-requests=-1"], "argument --web.max-requests: expected a number from 0, found '-1'"),
        (["--web.telemetry-path="], "argument --web.telemetry-path: expected a path that begins with /, found ''"),
        (["--config.file"], "argument --config.file: expected one argument"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        flags.parse(arguments)

    said = capsys.readouterr().err
    assert (ended.value.code, len(said.splitlines())) == (2, 1)
    assert said.startswith(f"tcp-state-exporter: {expected}")
