"""Small pieces of HTML. Whatever is not `Markup` is escaped: a manifest is somebody else's text."""

from collections.abc import Iterable, Sequence
from html import escape

BAR_WIDTH, BAR_HEIGHT = 90, 9


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Markup:
    """A value as HTML text."""
    return value if isinstance(value, Markup) else Markup(escape(str(value)))


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """One element; an underscore before an attribute's name is dropped, as in `_class`."""
    given = "".join(f' {key.lstrip("_")}="{escape(str(value))}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{join(children)}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Pieces one after the other."""
    return Markup(between.join(text(part) for part in parts))


def section(title: str, *children: object) -> Markup:
    """A titled part of the page; nothing when it has no content."""
    held = [child for child in children if child]
    return tag("section", tag("h2", title), *held) if held else Markup()


def facts(rows: Iterable[tuple[str, object]]) -> Markup:
    """Names with their values; what has none is left out."""
    held = [(name, value) for name, value in rows if value not in (None, "", [], {})]
    if not held:
        return Markup()
    return tag("dl", *(part for name, value in held for part in (tag("dt", name), tag("dd", value))))


def bullets(items: Iterable[object]) -> Markup:
    """A list."""
    return tag("ul", *(tag("li", item) for item in items))


def table(caption: str, heads: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """A table whose first column names the rows; nothing without rows."""
    body = [tag("tr", tag("th", row[0], scope="row"), *(tag("td", cell) for cell in row[1:])) for row in rows]
    if not body:
        return Markup()
    head = tag("thead", tag("tr", *(tag("th", name, scope="col") for name in heads)))
    return tag("table", tag("caption", caption), head, tag("tbody", *body))


def bar(share: float, label: str) -> Markup:
    """A horizontal bar of 0..1 of its room, with what it says in words."""
    width = round(min(max(share, 0.0), 1.0) * BAR_WIDTH, 1)
    frame = f'<rect width="{BAR_WIDTH}" height="{BAR_HEIGHT}" class="room"/>'
    filled = f'<rect width="{width}" height="{BAR_HEIGHT}" class="bar"/>'
    return tag(
        "svg", tag("title", label), Markup(frame + filled), role="img", _class="plot",
        viewBox=f"0 0 {BAR_WIDTH} {BAR_HEIGHT}", width=BAR_WIDTH, height=BAR_HEIGHT,
    )  # fmt: skip
