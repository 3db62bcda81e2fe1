"""How panels are put on a page, and what a dashboard has besides them."""

from collections.abc import Sequence

from panels import WIDTH, Json, Panel, Query, Row, reference

SCHEMA_VERSION = 39

SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}

RUNBOOKS = "https://github.com/tcp-state-exporter/tcp-state-exporter/blob/main/deploy/runbooks"

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


def _target(panel: Panel, query: Query, place: int) -> Json:
    return {
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expression,
        "legendFormat": query.legend,
        "refId": reference(place),
        "instant": query.instant,
        "range": not query.instant,
        "format": "table" if panel.kind == "table" else "time_series",
    }


def _drawn(panel: Panel, number: int, x: int, y: int) -> Json:
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "datasource": SOURCE,
        "targets": [_target(panel, query, place) for place, query in enumerate(panel.queries)],
        "options": panel.options,
        "fieldConfig": {"defaults": panel.defaults, "overrides": [*panel.overrides]},
        "transformations": [*panel.transformations],
    }


def _heading(row: Row, number: int, y: int) -> Json:
    return {
        "id": number,
        "type": "row",
        "title": row.title,
        "collapsed": False,
        "panels": [],
        "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    """Panels from left to right and from top to bottom."""
    found: list[Json] = []
    y = 0
    for row in rows:
        found.append(_heading(row, len(found) + 1, y))
        x, y, height = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                x, y, height = 0, y + height, 0
            found.append(_drawn(panel, len(found) + 1, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return found


_LABEL_VALUES, _QUERY_RESULT = 1, 3
"""Kinds of what a variable asks for, as Grafana's editor numbers them."""


def _query(text: str, kind: int = _LABEL_VALUES) -> Json:
    return {"query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": kind}


def variable(name: str, label: str, query: str, *, everything: bool = True) -> Json:
    """Of which several can be chosen, and *everything* is at first, or else the first one."""
    chosen = {"selected": True, "text": ["All"], "value": ["$__all"]} if everything else {}
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": _query(query),
        "refresh": 2,
        "sort": 3 if name == "port" else 1,
        "multi": True,
        "includeAll": everything,
        "allValue": ".+",
        "current": chosen,
        "options": [],
        "regex": "",
        "hide": 0,
    }


def namespaces(info: str) -> Json:
    """The network namespaces that *info*, with a label for the choice, has series for; ``own`` is one of them.

    The exporter's own has no label, so what chooses it is a pattern, which label_values() could not give.
    """
    named = f'label_replace(label_join({info}, "text", "", "netns"), "text", "own", "netns", "")'
    query = f"query_result(count by (choice, text) ({named}))"
    return {
        **variable("netns", "Netns", query),
        "query": _query(query, _QUERY_RESULT),
        "regex": '/choice="(?<value>[^"]+)".*text="(?<text>[^"]+)"/',
        "allValue": ".*",
    }


def pattern(name: str, chosen: str) -> Json:
    """A variable that is typed: a regular expression."""
    return {
        "name": name,
        "label": name.capitalize(),
        "description": "A regular expression; none for the exporter's own.",
        "type": "textbox",
        "query": chosen,
        "current": {"selected": True, "text": chosen, "value": chosen},
        "options": [{"selected": True, "text": chosen, "value": chosen}],
        "hide": 0,
    }


def metric(name: str, *wanted: str) -> Json:
    """A hidden variable: the first of the *wanted* metrics, which are in the order of the alphabet, that exists."""
    query = f'label_values({{__name__=~"{"|".join(wanted)}"}}, __name__)'
    return {
        **variable(name, name.capitalize(), query, everything=False),
        "current": {"selected": True, "text": wanted[0], "value": wanted[0]},
        "multi": False,
        "allValue": None,
        "hide": 2,
        "skipUrlSync": True,
    }


def link(title: str, url: str, icon: str = "external link") -> Json:
    return {
        "title": title,
        "type": "link",
        "icon": icon,
        "url": url,
        "keepTime": icon == "dashboard",
        "includeVars": False,
        "targetBlank": icon != "dashboard",
        "asDropdown": False,
        "tags": [],
        "tooltip": title,
    }


def link_to_dashboard(title: str, uid: str) -> Json:
    return link(title, f"/d/{uid}?${{datasource:queryparam}}&${{job:queryparam}}", "dashboard")


def marks(expression: str, text: str) -> Json:
    """Marks when alerts have fired."""
    return {
        "name": "Alerts",
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "target": {"refId": "Anno", "expr": expression, "interval": "60s"},
        "titleFormat": "{{alertname}}",
        "textFormat": text,
    }


def dashboard(  # noqa: PLR0913 - what a dashboard consists of
    uid: str,
    title: str,
    rows: Sequence[Row],
    *,
    variables: Sequence[Json],
    links: Sequence[Json],
    annotations: Sequence[Json],
    interval: str = "",
) -> Json:
    """Its lines have a point each *interval* at most, or each scrape."""
    panels = _laid_out(rows)
    for panel in panels:
        if interval and panel["type"] == "timeseries":
            panel["interval"] = interval
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
        "panels": panels,
    }
