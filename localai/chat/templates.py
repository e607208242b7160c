"""Templates: questions that are asked again and again, with variables for the parts that change.

A template is a Markdown file whose body is the prompt, with settings in TOML between two lines of
`+++` before it, or a TOML file with a key `prompt`. The user's own, in `templates/` beside the
configuration, take precedence over bundled ones of the same name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localai.chat.inputs import file_text
from localai.chat.variables import names_in
from localai.dataclass import dataclass
from localai.errors import InvalidInput, NotFound
from localai.files import as_path, user_path, write_atomically
from localai.near_names import did_you_mean
from localai.paths import private_dir, require_owned_by_user
from localai.sampling_options import options_set, parse_json_options
from localai.types import Options

if TYPE_CHECKING:
    from localai.paths import Paths

INPUT = "input"
BUNDLED = Path(__file__).parent / "bundled_templates"
_SUFFIXES = (".md", ".toml")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FRONT_MATTER = "+++"
_DESCRIPTION = 60
_KEYS = ("description", "system", "prompt", "model", "options", "schema", "variables")


@dataclass(frozen=True, slots=True)
class Template:
    """A template as its file has it. `variables` are those that have a default.

    `schema` is a JSON schema, or one in the short form. Neither it nor `model` names a file: the
    template's author may be a stranger.
    """

    name: str
    file: Path
    prompt: str
    description: str = ""
    system: str | None = None
    model: str | None = None
    options: Options = field(default_factory=Options)
    schema: Mapping[str, Any] | str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def bundled(self) -> bool:
        """Whether it came with localai."""
        return self.file.parent == BUNDLED

    @property
    def names(self) -> list[str]:
        """Every variable in it but the input, in the order in which they appear."""
        found = (names_in(text) for text in (self.system or "", self.prompt))
        return [name for name in dict.fromkeys(name for names in found for name in names)
                if name != INPUT]  # fmt: skip

    @property
    def wants_input(self) -> bool:
        """Whether it needs a text to work on."""
        return INPUT in names_in(self.prompt)

    @property
    def asks_by_itself(self) -> bool:
        """Whether it is a question as it stands. A system prompt alone is none."""
        return bool(self.prompt.strip()) and not self.wants_input


def find_template(name: str, paths: Paths) -> Template:
    """The template of that name, or in the file at that path. Raises NotFound, InvalidInput."""
    if "/" in name or name.endswith(_SUFFIXES):
        return read_template(user_path(name))
    for folder in (user_folder(paths), BUNDLED):
        for suffix in _SUFFIXES:
            file = folder / f"{name}{suffix}"
            if file.is_file():
                if folder != BUNDLED:
                    require_owned_by_user(file, "the template")
                return read_template(file)
    known = sorted(file.stem for file in _files(paths))
    raise NotFound(
        f"there is no template {name!r}",
        hint=f"-t names a template: --temperature {name}"
        if name.replace(".", "", 1).isdecimal()
        else did_you_mean(name, known) or f"there are {', '.join(known)}",
    )


def list_templates(paths: Paths) -> list[Template]:
    """Every template, by name. Raises InvalidInput if a file is no template."""
    return sorted(map(read_template, _files(paths)), key=lambda template: template.name)


def read_template(file: Path) -> Template:
    """The template in `file`. Raises NotFound, InvalidInput."""
    return parse_template(file_text(file, "the template"), file)


def parse_template(text: str, file: Path) -> Template:
    """The template in `text`, as if it stood in `file`. Raises InvalidInput."""
    if file.suffix == ".toml":
        settings, body = _toml(text, file), None
    else:
        settings, body = _front_matter(text, file)
    _check_keys(settings, file)
    if body is not None and "prompt" in settings:
        raise _invalid(file, "the prompt is what stands below the settings, not a key")
    prompt = settings.get("prompt", "") if body is None else body
    if not prompt.strip() and not settings.get("system"):
        raise _invalid(file, "it has neither a prompt nor a system prompt")
    if INPUT in names_in(settings.get("system", "")):
        raise _invalid(file, f"${INPUT} stands in the prompt, not in the system prompt")
    model = settings.get("model")
    if model is not None and as_path(model) is not None:
        raise _invalid(file, f"model is a name, not the file {model}", f"give the file: -m {model}")
    variables = {name: str(value) for name, value in settings.get("variables", {}).items()}
    try:
        options = parse_json_options(settings.get("options", {}))
    except InvalidInput as error:
        raise _invalid(file, error.message, error.hint) from error
    return Template(
        name=file.stem,
        file=file,
        prompt=prompt.strip("\n"),
        description=settings.get("description", ""),
        system=settings.get("system"),
        model=model,
        options=options,
        schema=settings.get("schema"),
        variables=variables,
    )


def user_folder(paths: Paths) -> Path:
    """The folder of the user's own templates."""
    return paths.config_file.parent / "templates"


