#include "report/page.h"

#include <fmt/format.h>

#include "latgrad/base/xml_text.h"
#include "report/colours.h"

namespace latgrad::cli::report {

namespace {

// XML would need & and < escaped here: neither occurs. Dark colours are for screens only: paper is white.
constexpr const char* kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f4f6f8; --card: #fff; --ink: #1a1d21; --muted: #59626d; --rule: #d8dde3;
  --s0: #0072b2; --s1: #d55e00; --s2: #00845f; --s3: #9b4f96;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #1a1f25; --ink: #e6e9ed; --muted: #a0abb7; --rule: #37404a;
    --s0: #5ab4ec; --s1: #f29457; --s2: #3fc99a; --s3: #d494cf;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  overflow-wrap: anywhere; -webkit-text-size-adjust: 100%; print-color-adjust: exact;
  -webkit-print-color-adjust: exact;
}
main { max-width: 1280px; margin: 0 auto; padding: 20px 16px 40px; display: grid; gap: 16px; }
main, .pair, .charts, .maps { grid-auto-columns: minmax(0, 1fr); }
main > *, .pair > * { min-width: 0; }
h1 { font-size: 24px; line-height: 1.2; margin: 0 0 6px; }
h2 { font-size: 17px; line-height: 1.3; margin: 0 0 8px; }
h3 { font-size: 14px; margin: 16px 0 4px; }
p { margin: 0 0 8px; }
section, details { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; }
.facts, .key, figcaption, section > p { color: var(--muted); font-size: 13px; }
section > p.why { color: var(--ink); font-size: 14px; }
.facts { font-size: 14px; margin: 0; }
.facts b { color: var(--ink); font-weight: 600; }
.facts span { display: inline-block; margin-right: 10px; }
.notes { border-left: 4px solid var(--s1); }
.notes p { color: var(--ink); font-size: 14px; margin: 0; }
.notes p + p { margin-top: 6px; }
.pair { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 520px), 1fr)); }

.figures { display: grid; gap: 10px; grid-template-columns: repeat(auto-fit, minmax(145px, 1fr)); margin: 0; }
.figures div { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 12px; }
.figures dt { font-size: 13px; color: var(--muted); }
.figures dd { margin: 0; font-size: 12px; color: var(--muted); }
.figures dd:nth-of-type(1) { font-size: 22px; line-height: 1.25; color: var(--ink); font-weight: 600; }

svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--muted); font-size: 12.5px; }
figure { margin: 0; min-width: 0; }
figcaption b { color: var(--ink); font-weight: 600; }
.charts { display: grid; gap: 18px 22px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr)); }
.chart { display: flex; flex-direction: column; justify-content: space-between; }
.chart figcaption { margin-bottom: 4px; }
.legend { display: flex; flex-wrap: wrap; gap: 0 10px; font-size: 12.5px; }
.front { max-width: 760px; margin: 0; }
.front svg text { fill: #222; }
.legend svg { display: inline-block; width: 20px; height: 8px; vertical-align: middle; }
.chart path { fill: none; stroke-linejoin: round; stroke-linecap: round; stroke-width: 2; }
.grid path { stroke: var(--rule); stroke-width: 1; }
.chart path.axis { stroke: var(--muted); stroke-width: 1; }
.chart path.level { stroke: var(--ink); stroke-width: 1.5; stroke-dasharray: 1 5; }
.chart path.s0 { stroke: var(--s0); }
.chart path.s1 { stroke: var(--s1); stroke-dasharray: 7 5; }
.chart path.s2 { stroke: var(--s2); stroke-dasharray: 2 5; }
.chart path.s3 { stroke: var(--s3); stroke-dasharray: 9 4 1 4; }
.hit rect, rect.hit { fill: transparent; }
.hit rect:hover, rect.hit:hover { fill: var(--ink); fill-opacity: 0.14; }

.maps { display: grid; gap: 12px 16px; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); }
.maps svg text { font-size: 12px; }
.maps svg text.pick { fill: var(--ink); font-weight: 700; }
.maps figcaption { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; margin-bottom: 2px; }
.maps path { fill: none; shape-rendering: crispEdges; }
.maps path.none { stroke: var(--muted); stroke-width: 0.5; stroke-dasharray: 0.6 0.9; opacity: 0.45; }

