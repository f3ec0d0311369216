"""The command line: what is asked for, whether it may cost money, and how it ended."""

from __future__ import annotations

import argparse
import io
import os
import re
import secrets
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from deploy.smoke import cost
from deploy.smoke.account import Account, Aws, Rehearsal
from deploy.smoke.assumptions import table
from deploy.smoke.evidence import Target
from deploy.smoke.patience import Patience
from deploy.smoke.run import Choices, Engine, Run
from deploy.smoke.stack import SmokeStack
from vpcflow.clock import Clock, SystemClock
from vpcflow.errors import EX_OK, EX_SOFTWARE, EX_USAGE, VpcFlowError

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parents[2]
_RUN = re.compile(r"smoke-[0-9a-f]{8}")
_STOPPED = 128 + signal.SIGINT
_EXAMPLES = """\
examples:
  python -m deploy.smoke --dry-run                      what it would do; needs no credentials and no network
  python -m deploy.smoke --region eu-central-1 --yes    the run, some cents, about twenty minutes
  python -m deploy.smoke --region eu-central-1 --yes --target https://search.example.com:9200 \\
      --secret arn:aws:secretsmanager:eu-central-1:123456789012:secret:search-AbCdEf
  python -m deploy.smoke --remove smoke-0123abcd --region eu-central-1    what an earlier run left behind

exit codes: 0 all is as planted and as assumed; 64 wrong options; 65 an assumed behaviour is otherwise; 70 documents are
missing, the stack failed, or something is left behind; 75 AWS did not answer; 77 AWS refused; 78 set-up; 130 stopped by Ctrl-C
"""


def main(
    arguments: list[str] | None = None,
    *,
    account: Account | None = None,
    clock: Clock | None = None,
    pack: Callable[[str], Mapping[str, Path]] | None = None,
) -> int:
    """Run it; return the exit code. Account, clock and packing are arguments for those who rehearse on servers of their own."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.assumptions:
        sys.stdout.write(f"{table()}\n")
        return EX_OK
    try:
        problem = _problem(given)
        if problem:
            sys.stderr.write(f"error: {problem}\n")
            return EX_USAGE
        return _run(given, account, clock or SystemClock(), pack or _packed)
    except VpcFlowError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return _STOPPED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say in one line what is wrong with an option."""
        self.exit(EX_USAGE, f"error: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m deploy.smoke",
        description="Try the project on real AWS: make a stack, send known flow logs, look for their documents, take it away.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--dry-run", action="store_true", help="say each step and each call of AWS, and do nothing")
    add("--yes", action="store_true", help="do not ask before it costs money")
    add("--region", default="", help="default: AWS_REGION, or that of the profile")
    add("--profile", default="", help="of the AWS configuration; default: AWS_PROFILE")
    add("--events", type=int, default=400, help="flow logs on each way, 50 to 10,000; default: 400")
    add("--minutes", type=float, default=15, help="that each kind of result may take; default: 15")
    add("--architecture", choices=["arm64", "x86_64"], default="arm64", help="of the functions")
    add("--no-probes", action="store_true", help="leave out the functions that misbehave on purpose")
    add(
        "--target", default="", metavar="URL", help="Elasticsearch or OpenSearch that Lambda and this machine can reach"
    )
    add(
        "--secret", default="", metavar="ARN", help='its secret: {"api_key": "…"}, or {"password": "…"} with --username'
    )
    add("--username", default="", help="of the search engine, if it has no API key")
    add("--keep", action="store_true", help="take nothing away; it goes on costing")
    add("--remove", default="", metavar="RUN", help="take away what an earlier run left: smoke-…")
    add("--assumptions", action="store_true", help="print the table of assumed behaviours, as in docs/smoke.md")
    return parser


def _problem(given: argparse.Namespace) -> str:
    """Return what is wrong with the options; "" if nothing is."""
    problems = {
        "--events: say a number from 50 to 10000": not 50 <= given.events <= 10_000,  # noqa: PLR2004 - is said
        "--minutes: say a number from 1 to 120": not 1 <= given.minutes <= 120,  # noqa: PLR2004 - likewise
        f"--remove: {given.remove!r} is no run; they are called smoke-0123abcd": bool(
            given.remove and not _RUN.fullmatch(given.remove)
        ),
        "--region: say it as AWS does, eu-central-1": bool(
            given.region and not re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-\d+", given.region)
        ),
        "--target: say https://HOST:PORT": bool(given.target and not re.fullmatch(r"https?://[^ ,]+", given.target)),
        "--secret and --username are for a --target": bool((given.secret or given.username) and not given.target),
        "--username: its password is in a --secret": bool(given.username and not given.secret),
    }
    return next((problem for problem, wrong in problems.items() if wrong), "")


def _run(
    given: argparse.Namespace, account: Account | None, clock: Clock, pack: Callable[[str], Mapping[str, Path]]
) -> int:
    run = given.remove or f"smoke-{secrets.token_hex(4)}"
    if given.dry_run:
        named = given.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        region = named or "eu-central-1"
        account = Rehearsal(_say, region=region, answers=_answers(run, region))
    elif account is None:
        account = Aws(region=given.region, profile=given.profile)
        if given.profile:
            os.environ["AWS_PROFILE"] = given.profile  # for the secret of the search engine, too
    patience = Patience(clock, once=given.dry_run)
    if given.remove:
        with _stopped_by_signals():
            return _remove(run, account, patience, _engine(given, run))
    for line in (f"run {run} in {account.region}", *cost.report(events=given.events, hours=0.5)):
        _say(line)
    if not given.dry_run and not given.yes and not _agreed():
        return EX_USAGE
    choices = Choices(
        run=run, events=given.events, minutes=given.minutes, architecture=given.architecture,
        probes=not given.no_probes, keep=given.keep,
        more={f"--{name}": text for name in ("profile", "target", "secret", "username") if (text := getattr(given, name))},
    )  # fmt: skip
    packing = _not_packed if given.dry_run else pack
    going = Run(choices, account, patience, say=_say, pack=packing, engine=_engine(given, run))
    with _stopped_by_signals():
        return going.go()