def new_file(name: str, paths: Paths) -> Path:
    """The path for a new template of the user's. Raises InvalidInput if the name is impossible or
    taken."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is no name for a template: small letters, digits, - and _",
            command="localai template new my-review",
        )
    for suffix in _SUFFIXES:
        file = user_folder(paths) / f"{name}{suffix}"
        if file.exists():
            raise InvalidInput(
                f"there is a template {name} already", command=("localai", "template", "edit", name)
            )
    return user_folder(paths) / f"{name}.md"


def save_template(
    name: str,
    paths: Paths,
    *,
    prompt: str,
    system: str | None,
    model: str | None,
    schema: str | None,
    options: Options,
) -> Path:
    """Write a template of the user's own. Returns its path. In `prompt` and `system`, `$name` is a
    variable and `$input` the text that it is asked about, which otherwise comes after the prompt.

    Raises InvalidInput if the name is impossible or taken, and for a prompt that no template can
    have.
    """
    import tomlkit

    file = new_file(name, paths)
    document = tomlkit.document()
    head = {"description": prompt[:_DESCRIPTION] or system, "system": system, "model": model}
    for key, value in {**head, "schema": schema}.items():
        if value:
            document[key] = value
    chosen = options_set(options)
    extra = {f"provider.{key}": value for key, value in chosen.pop("extra", {}).items()}
    if chosen or extra:
        document["options"] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in {**chosen, **extra}.items()
        }
    body = f"{_FRONT_MATTER}\n{tomlkit.dumps(document)}{_FRONT_MATTER}\n{prompt or f'${INPUT}'}\n"
    parse_template(body, file)
    private_dir(file.parent)
    write_atomically(file, body.encode())
    return file


def _files(paths: Paths) -> Iterator[Path]:
    """The file of each template; the user's hides a bundled one of the same name."""
    seen = set()
    for folder in (user_folder(paths), BUNDLED):
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if file.suffix in _SUFFIXES and file.stem not in seen:
                seen.add(file.stem)
                yield file


def _front_matter(text: str, file: Path) -> tuple[dict[str, Any], str]:
    lines = text.splitlines(keepends=True)
    marks = [number for number, line in enumerate(lines) if line.rstrip() == _FRONT_MATTER]
    if lines and lines[0].rstrip() == "---":
        raise _invalid(file, "its settings are TOML between two lines of +++, not YAML")
    if marks[:1] != [0]:
        return {}, text
    if len(marks) < 2:
        raise _invalid(file, "the line of +++ that ends the settings is missing")
    return _toml("".join(lines[1 : marks[1]]), file), "".join(lines[marks[1] + 1 :])


def _toml(text: str, file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _invalid(file, f"its settings are no TOML: {error}") from error


def _check_keys(settings: Mapping[str, Any], file: Path) -> None:
    for key, value in settings.items():
        if key not in _KEYS:
            raise _invalid(file, f"there is no key {key!r}", f"there are {', '.join(_KEYS)}")
        wanted: tuple[type, ...] = (str,)
        if key in ("options", "variables"):
            wanted = (dict,)
        elif key == "schema":
            wanted = (dict, str)
        if not isinstance(value, wanted):
            kinds = " or ".join("a table" if kind is dict else "a text" for kind in wanted)
            raise _invalid(file, f"{key} is {kinds}")


def _invalid(file: Path, what: str, hint: str | None = None) -> InvalidInput:
    return InvalidInput(f"the template {file}: {what}", hint=hint, command=("${EDITOR:-vi}", file))
