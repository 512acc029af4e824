"""The words by which a decision or an action gives itself away, and who it is given to.

General patterns of meeting language, not of any one meeting: a sentence that asks, doubts or denies is neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from workers.engines.minutes.sentences import Sentence, is_chinese

_I = re.IGNORECASE
_CHANGED: Final = (
    "agreed|approved|adopted|accepted|rejected|declined|cancelled|canceled|postponed|extended|moved|chosen|selected|"
    "decided|resolved|confirmed|rescheduled|dropped|scheduled|elected|appointed|closed"
)
_DECIDES: Final = re.compile(
    rf"\b(?:we|they|i|he|she|everyone|everybody|the (?:team|board|group|committee|council|management))\s+(?:have |has |had |"
    rf"all |both |just |finally |now |therefore |unanimously |also )*(?:decided|agreed|resolved|approved|adopted|concluded|"
    rf"settled|voted|chose|rejected|accepted|cancelled|postponed)\b"
    rf"|\b(?:has|have|had|was|were|is|are) (?:now |hereby |therefore |unanimously |finally )*(?:been )?(?:{_CHANGED})\b"
    r"|\b(?:we|we'll|i|i'll) (?:will |are going to |shall )?(?:go|going) (?:with|for|ahead with)\b"
    r"|\blet'?s (?:go|stick|stay) with\b|\bthe decision (?:is|was|stands)\b|\bmotion (?:carries|carried|passes|passed)\b"
    r"|\bit(?:'s| is| was) (?:decided|agreed|settled)\b|\bdetermined (?:to|that)\b",
    _I,
)
_NOT_DECIDED: Final = re.compile(
    r"\b(?:not|never|n't|no one|nobody|haven't|hasn't|yet to|to be|if|whether|before we|should we|could be|might be|may be|"
    r"once|until|unless|would be|as soon as)\b",
    _I,
)
_VERBS: Final = (
    "send|write|prepare|ask|check|call|review|update|go|bring|finish|complete|schedule|book|fix|test|deploy|share|email|"
    "contact|arrange|draft|submit|remind|follow|add|remove|create|make|set|organise|organize|investigate|look|find|"
    "collect|confirm|document|publish|order|invite|report|present|deliver|ship|merge|talk|speak|move|start|stop|clean|"
    "run|give|take|get|put|let|open|close|sign|pay|do|tell|inform|notify|provide|upload|define|plan|increase|reduce|help"
)
_ACTS: Final = re.compile(
    rf"\b(?:i|we|you|he|she|they)(?:'ll| will| shall)(?: also| then| now| just)? (?:please )?(?:{_VERBS})\b"
    rf"|\b(?!this\b|that\b|it\b|there\b|which\b|what\b)[a-z]+ (?:will|shall|is going to|are going to)(?: also| then)? (?:{_VERBS})\b"
    rf"|\bpromis(?:e|es|ed)(?: \w+)? to\b|\bundert(?:ake|akes|ook) to\b|\bcommit(?:s|ted)? to\b|\bagreed to (?:{_VERBS})\b"
    rf"|\b(?:need|needs|have|has) to (?:{_VERBS})\b|\bmust (?:{_VERBS})\b"
    rf"|\bplease (?:{_VERBS})\b|\bmake sure\b|\bbe sure to\b|\b(?:can|could|would|will) you (?:please )?(?:{_VERBS})\b"
    r"|\baction items?\b|\bto-?do\b|\bis responsible for\b|\bare responsible for\b|\bassigned to\b|\btakes? care of\b"
    r"|\btakes? over\b|\bfollow up (?:on|with)\b",
    _I,
)
_IMPERATIVE: Final = re.compile(
    rf"^(?:and |so |then |now |okay |ok |alright |first |next |finally )*(?:let'?s |please )?(?:{_VERBS})\b", _I
)
_NOT_IMPERATIVE: Final = re.compile(
    r"^(?:do|does|did|have|has|can|could|let me|help)\s+(?:we|you|they|i|he|she|it)\b|^let me\b|^(?:put|set|run|open) (?:is|was|are)\b",
    _I,
)
_NOT_ACTING: Final = re.compile(
    r"\b(?:would have|could have|should have|might|may have|used to|if|did not|didn't|do not need|don't need|don't have|"
    r"no need|cannot|never)\b",
    _I,
)
_DECIDES_ZH: Final = re.compile(
    r"决定|同意|通过了|获得通过|一致认为|一致通过|批准|敲定|达成一致|达成共识|定下来|确定(?:了|为|采用|在|由|下)|采用.{1,20}方案|改为|改到|推迟到|取消"
)
_NOT_DECIDED_ZH: Final = re.compile(r"没有?决定|未决定|尚未|还没|还未|是否|不同意|如果|可能|待定|再决定|吗|[？?]")  # noqa: RUF001
_ACTS_ZH: Final = re.compile(
    r"负责|跟进|务必|我来|我会|由.{1,8}(?:完成|负责|提交|准备|跟进|处理|牵头)|请.{1,10}(?:完成|提交|准备|确认|联系|发|整理|更新|安排|检查|通知|把)"
    r"|(?:需要|要|将|会|得)(?:在.{1,10}前)?.{0,4}(?:完成|提交|准备|确认|联系|发送|发给|整理|更新|安排|检查|通知|修复|测试|撰写|起草)"
    r"|(?:之?前|以前)(?:完成|提交|给出|发|交)"
)
_NOT_ACTING_ZH: Final = re.compile(r"不需要|不用|无需|没有完成|已经?(?:完成|提交|发)|[？?]|吗")  # noqa: RUF001

_SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
    "范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAME_ZH: Final = rf"(?:[小老][{_SURNAMES}]|[{_SURNAMES}](?:总|工|经理|老师)|[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}?)"
_OWNER_ZH: Final = re.compile(
    rf"(?:由|请|让)?({_NAME_ZH})(?=负责|来|跟进|牵头|将|会|要|需要|在|务必|于|完成|提交|准备|把|整理|联系|确认|下|明|今|本|周)"
)
_OWNER: Final = re.compile(
    r"\b([A-Z][a-z]+(?: [A-Z][a-z]+)?)(?:,? (?:will|shall|needs to|has to|must|is going to|promised to|agreed to|is responsible|"
    r"takes|please|can you|could you|would you)\b|, (?=[a-z]))"
)
_ASSIGNED: Final = re.compile(r"\b(?:assigned to|owner:?|owned by|by) ([A-Z][a-z]+(?: [A-Z][a-z]+)?)")
_NO_NAMES: Final = frozenset(
    "I We You He She They It The This That There Then So And But Okay Ok Please Everyone Everybody Someone Today Tomorrow "
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday First Next Finally Also Now Well Yes No".split()
)
_FIRST_PERSON: Final = re.compile(
    r"\b(?:i'll|i will|i shall|i am going to|i'm going to|i promise|i have to|i need to)\b|我来|我会|我负责|我去", _I
)
_VERB_FOR_OWNER: Final = r"(?:'ll| will| shall| needs to| has to| must| is going to| promised to| agreed to| please|,)"


def is_decision(text: str) -> bool:
    """Tell whether a sentence states something that was decided."""
    if is_chinese(text):
        return bool(_DECIDES_ZH.search(text)) and not _NOT_DECIDED_ZH.search(text)
    found = _DECIDES.search(text)
    # a doubt counts only before or within the cue: "we agreed to ship if tests pass" is still a decision
    return found is not None and "?" not in text and not _NOT_DECIDED.search(text[: found.end()])


def is_action(text: str) -> bool:
    """Tell whether a sentence gives someone something to do."""
    if is_chinese(text):
        return bool(_ACTS_ZH.search(text)) and not _NOT_ACTING_ZH.search(text)
    asked = re.search(r"\b(?:can|could|would|will) you\b", text, _I) is not None
    if "?" in text and not asked:
        return False
    found = _ACTS.search(text)
    if found is not None:
        return not _NOT_ACTING.search(text[: found.end()])
    return any(_is_imperative(clause.strip()) for clause in re.split(r"[,;:—]|(?<=\w) - ", text))


def _is_imperative(clause: str) -> bool:
    # two words are an instruction, one alone ("go", "stop") is rarely one to minute
    return len(clause.split()) > 1 and bool(_IMPERATIVE.match(clause)) and not _NOT_IMPERATIVE.match(clause)


def owner_of(sentence: Sentence, participants: Sequence[str]) -> str | None:
    """Return who is to do it: a participant named before the verb, another name there, or the speaker of "I will"."""
    text = sentence.text
    for person in participants:
        first = re.escape(person.split()[0]) if not is_chinese(person) else re.escape(person)
        if is_chinese(person):
            if re.search(first, text):
                return person
        elif re.search(rf"\b{first}\b(?: \w+)?{_VERB_FOR_OWNER}|\b(?:assigned to|by) {first}\b", text, _I):
            return person
    if _FIRST_PERSON.search(text):
        return sentence.speaker
    if is_chinese(text):
        found = _OWNER_ZH.search(text)
        return found[1] if found else None
    named = _ASSIGNED.search(text) or _OWNER.search(text)
    return named[1] if named and named[1].split()[0] not in _NO_NAMES else None