def _remove(run: str, account: Account, patience: Patience, engine: Engine | None) -> int:
    stack = SmokeStack(account, patience, run)
    if not stack.is_there():
        _say(f"there is no stack {run} in {account.region}: if the run was in another region, say --region")
    left = stack.remove()
    if engine and not account.rehearsing:
        left += engine.reach("").remove()
    for line in left:
        _say(f"LEFT: {line}")
    if not left and not account.rehearsing:
        _say(f"nothing of {run} is left in {account.region}")
    return EX_SOFTWARE if left else EX_OK


def _agreed() -> bool:
    if not sys.stdin.isatty():
        sys.stderr.write("error: this costs money; say --yes, or --dry-run to see what it would do\n")
        return False
    sys.stderr.write("This makes things in your account that cost money. Go on? [y/N] ")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _engine(given: argparse.Namespace, run: str) -> Engine | None:
    """Return the search engine that was named, with what the forwarder's template wants to know of it."""
    if not given.target:
        return None
    index = f"logs-aws.vpcflow-{run.replace('-', '')}"
    way = ("basic" if given.username else "api-key") if given.secret else "none"
    parameters = {
        "Hosts": given.target, "Authentication": way, "SecretArn": given.secret, "Username": given.username, "IndexName": index,
    }  # fmt: skip

    def reach(bucket: str) -> Target:
        from vpcflow.settings.load import load

        variables = {"VPCFLOW_ELASTICSEARCH__HOSTS": given.target, "VPCFLOW_INDEX__NAME": index}
        if way == "api-key":
            variables["VPCFLOW_ELASTICSEARCH__API_KEY"] = f"aws-secretsmanager:{given.secret}#api_key"
        if way == "basic":
            variables["VPCFLOW_ELASTICSEARCH__USERNAME"] = given.username
            variables["VPCFLOW_ELASTICSEARCH__PASSWORD"] = f"aws-secretsmanager:{given.secret}#password"
        if given.dry_run:
            variables = {name: text for name, text in variables.items() if "secretsmanager" not in text}
        aws = {name: os.environ[name] for name in ("AWS_REGION", "AWS_PROFILE") if name in os.environ}
        aws |= {"AWS_REGION": given.region} if given.region else {}
        return Target(load(None, {**aws, **variables}).settings, bucket)

    return Engine(parameters=parameters, index=index, reach=reach)


def _packed(architecture: str) -> Mapping[str, Path]:
    """Return the zip files of both Lambdas, made anew: the same bytes as those of `make lambda`."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("pack", _ROOT / "deploy" / "pack.py")
    if spec is None or spec.loader is None:
        raise VpcFlowError("deploy/pack.py is not there: run this in the root of a clone")
    packer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(packer)
    from vpcflow.stack.cache import Cache

    folder = _ROOT / "dist" / "lambda"
    return {f"{name}.zip": packer.pack(name, architecture, folder, Cache()) for name in ("transform", "forwarder")}


def _not_packed(architecture: str) -> Mapping[str, Path]:
    folder = _ROOT / "dist" / "lambda"
    return {f"{name}.zip": folder / f"{name}-{architecture}.zip" for name in ("transform", "forwarder")}


def _answers(run: str, region: str) -> dict[str, dict[str, object]]:
    """Return what a rehearsal answers: that everything was made, and that nothing came."""
    account = "123456789012"
    outputs = {
        "LogGroupName": f"/vpcflow/{run}",
        "StreamName": f"{run}-stream",
        "BucketName": f"{run}-tos3-bucket",
        "FlowLogDestination": f"arn:aws:s3:::{run}-flow-logs-{account}-{region}",
        "ProbeBucketName": f"{run}-probebucket",
        "ProbeQueueUrl": f"https://sqs.{region}.amazonaws.com/{account}/{run}-answer",
        "ProbeDeadQueueUrl": f"https://sqs.{region}.amazonaws.com/{account}/{run}-answer-dead",
    }
    made = [{"OutputKey": name, "OutputValue": value} for name, value in outputs.items()]
    return {
        "sts:GetCallerIdentity": {"Account": account},
        "cloudformation:DescribeStacks": {"Stacks": [{"StackStatus": "CREATE_COMPLETE", "Outputs": made}]},
        "s3:ListBuckets": {"Buckets": [{"Name": outputs[name]} for name in ("BucketName", "ProbeBucketName")]},
        "kinesis:ListShards": {"Shards": [{"ShardId": "shardId-000000000000"}]},
        "kinesis:GetShardIterator": {"ShardIterator": "…"},
        "kinesis:GetRecords": {"Records": []},
    }


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Let a SIGTERM, and a terminal that goes away, do what Ctrl-C does; not what is ignored, as with nohup."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGHUP)}
    for each, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _say(line: str) -> None:
    """Say it. Who does not listen any more, like a `| tee` that the same Ctrl-C ended, must not keep us from taking away."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:
        sys.stdout = io.StringIO()
