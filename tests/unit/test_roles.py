"""A role's address is the owner's with another name and password, in libpq's eyes too."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from local.postgres.roles import RoleError, role_of, role_url

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def owner_url(user: str, password: str, address: str, database: str, query: str) -> str:
    name, word, path = (quote(text, safe="") for text in (user, password, database))
    return f"postgresql://{name}:{word}@{address}/{path}{query}"


@given(
    user=texts,
    password=texts,
    address=st.sampled_from(["127.0.0.1:5433", "localhost", "[::1]:5432", "db.example.com", "one:1,two:2"]),
    database=texts,
    query=st.sampled_from(["", "?sslmode=require", "?options=-c%20timezone%3DUTC&application_name=a%2Bb"]),
    role=texts,
)
def test_only_name_and_password_are_others(
    user: str, password: str, address: str, database: str, query: str, role: str
) -> None:
    url = owner_url(user, password, address, database, query)
    owner, found = conninfo_to_dict(url), conninfo_to_dict(role_url(url, role))
    assert found == {**owner, "user": role, "password": found["password"]}
    assert len(str(found["password"])) == 64
    assert role_of(role_url(url, role)) == role


@given(password=texts, role=texts, other=texts)
def test_a_password_is_the_same_for_the_same_owner_and_role_alone(
    password: str, role: str, other: str
) -> None:
    def password_of(owners: str, role: str) -> object:
        return conninfo_to_dict(role_url(owner_url("owner", owners, "host", "db", ""), role))["password"]

    mine = password_of(password, role)
    assert mine == password_of(password, role)
    assert (mine == password_of(password, other)) == (role == other)
    assert (mine == password_of(other, role)) == (password == other)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///footfall",
        "postgresql://owner@host/db",
        "postgresql://owner:word@/db?host=/run/postgresql",
        "postgresql://owner:wo[rd@host/db",
        "host=localhost user=owner password=word",
        "mysql://owner:word@host/db",
    ],
)
def test_an_owner_without_host_or_password_has_no_roles(url: str) -> None:
    with pytest.raises(RoleError, match="the owner's URL is not postgresql://user:password@host"):
        role_url(url, "room")


def test_a_url_may_name_no_role() -> None:
    assert role_of("") == role_of("postgresql://host/db") == ""
