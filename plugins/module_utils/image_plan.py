# Copyright: auren.stack contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which image each service gets, and how the missing ones come to the host. Pure but for the three questions it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable

from ansible_collections.auren.stack.plugins.module_utils.errors import StackError
from ansible_collections.auren.stack.plugins.module_utils.model import LABEL_BASES, LABEL_CONTEXT, LABEL_OFFLINE, PREVIOUS, Image
from ansible_collections.auren.stack.plugins.module_utils.plan import digest
from ansible_collections.auren.stack.plugins.module_utils.validate import check_reference


@dataclass(frozen=True)
class Wanted:
    """An image that a service asks for.

    build: what it is built from, as the lookup build_context takes it; empty when it is not built from a context of its own. digest, bases:
    of this context. data: the mount point of the data that the image has to be able to read, empty when there is none.
    """

    image: str
    service: str
    role: str
    build: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    bases: tuple[str, ...] = ()
    data: str = ""


@dataclass(frozen=True)
class Recipe:
    """How an image of the offline set is made.

    how: build, or base for the root file system. digest: of its context, only known when updates are asked for.
    substitutes: the reference it is taken for when that one cannot be had.
    """

    image: str
    context: str
    how: str = "build"
    needs: tuple[str, ...] = ()
    stands_in: str = ""
    digest: str = ""
    substitutes: str = ""


@dataclass(frozen=True)
class Step:
    """One image to obtain. how: pull, build, load or base (the root file system of the offline set). build: the context, see Wanted."""

    how: str
    image: str
    cause: str
    build: Mapping[str, Any] = field(default_factory=dict)
    stands_in: str = ""
    offline: bool = False
    bases: tuple[str, ...] = ()

    def text(self) -> str:
        return f"{self.how} {self.image}: {self.cause}"


@dataclass
class ImagePlan:
    """steps: in the order they are done. images: what stands in for which reference."""

    steps: list[Step] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    conflicts: list[StackError] = field(default_factory=list)


@dataclass(frozen=True)
class Questions:
    """present: the image on the host. remote: the registry's digest, or StackError (no_registry, not_found).
    fits: whether an image on the host can read the data at a mount point.
    """

    present: Callable[[str], Image | None]
    remote: Callable[[str], str]
    fits: Callable[[Image, str], bool]


def bases_digest(bases: Iterable[str], present: Callable[[str], Image | None]) -> str:
    """Of the ids of the images that a Dockerfile starts from; empty when one is not on the host."""
    found = [present(base) for base in bases]
    return digest([image.id for image in found if image]) if found and all(found) else ""


