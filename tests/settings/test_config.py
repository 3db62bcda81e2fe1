import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporter import durations
from exporter.count.rules import NamespaceRules, OwnerRules, PortRules, StuckRules
from exporter.errors import ConfigError, Fault
from exporter.settings import config, schema, yaml_document
from exporter.settings.config import Config
from exporter.tcp.sockets import Service
from exporter.tcp.states import State

HERE = Path(__file__).parent
EXAMPLE = HERE.parent.parent / "config.example.yaml"

_PORT = 'expected a port from 1 to 65535, or a range such as "9000-9010", found'
_DURATION = "expected a duration from 100ms to 1h, such as 5s, found"
_SHARE = "expected a share of one core above 0% and up to 100%, such as 5%, found"
_NAMESPACES = "expected own, all, or a mapping with keys which, max, ports, found"
_DIGITS = "expected a number of at most 40 digits, found"
_OF_STATE = (
    "expected a duration from 1s to 168h, such as 2m, null to switch the state off, "
    'or a mapping such as {default: 2m, "server 8080": 1h}, found'
)
_OF_SERVICE = "expected a duration from 1s to 168h, such as 2m, or null to switch it off, found"
_NO_SERVICE = 'unknown key, expected default, or a role and a port from 1 to 65535 such as "server 8080"'

