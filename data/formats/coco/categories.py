"""Which of a COCO file's categories are classes.

COCO's own code evaluates category by category, and leaves those without objects out of its mean. Here a class is a
name: categories of one name are one class, whose id is that of the category with most objects. Roboflow's exports have
a root beside the classes, the supercategory of all, which no object is of: that is no class.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...diagnostics import OnProblem, Problem
from ...values import shown
from .columns import Annotations, Named, as_dicts, id_text

_NO_GROUP = (None, "", "none")


def classes_of(entries: Sequence[Any], found: Annotations, on_problem: OnProblem) -> dict[str, str]:
    """The ids of the classes by their names, in the order of the ids; other categories are minor problems."""
    categories = found.categories
    counts = np.bincount(found.category_indices[found.usable], minlength=len(categories.ids)).tolist()
    roots = _roots(entries, categories)
    chosen: dict[str, int] = {}
    # The first of those with most objects; without any the first that is no root.
    for index in sorted(range(len(categories.ids)), key=lambda index: (-counts[index], roots[index], index)):
        name, where = categories.names[index], f"{found.path}: category {categories.ids[index]}"
        if name in chosen:
            what = f"is {shown(name)}, as category {categories.ids[chosen[name]]} is; they are one class"
            fix = "results of this id are left out, as if it were unknown"
            on_problem(Problem("category with the name of another", where, what, fix, minor=True))
        elif roots[index] and not counts[index]:
            what = f"is {shown(name)}, has no objects, and is the supercategory of others: it is no class"
            on_problem(Problem("category that is only a group of others", where, what, minor=True))
        else:
            chosen[name] = index
    return {categories.names[index]: categories.ids[index] for index in sorted(chosen.values())}


def _roots(entries: Sequence[Any], categories: Named) -> list[bool]:
    """For each category whether it is the group of others and in none itself."""
    groups = {id_text(entry.get("id")): entry.get("supercategory") for entry in as_dicts(entries)}
    used = {group for group in groups.values() if isinstance(group, str)} - {*_NO_GROUP}
    return [
        name in used and groups.get(own) in _NO_GROUP
        for own, name in zip(categories.ids, categories.names, strict=True)
    ]
