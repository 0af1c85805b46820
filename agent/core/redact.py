"""Secrets: the value type that never shows itself, and the cleaning of texts that may hold one.

Two nets, one behind the other: every secret the agent was given is replaced wherever it appears, and what looks like
somebody else's (a training log prints anything) is replaced by its shape. Every pattern runs in linear time.
"""

import base64
import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, urlsplit

MASK = "***"

SHORTEST_KNOWN = 4
"""A known secret of fewer characters is not looked for: it would mask half of every text and protect nothing."""
SHORTEST_PART = 16
"""A path segment or query value of a secret URL, or what a colon divides, is a secret by itself from this length on."""


class Secret:
    """A text that shows itself only when asked to by `reveal()`: not in repr, str, format, JSON or a traceback."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Give the text itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __str__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


class Redactor:
    """Cleans texts of the secrets it was told of, and of what looks like one."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        forms = {form for value in known for form in _forms(value.strip()) if len(form) >= SHORTEST_KNOWN}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def clean(self, text: str) -> str:
        """Replace secrets by `***`. Clean before cutting: half a secret no longer looks like one."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        return text


def cut_home(text: str) -> str:
    """Shorten home folders, and with them the user's name, to `~`."""
    return _HOMES.sub("~", text)


def _forms(value: str) -> Iterator[str]:
    """List how one secret may appear: as it is, in a URL, in JSON, in Basic credentials, and its telling parts."""
    words = value.split()
    divided = (part for part in value.split(":") if len(part) >= SHORTEST_PART)
    for part in {value, *words, *(word.removeprefix("whsec_") for word in words), *_url_parts(value), *divided}:
        yield part
        yield quote(part, safe="")
        yield quote(part)
        yield quote_plus(part)
        yield part.replace("\\", "\\\\").replace('"', '\\"')
        yield from _base64_forms(part)


def _url_parts(value: str) -> Iterator[str]:
    """Take apart a URL that is the secret: libraries print its path without its host."""
    if "://" not in value:
        return
    try:
        parts = urlsplit(value)
    except ValueError:  # not a URL after all: the whole value is looked for anyway
        return
    if len(parts.path) >= SHORTEST_PART:
        yield parts.path
    segments = [*parts.path.split("/"), *(pair.partition("=")[2] for pair in parts.query.split("&"))]
    yield from (segment for segment in segments if len(segment) >= SHORTEST_PART)
    if parts.password:
        yield parts.password


def _base64_forms(value: str) -> Iterator[str]:
    """Base64 of the value alone and behind 0, 1 or 2 other bytes (`user:value`), without the shared edges."""
    raw = value.encode("utf-8", "replace")
    for shift in range(3):
        first, end = (0, 2, 3)[shift], (len(raw) + shift) * 8 // 6
        core = base64.b64encode(b"\0" * shift + raw).decode()[first:end]
        if len(core) >= SHORTEST_KNOWN * 2:
            yield core


_SCHEME = r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://"
_NAME = r"[A-Za-z0-9_.-]{0,40}"
_VALUE = r"""(?:"[^"\n]{0,512}"|'[^'\n]{0,512}'|[^\s"',;&]+)"""
_ASSIGNED = r"""["']?[ \t]{0,3}[=:][ \t]{0,3}"""
_NOT_TOKENIZER = r"(?!(?:pad|eos|bos|unk|cls|sep|mask|image|video|audio|special|next|max|num|per|last|first)[_-])"

_PRIVATE_KEY = r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)"

_TOKENS = (
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",  # AWS
    r"AIza[\w-]{30,}",  # Google
    r"hf_[A-Za-z0-9]{16,}",  # Hugging Face
    r"gh[a-z]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}",
    r"xox[a-z]-[A-Za-z0-9-]{8,}|xapp-[A-Za-z0-9-]{8,}",  # Slack
    r"whsec_[A-Za-z0-9+/=]{8,}",  # Standard Webhooks
    r"[sp]k-[A-Za-z0-9_-]{16,}",
    r"lin_api_\w{16,}|ntn_\w{16,}",  # Linear, Notion
    r"(?:bot)?\d{6,12}:[\w-]{30,}",  # Telegram
    r"eyJ[\w-]{8,512}\.[\w-]{8,4096}\.[\w-]*",  # JSON Web Token
)

_Shape = tuple[re.Pattern[str], "str | Callable[[re.Match[str]], str]"]


def _clean_url(match: re.Match[str]) -> str:
    """Mask user information and the values of the query; keep scheme, host and path."""
    head, mark, query = match[0].partition("?")
    scheme, _, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    userinfo, at, host = authority.rpartition("@")
    authority = f"{MASK}@{host}" if at and userinfo != MASK else authority
    query = _QUERY_VALUE.sub(rf"\1{MASK}", query)
    return f"{scheme}://{authority}{slash}{path}{mark}{query}"


_QUERY_VALUE = re.compile(r"((?:^|&)[^=&#]{1,80}=)[^&#]+")

_SHAPES: tuple[_Shape, ...] = (
    (re.compile(_PRIVATE_KEY, re.DOTALL), MASK),
    (re.compile(r"(hooks\.slack(?:-gov)?\.com/)[^\s\"'<>]+"), rf"\1{MASK}"),
    (re.compile(r"(/services/)T\w{1,20}/B\w{1,20}/\w+"), rf"\1{MASK}"),
    (re.compile(r"(/webhooks/)\d{5,25}/[\w-]{8,}"), rf"\1{MASK}"),
    (re.compile(r"(/hooks?/)[\w-]{16,}"), rf"\1{MASK}"),
    (re.compile(rf"{_SCHEME}[^\s\"'<>`|]+"), _clean_url),
    (re.compile(rf"(?i)((?:proxy-)?authorization{_ASSIGNED}).+"), rf"\1{MASK}"),
    (re.compile(r"(?i)\b(bearer[ \t]{1,3})[A-Za-z0-9._~+/=-]{8,}"), rf"\1{MASK}"),
    (
        re.compile(
            rf"(?i)((?:passw(?:or)?d|passphrase|pwd|secret|credential|(?:api|access|secret|private|auth|routing|signing)"
            rf"[_-]?key)s?{_ASSIGNED}){_VALUE}"
        ),
        rf"\1{MASK}",
    ),
    (
        re.compile(
            rf"(?i)(?<![A-Za-z0-9_.-])({_NOT_TOKENIZER}{_NAME}token{_ASSIGNED})"
            rf"(?![\d.]+\b|[<\[])[\"']?[^\s\"',;&]{{8,}}[\"']?"
        ),
        rf"\1{MASK}",
    ),
    (re.compile(rf"(?i)(?<![A-Za-z0-9_.-])(key{_ASSIGNED})[\"']?[A-Za-z0-9+/_=-]{{16,}}"), rf"\1{MASK}"),
    (re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(_TOKENS)})"), MASK),
)

_HOMES = re.compile(r"(?<![\w.~-])(?:(?:/[\w.-]+){0,12}/(?:home|Users|users)/[\w.-]+|/root(?![\w.-]))")
