"""Objects that are written once, whichever try of a task gets there first."""

from hcs_services.object_store import StoreRefused, StoreUnavailable
from hcs_services.worker.ports import Store
from hcs_services.worker.task import Permanent, Transient


async def put_once(store: Store, key: str, body: bytes, content_type: str) -> bytes:
    """Store `body` under `key`, or find what stands there already; returns what stands there.

    Raises Transient if the store cannot be reached, Permanent if it refuses.
    """
    try:
        if await store.put_if_absent(key, body, content_type):
            return body
        standing = await store.get(key)
    except StoreUnavailable as error:
        raise Transient("object-store", str(error)) from error
    except StoreRefused as error:
        raise Permanent("object-store-refused", str(error)) from error
    if standing is None:
        raise Transient("object-store", "an object was there and is gone")
    return standing