INVALID = {
    "alias": [
        ("line 2, column 4: expected no YAML aliases (*name); each makes a document of any size from a few bytes")
    ],
    "boolean": ["ports.listening: expected true or false, found 1"],
    "client-word": ["ports.client: expected auto, or a list of ports, found 'all'"],
    "cpu-share": [f"max_cpu: {_SHARE} 0.05"],
    "cpu-share-too-large": [f"max_cpu: {_SHARE} '101%'"],
    "cpu-share-zero": [f"max_cpu: {_SHARE} '0%'"],
    "duplicate-key": [
        "ports.max: expected once, found again in line 4",
        "interval: expected once, found again in line 5",
    ],
    "date-that-is-none": ["interval: expected a number or a date, found '2001-13-45'"],
    "duration-too-long": [f"interval: {_DURATION} '2h'"],
    "duration-much-too-long": [f"interval: {_DURATION} '999999999999999999999999h'"],
    "duration-too-short": [f"interval: {_DURATION} '50ms'"],
    "duration-without-unit": [f"interval: {_DURATION} 5"],
    "many-faults": [
        "max_cpu: expected once, found again in line 8",
        "sources: unknown key, did you mean source?",
        f"interval: {_DURATION} 'soon'",
        f"ports.server[1]: {_PORT} 'http'",
        f"ports.server[2]: {_PORT} '5-'",
        "ports.client: expected auto, or a list of ports, found {}",
        "ports.max: expected a number from 1 to 1000, found 'many'",
    ],
    "max": ["ports.max: expected a number from 1 to 1000, found 0"],
    "more-named-than-places": ["ports.server: expected at most ports.max (100) ports, found 200"],
    "escape-of-no-character": [
        ("line 2, column 12: expected YAML: found an escape sequence or a directive with a number that is out of range")
    ],
    "namespaces-no-numbers": [
        "namespaces.which: expected own or all, found ['all']",
        "namespaces.max: expected a number from 1 to 1000, found 'many'",
        "namespaces.ports: expected a number from 1 to 100, found True",
    ],
    "namespaces-not-a-mapping": [f"namespaces: {_NAMESPACES} ['own', 'all']"],
    "namespaces-out-of-range": [
        "namespaces.which: expected own or all, found 'other'",
        "namespaces.max: expected a number from 1 to 1000, found 1001",
        "namespaces.ports: expected a number from 1 to 100, found 0",
    ],
    "namespaces-switched-on": [f"namespaces: {_NAMESPACES} True"],
    "namespaces-unknown-key": [
        "namespaces.whitch: unknown key, did you mean which?",
        "namespaces.port: unknown key, did you mean ports?",
        "namespaces.names: unknown key",
    ],
    "namespaces-word": [f"namespaces: {_NAMESPACES} 'every'"],
    "not-a-mapping": [
        f"expected a mapping with keys {', '.join(config._KEYS)}, found [{{'interval': '5s'}}]",
    ],
    "number-infinite": [
        f"interval: {_DURATION} inf",
        f"max_cpu: {_SHARE} '1e999'",
        f"ports.server[0]: {_PORT} nan",
        "ports.max: expected a number from 1 to 1000, found inf",
    ],
    "number-much-too-long": [
        f"interval: {_DIGITS} '1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:1:...",
        f"ports.server[0]: {_DIGITS} '0xffffffffffffffffffffffffffffffffffffffffffffffffffffff...",
        f"stuck_after.{57 * '1'}...: {_DIGITS} '{56 * '1'}...",
    ],
    "port-boolean": [f"ports.server[0]: {_PORT} True"],
    "port-range-backwards": [f"ports.server[0]: {_PORT} '9010-9000'"],
    "port-too-large": [f"ports.server[0]: {_PORT} 65536"],
    "port-zero": [f"ports.server[0]: {_PORT} 0"],
    "ports-not-a-list": ["ports.server: expected a list of ports, found 8080"],
    "ports-not-a-mapping": ["ports: expected a mapping with keys listening, server, client, max, found 8080"],
    "sexagesimal": [f"interval: {_DURATION} 90"],
    "source": ["source: expected one of auto, bpf, sock_diag, procfs, psutil, found 'netlink'"],
    "stuck-by-port-no-port": [
        f"stuck_after.fin_wait2.server: {_NO_SERVICE}",
        f"stuck_after.fin_wait2.server http: {_NO_SERVICE}",
    ],
    "stuck-by-port-no-role": [f"stuck_after.fin_wait2.8080: {_NO_SERVICE}"],
    "stuck-by-port-not-a-duration": [
        f"stuck_after.close_wait.default: {_OF_SERVICE} 'soon'",
        f"stuck_after.close_wait.server 8080: {_OF_SERVICE} 3600",
        f"stuck_after.close_wait.client 443: {_OF_SERVICE} {{'default': '1h'}}",
    ],
    "stuck-by-port-too-large": [
        f"stuck_after.fin_wait2.server 65536: {_NO_SERVICE}",
        f"stuck_after.fin_wait2.server 0: {_NO_SERVICE}",
        f"stuck_after.fin_wait2.server 08080: {_NO_SERVICE}",
    ],
    "stuck-by-port-twice": ["stuck_after.fin_wait2.server 8080: expected once, found again in line 4"],
    "stuck-by-port-unknown-key": [
        "stuck_after.close_wait.defualt: unknown key, did you mean default?",
        "stuck_after.close_wait.servr 8080: unknown key, did you mean server 8080?",
        "stuck_after.close_wait.Client 443: unknown key, did you mean client 443?",
        "stuck_after.close_wait.server:9000: unknown key, did you mean server 9000?",
    ],
    "stuck-duration-too-long": [f"stuck_after.close_wait: {_OF_STATE} '169h'"],
    "stuck-duration-too-short": [f"stuck_after.close_wait: {_OF_STATE} '500ms'"],
    "stuck-not-a-duration": [
        f"stuck_after.fin_wait2: {_OF_STATE} 120",
        f"stuck_after.close_wait: {_OF_STATE} ['2m']",
    ],
    "stuck-not-a-mapping": [
        f"stuck_after: expected a mapping with keys {', '.join(config._STUCK_KEYS)}, found '2m'",
    ],
    "stuck-unknown-state": ["stuck_after.fin_wait_2: unknown key, did you mean fin_wait2?"],
    "syntax": [
        "line 2, column 1: expected YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'"
    ],
    "tag": ["line 1, column 11: expected no YAML tags (!name); what a value is follows from how it is written"],
    "too-deep": ["line 1, column 25: expected YAML with at most 10 levels"],
    "two-documents": [
        "line 2, column 1: expected YAML: expected a single document in the stream, but found another document"
    ],
    "unknown-key": ["intervall: unknown key, did you mean interval?"],
    "unknown-port-key": ["ports.servers: unknown key, did you mean server?"],
}


