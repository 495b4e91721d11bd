"""Which parts of one table are alike, as a read of them needs it: in their columns and their primary key."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aggregation_pipeline.drafting.families import Family, missing_parts, with_parts
from aggregation_pipeline.source.catalogue import Catalogue, Structure, Table


@dataclass(frozen=True)
class Alike:
    """What is drafted as one.

    Attributes:
        table: one table, or several that are read as one.
        members: the tables, with their rows as they are known.
        structure: of each of them; indexes only as far as all have them.
        others: tables that seemed to be parts and have other columns.
        missing: numbers of parts that are not there, as names.
    """

    table: Table
    members: Sequence[Table]
    structure: Structure
    others: Sequence[Table] = ()
    missing: tuple[str, ...] = ()


def alike_parts(catalogue: Catalogue, family: Family) -> Alike:
    """Look at the columns of each part, and take the largest number of those that are alike; the first of several."""
    structures = {name: catalogue.structure(name) for name in family.parts}
    groups: dict[object, list[str]] = {}
    for name, structure in structures.items():
        groups.setdefault(_signature(structure), []).append(name)
    taken = max(groups.values(), key=len)
    members = [catalogue.count(member) for member in family.members if member.name in taken]
    others = [member for member in family.members if member.name not in taken or len(taken) < 2]
    found = [structures[name] for name in taken]
    structure = replace(
        found[0],
        leading=frozenset.intersection(*(each.leading for each in found)),
        unique=frozenset.intersection(*(each.unique for each in found)),
    )
    return Alike(with_parts(family, members), members, structure, others, tuple(missing_parts(family)))


def _signature(structure: Structure) -> object:
    return tuple((column.name, column.definition) for column in structure.columns.values()), structure.primary_key
