"""Two meetings as they are held, labelled by hand: which sentences decide something, and which give someone a task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Said:
    """One sentence; ``owner`` and ``due`` are expected only of actions, ``due`` for a meeting on ``MEETING_DATE``."""

    speaker: str
    text: str
    decision: bool = False
    action: bool = False
    owner: str | None = None
    due: str | None = None


MEETING_DATE = "2026-03-04"  # a Wednesday

ENGLISH = [
    Said("Maria", "Good morning everyone, thanks for joining the weekly sync."),
    Said("Maria", "Let's start with the release, because that is what most of you asked about."),
    Said("Tom", "The login fix went out on Monday and the error rate has dropped to almost nothing."),
    Said("Priya", "I still see a few timeouts in the payment service, mostly at night."),
    Said("Maria", "Do we know where they come from?"),
    Said("Priya", "Not yet, it might be the connection pool."),
    Said(
        "Priya",
        "I'll look into the connection pool and report back by Friday.",
        action=True,
        owner="Priya",
        due="2026-03-06",
    ),
    Said("Maria", "Good."),
    Said("Tom", "Should we postpone the release until that is clear?"),
    Said("Maria", "I don't think we have to."),
    Said("Priya", "The timeouts were there before the release as well."),
    Said("Maria", "Okay, then we have decided to keep the release date of March 20th.", decision=True),
    Said("Tom", "I agree with that."),
    Said("Maria", "Tom, please update the release notes before tomorrow.", action=True, owner="Tom", due="2026-03-05"),
    Said("Tom", "Sure, no problem."),
    Said("Maria", "Next topic is the new dashboard."),
    Said("Lena", "We tested two chart libraries last week and the smaller one was twice as fast."),
    Said("Lena", "The bigger one has nicer tooltips though."),
    Said("Tom", "Speed matters more to me than tooltips."),
    Said("Maria", "Then we will go with the smaller library.", decision=True),
    Said("Lena", "Great, I'm happy with that."),
    Said("Maria", "Lena will prepare a demo for the customers next week.", action=True, owner="Lena", due="2026-03-11"),
    Said("Lena", "The customers have been waiting for it since January."),
    Said("Priya", "What about the budget for the load tests?"),
    Said("Maria", "The budget was approved yesterday by the board.", decision=True),
    Said("Priya", "That is good news."),
    Said("Maria", "Somebody needs to book the test cluster, can you do that, Priya?", action=True, owner="Priya"),
    Said("Priya", "Yes, of course."),
    Said("Tom", "We also have the question of the support rota."),
    Said("Tom", "If nobody objects, the rota stays as it is."),
    Said("Maria", "We could change it, but I would rather not decide that today."),
    Said("Lena", "Everyone agreed to move the support meeting to Tuesdays.", decision=True),
    Said("Maria", "Right, that was settled last time."),
    Said(
        "Tom",
        "I need to send the new invitation to all teams by the end of the week.",
        action=True,
        owner="Tom",
        due="2026-03-06",
    ),
    Said("Maria", "One more thing, the office move has been postponed to June.", decision=True),
    Said("Lena", "Does that affect our hardware order?"),
    Said("Maria", "It does, so we must cancel the order for the new desks.", action=True),
    Said("Priya", "I can't remember who placed it."),
    Said("Maria", "Make sure that the travel receipts reach finance before March 15.", action=True, due="2026-03-15"),
    Said("Tom", "That would have been easier last month."),
    Said("Maria", "It was a difficult quarter, but I think we did well."),
    Said("Maria", "Thank you all, have a nice day."),
]

CHINESE = [
    Said("王敏", "大家早上好,我们开始今天的周会。"),
    Said("王敏", "先看一下上周的进展。"),
    Said("李强", "登录问题周一已经修复了,错误率明显下降。"),
    Said("张伟", "支付服务晚上还有一些超时。"),
    Said("王敏", "知道原因了吗?"),
    Said("张伟", "还没有,可能是连接池的问题。"),
    Said("张伟", "我来检查连接池,周五前给出结论。", action=True, owner="张伟", due="2026-03-06"),
    Said("李强", "那发布要不要推迟?"),
    Said("王敏", "我觉得没有必要。"),
    Said("王敏", "我们决定按原计划在三月二十日发布。", decision=True),
    Said("李强", "好的,没问题。"),
    Said("王敏", "请李强明天更新发布说明。", action=True, owner="李强", due="2026-03-05"),
    Said("陈静", "新看板我们比较了两个图表库。"),
    Said("陈静", "小的那个快一倍,大的提示更好看。"),
    Said("李强", "我觉得速度更重要。"),
    Said("王敏", "那大家一致同意采用小的图表库。", decision=True),
    Said("王敏", "陈静负责准备下周给客户的演示。", action=True, owner="陈静", due="2026-03-11"),
    Said("陈静", "客户从一月就在等这个功能。"),
    Said("张伟", "压力测试的预算怎么样?"),
    Said("王敏", "预算昨天已经获得董事会批准。", decision=True),
    Said("张伟", "太好了。"),
    Said("王敏", "测试集群需要尽快预订,由张伟跟进。", action=True, owner="张伟"),
    Said("李强", "值班表的问题还没决定。"),
    Said("王敏", "支持会议改到每周二。", decision=True),
    Said("李强", "我会在3月6日前把新的会议邀请发给所有团队。", action=True, owner="李强", due="2026-03-06"),
    Said("王敏", "办公室搬迁推迟到六月。", decision=True),
    Said("陈静", "这会影响我们的硬件订单吗?"),
    Said("王敏", "务必在3月15日前提交差旅单据。", action=True, due="2026-03-15"),
    Said("李强", "上个季度很不容易。"),
    Said("王敏", "不需要再准备其他材料。"),
    Said("王敏", "谢谢大家,散会。"),
]


def segments_of(said: list[Said], *, as_recognised: bool = False) -> list[dict[str, Any]]:
    """Return the sentences as a transcript; ``as_recognised`` drops case and punctuation, as recognisers do."""
    found = []
    for place, one in enumerate(said, 1):
        text = one.text
        if as_recognised:
            text = "".join(sign for sign in text.lower() if sign.isalnum() or sign in " '")
        segment = {"id": f"s{place:04d}", "start_ms": place * 4_000, "end_ms": place * 4_000 + 3_500, "text": text}
        found.append({**segment, "speaker": one.speaker})
    return found