@pytest.mark.parametrize("name", INVALID)
def test_each_fault_is_named_with_its_place_and_what_was_found(name: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.load(HERE / f"bad/{name}.yaml")

    assert [str(fault) for fault in raised.value.faults] == INVALID[name]


def test_every_invalid_file_is_in_the_table() -> None:
    assert {file.stem for file in (HERE / "bad").glob("*.yaml")} == INVALID.keys()


def test_addresses_are_told_unless_that_is_switched_off() -> None:
    assert Config().addresses
    assert not config.parse("addresses: false", "file").addresses
    with pytest.raises(ConfigError, match="addresses: expected true or false, found 'none'"):
        config.parse("addresses: none", "file")


def test_the_example_shows_every_default() -> None:
    assert config.load(EXAMPLE) == Config()


@pytest.mark.parametrize(
    "key", [*config._KEYS, *config._PORT_KEYS, *config._STUCK_KEYS, *config._OWNER_KEYS, *config._NAMESPACE_KEYS]
)
def test_the_example_mentions_every_key(key: str) -> None:
    assert f"{key}:" in EXAMPLE.read_text()


@pytest.mark.parametrize("text", ["", "# nothing\n", "ports:\n", "--- {}\n"])
def test_nothing_is_the_defaults(text: str) -> None:
    assert config.parse(text, "file") == Config()


def test_everything_can_be_set() -> None:
    text = """
        interval: 1m30s
        source: procfs
        max_cpu: 0.5%
        ports: {listening: false, server: [80, "90-92"], client: [443], max: 4}
        stuck_after: {fin_wait2: 1h, syn_sent: null}
        owners: {enabled: true, processes: false, max: 3}
        namespaces: {which: all, max: 40, ports: 3}
    """

    ports = PortRules(listening=False, server=frozenset({80, 90, 91, 92}), client=frozenset({443}), max=4)
    after = {**StuckRules().after, State.FIN_WAIT2: 3600}
    del after[State.SYN_SENT]
    stuck = StuckRules(after, OwnerRules(processes=False, max=3))
    namespaces = NamespaceRules("all", 40, 3)
    expected = Config(90, "procfs", 0.005, ports=ports, namespaces=namespaces, stuck=stuck)
    assert config.parse(text, "file") == expected


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [
        ("own", NamespaceRules()),
        ("all", NamespaceRules("all")),
        ("{which: all, ports: 3}", NamespaceRules("all", ports=3)),
        ("{max: 3}", NamespaceRules("own", 3)),
        ("", NamespaceRules()),
    ],
)
def test_namespaces_are_a_word_or_a_mapping(namespaces: str, expected: NamespaceRules) -> None:
    assert config.parse(f"namespaces: {namespaces}", "file").namespaces == expected


def stuck(after: str) -> StuckRules:
    return config.parse(f"stuck_after: {after}", "file").stuck


def test_a_service_can_have_a_threshold_of_its_own_in_a_state() -> None:
    found = stuck('{close_wait: {default: 3m, "server 8080": 1h, "client 5432": null}}')

    assert found.seconds(State.CLOSE_WAIT, Service("server", 8080)) == 3600
    assert found.seconds(State.CLOSE_WAIT, Service("client", 5432)) is None
    assert found.seconds(State.CLOSE_WAIT, Service("client", 8080)) == 180
    assert found.seconds(State.FIN_WAIT2, Service("server", 8080)) == 120
    assert found.after == {**StuckRules().after, State.CLOSE_WAIT: 180}


def test_where_only_services_are_named_the_default_of_the_state_stays() -> None:
    assert stuck('{close_wait: {"server 8080": 1h}}').after == StuckRules().after
    assert stuck("{close_wait: {}}") == StuckRules()


def test_a_state_can_be_off_but_for_a_service() -> None:
    found = stuck('{close_wait: {default: null, "server 8080": 1h}}')

    assert State.CLOSE_WAIT not in found.after
    assert found.seconds(State.CLOSE_WAIT, Service("server", 80)) is None
    assert found.seconds(State.CLOSE_WAIT, Service("server", 8080)) == 3600


def test_without_a_file_there_are_the_defaults() -> None:
    assert config.named(None) == Config()


def test_a_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file or directory"):
        config.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("content", "expected"), [(b"\xff", "expected UTF-8"), (b"#" * (schema.MAX_BYTES + 1), "expected at most")]
)
def test_a_file_that_is_no_text_or_too_long_is_a_fault(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)

    with pytest.raises(ConfigError, match=expected):
        config.load(tmp_path / "odd.yaml")


SECONDS = 2.0
"""Of processor time that any text may take, on a slow machine."""

ROOM = schema.MAX_BYTES - 40


