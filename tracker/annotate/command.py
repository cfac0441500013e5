"""`combatvla tracker explain`: why the player did what was done, beside the recording."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from combatvla.arguments import parse
from combatvla.errors import UserError
from combatvla.profiles import GameProfile
from tracker.align import Alignment, AlignOptions, samples
from tracker.annotate.annotator import Annotator, Dropped, plan_text
from tracker.append import Appender
from tracker.balance import added, histogram
from tracker.clean import Cleaner, CleanOptions, CleanTimes
from tracker.rows import BY, EXPLANATIONS
from tracker.session import Session, read_rows
from tracker.several import Failures, with_profiles


@dataclass(kw_only=True)
class Args(AlignOptions, CleanTimes):
    """Says of each recorded action why it was right, in a sentence a step, and keeps that in the session.

    For example:

        combatvla tracker explain sessions/first --by truth
        combatvla tracker explain sessions/* --by hud
        combatvla tracker explain sessions/* --by vlm --url http://127.0.0.1:8000/v1 --model Qwen/Qwen2.5-VL-7B-Instruct
        combatvla tracker explain sessions/mine --by vlm --url https://api.openai.com/v1 --model gpt-4o \\
            --key-env OPENAI_API_KEY --per-minute 60 --limit 20

    It can be stopped and run again at any time: what is explained is not asked again. `tracker export` uses the
    explanations of the moments that it exports: give both the same options (frames, offsets, times), or they are about
    other moments. Explained by several, a moment keeps what was said by the annotator that ran last.
    """

    sessions: tyro.conf.Positional[list[Path]]
    """Folders made by `combatvla tracker record` or `combatvla tracker demonstrate`."""
    by: Literal["truth", "hud", "vlm"]
    """truth: the Arena's own log; hud: the bars on the picture, where the profile names them; vlm: a model at an
    OpenAI-compatible server."""
    game: str | None = None
    """Another profile than the one a session was recorded with (name or path)."""
    truth: Path | None = None
    """truth: the log (`env play --log`); by default truth.jsonl in the session."""
    url: str | None = None
    """vlm: the server's address up to /v1."""
    model: str | None = None
    """vlm: the model's name there."""
    key_env: str | None = None
    """vlm: the environment variable that holds the key; without it none is sent."""
    insecure_http: bool = False
    """vlm: sends pictures and key to another machine without encryption."""
    parallel: int = 4
    """vlm: requests at a time."""
    per_minute: float = 0.0
    """vlm: requests a minute at most, the repeated ones included; 0: no limit."""
    timeout_s: float = 60.0
    """vlm: seconds for one answer."""
    tries: int = 5
    """vlm: so often a request is sent before its sample is dropped."""
    picture_width: int = 1008
    """vlm: larger pictures are shrunk to this width in pixels."""
    max_tokens: int = 400
    """vlm: of an answer; 0 leaves it to the server (some models refuse the word)."""
    cache: Path | None = None
    """vlm: where answers are kept for all sessions; by default in the folder `answers` of each."""
    again: bool = False
    """vlm: asks again what was answered badly before."""
    limit: int = 0
    """Explains so many samples at most, to try it out; 0: all."""
    json: bool = False
    """Prints one JSON object as the last line."""


@dataclass
class Report:
    """What was explained."""

    by: str
    sessions: int = 0
    samples: int = 0
    """That there are to explain."""
    explained: int = 0
    kept: int = 0
    """Explained before, by the same annotator."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Not explained, by reason."""
    left_out: dict[str, int] = field(default_factory=dict)
    """Not to be exported, and so not explained, by reason (`tracker.clean`)."""
    actions: dict[str, int] = field(default_factory=dict)
    """How many of the explained and kept begin with which action."""
    without: dict[str, str] = field(default_factory=dict)
    """Sessions that could not be used, by folder, and why."""


def explain_session(
    session: Session, profile: GameProfile, annotator: Annotator, options: Args, report: Report, limit: int | None
) -> Iterator[tuple[int, int]]:
    """Explains a session's samples, `limit` at most, and writes each explanation as it comes. Gives how many are done
    and how many there are; first that none is, when all has been read in which the session may be damaged."""
    cleaning = CleanOptions(keep_idle=options.keep_idle, keep_flagged=options.keep_flagged)
    cleaner = Cleaner(session, profile, cleaning, report.left_out)
    found = cleaner.by_time(samples(session, profile, options, Alignment()))
    path = session.folder / "explanations.jsonl"
    known, newest = {}, {}
    for row in read_rows(path, EXPLANATIONS) if path.is_file() else ():
        newest[row.t_ns] = row
        if row.by == annotator.by:
            known[row.t_ns, row.plan] = row
    todo, done = [], []
    for sample in found:
        row = known.get((sample.t_ns, plan_text(sample.plan)))
        if row is None:
            todo.append(sample)
        else:
            done.append(sample)
            report.kept += 1
    todo = todo[:limit]
    report.sessions += 1
    report.samples += len(found)
    report.actions = added(report.actions, histogram(done))
    with Appender(path, EXPLANATIONS) as file:
        for sample in done:  # said by another annotator since: this one is asked now
            row = known[sample.t_ns, plan_text(sample.plan)]
            if newest[row.t_ns] != row:
                file.add(row)
        yield 0, len(todo)
        for i, result in enumerate(annotator.annotate(session, profile, todo), 1):
            if isinstance(result, Dropped):
                report.dropped[result.why] = report.dropped.get(result.why, 0) + 1
            else:
                file.add(result)
                report.explained += 1
                report.actions = added(report.actions, histogram([result.plan]))
            yield i, len(todo)


def main(argv: list[str]) -> int:
    from combatvla.report import emit

    args = parse(Args, argv, "tracker explain")
    if not args.sessions:
        raise UserError("no session given: name the folders that `combatvla tracker record` made")
    args.check()
    args.check_cleaning()
    if args.limit < 0:
        raise UserError(f"--limit is a number of samples, got {args.limit}")
    annotator, failures = _annotator(args), Failures(args.sessions)
    report = Report(annotator.by, without=failures.why)
    try:
        for folder, profile in with_profiles(args.sessions, args.game, failures):
            left = args.limit - report.explained - sum(report.dropped.values()) if args.limit else None
            if left is not None and left <= 0:
                break
            _explain(folder, profile, annotator, args, report, left, failures)
        failures.end_if_all("explain")
    finally:  # stopped or given up: what stands is told as well
        if report.sessions:
            _tell(report, annotator)
    emit({**asdict(report), **annotator.figures()}, as_json=args.json)
    return 0


def _explain(
    folder: Path,
    profile: GameProfile,
    annotator: Annotator,
    args: Args,
    report: Report,
    limit: int | None,
    failures: Failures,
) -> None:
    """Opens a session and explains it; damaged, it is added to `failures`."""
    from combatvla.report import progress

    try:
        session = Session(folder)
        annotator.check(session, profile)
        steps = explain_session(session, profile, annotator, args, report, limit)
        _, total = next(steps)
    except UserError as error:
        failures.add(folder, str(error))
        return
    if total:
        with progress(session.name, total) as advance:
            for _ in steps:
                advance(1, _note(report))


def _tell(report: Report, annotator: Annotator) -> None:
    from combatvla.report import table

    lines = [("to explain", report.samples), ("explained", report.explained), ("kept from before", report.kept)]
    lines += [(f"dropped: {why}", n) for why, n in sorted(report.dropped.items(), key=lambda i: -i[1])]
    lines += [(f"not exported: {why}", n) for why, n in sorted(report.left_out.items(), key=lambda i: -i[1])]
    lines += list(annotator.figures().items())
    if report.without:
        lines.append(("sessions that could not be used", len(report.without)))
    table(f"by {report.by}", ("", "samples"), lines)
    total = sum(report.actions.values())
    by_share = sorted(report.actions.items(), key=lambda i: -i[1])
    if total:
        table("balance", ("begins with", "samples", "share"), [(a, n, f"{n / total:.1%}") for a, n in by_share])


def _note(report: Report) -> str:
    dropped = sum(report.dropped.values())
    return f"({report.explained} explained, {dropped} dropped)"


def _annotator(args: Args) -> Annotator:
    if args.by != "truth" and args.truth is not None:
        raise UserError(f"--truth goes with --by truth, not with --by {args.by}")
    if args.by != "vlm" and (args.url or args.model or args.key_env):
        raise UserError(f"--url, --model and --key-env go with --by vlm, not with --by {args.by}")
    if args.by == "truth":
        from tracker.annotate.truth import TruthAnnotator

        if args.truth is not None and len(args.sessions) > 1:
            raise UserError("--truth goes with one session: explain them one by one, or put each log in as truth.jsonl")
        return TruthAnnotator(args.truth)
    if args.by == "hud":
        from tracker.annotate.hud import HudAnnotator

        return HudAnnotator()
    from combatvla.chat import checked_url, key_from
    from tracker.annotate.endpoint import Endpoint
    from tracker.annotate.vlm import VlmAnnotator

    if not args.url or not args.model:
        raise UserError("--by vlm needs --url (like http://127.0.0.1:8000/v1) and --model (the model's name there)")
    if len(args.model) > 200 or not re.fullmatch(BY, args.model):
        raise UserError("--model is a name of at most 200 letters, digits, blanks and : . / @ + - _")
    if min(args.parallel, args.tries, args.picture_width) < 1 or args.timeout_s <= 0:
        raise UserError("--parallel, --tries and --picture-width start at 1, --timeout-s lies over 0")
    if args.per_minute < 0 or args.max_tokens < 0:
        raise UserError("--per-minute and --max-tokens start at 0")
    endpoint = Endpoint(
        checked_url(args.url, args.insecure_http),
        key_from(args.key_env),
        per_minute=args.per_minute,
        timeout_s=args.timeout_s,
        tries=args.tries,
    )
    return VlmAnnotator(
        endpoint,
        args.model,
        cache=args.cache,
        parallel=args.parallel,
        picture_width=args.picture_width,
        max_tokens=args.max_tokens,
        again=args.again,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
