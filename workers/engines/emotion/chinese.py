"""The polarity of Chinese words: a small lexicon of our own, with negation and degree."""

from __future__ import annotations

import re
from typing import Final

_GOOD: Final = (
    "高兴 开心 满意 喜欢 很好 太好 真好 好极 不错 优秀 成功 顺利 "
    "感谢 谢谢 棒 赞 精彩 出色 完美 期待 支持 同意 放心 愉快 "
    "幸福 进步 提升 增长 改善 稳定 可靠 值得 欣赏 认可 祝贺 恭喜 "
    "解决了 超额 领先 信心 积极 热情 舒服 方便 清楚 有效 高效"
).split()
_BAD: Final = (
    "失望 难过 生气 愤怒 讨厌 糟糕 失败 问题严重 担心 焦虑 害怕 "
    "痛苦 抱怨 投诉 延误 延期 崩溃 故障 错误 损失 遗憾 抱歉 困难 "
    "麻烦 混乱 下降 恶化 不满 反对 拒绝 批评 风险 浪费 太差 很差 "
    "差劲 无聊 着急 压力 超支 丢失 卡顿 亏损 烦 伤心 沮丧 可惜"
).split()
_NOT: Final = ("不", "没", "没有", "并非", "不太", "不够", "毫不", "别", "未")
_VERY: Final = {
    "非常": 1.5,
    "特别": 1.5,
    "十分": 1.4,
    "太": 1.4,
    "极其": 1.6,
    "很": 1.2,
    "真": 1.2,
    "有点": 0.6,
    "稍微": 0.5,
    "略": 0.6,
}
_WORDS: Final = re.compile("|".join(sorted(map(re.escape, [*_GOOD, *_BAD]), key=len, reverse=True)))
_GOOD_SET: Final = frozenset(_GOOD)
_REACH = 4  # characters before a word in which "not" and "very" belong to it


def polarity(text: str) -> tuple[float, int]:
    """Return the polarity of a text from -1 to 1 and how many words it rests on."""
    scores = [_score(text, match) for match in _WORDS.finditer(text)]
    if not scores:
        return 0.0, 0
    total = sum(scores)
    return round(total / (abs(total) + 1.0), 4), len(scores)


def _score(text: str, match: re.Match[str]) -> float:
    before = text[max(0, match.start() - _REACH) : match.start()]
    before = re.split("[,，。！？；、\\s]", before)[-1]  # noqa: RUF001 - Chinese punctuation
    score = 1.0 if match[0] in _GOOD_SET else -1.0
    for word, weight in _VERY.items():
        if word in before:
            score *= weight
            break
    return -0.8 * score if any(word in before for word in _NOT) else score
