"""`kdmgr show MODEL`: everything known of an installed model, or of a student of the catalog."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_host, add_json
from kdmgr.errors import NotFound, UsageError
from kdmgr.units import format_bytes, format_count, format_parameters, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.services.about import About
    from kdmgr.services.app import Services
    from kdmgr.services.lineage import LineageStory


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `show`."""
    parser.add_argument(
        "model", metavar="MODEL", help="an installed model; else a student of the catalog, by id, name or tag"
    )
    add_json(parser)
    add_host(parser)
    # Not --version: what follows a command is the command's.
    parser.add_argument("-v", "--verbose", action="store_true", help="all metadata of the file")
    parser.add_argument("--tensors", action="store_true", help="every tensor: name, shape, type, size")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--receipt", action="store_true", help="only the receipt of its import or pull")
    group.add_argument("--template", action="store_true", help="only the chat template")
    group.add_argument("--license", action="store_true", help="only the licence")
    group.add_argument("--modelfile", action="store_true", help="as a Modelfile")


def run(args: argparse.Namespace, console: Console) -> int:
    """Describe one model."""
    from kdmgr.services.about import about_model, to_modelfile
    from kdmgr.services.app import Services

    services = Services.create(host=args.host)
    if args.receipt:
        _print_receipt(services, args, console)
        return 0
    try:
        about = about_model(services, args.model)
    except (NotFound, UsageError):
        story = _find_story(services, args)
        if story is None:
            _refuse_file(args.model)
            raise
        return _show_story(story, args, console)
    if args.template:
        console.print(printable(about.template or ""))
    elif args.license:
        console.print(printable("\n\n".join(about.licenses)))
    elif args.modelfile:
        console.print(printable(to_modelfile(about)), end="")
    elif args.json:
        _print_json(services, about, args, console)
    else:
        from kdmgr.cli.show_text import print_metadata, print_tensors

        _print_text(about, console)
        _print_lineage(services, about, console)
        if args.verbose:
            print_metadata(about, console)
        if args.tensors:
            print_tensors(about, console)
    return 0


def _refuse_file(text: str) -> None:
    """A file has no name, no template of a Modelfile and no receipt: another command looks at it."""
    from kdmgr.refs import FileRef, parse_ref

    try:
        ref = parse_ref(text)
    except UsageError:
        return
    if isinstance(ref, FileRef):
        raise UsageError(f"{text} is a file, and `show` tells of models by their names", hint=f"kdmgr fit {text}")


def _find_story(services: Services, args: argparse.Namespace) -> LineageStory | None:
    """The catalog's entry of what is not installed; None where parts of a file were asked for."""
    from kdmgr.services.lineage import find_student, tell_lineage

    if args.template or args.license or args.modelfile or args.tensors:
        return None
    student = find_student(services.catalog, args.model)
    return tell_lineage(student, services.catalog) if student else None


def _show_story(story: LineageStory, args: argparse.Namespace, console: Console) -> int:
    if args.json:
        import json

        from kdmgr.cli.lineage_json import lineage_object

        body = {"schema_version": 1, "installed": False, "lineage": lineage_object(story)}
        console.print(json.dumps(body, indent=2))
    else:
        from kdmgr.cli.lineage_text import print_student

        print_student(story, console)
    return 0


def _print_lineage(services: Services, about: About, console: Console) -> None:
    """What the catalog knows of the student that the model is, or was made from."""
    if about.match is None:
        return
    from kdmgr.cli.lineage_text import print_lineage
    from kdmgr.services.lineage import tell_lineage

    console.print()
    made = "" if about.match.relation == "itself" else "made from "
    console.print(console.style(f"lineage: {made}{printable(about.match.student.name)}", "bold"))
    print_lineage(tell_lineage(about.match.student, services.catalog), console, about.shape.quant)


def _print_receipt(services: Services, args: argparse.Namespace, console: Console) -> None:
    """Also of a model that only a server has, or that is gone."""
    from kdmgr.refs import parse_ollama_name

    ref = parse_ollama_name(args.model)
    receipt = services.receipts.find_any(ref)
    if receipt is None:
        services.library.require(ref)
        raise NotFound(f"there is no receipt of {ref}", hint="only pulls and imports by kdmgr have one")
    if args.json:
        import json

        from kdmgr.services.receipts import receipt_object

        console.print(json.dumps(receipt_object(receipt), indent=2))
        return
    from kdmgr.cli.receipt_text import print_story

    print_story(services.transfer_history.tell(receipt), console)


def _print_text(about: About, console: Console) -> None:
    from kdmgr.cli.show_text import describe_projector

    shape = about.shape
    console.fields(
        {
            "name": about.name,
            "store": about.store,
            "size": format_bytes(about.size),
            "digest": about.digest,
            "file": str(about.path or ""),
            "modified": about.modified_at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if about.modified_at else "",
            "came from": about.pulled.words if about.pulled else "",
            "you said": about.said or "",
            "model": f"{shape.architecture} · {format_parameters(shape.parameters)} · {shape.quant or '?'}",
            "layers": str(shape.n_layer),
            "context": format_count(shape.n_ctx_train),
            "vocabulary": "?" if shape.n_vocab is None else str(shape.n_vocab),
            "can": ", ".join(about.capabilities),
            "projector": describe_projector(about),
            "template": about.template_words,
            "system": about.system or "",
            "parameters": ", ".join(f"{key} {value}" for key, value in about.parameters.items()),
            "licence": about.licenses[0].strip().partition("\n")[0] if about.licenses else "",
            "student": about.match.student_words if about.match else "",
            "teacher": about.match.lineage_words if about.match else "",
            "known by": "; ".join(about.match.evidence) if about.match else "",
        }
    )
    console.print()
    rows = [(name, str(count), format_bytes(size)) for name, count, size in about.tensor_types]
    console.table(("TENSOR TYPE", "TENSORS", "SIZE"), rows, right=(1, 2))


def _print_json(services: Services, about: About, args: argparse.Namespace, console: Console) -> None:
    import json

    from kdmgr.cli.show_text import metadata_object, projector_object, tensors_object
    from kdmgr.services.receipts import receipt_object

    shape = about.shape
    body: dict[str, object] = {
        "schema_version": 1,
        "name": about.name,
        "store": about.store,
        "size_bytes": about.size,
        "digest": about.digest,
        "said": about.said,
        "pulled": receipt_object(about.pulled) if about.pulled else None,
        "architecture": shape.architecture,
        "parameters": shape.parameters,
        "quant": shape.quant,
        "n_layer": shape.n_layer,
        "n_ctx_train": shape.n_ctx_train,
        "n_vocab": shape.n_vocab,
        "template": about.template,
        "system": about.system,
        "modelfile_parameters": dict(about.parameters),
        "licenses": list(about.licenses),
        "student": about.match.student.id if about.match else None,
        "teacher": about.match.student.lineage.teacher.name if about.match else None,
        "relation": about.match.relation if about.match else None,
        "modified_at": about.modified_at.isoformat() if about.modified_at else None,
        "capabilities": list(about.capabilities),
        "projector": projector_object(about),
        "tensors": [{"type": name, "count": count, "size_bytes": size} for name, count, size in about.tensor_types],
    }
    if about.match:
        from kdmgr.cli.lineage_json import lineage_object
        from kdmgr.services.lineage import tell_lineage

        body["lineage"] = lineage_object(tell_lineage(about.match.student, services.catalog))
    if args.verbose:
        body["metadata"] = metadata_object(about)
    if args.tensors:
        body["tensor_table"] = tensors_object(about)
    console.print(json.dumps(body, indent=2))
