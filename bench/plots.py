"""Bar charts as SVG, readable in the dark and in the light, without a library."""
from xml.sax.saxutils import escape

WIDTH, BAR, GAP, LEFT = 720, 22, 10, 250
STYLE = """<style>text{font:13px system-ui,sans-serif;fill:#1f2328}.ours{fill:#0f7b55}.peer{fill:#8c96a3}
.line{stroke:#b33a3a;stroke-dasharray:4 3}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ours{fill:#3fc28d}
.peer{fill:#6e7781}.line{stroke:#ff7b72}}</style>"""


def bars(title, unit, values, target=None):
    """values: (label, number, whether it is ours). target: (label, number), drawn as a line."""
    top = max([number for _, number, _ in values] + ([target[1]] if target else [])) or 1
    scale = (WIDTH - LEFT - 110) / top
    height = 46 + len(values) * (BAR + GAP) + (18 if target else 0)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
             f'aria-label="{escape(title)}">', STYLE, f'<text x="8" y="22" font-weight="600">{escape(title)}</text>']
    y = 36
    for label, number, ours in values:
        width = max(1, number * scale)
        parts.append(f'<text x="{LEFT - 8}" y="{y + 16}" text-anchor="end">{escape(label)}</text>'
                     f'<rect class="{"ours" if ours else "peer"}" x="{LEFT}" y="{y}" width="{width:.1f}" '
                     f'height="{BAR}" rx="3"/>'
                     f'<text x="{LEFT + width + 6:.1f}" y="{y + 16}">{number:.4g} {escape(unit)}</text>')
        y += BAR + GAP
    if target:
        x = LEFT + target[1] * scale
        parts.append(f'<line class="line" x1="{x:.1f}" x2="{x:.1f}" y1="32" y2="{y}"/>'
                     f'<text x="{x:.1f}" y="{y + 14}" text-anchor="middle">{escape(target[0])}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"
