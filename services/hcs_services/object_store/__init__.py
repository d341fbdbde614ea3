"""An S3-compatible object store: conditional puts and gets of whole objects."""

from hcs_services.object_store.client import ObjectStore, StoreRefused, StoreUnavailable
from hcs_services.object_store.sigv4 import Credentials
from hcs_services.settings import Settings

__all__ = ["Credentials", "ObjectStore", "StoreRefused", "StoreUnavailable", "from_settings"]


def from_settings(settings: Settings) -> ObjectStore | None:
    """The configured store, or None where none is configured."""
    if not settings.object_store_url or not settings.object_store_bucket:
        return None

    def credentials() -> Credentials:
        return Credentials(
            settings.credential("object-store/access-key"), settings.credential("object-store/secret-key")
        )

    return ObjectStore(settings.object_store_url, settings.object_store_bucket, credentials)
