import re
import sqlite3

import pyarrow as pa
import pytest
import sqlalchemy as sa
from deltalake import DeltaTable, write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.errors import SettingsError
from pipeline.core.uri_paths import plain_path
from pipeline.storage.tables.delta_log import folder_of, local_table

NAMES = st.text(st.characters(exclude_characters="/%?\\[]^|", exclude_categories=("Cs", "Cc")), min_size=1, max_size=60)


@given(NAMES.filter(lambda name: len(name.encode()) < 200))
def test_sqlalchemy_opens_the_file_of_a_plain_path(tmp_path_factory, name):
    file = tmp_path_factory.getbasetemp() / f"x{name}.db"
    engine = sa.create_engine(f"sqlite:///{plain_path(str(file))}")
    with engine.begin() as connection:
        connection.execute(sa.text("create table if not exists t (a int)"))
    engine.dispose()
    assert sqlite3.connect(file).execute("select count(*) from t").fetchone() == (0,)
    file.unlink()


@pytest.mark.parametrize("name", ["a%41b", "50%", "a?b", "a[b]", "a\\b", "a^b", "a|b", "a\nb", "a\x7f"])
def test_a_path_that_a_uri_would_read_otherwise_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(repr(f"/home/{name}"))):
        plain_path(f"/home/{name}")


@pytest.mark.parametrize(
    "char",
    [*map(chr, range(1, 47)), *map(chr, range(58, 65)), *"[\\]^_`{|}~\x7f\x80\xa0\u0301\u200b\u2028\ufeff\uff05"],
)
def test_delta_lake_writes_where_a_plain_path_says_or_the_path_is_refused(tmp_path, char):
    path = tmp_path / f"a{char}" / f"{char}41b"
    try:
        table = local_table(path)
    except SettingsError as error:
        assert (repr(char) in str(error) and char in "%?[\\]^|") or not char.isprintable()
        return
    write_deltalake(table, pa.table({"a": [1]}))
    assert folder_of(DeltaTable(table)) == path
    assert (path / "_delta_log").is_dir()
    assert DeltaTable(table).to_pyarrow_table().num_rows == 1
