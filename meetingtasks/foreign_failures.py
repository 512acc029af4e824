"""What kind of failure other libraries' exceptions are: by name, so that no library is imported to know it.

A name is module and class; whatever derives from the class is meant too. ``failures.register`` adds to this table what
a service's own libraries raise. Exceptions of Python itself stand in `failures`, by type.
"""

from __future__ import annotations

from typing import Final

from meetingtasks.states import ErrorClass

NETWORK, TRANSIENT, RESOURCE, BUSINESS = ErrorClass

BY_NAME: Final[dict[str, ErrorClass]] = {
    # Redis: a connection mends; a full server mends when somebody makes room
    "redis.exceptions.ConnectionError": NETWORK,
    "redis.exceptions.TimeoutError": NETWORK,
    "redis.exceptions.BusyLoadingError": NETWORK,
    "redis.exceptions.TryAgainError": TRANSIENT,
    "redis.exceptions.LockError": TRANSIENT,
    "redis.exceptions.WatchError": TRANSIENT,
    "redis.exceptions.OutOfMemoryError": RESOURCE,
    # HTTP clients
    "httpx.TransportError": NETWORK,
    "httpx.InvalidURL": BUSINESS,
    "httpx.UnsupportedProtocol": BUSINESS,
    "httpx2.TransportError": NETWORK,
    "httpx2.InvalidURL": BUSINESS,
    "httpx2.UnsupportedProtocol": BUSINESS,
    "requests.exceptions.ConnectionError": NETWORK,
    "requests.exceptions.Timeout": NETWORK,
    "requests.exceptions.InvalidURL": BUSINESS,
    "requests.exceptions.MissingSchema": BUSINESS,
    "urllib3.exceptions.HTTPError": NETWORK,
    "urllib3.exceptions.LocationValueError": BUSINESS,
    "aiohttp.client_exceptions.ClientConnectionError": NETWORK,
    "aiohttp.client_exceptions.InvalidURL": BUSINESS,
    "urllib.error.URLError": NETWORK,
    "http.client.HTTPException": NETWORK,
    # databases: a lock or a lost connection mends, a violated rule does not
    "sqlite3.OperationalError": TRANSIENT,
    "sqlite3.IntegrityError": BUSINESS,
    "sqlalchemy.exc.OperationalError": TRANSIENT,
    "sqlalchemy.exc.TimeoutError": TRANSIENT,
    "sqlalchemy.exc.IntegrityError": BUSINESS,
    "sqlalchemy.exc.DataError": BUSINESS,
    "psycopg.OperationalError": TRANSIENT,
    "psycopg.IntegrityError": BUSINESS,
    # media: FFmpeg names what is wrong with a file, which does not mend
    "av.error.InvalidDataError": BUSINESS,
    "av.error.DecoderNotFoundError": BUSINESS,
    "av.error.DemuxerNotFoundError": BUSINESS,
    "av.error.ProtocolNotFoundError": BUSINESS,
    "av.error.HTTPServerError": NETWORK,
    "av.error.HTTPClientError": BUSINESS,
    # pictures
    "PIL.UnidentifiedImageError": BUSINESS,
    # programs that a task runs
    "subprocess.TimeoutExpired": TRANSIENT,
    # graphics processors
    "torch.cuda.OutOfMemoryError": RESOURCE,
    "torch.OutOfMemoryError": RESOURCE,
}
