"""Our own small icons, drawn on a grid of 16 with strokes of 1.5: inline SVG, coloured by the text around them."""

# ruff: noqa: E501  (a path is one line, however long)

from __future__ import annotations

from markupsafe import Markup

_SHAPES: dict[str, str] = {
    "alert": '<path d="M8 2.2 14.3 13.3H1.7z"/><path d="M8 6.4v3.2M8 11.4v.1"/>',
    "arrow": '<path d="M3 8h10M9 4l4 4-4 4"/>',
    "auto": '<circle cx="8" cy="8" r="6"/><path d="M8 2v12a6 6 0 0 0 0-12z" fill="currentColor" stroke="none"/>',
    "box": '<path d="M8 1.8 13.8 5v6L8 14.2 2.2 11V5z"/><path d="M2.4 5.1 8 8.2l5.6-3.1M8 8.2v6"/>',
    "calendar": '<rect x="2.2" y="3.2" width="11.6" height="10.6" rx="1.6"/><path d="M2.4 6.6h11.2M5.2 1.8v2.6M10.8 1.8v2.6"/>',
    "chart": '<path d="M2.4 13.6h11.2M4.4 11V7.4M8 11V3.6M11.6 11V5.8"/>',
    "check": '<circle cx="8" cy="8" r="6"/><path d="m5.4 8.2 1.8 1.8 3.5-3.8"/>',
    "chevron": '<path d="m6 3.6 4.4 4.4L6 12.4"/>',
    "clock": '<circle cx="8" cy="8" r="6"/><path d="M8 4.6V8l2.3 1.5"/>',
    "close": '<path d="m3.8 3.8 8.4 8.4M12.2 3.8l-8.4 8.4"/>',
    "copy": '<rect x="5.4" y="5.4" width="8.2" height="8.2" rx="1.4"/><path d="M10.6 5.2V3.8a1.4 1.4 0 0 0-1.4-1.4H3.8a1.4 1.4 0 0 0-1.4 1.4v5.4a1.4 1.4 0 0 0 1.4 1.4h1.4"/>',
    "cross": '<circle cx="8" cy="8" r="6"/><path d="m5.9 5.9 4.2 4.2M10.1 5.9l-4.2 4.2"/>',
    "dashboard": '<rect x="2.2" y="2.2" width="4.8" height="6.2" rx="1.2"/><rect x="9" y="2.2" width="4.8" height="3.4" rx="1.2"/><rect x="2.2" y="10.4" width="4.8" height="3.4" rx="1.2"/><rect x="9" y="7.6" width="4.8" height="6.2" rx="1.2"/>',
    "download": '<path d="M8 2.2v7.6M4.8 6.8 8 10l3.2-3.2M2.6 13.6h10.8"/>',
    "edit": '<path d="m10.6 2.8 2.6 2.6L5.6 13l-3.2.6.6-3.2z"/>',
    "eye": '<path d="M1.6 8S4 3.6 8 3.6 14.4 8 14.4 8 12 12.4 8 12.4 1.6 8 1.6 8z"/><circle cx="8" cy="8" r="1.9"/>',
    "file": '<path d="M9.2 1.8H4.6a1.2 1.2 0 0 0-1.2 1.2v10a1.2 1.2 0 0 0 1.2 1.2h6.8a1.2 1.2 0 0 0 1.2-1.2V5.2z"/><path d="M9.2 2v3.2h3.2"/>',
    "globe": '<circle cx="8" cy="8" r="6"/><path d="M2.2 8h11.6M8 2c2 2 2.6 4 2.6 6S10 12 8 14c-2-2-2.6-4-2.6-6S6 4 8 2z"/>',
    "gauge": '<path d="M3.2 12.6a6 6 0 1 1 9.6 0"/><path d="m8 9.4 2.8-3.6M8 9.3v.2"/>',
    "info": '<circle cx="8" cy="8" r="6"/><path d="M8 7.4v3.4M8 5.2v.1"/>',
    "keyboard": '<rect x="1.6" y="3.8" width="12.8" height="8.4" rx="1.6"/><path d="M4.2 6.6h.1M6.8 6.6h.1M9.4 6.6h.1M12 6.6h.1M5 9.6h6"/>',
    "list": '<path d="M5.6 4h8M5.6 8h8M5.6 12h8M2.4 4h.1M2.4 8h.1M2.4 12h.1"/>',
    "log": '<path d="M2.4 3.6h11.2M2.4 6.6h7.2M2.4 9.6h11.2M2.4 12.6h5.2"/>',
    "menu": '<path d="M3.4 8h.1M8 8h.1M12.6 8h.1" stroke-width="2.2"/>',
    "moon": '<path d="M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z"/>',
    "pause": '<circle cx="8" cy="8" r="6"/><path d="M6.4 5.8v4.4M9.6 5.8v4.4"/>',
    "play": '<path d="M4.6 2.8v10.4L12.8 8z"/>',
    "plus": '<path d="M8 3v10M3 8h10"/>',
    "power": '<path d="M8 1.8v5.6M4.5 4a5.6 5.6 0 1 0 7 0"/>',
    "retry": '<path d="M13.2 8a5.2 5.2 0 1 1-1.6-3.8"/><path d="M13.4 1.8v3.4H10"/>',
    "running": '<path d="M8 2a6 6 0 1 1-6 6" /><path d="M8 5.4a2.6 2.6 0 1 1 0 5.2 2.6 2.6 0 0 1 0-5.2z" fill="currentColor" stroke="none"/>',
    "search": '<circle cx="7" cy="7" r="4.6"/><path d="m10.4 10.4 3.4 3.4"/>',
    "stop": '<circle cx="8" cy="8" r="6"/><rect x="5.7" y="5.7" width="4.6" height="4.6" rx=".6" fill="currentColor" stroke="none"/>',
    "sun": '<circle cx="8" cy="8" r="2.8"/><path d="M8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1M12.7 3.3l-1 1M4.3 11.7l-1 1"/>',
    "upload": '<path d="M8 10V2.6M4.8 5.6 8 2.4l3.2 3.2M2.6 13.6h10.8"/>',
    "user": '<circle cx="8" cy="5.4" r="2.8"/><path d="M2.8 13.8a5.3 5.3 0 0 1 10.4 0"/>',
    "worker": '<rect x="2.2" y="2.2" width="4.8" height="4.8" rx="1.2"/><rect x="9" y="2.2" width="4.8" height="4.8" rx="1.2"/><rect x="2.2" y="9" width="4.8" height="4.8" rx="1.2"/><path d="M11.4 9v4.8M9 11.4h4.8"/>',
    "wrap": '<path d="M2.4 4h11.2M2.4 8h8.8a2.2 2.2 0 0 1 0 4.4H7.4M9 10.8l-1.7 1.6L9 14M2.4 12h2.2"/>',
}

_ICONS: dict[str, Markup] = {
    name: Markup(
        f'<svg class="icon icon-{name}" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor"'
        f' stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{shape}</svg>'
    )
    for name, shape in _SHAPES.items()
}
_NONE = Markup("")


def icon(name: str) -> Markup:
    """An icon by its name; an unknown name gives none, for a page must not fail over a picture."""
    return _ICONS.get(name, _NONE)
