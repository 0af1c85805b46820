"""What a mail's page shows, as `looks` does for chats."""

import re
from html import unescape

from tests.support.looks import Card

_BLOCK = re.compile(
    r'<h1[^>]*>(?P<title>.*?)</h1>|<tr><td[^>]*nowrap">(?P<label>.*?)</td><td[^>]*>(?P<value>.*?)</td></tr>'
    r'|<pre[^>]*>(?P<code>.*?)</pre>|<img[^>]*alt="(?P<chart>[^"]*)"|<p[^>]*><a[^>]*>(?P<link>.*?)</a>'
    r"|<p[^>]*color:#71717a[^>]*>(?P<small>.*?)</p>|<p[^>]*>(?P<text>.*?)</p>",
    re.DOTALL,
)


def email(page: str) -> Card:
    card = Card("", re.search(r"border-left:4px solid (#\w+)", page)[1])
    for block in _BLOCK.finditer(page):
        kind, what = block.lastgroup, unescape(re.sub(r"</?b>", "", block[block.lastgroup]))
        if kind == "title":
            card.title = what
        elif kind == "value":
            if card.parts[-1][0] != "facts":
                card.parts.append(("facts", []))
            card.parts[-1][1].append((unescape(block["label"]), what))
        else:
            card.parts.append((kind, what))
    return card
