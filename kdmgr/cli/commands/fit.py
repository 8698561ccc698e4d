"""`kdmgr fit REF…`: verdict, memory, context, speed, and why."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kdmgr.cli.arguments import add_cache_type, add_context, add_host, add_json, add_machine
from kdmgr.errors import UsageError
from kdmgr.fit.options import MARGIN, EngineBuild, RunOptions, SplitMode
from kdmgr.fit.plan import Verdict
from kdmgr.paths import expand_home
from kdmgr.units import format_bytes, format_count, parse_bytes, parse_count, printable

if TYPE_CHECKING:
    from kdmgr.cli.console import Console
    from kdmgr.config import Settings
    from kdmgr.gguf.shape import ModelShape
    from kdmgr.models.headers import HeaderCache
    from kdmgr.services.app import Services
    from kdmgr.services.ladder import Ladder
    from kdmgr.services.rows import Assessment
    from kdmgr.services.teachers import TeacherFit

DOES_NOT_FIT, COULD_NOT_TELL = 1, 4


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments of `fit`."""
    parser.add_argument("refs", nargs="*", metavar="MODEL", help="a GGUF file, an Ollama name or hf.co/user/repo")
    add_json(parser)
    add_host(parser)
    parser.add_argument("--verbose", action="store_true", help="tell on stderr what was read, and from where")
    add_context(parser)
    add_cache_type(parser)
    add_machine(parser)
    parser.add_argument("--parallel", type=int, default=1, metavar="N", help="slots, each with its own context")
    parser.add_argument("--ubatch", type=int, metavar="N", help="physical batch (n_ubatch)")
    parser.add_argument("--n-gpu-layers", type=int, metavar="N", help="layers to offload, instead of planning it")
    parser.add_argument(
        "--flash-attn",
        action=argparse.BooleanOptionalAction,
        help="plan with or without flash attention (default: as the engine does)",
    )
    parser.add_argument(
        "--engine-build",
        choices=[build.value for build in EngineBuild],
        help="the engine to plan for (default: llama.cpp, the newest, or what the server is that has the model); "
        "ollama-0.11: up to 0.11.4, which goes by its own estimate",
    )
    parser.add_argument(
        "--history", action="store_true", help="what loads through Ollama took, beside what was planned"
    )
    parser.add_argument("--explain", action="store_true", help="show how each number came about")
    _add_placement(parser)


