"""How a decision and a task sound in Chinese meetings; general patterns, as in ``english``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_DECISIONS: Final = re.compile(
    r"决定(?!权|性|不了)|同意|通过了|(?:获得|已经?|全票|一致|表决)通过|一致(?:认为|通过|同意|决定)|批准|否决|驳回|敲定|达成(?:一致|共识)|定下来|拍板"
    r"|定(?:在|于)(?!期)|确定(?:了|为|采用|在|由|下来)|(?:采用|选用|沿用).{1,20}(?:方案|库|版本|计划|做法)|改为|改到|改在|改成|(?:推迟|提前|延期|延长)(?:到|至)|取消(?:了|本次|这次)|(?:继续|仍然|还是|暂时)(?:使?用|采用|沿用)|就(?:选|用|定|这么|这样|按)|不再(?:做|使用|采用|支持)"
)
_UNDECIDED: Final = re.compile(
    r"没有?(?:做)?决定|未决定|尚未|还没|还未|是否|不同意|要不要|如果|假如|可能|也许|待定|再决定|来决定|等.{1,8}决定|吗|呢|[\uff1f?]"
)
_VERBS: Final = (
    "完成|提交|准备|确认|联系|发送|发给|发出|整理|更新|安排|检查|通知|修复|测试|撰写|起草|预订|跟进|处理|牵头|汇报|负责|组织|收集|核对|上传|部署|修改|编写|写|调研|协调|落实|提供|"
    "制定|回复|评估|审核|审查|采购|购买|下单|培训|发布|给出|设计|开发|优化|对接|统计|分析|邀请|办理|申请|比较|打电话|做|解释|说明|谈|填|买|修"
)
_TASKS: Final = re.compile(
    r"负责(?!人|任)|务必|我来|记得|别忘了"
    rf"|(?:我|我们|你|他|她)(?:会|将|要|得|来|去|马上|尽快).{{0,16}}?(?:{_VERBS})"
    rf"|我(?:再|先|今|明|后|下|这|本|周|月底|[一二三四五六七八九十\d]+月).{{0,10}}?(?:{_VERBS}|发|比较|问|查)"
    rf"|由.{{1,8}}(?:{_VERBS})|请(?!问|假|客|教|示|求|坐|勿).{{0,16}}?(?:{_VERBS}|把)"
    rf"|(?:需要|必须|应当|要|将|得).{{0,10}}?(?:{_VERBS})|(?:之?前|以前)(?:{_VERBS}|发|交)|麻烦.{{1,12}}(?:{_VERBS})"
)
_UNTASKED: Final = re.compile(
    r"不需要|不用|无需|没有?必要|没有完成|已经?(?:完成|提交|发|修复|更新)|要不要|是否|如果|[\uff1f?]|吗"
)

_SURNAMES: Final = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜"
    "范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAME: Final = rf"(?:[小老][{_SURNAMES}]|[{_SURNAMES}](?:总|工|经理|老师)|[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}?)"
_NAMED: Final = re.compile(
    rf"(?:由|请|让|麻烦)?({_NAME})(?=负责|来|跟进|牵头|将|会|要|需要|在|务必|于|完成|提交|准备|把|整理|联系|确认|更新|下|明|今|本|周)"
)
_FIRST_PERSON: Final = re.compile(
    r"我(?:来|会|将|去|要|负责|马上|尽快|得|再|先|今|明|后|下|这|本|周|月底|[一二三四五六七八九十\d]+月)"
)


def is_decision(text: str) -> bool:
    """Tell whether a sentence states what was decided."""
    return bool(_DECISIONS.search(text)) and not _UNDECIDED.search(text)


def is_action(text: str, names: Sequence[str] = ()) -> bool:
    """Tell whether a sentence gives someone something to do; one of ``names`` before a verb is enough for that."""
    if _UNTASKED.search(text):
        return False
    return bool(_TASKS.search(text)) or any(_named_task(text, name) for name in names)


def _named_task(text: str, name: str) -> bool:
    if re.search("[了过]|正在|说", text):
        return False  # it tells what was done
    return re.search(rf"{re.escape(name)}.{{0,8}}?(?:{_VERBS})", text) is not None


def owner_of(text: str, speaker: str | None, names: Sequence[str]) -> str | None:
    """Return who is to do it: whoever of ``names`` is meant, the speaker of "I will", or another name before the verb.

    A person who is only told or sent something ("发给王敏") is not meant.
    """
    named = [
        name
        for name in names
        if re.search(rf"(?<![给向对替问找知系和跟]){re.escape(name)}|和{re.escape(name)}(?=负责|来|一起)", text)
    ]
    if named:
        return "、".join(named)
    if _FIRST_PERSON.search(text):
        return speaker
    found = _NAMED.search(text)
    return found[1] if found else None
