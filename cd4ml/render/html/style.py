"""The page's style: light and dark, narrow and wide, on paper. Every colour of text is at least 4.5:1 on its ground."""

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --panel: #f6f8fa; --ink: #1b1f24; --quiet: #57606a;
  --line: #d0d7de;
  --passed: #116329; --failed: #a40e26; --inconclusive: #7a4d00; --error: #8a1c7c; --skipped: #57606a;
  --candidate: #0550ae; --production: #9a3b00; --limit: #a40e26; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #0d1117; --panel: #161b22; --ink: #e6edf3; --quiet: #a5afb9; --line: #3d444d;
    --passed: #56d364; --failed: #ff8d85; --inconclusive: #e3b341; --error: #f39ce6; --skipped: #a5afb9;
    --candidate: #79c0ff; --production: #ffa657; --limit: #ff8d85; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .5rem; }
h3 { font-size: 1.1rem; margin: 1.5rem 0 .5rem; }
h4 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .5rem 0; max-width: 50rem; }
a { color: var(--candidate); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--candidate); outline-offset: 2px; }
code { font-family: ui-monospace, monospace; font-size: .875em; }
td, th, dd, dt, li, p, summary, code, h2, h4 { unicode-bidi: isolate; }
.skip { position: absolute; left: -100rem; }
.skip:focus { position: static; }
.note { color: var(--quiet); font-size: .875rem; }
.badge { display: inline-block; border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem;
  font-size: .875rem;
  font-weight: 600; white-space: nowrap; }
.passed { color: var(--passed); } .failed { color: var(--failed); } .inconclusive { color: var(--inconclusive); }
.error, .missing, .unreadable { color: var(--error); } .skipped, .not-run { color: var(--skipped); }
.stages, .blocking { list-style: none; margin: 1rem 0; padding: 0; }
.stages > li { border-top: 1px solid var(--line); padding: .6rem 0; display: grid; gap: 0 1rem;
  grid-template-columns: 11rem 1fr; }
.stages > li:last-child { border-bottom: 1px solid var(--line); }
.stages .name { font-weight: 600; display: block; }
.stages p { margin: 0 0 .25rem; max-width: none; }
.blocking > li, .notice { border: 1px solid var(--line); border-left: 4px solid var(--failed); background: var(--panel);
  border-radius: 4px; padding: .6rem .9rem; margin: .6rem 0; }
.blocking > li.inconclusive, .notice { border-left-color: var(--inconclusive); }
.blocking > li.error { border-left-color: var(--error); }
.blocking > li { color: var(--ink); }
.blocking h4 { margin: 0; }
section.stage { border-top: 3px solid var(--line); margin-top: 2.5rem; padding-top: 1.25rem; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; margin: .75rem 0; align-items: flex-start; }
figure { margin: 0; width: 360px; max-width: 100%; }
figcaption { font-weight: 600; font-size: .9rem; }
figcaption small { display: block; color: var(--quiet); font-weight: 400; font-size: .8125rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; font-family: Arial, Helvetica, sans-serif; }
.scroll { overflow-x: auto; margin: .75rem 0; max-width: 100%; position: relative; }
table { border-collapse: collapse; font-size: .875rem; min-width: 18rem; }
caption { text-align: left; font-weight: 600; padding: .25rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .75rem .3rem 0; text-align: left; vertical-align: top;
  overflow-wrap: normal; max-width: 34rem; }
thead th { color: var(--quiet); font-weight: 600; white-space: nowrap; }
tbody th { font-weight: 400; min-width: 7rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; min-width: 0; }
td code, th code, dd code { overflow-wrap: anywhere; }
.digest { display: inline-block; min-width: 15rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .15rem 1rem; margin: .5rem 0;
  font-size: .875rem; }
dt { color: var(--quiet); } dd { margin: 0; }
details { border: 1px solid var(--line); border-radius: 4px; padding: .4rem .8rem; margin: .75rem 0; }
summary { cursor: pointer; font-weight: 600; }
footer { color: var(--quiet); font-size: .875rem; border-top: 1px solid var(--line); }
@media (max-width: 40rem) {
  .stages > li { grid-template-columns: 1fr; }
  .stages .name { display: inline-block; margin-right: .5rem; }
  dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; }
}
@media print {
  :root { color-scheme: light; --ground: #ffffff; --panel: #ffffff; --ink: #000000; --quiet: #444444; --line: #bbbbbb;
    --passed: #116329; --failed: #a40e26; --inconclusive: #7a4d00; --error: #8a1c7c; --skipped: #444444;
    --candidate: #0550ae; --production: #9a3b00; --limit: #a40e26; }
  body { font-size: 10pt; }
  .skip, nav { display: none; }
  .scroll { overflow: visible; } table { width: 100%; }
  figure, .blocking > li, tr { break-inside: avoid; } h2, h3, h4 { break-after: avoid; }
}
"""
