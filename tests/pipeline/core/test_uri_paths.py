import re
import sqlite3

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core.uri_paths import plain_path

NAMES = st.text(st.characters(exclude_characters="/%?\\[]", exclude_categories=("Cs", "Cc")), min_size=1, max_size=60)


@given(NAMES.filter(lambda name: len(name.encode()) < 200))
def test_sqlalchemy_opens_the_file_of_a_plain_path(tmp_path_factory, name):
    file = tmp_path_factory.getbasetemp() / f"x{name}.db"
    engine = sa.create_engine(f"sqlite:///{plain_path(str(file))}")
    with engine.begin() as connection:
        connection.execute(sa.text("create table if not exists t (a int)"))
    engine.dispose()
    assert sqlite3.connect(file).execute("select count(*) from t").fetchone() == (0,)
    file.unlink()


@pytest.mark.parametrize("name", ["a%41b", "50%", "a?b", "a[b]", "a\\b", "a\nb", "a\x7f"])
def test_a_path_that_a_uri_would_read_otherwise_is_refused(name):
    with pytest.raises(ValueError, match=re.escape(repr(f"/home/{name}"))):
        plain_path(f"/home/{name}")
