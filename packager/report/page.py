"""A whole HTML page that asks for nothing from the network, runs nothing, and reads well on paper."""

from pathlib import Path

from packager.report.markup import Markup, tag

STYLE = (Path(__file__).parent / "card.css").read_text()
# Nothing may be fetched, and nothing runs: a page is read by people who trust what is around it.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def page(title: str, *body: object, heading: str | None = None, style: str = "", base: str = STYLE) -> bytes:
    """A page of the model card's look.

    Args:
        title: plain text.
        body: what stands below the first heading.
        heading: the first heading, where it is not the title.
        style: rules beside those of `base`.
        base: the card's rules, or others in their place.

    Returns:
        One HTML document, UTF-8.
    """
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", title),
        Markup(f"<style>{base}{style}</style>"),
    )
    content = tag("body", tag("main", tag("h1", heading or title), *body))
    return f"<!doctype html>\n{tag('html', head, content, lang='en')}\n".encode()