def filled(unit: str, head: str = "", tail: str = "") -> str:
    """As many times as a file has room for."""
    return head + unit * (ROOM // len(unit)) + tail


ENDLESS = {
    "brackets": filled("["),
    "braces": filled("{"),
    "brackets that close": filled("]", tail="[["),
    "levels of keys": filled("? "),
    "levels of a list": filled("- "),
    "ports": filled("8080,", "ports: {server: [", "]}"),
    "ports in a block": filled("    - 1\n", "ports:\n  server:\n"),
    "ranges of all ports": "ports: {server: [" + "1-65535," * 1000 + "]}",
    "keys": "".join(f"k{number}: 1\n" for number in range(12_000)),
    "keys that are nearly known": "".join(f"intervals{number}: 1\n" for number in range(4900)),
    "services that are nearly known": "stuck_after:\n  close_wait:\n"
    + "".join(f"    servr {number}: 1h\n" for number in range(4900)),
    "a number": filled("1", "interval: "),
    "a number to the base of sixty": filled("1:", "interval: ", "1"),
    "a hexadecimal number": filled("f", "interval: 0x"),
    "words": filled("a "),
    "lines of one text": filled("  x\n", "a: |\n"),
    "comments": filled("#\n"),
    "anchors": filled("&a "),
    "documents": filled("---\n"),
    "merged mappings": filled("<<: [{}]\n"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_a_text_that_goes_on_and_on_is_a_few_faults_in_no_time(name: str) -> None:
    begun = time.thread_time()
    with suppress(ConfigError):
        config.parse(ENDLESS[name], "file")

    assert time.thread_time() - begun < SECONDS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#" * (schema.MAX_BYTES + 1), "expected at most 131072 characters"),
        ("[1]: 1\n" * 6000, "line 3334, column 1: expected at most 20000 keys, values and brackets"),
        (f"ports: {{server: [{'8080, ' * 1001}]}}", "ports.server: expected at most 1000 ports and ranges, found 1001"),
        ("interval: 5s\n\x07", "line 2, column 1: expected YAML: special characters are not allowed"),
    ],
)
def test_what_is_too_much_is_one_fault(text: str, expected: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config.parse(text, "file")

    assert [str(fault) for fault in raised.value.faults] == [expected]


def test_a_thousand_ranges_are_as_many_ports_as_they_have_in_common() -> None:
    text = f"ports: {{max: 1000, server: [{'9000-9999, ' * 1000}]}}"

    assert config.parse(text, "file").ports.server == frozenset(range(9000, 10_000))


PIECES = st.sampled_from(
    [
        *config._KEYS,
        *config._PORT_KEYS,
        *config._STUCK_KEYS,
        *(
            "default",
            "server 80",
            "client",
            "auto",
            "5s",
            "9999999999h",
            "1:1",
            "0x_",
            "0b_",
            ".inf",
            "-.nan",
            "1.e+999",
        ),
        *("9" * 5000, "2001-13-45", "2001-12-13 1:2:3 +99:00", "~", "null", "y", "<<", "=", "?", "!!int", "&a", "*a"),
        *(":", ": ", "\n", "\n  ", "\n- ", ", ", "{", "}", "[", "]", "#", '"', "'", "|", ">", "---", "%YAML 9.9\n"),
        *("\\U99999999", "\\", "\0", "\ufeff", "\ud800", "\u2028", "é", "٣"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=30).map("".join) | st.text(max_size=200)


@given(TEXTS)
@example("a: 2001-13-45")
@example("[" * 400)
@example("&a [*a]")
@example("? [a]\n: b")
@example("interval: !!int x")
@example("interval: !!timestamp x")
@example("\x00")
@example("1: 2\nnull: 3\n~: 4")
@example("stuck_after: {close_wait: {null: 1h, 2001-12-13: 1h, [1]: 1h, 1.5: 1h}}")
@example('a: "\\UFFFFFFFF"')
@example(f"ports: {{max: 0x{'f' * 9000}}}")
@example(f"ports: {{max: {'9:' * 900}1.5}}")
@example(f"%YAML {'9' * 5000}.1\n--- a")
def test_any_text_is_a_configuration_or_faults(text: str) -> None:
    begun = time.thread_time()
    faults = [Fault("", "none")]
    try:
        found = config.parse(text, "file")
    except ConfigError as error:
        faults = list(error.faults)
    else:
        assert 0.1 <= found.interval <= 3600
    assert faults
    assert all(str(fault).isprintable() for fault in faults)
    assert time.thread_time() - begun < SECONDS


@given(st.binary(max_size=200) | TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass")))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_a_configuration_or_faults(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "any.yaml"
    file.write_bytes(content)

    found: Config | str
    try:
        found = config.load(file)
    except ConfigError as error:
        found = str(error)
    assert isinstance(found, Config) or found.startswith(f"{file}: ")


@given(TEXTS)
@example("[1]: 1")
@example("2001-13-45: 1")
def test_where_all_is_text_any_text_is_a_document_or_faults_too(text: str) -> None:
    document, faults = yaml_document.load(text, yaml_document.Texts)

    assert document is None or isinstance(document, str | dict | list)
    assert all(str(fault).isprintable() for fault in faults)


@pytest.mark.parametrize(
    ("text", "expected"), [("5s", 5.0), ("2m", 120.0), ("1h", 3600.0), ("500ms", 0.5), ("1h2m3s4ms", 3723.004)]
)
def test_durations_are_written_as_prometheus_does(text: str, expected: float) -> None:
    assert durations.seconds(text) == expected


@pytest.mark.parametrize(
    "text", ["", "5", "s", "5 s", "1s2m", "-5s", "5.5s", "٣s", "1:1", "1e3s", "infs", "9" * 10 + "h", "9" * 5000 + "s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its message is the text
        durations.seconds(text)
