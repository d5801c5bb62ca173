"""Listing, reading and writing objects behind one small interface: local folders and S3."""

from pipeline.storage.objects.addresses import address_of, open_folder, require_inside
from pipeline.storage.objects.base import Folder, ObjectInfo, is_hidden, is_image, printable, safe_name
from pipeline.storage.objects.local import LocalFolder
from pipeline.storage.objects.s3 import S3Folder

__all__ = [
    "Folder",
    "LocalFolder",
    "ObjectInfo",
    "S3Folder",
    "address_of",
    "is_hidden",
    "is_image",
    "open_folder",
    "printable",
    "require_inside",
    "safe_name",
]
