"""The verbs for editors and shells: schema, completion."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from typing import Any

_BASH = """_naglass() {{
  local words="{verbs}"
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  [ "$COMP_CWORD" -eq 1 ] || compopt -o default
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -F _naglass naglass
"""
_ZSH = """(( $+functions[compdef] )) || {{ autoload -U compinit && compinit }}
_naglass() {{
  local -a own
  if (( CURRENT == 2 )); then
    compadd -- {verbs}
    return
  fi
  case $words[2] in
{cases}
  esac
  if [[ $words[CURRENT] == -* ]]; then compadd -- $own; else _files; fi
}}
compdef _naglass naglass
"""


def add_verbs(add: Callable[..., argparse.ArgumentParser], whole: argparse.ArgumentParser) -> None:
    """Add schema and completion; `whole` is the parser with all verbs."""
    add("schema", _schema, "print the JSON schema of input.yaml, for editors")
    completion = add("completion", partial(_completion, whole), "print a completion script for the command naglass")
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))


def _schema(options: argparse.Namespace) -> int:
    print(json.dumps(schema(), indent=1))
    return 0


def schema() -> dict[str, Any]:
    """The JSON schema of input.yaml: one of `system`, `systems` and `series`, and the sections."""
    from ..config.descriptions import described
    from ..config.schema import Input
    from ..config.systems import OVERRIDES, Mixture

    found = Input.model_json_schema()
    definitions = found["$defs"]
    # a level may also be its name, with its options beside it
    options = dict(definitions["Level"]["properties"])
    own_name = {"anyOf": [options.pop("name"), {"$ref": "#/$defs/Level"}]}
    definitions["Reference"]["properties"] |= options | {"level": own_name}
    # a density may be looked up
    definitions["System"]["required"].remove("density_g_cm3")
    mixture = Mixture.model_json_schema()
    definitions |= mixture.pop("$defs", {}) | {"Mixture": mixture}
    for name, section in (("Input", found), *definitions.items()):
        for key, value in section.get("properties", {}).items():
            value["description"] = described(name, key, value)
            if name == "Input" and "anyOf" in value:
                # a section without content is refused
                value["anyOf"] = [each for each in value["anyOf"] if each != {"type": "null"}]
    properties = found["properties"]
    own = {key: properties[key] for key in OVERRIDES} | {"name": properties["name"]}
    by_name = {"type": "object", "additionalProperties": {**definitions["Reference"], "required": []}}
    own["reference"] = {"anyOf": [properties["reference"], by_name]}
    member = [
        {"type": "object", "properties": kind["properties"] | own, "additionalProperties": False}
        | {"required": ["name", *kind["required"]]}
        for kind in (definitions["System"], mixture)
    ]
    changes = definitions["Round"]["properties"]
    for key in changes.keys() - {"reference"}:
        name = properties[key]["anyOf"][0]["$ref"].rpartition("/")[2]
        changes[key] = {**definitions[name], "required": []}
    changes["reference"] = properties["reference"]
    properties["systems"] = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": member},
        "description": "Several named systems.",
    }
    properties["series"] = {"$ref": "#/$defs/Mixture", "description": "A grid of compositions: lists of values."}
    found["required"].remove("system")
    found["oneOf"] = [{"required": [key]} for key in ("system", "systems", "series")]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "input.yaml of naglass"} | found


def _completion(whole: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    verbs = _options_by_verb(whole)
    if options.shell == "fish":
        print("complete -c naglass -n __fish_use_subcommand -f -a '" + " ".join(verbs) + "'")
        for verb, words in verbs.items():
            for word in words:
                print(f"complete -c naglass -n '__fish_seen_subcommand_from {verb}' -l {word.removeprefix('--')}")
        return 0
    script, start, end = (_ZSH, "own=(", ")") if options.shell == "zsh" else (_BASH, 'words="', '"')
    cases = "\n".join(f"    {verb}) {start}{' '.join(words)}{end} ;;" for verb, words in verbs.items())
    print(script.format(verbs=" ".join(verbs), cases=cases), end="")
    return 0


def _options_by_verb(whole: argparse.ArgumentParser) -> dict[str, list[str]]:
    (verbs,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    return {
        name: [word for action in parser._actions for word in action.option_strings if word.startswith("--")]
        for name, parser in verbs.choices.items()
    }
