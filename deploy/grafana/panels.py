"""The kinds of panels that the dashboards are made of, and how they are put on a page.

They are of Grafana's classic model (schemaVersion 39), which every Grafana from 10 on can load from a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

SCHEMA_VERSION = 39

WIDTH = 24

Json = dict[str, Any]

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

GOOD = "green"

WARN = "orange"

BAD = "red"

SHARE = ((None, GOOD), (0.8, WARN), (0.95, BAD))

Steps = Sequence[tuple[float | None, str]]


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
    unit: str = "short"
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


def colored(colors: Mapping[str, str]) -> list[Json]:
    """Overrides that give series of these names their colors."""
    return [
        {
            "matcher": {"id": "byName", "options": name},
            "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
        }
        for name, color in colors.items()
    ]


def stat(  # noqa: PLR0913 - what a stat differs in
    title: str, description: str, expression: str, steps: Steps, *, unit: str = "short", width: int = 4
) -> Panel:
    return Panel(
        "stat",
        title,
        description,
        [Query(expression)],
        width,
        4,
        unit,
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background",
            "graphMode": "area",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "value",
            "wideLayout": True,
        },
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(steps),
            **({"decimals": 1} if unit == "percentunit" else {}),
        },
    )


def lines(
    title: str,
    description: str,
    *queries: Query,
    width: int = 12,
    unit: str = "short",
    colors: Mapping[str, str] | None = None,
) -> Panel:
    """Lines over time, never stacked, with a legend that says the latest value and the largest."""
    return Panel(
        "timeseries",
        title,
        description,
        queries,
        width,
        8,
        unit,
        options={
            "legend": {
                "displayMode": "table",
                "placement": "right",
                "showLegend": True,
                "calcs": ["lastNotNull", "max"],
                "sortBy": "Last *",
                "sortDesc": True,
            },
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        defaults={
            "color": {"mode": "palette-classic"},
            "min": 0,
            "custom": {
                "drawStyle": "line",
                "lineWidth": 2,
                "fillOpacity": 5,
                "showPoints": "never",
                "spanNulls": False,
                "stacking": {"mode": "none", "group": "A"},
            },
        },
        overrides=colored(colors or {}),
    )


def bars(title: str, description: str, query: Query, *, width: int = 6) -> Panel:
    """Shares of a limit, the nearest first."""
    return Panel(
        "bargauge",
        title,
        description,
        [query],
        width,
        8,
        "percentunit",
        options={
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "displayMode": "basic",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "namePlacement": "auto",
            "sizing": "auto",
            "minVizHeight": 12,
            "minVizWidth": 8,
            "maxVizHeight": 40,
        },
        defaults={"color": {"mode": "thresholds"}, "min": 0, "max": 1, "thresholds": thresholds(SHARE)},
    )


@dataclass(frozen=True)
class Column:
    """A column of a table, by the name that Grafana gives it."""

    name: str
    title: str
    unit: str = ""
    steps: Steps = ()
    link: str = ""
    width: int = 0

    def properties(self) -> list[Json]:
        found: list[Json] = [{"id": "displayName", "value": self.title}]
        if self.unit:
            found.append({"id": "unit", "value": self.unit})
        if self.steps:
            cell = {"type": "color-background", "mode": "basic"}
            found += [
                {"id": "thresholds", "value": thresholds(self.steps)},
                {"id": "custom.cellOptions", "value": cell},
            ]
        if self.link:
            found.append({"id": "links", "value": [{"title": "Host and port", "url": self.link, "targetBlank": False}]})
        if self.width:
            found.append({"id": "custom.width", "value": self.width})
        return found


def table(  # noqa: PLR0913 - what a table differs in
    title: str,
    description: str,
    queries: Sequence[Query],
    columns: Sequence[Column],
    sort_by: str,
    *,
    width: int = WIDTH,
    height: int = 10,
) -> Panel:
    """The queries side by side, joined by their labels, in the order of *columns*."""
    hidden = ("Time", "__name__", "job")
    return Panel(
        "table",
        title,
        description,
        queries,
        width,
        height,
        "string",
        options={
            "showHeader": True,
            "cellHeight": "sm",
            "sortBy": [{"displayName": sort_by, "desc": True}],
            "footer": {"show": False, "reducer": ["sum"], "countRows": False, "fields": ""},
        },
        defaults={
            "color": {"mode": "thresholds"},
            "thresholds": thresholds(((None, GOOD),)),
            "custom": {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": False},
        },
        overrides=[
            {"matcher": {"id": "byName", "options": one.name}, "properties": one.properties()} for one in columns
        ],
        transformations=[
            {"id": "merge", "options": {}},
            {
                "id": "organize",
                "options": {
                    "excludeByName": dict.fromkeys(hidden, True),
                    "indexByName": {one.name: place for place, one in enumerate(columns)},
                    "renameByName": {},
                },
            },
        ],
    )


def instant(expression: str) -> Query:
    return Query(expression, instant=True)


def or_zero(expression: str) -> str:
    """Zero is a value: no panel is empty because nothing is wrong."""
    return f"({expression}) or vector(0)"


def drawn(panel: Panel, number: int, x: int, y: int) -> Json:
    targets = [
        {
            "datasource": SOURCE,
            "editorMode": "code",
            "expr": query.expression,
            "legendFormat": query.legend,
            "refId": chr(ord("A") + place),
            "instant": query.instant,
            "range": not query.instant,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for place, query in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "datasource": SOURCE,
        "targets": targets,
        "options": panel.options,
        "fieldConfig": {"defaults": {"unit": panel.unit, **panel.defaults}, "overrides": [*panel.overrides]},
        "transformations": [*panel.transformations],
    }


def heading(row: Row, number: int, y: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
    }


def laid_out(rows: Sequence[Row]) -> list[Json]:
    """Panels from left to right and from top to bottom."""
    found: list[Json] = []
    y = 0
    for row in rows:
        found.append(heading(row, len(found) + 1, y))
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            found.append(drawn(panel, len(found) + 1, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return found


def variable(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 1},
        "refresh": 2,
        "sort": 3 if name == "port" else 1,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "options": [],
        "regex": "",
        "hide": 0,
    }


DATASOURCE: Json = {
    "name": "datasource",
    "label": "Data source",
    "type": "datasource",
    "query": "prometheus",
    "current": {},
    "options": [],
    "refresh": 1,
    "regex": "",
    "multi": False,
    "includeAll": False,
    "hide": 0,
}


def link(title: str, uid: str) -> Json:
    return {
        "title": title,
        "type": "link",
        "icon": "dashboard",
        "url": f"/d/{uid}?${{datasource:queryparam}}&${{job:queryparam}}",
        "keepTime": True,
        "includeVars": False,
        "targetBlank": False,
        "asDropdown": False,
        "tags": [],
        "tooltip": title,
    }


def dashboard(  # noqa: PLR0913 - what a dashboard consists of
    uid: str,
    title: str,
    rows: Sequence[Row],
    *,
    variables: Sequence[Json],
    links: Sequence[Json],
    annotations: Sequence[Json],
) -> Json:
    return {
        "uid": uid,
        "title": title,
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "tags": ["tcp", "tcp-state-exporter"],
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-3h", "to": "now"},
        "annotations": {"list": [*annotations]},
        "links": [*links],
        "templating": {"list": [*variables]},
        "panels": laid_out(rows),
    }