class Planner:
    def __init__(self, source: str, archive: str, update: bool, recipes: Iterable[Recipe], ask: Questions) -> None:
        self.source, self.archive, self.update, self.ask = source, archive, update, ask
        self.recipes = {recipe.image: recipe for recipe in recipes}
        self.plan = ImagePlan()
        self.no_registry: StackError | None = None

    def run(self, wanted: Iterable[Wanted]) -> ImagePlan:
        for item in wanted:
            try:
                self._choose(item)
            except StackError as conflict:
                self.plan.conflicts.append(conflict)
        return self.plan

    # --- one image --------------------------------------------------------------------------------------------------

    def _add(self, step: Step) -> None:
        if all(step.image != other.image for other in self.plan.steps):
            self.plan.steps.append(step)

    def _choose(self, wanted: Wanted) -> None:
        check_reference(wanted.service, wanted.role, wanted.image)
        present = self.ask.present(wanted.image)
        if wanted.image.endswith(PREVIOUS):  # only this host can have it
            if not present:
                raise self._missing(wanted, "")
        elif wanted.digest:
            self._own_build(wanted, present)
        elif present:
            self._newer(wanted, present)
        else:
            self._obtain(wanted)

    def _own_build(self, wanted: Wanted, present: Image | None) -> None:
        for base in wanted.bases:
            on_host = self.ask.present(base)
            if on_host:
                self._newer(Wanted(base, wanted.service, wanted.role), on_host)
        renewed = self._planned(wanted.bases)
        same = present is not None and present.labels.get(LABEL_CONTEXT) == wanted.digest
        other = self._other_base(wanted, present) if same else ""
        if same and not renewed and not other:
            return
        for base in wanted.bases:
            if not self.ask.present(base):
                self._base(base, wanted)
        cause = "its files changed" if present else "it is not on this host"
        if renewed or other:
            cause = f"{renewed or other} that it is built on changes"
        self._add(Step("build", wanted.image, cause, wanted.build, bases=wanted.bases))

    def _other_base(self, wanted: Wanted, present: Image | None) -> str:
        """The bases, where the host has others under their names than the image was built on; empty when it has not, or nobody knows."""
        built_on = present.labels.get(LABEL_BASES) if present else None
        now = bases_digest(wanted.bases, self.ask.present)
        return ", ".join(wanted.bases) if built_on and now and built_on != now else ""

    def _base(self, base: str, wanted: Wanted) -> None:
        """An image that a Dockerfile starts from."""
        try:
            self._obtain(Wanted(base, wanted.service, wanted.role))
        except StackError as error:
            raise StackError(
                f"{wanted.image} of {wanted.service} is built on {base}, which is not on this host and cannot be had: {error.detail}. Load "
                f"{base} by hand, or {self._where(wanted)}. Nothing was changed",
                error.kind,
                base,
                error.detail,
            ) from error

    @staticmethod
    def _where(wanted: Wanted) -> str:
        if wanted.build.get("dockerfile"):
            return f"build {wanted.role} from another one"
        return f"let the Dockerfile in {wanted.build['context']} start from another image"

    def _planned(self, images: Iterable[str]) -> str:
        """The first of these images that the plan is about to make or pull anew; empty when none is."""
        return next((image for image in images if any(step.image == image for step in self.plan.steps)), "")

    def _newer(self, wanted: Wanted, present: Image) -> None:
        """Behind a known tag only when updates are asked for."""
        if not self.update or self.source in ("local", "archive"):
            return
        recipe = self.recipes.get(wanted.image)
        digest = self._remote(wanted.image) if self.source in ("registry", "auto") else ""
        if digest:
            if not any(known.endswith(digest) for known in present.digests):
                self._add(Step("pull", wanted.image, f"the registry has another one behind this tag ({digest[:19]})"))
        elif recipe:
            self._refresh(recipe, present)

    def _refresh(self, recipe: Recipe, present: Image) -> None:
        """An image of the offline set is made anew when its recipe, or an image it is built on, has changed."""
        for need in (self.recipes[name] for name in recipe.needs if name in self.recipes):
            on_host = self.ask.present(need.image)
            if on_host:
                self._refresh(need, on_host)
        if not present.labels.get(LABEL_OFFLINE) or not recipe.digest:
            return
        renewed = self._planned(recipe.needs)
        if renewed or present.labels.get(LABEL_CONTEXT) != recipe.digest:
            self._build(recipe, f"{renewed} that it is built on changes" if renewed else "its recipe changed")

    def _obtain(self, wanted: Wanted) -> None:
        if self.source == "local":
            if self._substitute_in_use(wanted):
                self._offline(wanted)
                return
            raise self._missing(wanted, "auren_image_source is local, which never pulls or builds")
        if self.source == "archive":
            self._add(Step("load", self.archive, f"{wanted.image} is not on this host"))
            return
        if self.source in ("registry", "auto") and not self._substitute_in_use(wanted):
            digest = self._remote(wanted.image)
            if digest:
                self._add(Step("pull", wanted.image, "it is not on this host"))
                return
            if self.source == "registry":
                raise self._missing(wanted, f"it cannot be pulled: {self.last.detail or self.last.message}")
        self._offline(wanted)

    def _remote(self, image: str) -> str:
        """The registry's digest; empty when it has none or cannot be reached (asked once)."""
        if self.no_registry:
            self.last = self.no_registry
            return ""
        try:
            return self.ask.remote(image)
        except StackError as error:
            self.last = error
            if error.kind == "no_registry":
                self.no_registry = error
            return ""

    # --- the offline set --------------------------------------------------------------------------------------------

    def _substitute(self, image: str) -> Recipe | None:
        return next((r for r in self.recipes.values() if r.substitutes == image), None)

    def _substitute_in_use(self, wanted: Wanted) -> bool:
        """Data that the stand-in made is read by the stand-in, also when the registry answers again."""
        recipe = self._substitute(wanted.image)
        present = self.ask.present(recipe.image) if recipe else None
        return bool(present and wanted.data and self.ask.fits(present, wanted.data))

    def _offline(self, wanted: Wanted) -> None:
        recipe = self.recipes.get(wanted.image)
        if recipe:
            self._build(recipe, "no registry can be reached" if self.source == "auto" else "it is not on this host")
            return
        recipe = self._substitute(wanted.image)
        if recipe is None:
            raise self._missing(wanted, "no registry offers it, and the offline set has no recipe for it")
        if wanted.data and not self._substitute_in_use(wanted):
            raise self._missing(
                wanted,
                f"no registry offers it, and {recipe.image} of the offline set cannot be used on the data that is already in {wanted.data}",
            )
        self.plan.images[wanted.image] = recipe.image
        present = self.ask.present(recipe.image)
        if not present:
            self._build(recipe, f"no registry can be reached; it is used instead of {wanted.image}")
        elif self.update:
            self._refresh(recipe, present)

    def _build(self, recipe: Recipe, cause: str) -> None:
        for need in recipe.needs:
            if need in self.recipes:
                present = self.ask.present(need)
                if not present:
                    self._build(self.recipes[need], "other images are built on it")
        self._add(Step(recipe.how, recipe.image, cause, {"context": recipe.context}, recipe.stands_in, offline=True))

    def _missing(self, wanted: Wanted, why: str) -> StackError:
        if wanted.image.endswith(PREVIOUS):
            return StackError(
                f"there is no earlier version of {wanted.service} on this host to go back to ({wanted.image}). Nothing was changed",
                "image_missing",
                wanted.image,
            )
        return StackError(
            f"the image {wanted.image} of {wanted.service} is not on this host and {why}. Load it by hand, or set {wanted.role}_image "
            "to one that can be had. Nothing was changed",
            "image_missing",
            wanted.image,
            why,
        )
