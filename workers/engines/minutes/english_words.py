"""The English words that the cues are made of: what people do in and after meetings, and what only looks like it.

Each name is a group of a regular expression.
"""

from __future__ import annotations

from typing import Final

VERBS: Final = (
    "(?:add|announce|apply|approve|arrange|ask|assign|attend|book|bring|build|buy|call|cancel|change|check|choose|"
    "circulate|clarify|clean|close|collect|compare|complete|configure|confirm|connect|contact|contribute|coordinate|copy|"
    "correct|create|debug|decide|define|delete|deliver|deploy|design|determine|develop|discuss|distribute|document|"
    "double-check|download|draft|email|enter|evaluate|examine|explain|explore|file|fill|finalise|finalize|find|finish|fix|"
    "follow|forward|gather|give|go|hand|help|hire|hold|identify|implement|improve|include|inform|inspect|install|introduce|"
    "investigate|invite|issue|keep|launch|lead|list|look|mail|make|measure|meet|mend|merge|message|migrate|monitor|move|"
    "negotiate|note|notify|obtain|open|order|organise|organize|pay|phone|pick|plan|post|prepare|present|press|print|"
    "process|produce|propose|provide|publish|pull|push|put|raise|reach|read|record|reduce|register|remind|remove|rename|"
    "renew|repair|repeat|replace|reply|report|request|research|reserve|resolve|respond|return|review|revise|rewrite|roll|"
    "run|save|schedule|search|select|sell|send|set|share|ship|show|sign|solve|sort|speak|start|stop|submit|summarise|"
    "summarize|supply|switch|take|talk|teach|tell|test|tidy|train|translate|try|turn|update|upgrade|upload|use|validate|"
    "verify|visit|wait|watch|work|wrap|write)"
)
"""What a person can be asked to do."""

VERBS_BY_ITSELF: Final = (
    "(?:go|start|stop|move|open|close|run|take|work|return|change|include|help|show|keep|reach|hold|produce|turn|apply|"
    "improve|follow|reduce|give|lead|meet)"
)
"""What things do without anyone being told to: "the audit will start in June" is a forecast."""

STATES: Final = (
    "(?:be|have|know|think|see|like|want|need|stay|remain|become|hope|feel|seem|mean|depend|miss|lose|regret|say|admit|"
    "agree|go with|stick with|do with|bet|guess|wonder|never|not|always|remember how)"
)
"""What follows "I will" or "must" without being a task."""

OBJECTS: Final = (
    "(?:the|an?|this|that|these|those|my|your|our|his|her|their|its|it|them|him|us|me|all|every|each|both|some|any|"
    "everyone|everything|someone|something|somewhere|up|out|back|down|forward|ahead|away|off|with|by|not|what|how|whether|"
    "who|when|where|one|two|three|four|five|six|seven|eight|nine|ten|[0-9]+|new|more|another)"
)
"""What follows a verb that gives an order, and not a noun of the same spelling ("test results", "plan for May")."""

NO_NAMES: Final = frozenset(
    "I We You He She They It The This That There Then So And But Okay Ok Please Everyone Everybody Someone Somebody "
    "Nobody Anyone Today Tomorrow Monday Tuesday Wednesday Thursday Friday Saturday Sunday First Next Finally Also Now "
    "Well Yes No Sure Right Good Great Thanks Alright Who One".split()
)
"""Capitalised words that begin sentences and are nobody's name."""
