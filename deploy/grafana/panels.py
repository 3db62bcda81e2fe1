"""The kinds of panels that the dashboards are made of, and their colors.

They are of Grafana's classic model (schemaVersion 39), which every Grafana from 10 on can load from a file. Colors go
by the names of Grafana's palette, which has others for a light page than for a dark one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH = 24

NOT_KNOWN = -2
"""What an expression says where no exporter tells anything."""

Json = dict[str, Any]

GOOD, HALF, WARN, BAD = "semi-dark-green", "yellow", "orange", "red"
UNKNOWN = "#808080"

STATES: Mapping[str, str] = {
    "established": "green",
    "syn_sent": "light-blue",
    "syn_recv": "blue",
    "fin_wait1": "light-purple",
    "fin_wait2": "purple",
    "time_wait": "semi-dark-yellow",
    "close": "#808080",
    "close_wait": "orange",
    "last_ack": "#00A3A3",
    "listen": "dark-green",
    "closing": "dark-purple",
}
"""One color for each state, on all panels; none is red, which is for what is wrong."""

Steps = Sequence[tuple[float | None, str]]

SHARE: Steps = ((None, GOOD), (0.5, HALF), (0.8, WARN), (0.95, BAD))
NONE_IS_FINE: Steps = ((None, GOOD), (1, WARN))
NONE_IS_GOOD: Steps = ((None, GOOD), (1, BAD))

Words = Mapping[str, tuple[str, str]]
"""What is said in place of a value, and in which color."""


@dataclass(frozen=True)
class Query:
    """An expression, and what its series are called."""

    expression: str
    legend: str = "__auto"
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """What a panel shows; where it stands follows from the order and the widths."""

    kind: str
    title: str
    description: str
    queries: Sequence[Query]
    width: int
    height: int = 8
    options: Json = field(default_factory=dict)
    defaults: Json = field(default_factory=dict)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()


@dataclass(frozen=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: Sequence[Panel]


def thresholds(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"value": value, "color": color} for value, color in steps]}


def mappings(words: Words) -> list[Json]:
    options = {
        value: {"text": text, "color": color, "index": place}
        for place, (value, (text, color)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def override(matcher: str, of: str, properties: Mapping[str, object]) -> Json:
    return {
        "matcher": {"id": matcher, "options": of},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def fixed(colors: Mapping[str, str]) -> list[Json]:
    """Overrides that give series of these names their colors."""
    return [
        override("byName", name, {"color": {"mode": "fixed", "fixedColor": color}}) for name, color in colors.items()
    ]


def shaded(colors: Mapping[str, str]) -> list[Json]:
    """Overrides that give series whose names end so shades of their colors."""
    return [
        override("byRegexp", f"/(^| ){name}$/", {"color": {"mode": "shades", "fixedColor": color}})
        for name, color in colors.items()
    ]


def stat(  # noqa: PLR0913 - what a stat differs in
    title: str,
    description: str,
    query: str | Query,
    steps: Steps,
    *,
    words: Words,
    unit: str = "locale",
    decimals: int | None = None,
) -> Panel:
    """One number as of now, in words where there is nothing to count."""
    asked = query if isinstance(query, Query) else Query(query, "", instant=True)
    return Panel(
        "stat",
        title,
        description,
        [asked],
        6,
        3,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background_solid",
            "graphMode": "none",
            "justifyMode": "center",
            "orientation": "auto",
            "textMode": "value_and_name" if asked.legend else "value",
            "wideLayout": True,
        },
        defaults={
            "unit": unit,
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(steps),
            "mappings": mappings({str(NOT_KNOWN): ("not known", UNKNOWN), **words}),
            "noValue": "not known",
            "decimals": decimals if decimals is not None else int(unit == "s"),
        },
    )


def lines(  # noqa: PLR0913 - what lines differ in
    title: str,
    description: str,
    *queries: Query,
    empty: str,
    width: int = 12,
    unit: str = "short",
    least_top: float = 10,
    shade: str = "",
    overrides: Sequence[Json] = (),
) -> Panel:
    """Lines over time, never stacked. The axis reaches from zero to *least_top* at least."""
    return Panel(
        "timeseries",
        title,
        description,
        queries,
        width,
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        defaults={
            "unit": unit,
            "color": {"mode": "shades", "fixedColor": shade} if shade else {"mode": "palette-classic"},
            "min": 0,
            "noValue": empty,
            "custom": _drawn_as_lines(least_top),
        },
        overrides=overrides,
    )


def _drawn_as_lines(least_top: float) -> Json:
    return {
        "drawStyle": "line",
        "lineWidth": 2,
        "fillOpacity": 8,
        "showPoints": "never",
        "spanNulls": False,
        "axisSoftMax": least_top,
        "stacking": {"mode": "none", "group": "A"},
    }


def shares(title: str, description: str, *queries: Query, empty: str, width: int = 12) -> Panel:
    """Lines of how much of a limit is in use, between nothing and all of it."""
    drawn = lines(title, description, *queries, empty=empty, width=width, unit="percentunit", least_top=1)
    drawn.defaults["max"] = 1
    drawn.defaults["thresholds"] = thresholds([(None, "transparent"), *SHARE[2:]])
    drawn.defaults["custom"] |= {"fillOpacity": 0, "thresholdsStyle": {"mode": "dashed"}}
    return drawn


def bars(title: str, description: str, query: Query, *, empty: str, width: int = 8) -> Panel:
    """Shares of limits as of now, the nearest first."""
    return Panel(
        "bargauge",
        title,
        description,
        [query],
        width,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "namePlacement": "auto",
            "sizing": "auto",
        },
        defaults={
            "unit": "percentunit",
            "color": {"mode": "thresholds"},
            "decimals": 1,
            "min": 0,
            "max": 1,
            "thresholds": thresholds(SHARE),
            "noValue": empty,
        },
    )


@dataclass(frozen=True)
class Link:
    """Where a cell leads to."""

    title: str
    url: str

    def json(self) -> Json:
        return {"title": self.title, "url": self.url, "targetBlank": False}


@dataclass(frozen=True)
class Column:
    """A column of a table: a label of the series, or what an expression says of each."""

    title: str
    label: str = ""
    expression: str = ""
    unit: str = ""
    cell: str = "auto"
    steps: Steps = ()
    mappings: Sequence[Json] = ()
    links: Sequence[Link] = ()
    width: int = 0
    hidden: bool = False

    def properties(self) -> Mapping[str, object]:
        told: Mapping[str, object] = {
            "displayName": self.title,
            "noValue": "–",  # noqa: RUF001 - a dash, where a cell is empty
            "unit": self.unit,
            "custom.cellOptions": {"type": self.cell, **({"mode": "basic"} if self.cell == "gauge" else {})},
            "thresholds": self.steps and thresholds(self.steps),
            "mappings": self.mappings,
            "links": [link.json() for link in self.links],
            "custom.width": self.width,
            "custom.minWidth": 0 if self.width else 150,
            "custom.hidden": self.hidden,
        }
        more = {"percentunit": {"min": 0, "max": 1, "decimals": 0}, "s": {"decimals": 1}}.get(self.unit, {})
        return {name: value for name, value in told.items() if value} | more


def table(  # noqa: PLR0913 - what a table differs in
    title: str,
    description: str,
    columns: Sequence[Column],
    sort_by: str,
    *,
    empty: str,
    descending: bool = True,
    width: int = WIDTH,
    height: int = 8,
) -> Panel:
    """A row for each set of labels, by which the numbers are joined, as of now."""
    asked = [column for column in columns if column.expression]
    named = _names(columns, asked)
    return Panel(
        "table",
        title,
        description,
        [Query(column.expression, "", instant=True) for column in asked],
        width,
        height,
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort_by, "desc": descending}],
            "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""},
        },
        defaults={
            "unit": "string",
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(((None, "text"),)),
            "noValue": empty,
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
        },
        overrides=[override("byName", named[column.title], column.properties()) for column in columns],
        transformations=_joined([named[column.title] for column in columns]),
    )


def _names(columns: Iterable[Column], asked: Sequence[Column]) -> Mapping[str, str]:
    """What Grafana calls the columns, by their titles."""
    labels = {column.title: column.label for column in columns if column.label}
    if len(asked) == 1:
        return labels | {asked[0].title: "Value"}
    return labels | {column.title: f"Value #{reference(place)}" for place, column in enumerate(asked)}


def _joined(names: Sequence[str]) -> list[Json]:
    """By their labels, and in this order."""
    order = {name: place for place, name in enumerate(names)}
    organized = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {}}
    return [{"id": "merge", "options": {}}, {"id": "organize", "options": organized}]


def reference(place: int) -> str:
    """What Grafana calls the query at that place."""
    return chr(ord("A") + place)
