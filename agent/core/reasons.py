"""Why a notification was not sent, or not yet, in plain words: one entry for every reason code that is ever stored."""

from collections.abc import Mapping

PLAIN: Mapping[str, str] = {
    "not_taken": "the channel does not take alerts of this type",
    "only_ends_alerts": "the channel holds alerts open, and takes the completion of a job only as the end of one",
    "below_min_severity": "the severity is below the channel's `min_severity`",
    "not_matched": "its labels do not fit the channel's `match`",
    "own_trouble": "the alert is about this channel's own trouble, which the other channels tell",
    "cooldown": "the channel was told of the same condition a short while ago",
    "quiet_hours": "quiet hours",
    "deferred_max_age": "it was held for a day, which is long enough: are the quiet hours right?",
    "grouping": "alerts of one group are told together",
    "rate_limit": "the channel has had as many messages as it may have for now",
    "unreachable": "no channel can be reached; that is told as soon as one can",
    "outage": "the channel could not be reached, so what waited is told together",
    "clock_set": "the clock was set, so that much fell due at once",
    "settling": "what explained it is over, and it may be over in a moment too",
    "history_only": "it is so small a matter that it is recorded only",
    "nothing_left": "all that it was to tell has been told otherwise",
    "coalesced": "the channel was told of the same thing seconds ago, and takes the latest state after a moment",
    "resolved_before_told": "it was over before the channel was told that it had begun",
    "dropped_by_user": "a person took it out of the queue",
    "channel_removed": "the channel is not in the configuration any more",
    "too_old": "it waited for so long that nobody would profit from it any more",
    "rejected": "the provider refused this message, in its short form too",
    "undecodable": "its row in the database could not be read",
    "plain_fallback": "the provider refused the full form, so the short form follows",
    "auth_error": "the credential was refused",
    "gone": "the address does not exist any more",
    "redirect": "the address redirects, which is not followed",
    "rate_limited": "the provider asked for a pause",
    "timeout": "no answer came in time",
    "network": "the provider could not be reached",
    "tls": "the certificate was not trusted",
    "server_error": "the provider had trouble of its own",
    "client_error": "the provider refused the request",
    "queue_full": "too much was waiting already",
}
"""Codes that need nothing else."""

POINTING: Mapping[str, str] = {
    "silenced_by": "silence {} covers it",
    "superseded_by": "alert {} tells it too",
    "inhibited_by": "alert {} explains it already",
    "digested_into": "it is part of {}",
    "grouped_into": "it is part of {}",
    "overflow_into": "it is part of {}, because too much came at once",
}
"""Codes of the form `code:ID`."""

NEWER = "superseded_by:dlv_"
"""Begins the code of a delivery whose news a newer delivery tells; otherwise another alert does."""


def words(code: str) -> str:
    """Put a reason code into words; a code that nobody knows is shown as it is."""
    name, _, target = code.partition(":")
    if code.startswith(NEWER):
        return "a newer message on this channel tells it too"
    if target and name in POINTING:
        return POINTING[name].format(target)
    return PLAIN.get(code, code)
