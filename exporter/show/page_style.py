"""How the status page looks, on paper white and in the dark, on a desk and on a phone."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #6e7781; --line: #d8dee4; --paper: #fff; --box: #f6f8fa;
  --bad: #b42318; --bad-paper: #fef3f2; --warn: #93560a; --warn-paper: #fffaeb; --good: #1a7f37; --good-paper: #f0fdf4;
  --bar: #57606a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --faint: #8b949e; --line: #30363d; --paper: #0d1117; --box: #161b22;
    --bad: #ff9b93; --bad-paper: #3b1518; --warn: #f0b95b; --warn-paper: #33260d; --good: #6fdd8b;
    --good-paper: #0f2a18; --bar: #8b949e; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 80rem; padding: 1.25rem 1rem 3rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper); }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1.25rem; }
h1 { font-size: 1.35rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
small, footer, caption, .faint { color: var(--faint); font-size: .85rem; font-weight: normal; }
nav a { margin-right: 1rem; }
a { color: inherit; }
.finding { margin: .75rem 0 0; padding: .6rem .9rem; border-left: .3rem solid; border-radius: .3rem; font-size: 1.1rem;
  overflow-wrap: anywhere; text-wrap: pretty; }
.bad { color: var(--bad); background: var(--bad-paper); }
.warn { color: var(--warn); background: var(--warn-paper); }
.good { color: var(--good); background: var(--good-paper); }
.finding.bad { font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-size: .85rem; }
th:first-child, td:first-child { text-align: left; }
td.zero { color: var(--faint); }
td.bad { font-weight: 600; }
tfoot { font-weight: 600; }
.ports th:first-child, .ports td:first-child { position: sticky; left: 0; background: var(--paper); }
.ports [data-heading="netns"] { text-align: left; }
.list th, .list td { text-align: left; vertical-align: top; padding: .25rem .5rem; font-size: .9rem; }
.list [data-heading="stuck"], .list [data-heading="pid"], .list [data-heading="unread"], .list [data-heading="unsent"] {
  text-align: right; }
.list td[data-heading="stuck"] { font-weight: 600; }
.list [data-heading="local"], .list [data-heading="remote"], .list [data-heading="held by"],
.list [data-heading="how they end"] { white-space: normal; overflow-wrap: anywhere; min-width: 11.75rem; }
.list [data-heading="held by"] { min-width: 19.5rem; }
@media (max-width: 60rem) {
  .list, .list caption, .list tbody { display: block; }
  .list thead { display: none; }
  .list tr { display: flex; flex-wrap: wrap; gap: 0 .9rem; padding: .35rem 0; border-bottom: 1px solid var(--line); }
  .list td[data-heading] { border: 0; padding: 0; min-width: 0; text-align: left; font-size: 1rem; }
  .list td:empty { display: none; }
  .list td::before { content: attr(data-heading) " "; color: var(--faint); font-size: .85rem; }
}
.usages, .lines { display: grid; gap: .75rem 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr)); }
.usage p :last-child, .line p :last-child { white-space: nowrap; }
.usage p, .line p { display: flex; justify-content: space-between; gap: 1rem; margin: 0; }
.track { height: .6rem; border-radius: .3rem; background: var(--line); overflow: hidden; }
.track div { height: 100%; background: var(--bar); }
.track .warn { background: var(--warn); }
.track .bad { background: var(--bad); }
.line svg { display: block; width: 100%; height: 3rem; background: var(--box); border-radius: .3rem; }
polyline { fill: none; stroke: var(--bar); stroke-width: 1.5; vector-effect: non-scaling-stroke; }
"""
