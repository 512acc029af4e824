"""Who may do what: keys and tokens become a principal with scopes, and one filter says whose tasks it sees."""

from meetingtasks.access.keys import ApiKey, ApiKeys
from meetingtasks.access.principal import LOCAL_ADMIN, Principal
from meetingtasks.access.scopes import SCOPES, Scope
from meetingtasks.access.tokens import TokenVerifier

__all__ = ["LOCAL_ADMIN", "SCOPES", "ApiKey", "ApiKeys", "Principal", "Scope", "TokenVerifier"]
