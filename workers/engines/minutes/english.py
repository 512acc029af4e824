"""How a decision and a task sound in English meetings.

General patterns of the language, not of any one meeting. Each works on text with punctuation and capitals and on the
lower-case, unpunctuated lines of a recogniser. A question, a doubt or a denial before the cue makes it none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from workers.engines.minutes.english_words import NO_NAMES, OBJECTS, STATES, VERBS, VERBS_BY_ITSELF


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


_GROUP: Final = (
    r"(?:we|they|everyone|everybody|all of (?:us|you)|management|"
    r"the (?:\w+ )?(?:team|board|group|committee|council|management|company|members|meeting))"
)
_HAVE: Final = r"(?:have |has |had |'ve |all |both |just |finally |now |therefore |unanimously |also |already )*"
_RESOLVED: Final = (
    r"(?:decided|agreed|resolved|approved|adopted|concluded|settled|voted|chose|chosen|opted|rejected|accepted|"
    r"cancelled|canceled|postponed|determined)"
)
_PASSED: Final = (
    "(?:approved|adopted|accepted|rejected|declined|cancelled|canceled|postponed|extended|moved|chosen|selected|"
    "decided|agreed|resolved|confirmed|rescheduled|scrapped|scheduled|elected|appointed|granted|settled|"
    "brought forward|put off)"
)
_DECISIONS: Final = _any(
    rf"\b(?:{_GROUP}|i|he|she)\s*{_HAVE}{_RESOLVED}\b",
    rf"\b(?:has|have|had) (?:now |therefore |also |just |already )?been (?:unanimously |officially )?{_PASSED}\b",
    rf"\b(?:was|were) (?:therefore |unanimously |finally |officially |also |then )?{_PASSED}\b",
    r"\b(?:is|are) (?:hereby |now |therefore )?(?:approved|adopted|agreed|decided|settled|rejected|cancelled)\b",
    r"\b(?:is|are) (?:hereby |now |therefore )?postponed\b",
    r"\bwe(?:'ll| will| shall| are going to|'re going to| are|'re)? (?:go|going|stick|sticking|stay) with\b",
    r"\blet'?s (?:go|stick|stay) with\b",
    r"\bthe decision (?:is|was|stands)\b",
    r"\bmotion (?:is |was )?(?:carries|carried|passes|passed)\b",
    r"\bthe consensus is\b",
    r"\bit(?:'s| is| was| has been) (?:decided|agreed|settled|resolved)\b",
)
_UNDECIDED: Final = _any(
    r"\b(?:not|never|no one|nobody|yet to|to be|if|whether|before|could|might|may|once)\b",
    r"\b(?:until|unless|would|as soon as|should|hope|wish|wonder)\b",
    r"n't\b",
)

_WILL: Final = r"(?:'ll| will| shall| is going to| are going to|'s going to|'re going to)"
_SOON: Final = r"(?: also| then| now| just| gladly| personally| both| all)?"
_PEOPLE: Final = r"(?:we|you|he|she|they|somebody|someone|everyone|everybody|all of you)"
_NOBODY: Final = (
    r"(?:it|this|that|there|which|what|who|everything|nothing|things|something|anything|one|not|never|probably|prices?|"
    r"costs|weather|time|people)"
)
_MANY: Final = (
    r"(?:we|they|everyone|everybody|all|members|team|board|committee|management|council|group|has|have|had|also|been)"
)
_ASKED: Final = r"(?:can|could|would|will) (?:you|somebody|someone|anybody|anyone)"
_TASKS: Final = _any(
    rf"\bi(?:'ll| will| shall| am going to|'m going to){_SOON} (?!{STATES}\b)[a-z]+",
    rf"\b{_PEOPLE}{_WILL}{_SOON} (?!go with\b){VERBS}\b",
    rf"\b(?!{_NOBODY}\b)[a-z]+{_WILL}{_SOON} (?!{VERBS_BY_ITSELF}\b){VERBS}\b",
    r"\b(?:promis(?:e|es|ed)(?: \w+)?|undert(?:ake|akes|ook)|commit(?:s|ted)?|volunteer(?:s|ed)?|offer(?:s|ed)) to\b",
    r"\bpledg(?:e|es|ed) to\b",
    rf"\b(?!{_MANY}\b)[a-z]+ (?:has |have )?agreed to {VERBS}\b",
    rf"\b(?:need|needs|have|has|'ve got|'s got) to (?!{STATES}\b)[a-z]+",
    rf"\bmust (?!{STATES}\b)[a-z]+",
    r"\bneeds? (?:fixing|testing|updating|checking|reviewing)\b",
    rf"\bplease (?!(?:{STATES}|note|find|don)\b)[a-z]+",
    rf"\b{_ASKED} (?:please )?(?:{VERBS}|do)\b",
    r"\b(?:make|be) sure (?:to|that|you|we|the)\b",
    r"\b(?:remember|don'?t forget|do not forget) to\b",
    r"\baction items?\b|\bto-?do:",
    r"\b(?:is|are|be) responsible for\b|\bassigned to\b|\btakes? (?:care of|over)\b",
)
_UNTASKED: Final = _any(
    r"\b(?:would have|could have|should have|had to|might|may have|used to|if|did not|do not)\b",
    r"\b(?:does not|no need|cannot|never|nobody|no one|why|what|how|which|always|as soon as)\b",
    r"n't\b",
)
_LEAD: Final = r"(?:and |so |then |now |okay |ok |alright |first |next |finally |also |or |but )*"
_IMPERATIVE: Final = _any(rf"^{_LEAD}{VERBS} {OBJECTS}\b", rf"^{_LEAD}do (?:something|it|this|your)\b")
# "let's look at the next point" leads the meeting on, it gives nobody a task
_LEADING: Final = (
    r"(?:start|begin|see|look|talk|move|take|go|get|discuss|continue|try|turn|keep|stick|stay|wait|wrap|hope)"
)
_PROPOSAL: Final = _any(rf"^{_LEAD}let'?s (?!{_LEADING}\b){VERBS}\b")
_CLAUSE: Final = re.compile(r"[,;:\u2014]\s*|\s-\s|\s+and\s+(?=\w+\s)")
_REQUEST: Final = _any(rf"\b{_ASKED}\b", r"\bplease\b")

_FIRST_PERSON: Final = _any(
    r"\bi(?:'ll| will| shall| am going to|'m going to| promised?| have to| need to| must|'ve got to)\b"
)
_NAME: Final = r"([A-Z][a-z]+(?: [A-Z][a-z]+)?)"
_NAMED: Final = re.compile(
    rf"\b{_NAME}(?:'ll| will| shall| needs to| has to| must| is going to| promised to| agreed to| offered to"
    r"| volunteered to| is responsible| takes|,? please|, (?:can|could|would|will) you)\b"
    rf"|\b(?:assigned to|owned by|[Oo]wner:) {_NAME}"
)


def is_decision(text: str) -> bool:
    """Tell whether a sentence states what was decided; a doubt counts only before or within its cue."""
    found = _DECISIONS.search(text)
    return found is not None and "?" not in text and not _UNDECIDED.search(text[: found.end()])


def is_action(text: str) -> bool:
    """Tell whether a sentence gives someone something to do."""
    if "?" in text and not _REQUEST.search(text):
        return False
    return any(_is_task(clause.strip()) for clause in _CLAUSE.split(text))


def _is_task(clause: str) -> bool:
    if _IMPERATIVE.match(clause) or _PROPOSAL.match(clause):
        return True
    return any(not _UNTASKED.search(clause[: found.start()]) for found in _TASKS.finditer(clause))


def owner_of(text: str, speaker: str | None, names: Sequence[str]) -> str | None:
    """Return who is to do it: whoever of ``names`` is meant, the speaker of "I will", or another name before the verb.

    Several of ``names`` are joined by commas.
    """
    addressed = [name for name in names if _addressed(name).search(text)]
    if addressed:
        return ", ".join(addressed)
    if _FIRST_PERSON.search(text):
        return speaker
    for found in _NAMED.finditer(text):
        name = next(group for group in found.groups() if group)
        if name.split(maxsplit=1)[0] not in NO_NAMES:
            return str(name)
    return None


@lru_cache(maxsize=1024)
def _addressed(name: str) -> re.Pattern[str]:
    """Match a person set before the verb ("Tom will"), addressed ("please, Tom") or assigned ("owner: Tom")."""
    who = rf"(?:{re.escape(name)}|{re.escape(name.split(maxsplit=1)[0])})"
    verb = (
        r"(?:'ll| will| shall| needs? to| has to| have to| must| is going to| are going to| promised to| agreed to"
        r"| offered to|,? please|,? can you|,? could you|,? would you|, (?=[a-z]))"
    )
    return _any(
        rf"\b{who}\b(?:,? and \w+| also| then)?{verb}",
        rf", {who}[.?!]*$",
        rf"\b(?:assigned to|owned by|owner:?) {who}\b",
        rf"\b(?:{_ASKED}|you (?:need|have|must|will))\b.* {who}$",
    )
