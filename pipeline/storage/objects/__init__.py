"""Listing, reading and writing objects behind one small interface: local folders and S3."""

from pipeline.storage.objects.addresses import address_of, open_folder, require_inside
from pipeline.storage.objects.base import Folder, ObjectInfo, is_hidden, printable, safe_name
from pipeline.storage.objects.exclusions import Exclusions
from pipeline.storage.objects.ignored import Ignored
from pipeline.storage.objects.image_names import ImageCheck, images_of, kind_of
from pipeline.storage.objects.local import LocalFolder
from pipeline.storage.objects.passed_over import PassedOver
from pipeline.storage.objects.s3 import S3Folder

__all__ = [
    "Exclusions",
    "Folder",
    "Ignored",
    "ImageCheck",
    "LocalFolder",
    "ObjectInfo",
    "PassedOver",
    "S3Folder",
    "address_of",
    "images_of",
    "is_hidden",
    "kind_of",
    "open_folder",
    "printable",
    "require_inside",
    "safe_name",
]
