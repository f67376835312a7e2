"""Noise levels, steps and noise against diffusers' FlowMatchEulerDiscreteScheduler and torch."""

import llmdit
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas
from parity import record
from reference import draw, seeded

SIGMA_BOUND = 1.2e-7  # one unit in the last place of a float32 just below 1


def reference_sigmas(steps, given=None, image_seq_len=256, **config):
    scheduler = FlowMatchEulerDiscreteScheduler(**config)
    mu = calculate_shift(
        image_seq_len,
        *(scheduler.config[key] for key in ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")),
    )
    scheduler.set_timesteps(sigmas=given or get_default_z_image_sigmas(steps), mu=mu)
    return scheduler.sigmas


def compare(check, got, want, where):
    assert got.dtype == torch.float32 and got.shape == want.shape
    record(check, (got - want).abs().max().item(), bound=SIGMA_BOUND, where=where)


@pytest.mark.parametrize("shift", [1.0, 3.0, 6.0, 0.5])
def test_static_shift(shift):
    scheduler = llmdit.FlowMatchScheduler(shift=shift)
    for steps in [*range(1, 61), 100, 1000]:
        want = reference_sigmas(steps, shift=shift)
        compare("sigmas, static shift", scheduler.make_sigmas(steps), want, f"shift {shift}, {steps} steps")


def test_eight_steps_of_turbo():
    sigmas = llmdit.FlowMatchScheduler(shift=3.0).make_sigmas(8)
    assert sigmas.tolist() == pytest.approx([1, 0.954545, 0.9, 0.833333, 0.75, 0.642857, 0.5, 0.3, 0], abs=1e-6)


def test_shift_of_the_call_replaces_the_configured_one():
    scheduler = llmdit.FlowMatchScheduler(shift=3.0)
    assert torch.equal(scheduler.make_sigmas(7, shift=5.0), llmdit.FlowMatchScheduler(shift=5.0).make_sigmas(7))


@pytest.mark.parametrize("given", [[1.0], [1.0, 0.7, 0.2], [0.9, 0.9, 0.5, 0.01]])
def test_given_sigmas_are_shifted(given):
    want = reference_sigmas(len(given), given, shift=3.0)
    compare(
        "sigmas, given", llmdit.FlowMatchScheduler(shift=3.0).make_sigmas(len(given), sigmas=given), want, str(given)
    )


@pytest.mark.parametrize("kind", ["exponential", "linear"])
@pytest.mark.parametrize("image_seq_len", [16, 256, 1024, 4096, 9000])
def test_dynamic_shifting(kind, image_seq_len):
    config = {"use_dynamic_shifting": True, "base_shift": 0.4, "max_shift": 1.3}
    scheduler = llmdit.FlowMatchScheduler(**config, time_shift_type=llmdit.TimeShiftType[kind])
    for steps in (1, 4, 9, 50):
        want = reference_sigmas(steps, image_seq_len=image_seq_len, time_shift_type=kind, **config)
        got = scheduler.make_sigmas(steps, image_seq_len=image_seq_len)
        compare(f"sigmas, dynamic {kind}", got, want, f"{image_seq_len} patches, {steps} steps")
    assert llmdit.calculate_mu(scheduler.config, image_seq_len=image_seq_len) == pytest.approx(
        calculate_shift(image_seq_len, base_shift=0.4, max_shift=1.3)
    )


def test_dynamic_shifting_needs_the_size():
    with pytest.raises(llmdit.InvalidArgument, match="image_seq_len"):
        llmdit.FlowMatchScheduler(use_dynamic_shifting=True).make_sigmas(4)


@pytest.mark.parametrize(
    ("steps", "options"),
    [
        (0, {}),
        (-1, {}),
        (4, {"shift": 0.0}),
        (4, {"shift": -1.0}),
        (4, {"shift": float("nan")}),
        (3, {"sigmas": [1.0, 0.5]}),
        (2, {"sigmas": [0.5, 0.7]}),
        (2, {"sigmas": [1.0, 0.0]}),
        (2, {"sigmas": [1.5, 0.5]}),
        (2, {"sigmas": [1.0, float("nan")]}),
    ],
)
def test_schedules_that_cannot_be(steps, options):
    with pytest.raises(llmdit.InvalidArgument):
        llmdit.FlowMatchScheduler(shift=3.0).make_sigmas(steps, **options)


def test_euler_step():
    latents, velocity = draw(1, 2, 16, 4, 4), draw(2, 2, 16, 4, 4)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=get_default_z_image_sigmas(8), mu=0.5)
    for step, t in enumerate(scheduler.timesteps):
        want = scheduler.step(velocity, t, latents, return_dict=False)[0]
        sigma, sigma_next = scheduler.sigmas[step].item(), scheduler.sigmas[step + 1].item()
        assert torch.equal(llmdit.euler_step(latents, velocity=velocity, sigma=sigma, sigma_next=sigma_next), want)
        latents = want


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 + 5, 2**63 + 11, 2**64 - 1])
@pytest.mark.parametrize("shape", [(1, 16, 8, 8), (3,), (15,), (16,), (1, 4, 3, 5), (2, 16, 9, 7)])
def test_noise_is_torch_s_own(seed, shape):
    assert torch.equal(llmdit.make_noise(shape, seed=seed), torch.randn(shape, generator=seeded(seed)))


def test_reads_a_folder(folders):
    scheduler = llmdit.FlowMatchScheduler.from_pretrained(folders("dynamic"), subfolder="scheduler")
    assert scheduler.config.use_dynamic_shifting
    assert scheduler.config.max_shift == 1.5
    assert scheduler.config.max_image_seq_len == 512
    assert llmdit.FlowMatchScheduler.from_pretrained(folders("base") / "scheduler").config.shift == 3.0
    assert repr(scheduler).startswith(
        "FlowMatchScheduler(num_train_timesteps=1000, shift=1.0, use_dynamic_shifting=True"
    )


def test_an_unknown_setting_names_the_nearest():
    with pytest.raises(TypeError, match="did you mean 'max_shift'"):
        llmdit.FlowMatchScheduler(max_shitf=1.0)
