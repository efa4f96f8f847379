"""Whether what a model file says it holds can be held; looked at before any framework makes room for it."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

from autotune.errors import UserError, one_line
from autotune.files import check_unpacked
from autotune.model.file import HDF5

HdfObject = Any
"""A group or a dataset of h5py, which has no types of its own."""


def check_contents(data: bytes) -> None:
    """Looks at the sizes that archives and HDF5 files declare.

    Args:
        data: a .keras file, an HDF5 file or a packed SavedModel folder; what is none of these passes.

    Raises:
        UserError: it is damaged, would unpack to far more than it is, or reads other files.
    """
    try:
        if data.startswith(HDF5):
            _check_hdf5(data)
        elif zipfile.is_zipfile(io.BytesIO(data)):
            _check_archive(data)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"can't be opened: {one_line(error)}") from error
    except Exception as error:  # of bytes that were hit, zipfile and h5py raise whatever they stumble over
        raise UserError(f"can't be opened: not a whole file ({one_line(error)}); save the model again") from error


def _check_archive(data: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        check_unpacked(len(data), sum(info.file_size for info in archive.infolist()))
        for name in archive.namelist():
            content = archive.read(name) if name.endswith(".h5") else b""
            if content.startswith(HDF5):
                _check_hdf5(content)


def _check_hdf5(data: bytes) -> None:
    import h5py

    try:
        opened = h5py.File(io.BytesIO(data))
    except OSError as error:
        raise UserError("not a whole HDF5 file; save the model again") from error
    with opened as file:
        check_unpacked(len(data), sum(size for each in _objects(file) for size in _sizes(each)))


def _objects(file: HdfObject) -> Iterator[HdfObject]:
    """All groups and datasets, each once.

    Raises:
        UserError: a link leads to another file.
    """
    import h5py

    pending = [file]
    seen = set()
    while pending:
        each = pending.pop()
        place = h5py.h5o.get_info(each.id).addr
        if place in seen:
            continue
        seen.add(place)
        yield each
        if isinstance(each, h5py.Group):
            for name in each:
                if isinstance(each.get(name, getlink=True), h5py.ExternalLink):
                    raise UserError(f"its {name} is in another file; save the model again, whole")
                pending.append(each[name])


def _sizes(each: HdfObject) -> Iterator[int]:
    """Bytes of what an object holds, once it is read.

    Raises:
        UserError: it is in another file.
    """
    import h5py

    for name in each.attrs:
        attribute = each.attrs.get_id(name)
        yield h5py.h5s.SpaceID.get_simple_extent_npoints(attribute.get_space()) * attribute.dtype.itemsize
    if isinstance(each, h5py.Dataset):
        if each.external or each.is_virtual:
            raise UserError(f"its {each.name} is in another file; save the model again, whole")
        yield each.size * each.dtype.itemsize
