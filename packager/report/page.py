"""A whole HTML page that asks for nothing from the network, runs nothing, and reads well on paper."""

from pathlib import Path

from packager.report.markup import Markup, tag

STYLE = (Path(__file__).parent / "card.css").read_text()
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def page(title: str, *body: object, style: str = "") -> bytes:
    """A page of the model card's look.

    Args:
        title: plain text; the first heading too.
        body: what stands below it.
        style: rules beside those of the card.

    Returns:
        One HTML document, UTF-8.
    """
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        Markup(f"<style>{STYLE}{style}</style>"),
    )
    content = tag("body", tag("main", tag("h1", title), *body))
    return f"<!doctype html>\n{tag('html', head, content, lang='en')}\n".encode()
