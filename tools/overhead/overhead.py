"""What a call from Python costs beside the work inside it, and what importing llmdit costs beside importing torch."""

import statistics
import subprocess
import sys
import time

import llmdit

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 40
IMPORT = """
import time
t = time.perf_counter(); import torch; u = time.perf_counter(); import llmdit; print(u - t, time.perf_counter() - u)
"""


def calls() -> None:
    pipe = llmdit.ZImagePipeline.from_pretrained(llmdit.demo_model_path())
    for output_type in ("pil", "np", "pt"):
        beside, work = [], []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            result = pipe("a red circle left of a blue star", seed=1, output_type=output_type)
            beside.append(time.perf_counter() - start - result.timings.total)
            work.append(result.timings.total)
        cost, total = statistics.median(beside), statistics.median(work)
        share = f"beside the work {cost * 1e6:.0f} us, {100 * cost / total:.2g} %"
        print(f"Python, {output_type}: a call {(cost + total) * 1e3:.3g} ms, {share}")


def imports() -> None:
    runs = [subprocess.check_output([sys.executable, "-c", IMPORT], text=True).split() for _ in range(5)]
    torch_seconds, own = (statistics.median(float(run[i]) for run in runs) for i in range(2))
    print(f"import torch: {torch_seconds:.2f} s; import llmdit after it: {own:.2f} s")


calls()
imports()
