"""What is said of a table: its columns, keys and constraints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column: its Spark SQL type, what it holds, and whether it may be absent."""

    name: str
    type: str
    comment: str
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """One Delta table: its columns, the columns that identify a row, and its CHECK constraints."""

    name: str
    comment: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[tuple[str, str], ...] = ()
    partition_by: tuple[str, ...] = ()

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def ddl(self) -> str:
        """The columns as a Spark SQL schema string.

        >>> columns = Column("name", "string", "what"), Column("low", "double", "how little", nullable=True)
        >>> Table("metrics", "What was measured.", columns, key=("name",)).ddl
        'name string NOT NULL, low double'
        """
        return ", ".join(f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)


def one_of(column: str, values: tuple[str, ...]) -> str:
    """The condition that a column holds one of these values, in SQL."""
    return f"{column} IN ({', '.join(repr(value) for value in values)})"
