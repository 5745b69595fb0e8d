"""Build the serving image, call it, scan it, push it by digest and sign it; nothing is pushed unless all checks passed.

A step takes the frozen values of those before it and returns one of its own, which says what the report tells of it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from cd4ml.context import Context
from cd4ml.image.reference import Reference
from cd4ml.inputs.runtime import Runtime
from cd4ml.process.descendants import beside
from cd4ml.report import Report
from cd4ml.stages.build_image.base import find_base
from cd4ml.stages.build_image.build import build
from cd4ml.stages.build_image.conversion import choose_road
from cd4ml.stages.build_image.documents import forget
from cd4ml.stages.build_image.evidence import DOCUMENTS, Facts, give_evidence
from cd4ml.stages.build_image.inputs import Inputs, resolve
from cd4ml.stages.build_image.model import fetch_model, look_for_code
from cd4ml.stages.build_image.options import Options
from cd4ml.stages.build_image.push import NotPushed, push_image
from cd4ml.stages.build_image.ranges import feature_ranges
from cd4ml.stages.build_image.report import Record
from cd4ml.stages.build_image.sbom import list_materials
from cd4ml.stages.build_image.scan import scan_image
from cd4ml.stages.build_image.simulation import simulate_image, tables_to_compare


def run(options: Options, context: Context) -> Report:
    """Render, build, simulate, scan, push and sign, in that order.

    Raises:
        OptionsError: options that contradict each other or do not follow their grammar.
        UnavailableError: model, builder, Trivy, its database or the registry of images cannot be reached.
    """
    with tempfile.TemporaryDirectory(prefix="cd4ml-image-") as scratch:
        return _run(resolve(options, context, Path(scratch)))


def _run(inputs: Inputs) -> Report:
    """Go through the steps, and end where one says that no other may follow."""
    forget(inputs, DOCUMENTS)
    candidate = fetch_model(inputs)
    name = candidate.tagged(inputs.image)
    record = Record(candidate=candidate.identity, plan=_plan(inputs, name))
    inputs.context.save(record.unfinished())
    code = record.add(look_for_code(inputs, candidate))
    if not record.good:
        return record.report(f"{code.check.message} Nothing was built.")
    tables = tables_to_compare(inputs, candidate)
    base = record.add(find_base(inputs, candidate))
    road = record.add(choose_road(inputs, candidate, code, base))
    if not record.good:
        return record.report(f"{road.check.message} Nothing was built.")
    if (ranges := feature_ranges(inputs, candidate)) is not None:
        record.add(ranges)
    built = record.add(build(inputs, candidate, code, base, road, name, ranges))
    image = built.image
    if image is None:
        return record.report("The image could not be built; nothing was pushed.")
    with beside(lambda: scan_image(inputs, base, road, name, image)) as scanned:
        if inputs.options.maximum_p99_ms is not None:
            scanned.result()  # a scan beside it would be measured too
        record.add(simulate_image(inputs, candidate, road, image, tables))
        record.add(scanned.result())
    materials = record.add(list_materials(inputs, candidate, base, road, built))
    if not record.good:
        return record.report(f"{name} is blocked; nothing was pushed.")
    if not inputs.options.push:
        return record.report(f"{name} is built and every check passed; nothing was pushed (push is false).")
    inputs.context.save(record.unfinished())
    pushed = record.add(push_image(inputs, name, image))
    if isinstance(pushed, NotPushed):
        return record.report(f"Every check of {name} passed, and it could not be pushed: run the stage again.")
    inputs.context.save(record.unfinished())
    facts = Facts(
        candidate=candidate,
        base=base,
        built=built,
        materials=materials,
        pushed=pushed,
        checks=record.checks,
        tables=record.inputs,
        onnx=road.sha256 if road.runtime is Runtime.ONNX else None,
    )
    evidence = record.add(give_evidence(inputs, facts))
    return record.report(f"Pushed {pushed.image}{_proven(inputs, evidence.good)}.")


def _proven(inputs: Inputs, good: bool) -> str:
    """Say whether what is pushed is signed, where that was asked for."""
    if inputs.signer is None:
        return ""
    return ", signed" if good else ", but not signed"


def _plan(inputs: Inputs, image: Reference) -> list[str]:
    """Return what the stage is about to do."""
    options = inputs.options
    convert = [] if options.runtime is Runtime.NATIVE else ["convert the model to ONNX and prove it equal"]
    steps = [*convert, f"render a Dockerfile on {options.base_image}", f"build {image} with {inputs.builder.name}"]
    steps.append("start it and compare its predictions" if options.simulate else "start it")
    steps.append(f"scan it with Trivy; {', '.join(inputs.severities)} block")
    steps.append(f"push {image} if every check passed" if options.push else "push nothing (push is false)")
    if inputs.signer is not None:
        steps.append(f"sign what is known of it with {inputs.signer.identity}, and attach that in the registry")
    return steps