def _add_placement(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("placement")
    group.add_argument(
        "--reserve", metavar="SIZE", help="leave this much free on each GPU (default: 1GiB; ollama-0.11: none)"
    )
    group.add_argument(
        "--split-mode",
        choices=[mode.value for mode in SplitMode],
        default=SplitMode.LAYER.value,
        help="how a model is spread over several GPUs (default: layer)",
    )
    group.add_argument("--main-gpu", type=int, default=0, metavar="N", help="the GPU that is used without a split")
    group.add_argument("--tensor-split", metavar="N,N…", help="shares of the GPUs: 3,1 (default: by free memory)")
    group.add_argument(
        "--n-cpu-moe", type=int, default=0, metavar="N", help="leave the experts of N layers to the host"
    )
    group.add_argument("--mmproj", metavar="FILE", help="a projector (GGUF) that is loaded beside the model")
    group.add_argument("--lora", action="append", default=[], metavar="FILE", help="an adapter (GGUF), loaded too")
    group.add_argument("--draft", metavar="FILE", help="a draft model (GGUF), with its cache")


def run(args: argparse.Namespace, console: Console) -> int:
    """Assess each model; the exit code is that of the worst, of a repository that of its best quant."""
    from contextlib import closing

    from kdmgr.services.app import Services

    if not args.refs and not args.history:
        raise UsageError("no model was named", hint="kdmgr fit MODEL, or kdmgr fit --history")
    with closing(Services.create(host=args.host)) as services:
        if args.history:
            return _show_history(services, args, console)
        services.plan_for(args.gpu or (), args.vram)
        options = read_options(args, services.headers, services.settings)
        answers = [_assess(services, ref, options) for ref in args.refs]
        if args.verbose:
            _tell_traffic(services, _flatten(answers), console)
        if args.json:
            _print_json(services, answers, console)
        elif len(answers) > 1:
            _print_comparison(services, _flatten(answers), console)
        else:
            _print_answer(services, answers[0], args.explain, console)
    return max(_exit_code(answer) for answer in answers)


def _show_history(services: Services, args: argparse.Namespace, console: Console) -> int:
    from kdmgr.cli.history_text import history_object, print_history
    from kdmgr.services.load_history import read_history

    if len(args.refs) > 1:
        raise UsageError("the history is of one model, or of all", hint="kdmgr fit --history [MODEL]")
    history = read_history(services, args.refs[0] if args.refs else None)
    if args.json:
        import json

        console.print(json.dumps(history_object(history), indent=2))
    else:
        print_history(history, console)
    return 0


def _print_answer(services: Services, answer: Assessment | Ladder, explain: bool, console: Console) -> None:
    from kdmgr.services.ladder import Ladder

    if isinstance(answer, Ladder):
        from kdmgr.cli.ladder_text import print_ladder

        print_ladder(answer, console, _fit_teacher(services, answer))
    else:
        from kdmgr.cli.fit_text import print_explanation, print_fit

        print_fit(answer, console, _fit_teacher(services, answer))
        if explain:
            print_explanation(answer.report, console)


def _fit_teacher(services: Services, answer: Assessment | Ladder) -> TeacherFit | None:
    """The teacher of one model; of a repository that of the recommended quant, else of the smallest."""
    from kdmgr.services.ladder import Ladder

    chosen = (answer.recommended or answer.rungs[0]) if isinstance(answer, Ladder) else answer
    return services.fit_teacher(chosen)


def _assess(services: Services, text: str, options: RunOptions) -> Assessment | Ladder:
    """One model; all quants of a repository for one that is named without a quant."""
    from kdmgr.refs import HubRef, parse_ref

    ref = parse_ref(text)
    if isinstance(ref, HubRef) and ref.quant is None and ref.file is None:
        return services.fit_quants(ref, None, options)
    return services.advise(services.fit(text, None, options), options)


def _flatten(answers: list[Assessment | Ladder]) -> list[Assessment]:
    from kdmgr.services.ladder import Ladder

    flat: list[Assessment] = []
    for answer in answers:
        flat += answer.rungs if isinstance(answer, Ladder) else (answer,)
    return flat


def _exit_code(answer: Assessment | Ladder) -> int:
    return min(exit_code(assessment.report.verdict) for assessment in _flatten([answer]))


def _tell_traffic(services: Services, assessments: list[Assessment], console: Console) -> None:
    for assessment in assessments:
        if (found := assessment.found) is None:
            continue
        length = format_bytes(found.header.data_offset) if found.header.data_offset else "unknown length"
        source = "Hub" if found.source == "huggingface" else found.source
        origin = "known from before" if found.from_cache else f"read from the {source}"
        console.note(f"{found.ref}: header of {length}, {origin}")
    traffic = services.web.traffic
    console.note(
        f"network: {traffic.requests} requests, {traffic.bytes_read} bytes ({format_bytes(traffic.bytes_read)})"
    )


def read_options(args: argparse.Namespace, headers: HeaderCache, settings: Settings) -> RunOptions:
    """Run options as the command line gives them, else the settings; files beside the model are weighed by headers."""
    reserve = settings.reserve_bytes if args.reserve is None else parse_bytes(args.reserve)
    cache_type = args.cache_type or settings.cache_type or "f16"
    return RunOptions(
        n_ctx=settings.n_ctx if args.ctx_size is None else parse_count(args.ctx_size),
        n_parallel=args.parallel,
        n_ubatch=args.ubatch,
        n_batch=args.ubatch,
        type_k=args.cache_type_k or cache_type,
        type_v=args.cache_type_v or cache_type,
        flash_attn=args.flash_attn,
        engine_build=EngineBuild(args.engine_build) if args.engine_build else None,
        n_gpu_layers=args.n_gpu_layers,
        n_cpu_moe=args.n_cpu_moe,
        split_mode=SplitMode(args.split_mode),
        main_gpu=args.main_gpu,
        tensor_split=_read_split(args.tensor_split),
        margin_bytes=MARGIN if reserve is None else reserve,
        gpu_overhead_bytes=reserve or 0,
        projector_bytes=_weigh(headers, [args.mmproj] if args.mmproj else []),
        extra_bytes=_weigh(headers, args.lora),
        draft=_read_draft(headers, args.draft),
    )


def _read_draft(headers: HeaderCache, file: str | None) -> ModelShape | None:
    if file is None:
        return None
    from kdmgr.gguf.shape import read_shape

    return read_shape(headers.read(expand_home(file)))


def _read_split(text: str | None) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        shares = (-1.0,)
    if any(not 0 <= share < 1e9 for share in shares):
        raise UsageError(f"not shares of GPUs: {text!r}", hint="write numbers with commas between: --tensor-split 3,1")
    return shares


def _weigh(headers: HeaderCache, files: Sequence[str]) -> int:
    return sum(headers.read(expand_home(name)).weights_bytes for name in files)


def exit_code(verdict: Verdict) -> int:
    """0 while it runs (on the GPU, in part or on the CPU), 1 when it does not fit, 4 when nobody can tell."""
    if verdict is Verdict.UNKNOWN:
        return COULD_NOT_TELL
    return DOES_NOT_FIT if verdict is Verdict.TOO_BIG else 0


def _print_json(services: Services, answers: list[Assessment | Ladder], console: Console) -> None:
    import json

    from kdmgr.cli.fit_json import fit_object
    from kdmgr.cli.ladder_text import ladder_object
    from kdmgr.services.ladder import Ladder

    objects = []
    for answer in answers:
        teacher = _fit_teacher(services, answer)
        objects.append(ladder_object(answer, teacher) if isinstance(answer, Ladder) else fit_object(answer, teacher))
    console.print(json.dumps(objects[0] if len(objects) == 1 else objects, indent=2))


def _print_comparison(services: Services, assessments: list[Assessment], console: Console) -> None:
    from kdmgr.services.wording import MARKS, short_speed

    rows = []
    for assessment in assessments:
        report = assessment.report
        total = report.plan.components
        rows.append(
            (
                report.ref,
                f"{MARKS[report.verdict]} {report.verdict.value}",
                report.shape.quant or "?",
                format_count(report.options.n_ctx),
                format_bytes(total.known) if total.total is not None else f"≥ {format_bytes(total.known)}",
                format_bytes(report.headroom_bytes),
                format_count(report.max_n_ctx),
                short_speed(report.speed),
            )
        )
    header = ("MODEL", "FIT", "QUANT", "CONTEXT", "MEMORY", "HEADROOM", "LARGEST", "TOK/S")
    console.table(header, rows, right=(3, 4, 5, 6, 7))
    _print_teachers(services, assessments, console)


def _print_teachers(services: Services, assessments: list[Assessment], console: Console) -> None:
    """One line for each student among them whose teacher can be sized."""
    students = {each.match.student.id: each for each in assessments if each.match}
    for assessment in students.values():
        teacher = services.fit_teacher(assessment)
        if teacher is not None and teacher.memory is not None and assessment.match is not None:
            from kdmgr.services.teachers import describe_teacher

            text = f"teacher of {assessment.match.student.name}: {describe_teacher(teacher)}"
            console.print(printable(text))