.scroll { overflow-x: auto; max-width: 100%; padding-bottom: 4px; }
table { font-variant-numeric: tabular-nums; font-size: 13px; border-collapse: collapse; overflow-wrap: normal; }
th { font-weight: 600; text-align: left; }
thead th { color: var(--muted); font-weight: 500; font-size: 12px; }
.heat { border-collapse: separate; border-spacing: 3px; font-size: 12.5px; }
.heat th { white-space: nowrap; text-align: right; padding: 0 2px; }
.heat thead th { font-size: 11.5px; }
.heat th:first-child { position: sticky; left: 0; background: var(--card); padding-right: 6px; }
.heat td { text-align: right; padding: 1px 6px; border-radius: 2px; white-space: nowrap; }
.heat td.pick { outline: 2px solid var(--ink); outline-offset: 1px; font-weight: 700; }
td.none, .key .none {
  text-align: center; color: var(--muted);
  background: repeating-linear-gradient(135deg, var(--rule) 0 2px, transparent 2px 6px);
}
.key { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 8px; margin: 8px 0 0; }
.key span { display: inline-block; height: 12px; width: 26px; border-radius: 2px; }
.key .scale { width: 120px; }
.key .pick { outline: 2px solid var(--ink); margin-left: 8px; }
.key .none { margin-left: 8px; }

.net, .net ol { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; }
.net { gap: 14px; }
.net > li { border-top: 2px solid var(--rule); padding-top: 4px; }
.net p { font-size: 12px; color: var(--muted); margin: 0 0 4px; }
.net ol { gap: 4px; align-items: flex-end; }
.net ol li {
  width: 73px; border-radius: 5px; padding: 4px 5px; font-size: 12px; line-height: 1.25;
  display: flex; flex-direction: column; justify-content: flex-end; overflow: hidden; white-space: nowrap;
}
.net small { font-size: 11px; opacity: 0.85; }
.net li.free { border: 1px dashed var(--muted); }

.bars { width: 100%; }
.bars th[scope="row"] { font-weight: 400; white-space: nowrap; padding-right: 8px; width: 1%; }
.bars td:nth-of-type(1) { width: 70%; }
.bars td:nth-of-type(n+2), .bars th:nth-of-type(n+2), .number { text-align: right; white-space: nowrap; padding-left: 8px; }
.bars div { background: var(--s0); height: 11px; border-radius: 2px; }
.list { width: 100%; }
.list th, .list td { padding: 4px 8px 4px 0; border-top: 1px solid var(--rule); vertical-align: top; }
.list thead th { border-top: 0; }
.list th { white-space: nowrap; }
.list code { overflow-wrap: anywhere; }
.list .number { padding-left: 10px; padding-right: 0; }
.list .blocks { padding-left: 14px; width: 100%; }
.wide { min-width: 560px; }
code, .blocks { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px; }
mark { background: none; color: var(--s1); font-weight: 700; }
summary { cursor: pointer; font-weight: 600; }
details table { margin-top: 10px; }
footer { color: var(--muted); font-size: 12px; }

@media print {
  body { font-size: 12px; background: none; }
  main, .pair { display: block; }
  section, .figures, details { margin-bottom: 12px; }
  .figures div, figure, .net > li, tr { break-inside: avoid; }
  h2, h3, p { break-after: avoid; }
  .scroll { overflow: visible; }
}
)css";

}  // namespace

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n"
      "<style>{}{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      base::xml_text(title), kStyle, level_style(), body);
}

}  // namespace latgrad::cli::report
