"""The polarity of Chinese texts: a small lexicon of our own, with negation and degree."""

from __future__ import annotations

import re
from typing import Final

_GOOD: Final = (
    "高兴 开心 满意 喜欢 很好 太好 真好 极好 好极 不错 优秀 成功 顺利 感谢 谢谢 "
    "棒 赞 精彩 出色 完美 期待 支持 同意 放心 愉快 幸福 进步 提升 增长 改善 "
    "稳定 可靠 值得 欣赏 认可 祝贺 恭喜 解决了 超额 领先 信心 积极 热情 舒服 方便 "
    "清楚 有效 高效 满足 激动 惊喜 轻松 友好 专业 贴心 及时 流畅 省心 漂亮 自豪 "
    "鼓舞 辛苦了 好消息"
).split()
_BAD: Final = (
    "失望 难过 生气 愤怒 讨厌 糟糕 失败 严重 担心 焦虑 害怕 痛苦 抱怨 投诉 延误 "
    "延期 崩溃 故障 错误 损失 遗憾 抱歉 困难 麻烦 混乱 下降 恶化 不满 反对 拒绝 "
    "批评 风险 浪费 太差 很差 极差 差劲 无聊 着急 压力 超支 丢失 卡顿 亏损 烦 "
    "伤心 沮丧 可惜 受不了 恼火 郁闷 失误 拖延 混蛋 垃圾 骗 难用 难看 太慢 很慢 "
    "头疼 坏消息 不行 没用 后悔 紧张 尴尬 危险"
).split()
_VERY: Final = {
    "极其": 1.6,
    "非常": 1.5,
    "特别": 1.5,
    "十分": 1.4,
    "太": 1.4,
    "很": 1.2,
    "真": 1.2,
    "有点": 0.6,
    "略": 0.6,
    "稍微": 0.5,
}
_WORDS: Final = re.compile("|".join(sorted(map(re.escape, [*_GOOD, *_BAD]), key=len, reverse=True)))
_GOOD_SET: Final = frozenset(_GOOD)
_DENIAL: Final = re.compile("并非|不|没|别|未|无")
# Words that hold a sign of denial without denying anything.
_NO_DENIAL: Final = re.compile("特别|分别|级别|区别|不仅|不但|不断|未来|不得不|无论|不管")
_REACH: Final = 4  # characters before a word in which "not" and "very" belong to it
_DENIED: Final = -0.8  # "not good" is a little less than bad
_BREAK: Final = re.compile("[,;\uff0c\u3002\uff01\uff1f\uff1b\u3001\\s]|但")


def polarity(text: str) -> tuple[float, int]:
    """Return the polarity of a text from -1 to 1 and how many words it rests on."""
    scores = [_score(text, match) for match in _WORDS.finditer(text)]
    if not scores:
        return 0.0, 0
    total = sum(scores)
    return round(total / (abs(total) + 1.0), 4), len(scores)


def _score(text: str, match: re.Match[str]) -> float:
    before = _BREAK.split(text[max(0, match.start() - _REACH) : match.start()])[-1]
    score = 1.0 if match[0] in _GOOD_SET else -1.0
    score *= next((weight for word, weight in _VERY.items() if word in before), 1.0)
    return _DENIED * score if _DENIAL.search(_NO_DENIAL.sub("", before)) else score
