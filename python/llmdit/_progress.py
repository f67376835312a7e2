"""A bar of the denoising steps, by tqdm where it is installed."""

import contextlib
import copy
from collections.abc import Iterator

from ._llmdit import GenerateOptions, StepInfo


@contextlib.contextmanager
def progress_bar(options: GenerateOptions) -> Iterator[GenerateOptions]:
    """Options that move a bar with each step, and call the on_step that is there."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True needs tqdm, which is not installed: pip install tqdm") from error
    running, on_step = copy.copy(options), options.on_step
    with tqdm(total=len(options.sigmas) or options.num_inference_steps, unit="step") as bar:

        def step(info: StepInfo) -> bool | None:
            bar.total = info.total  # fewer than asked for where a picture is the start
            bar.update()
            return on_step(info) if on_step else None

        running.on_step = step
        yield running
