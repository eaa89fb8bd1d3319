"""The report's style sheet: light, dark, and paper."""

CSS = """
:root{color-scheme:light dark;--ground:#fff;--ink:#1f2933;--faint:#667380;--line:#d9dfe5;--box:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--ground:#11161c;--ink:#dde4ea;--faint:#93a1ae;--line:#2c3640;--box:#192029}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:32px 28px 64px}
h1{font-size:28px;line-height:1.2;margin:0 0 4px}
h2{font-size:19px;margin:36px 0 6px;padding-bottom:4px;border-bottom:1px solid var(--line)}
.note{color:var(--faint);margin:0 0 12px;font-size:13.5px}
.said{white-space:pre-wrap;border-left:3px solid var(--line);padding-left:12px}
.tag{border:1px solid var(--line);border-radius:10px;padding:0 8px;margin-left:4px}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px 20px;margin:18px 0 0}
dt{color:var(--faint);font-size:12.5px}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th{text-align:left;color:var(--faint);font-weight:500;font-size:12.5px}
th,td{padding:5px 10px 5px 0;border-bottom:1px solid var(--line);vertical-align:baseline}
.n{text-align:right}
small{color:var(--faint)}
td:first-child{white-space:nowrap}
.dense{font-size:13px}
.plain thead{display:none}
.plain td:first-child{color:var(--faint);width:160px}
.dot{display:inline-block;width:10px;height:10px;border-radius:50%;margin-right:7px;-webkit-print-color-adjust:exact;print-color-adjust:exact}
.charts{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px}
figure{margin:0}
.charts figure,.sheet{border:1px solid var(--line);border-radius:6px;padding:10px}
.sheet{margin-bottom:14px}
figcaption{font-weight:600;font-size:14px;margin-bottom:6px}
svg{width:100%;height:auto;display:block;color:var(--faint)}
svg text{font-family:inherit!important}
img{max-width:100%;height:auto;display:block}
.conflict{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:24px;align-items:start}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;margin-top:8px;font-size:12.5px;color:var(--faint)}
pre{background:var(--box);border-radius:6px;padding:12px 14px;font-size:12.5px;line-height:1.45;white-space:pre-wrap;overflow-wrap:anywhere}
@media (max-width:760px){.charts,.conflict{grid-template-columns:1fr}}
@media print{
:root{color-scheme:light;--ground:#fff;--ink:#111;--faint:#555;--line:#ccc;--box:#f4f5f6}
@page{margin:14mm 13mm}
body{font-size:10.5pt}
main{max-width:none;padding:0}
h2,h3,section>.note{break-after:avoid}
h2{margin-top:22px}
figure,tr,header,.facts,.note,.plain,.conflict li{break-inside:avoid}
tbody tr:nth-child(-n+3){break-after:avoid}
thead{display:table-header-group}
.plain thead{display:none}
.charts{grid-template-columns:repeat(2,minmax(0,1fr))}
.conflict{display:block}
.conflict figure{max-width:125mm;margin:0 auto}
.conflict ul{columns:2;margin-top:12px}
.sheet img{max-height:98mm;margin:0 auto}
td small{white-space:nowrap}
pre{font-size:8.5pt;border:1px solid var(--line);box-decoration-break:clone;-webkit-box-decoration-break:clone}
}
"""
