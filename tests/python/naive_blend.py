"""The formulas of llmdit.vl, written down row by row in float64."""

import numpy as np


def resample(rows: np.ndarray, count: int) -> np.ndarray:
    """Linearly between rows; place j lies at (j + 0.5) * m / count - 0.5, clamped to the ends."""
    m = len(rows)
    result = np.empty((count, rows.shape[1]))
    for j in range(count):
        place = min(max((j + 0.5) * m / count - 0.5, 0.0), m - 1.0)
        low = int(np.floor(place))
        high = min(low + 1, m - 1)
        result[j] = rows[low] + (place - low) * (rows[high] - rows[low])
    return result


def blend_rows(vl: np.ndarray, text: np.ndarray, alphas) -> np.ndarray:
    """alphas: one a row; rows that vl lacks stay as in the text."""
    result = text.copy()
    for i in range(min(len(vl), len(text))):
        result[i] = alphas[i] * vl[i] + (1 - alphas[i]) * text[i]
    return result


def blend_embeddings(vl, text, alpha):
    return blend_rows(vl, text, [alpha] * len(text))


def blend_interpolate(vl, text, alpha):
    return blend_embeddings(resample(vl, len(text)), text, alpha)


def blend_style_only(vl, text, alpha, dims=None):
    width = text.shape[1]
    chosen = range(2 * width // 3, width) if dims is None else dims
    result = text.copy()
    for i in range(min(len(vl), len(text))):
        for d in chosen:
            result[i, d] = alpha * vl[i, d] + (1 - alpha) * text[i, d]
    return result


def graduated(count, start, end, curve):
    bend = {"linear": lambda t: t, "ease_in": lambda t: t**2, "ease_out": lambda t: 1 - (1 - t) ** 2}[curve]
    steps = [i / (count - 1) if count > 1 else 0.0 for i in range(count)]
    return [min(max(start + bend(t) * (end - start), 0.0), 1.0) for t in steps]


def attention_alphas(alpha, weights):
    low, high = min(weights), max(weights)
    return [alpha * (1 - 0.8 * (w - low) / (high - low + 1e-8)) for w in weights]


def adain(text, vl, alpha, axis):
    """axis: 1 each row for itself, 0 each column, None all numbers."""
    common = min(len(vl), len(text))
    x, v = text[:common], vl[:common]

    def moments(a):
        return a.mean(axis, keepdims=True), np.maximum(a.std(axis, ddof=1, keepdims=True), 1e-6)

    (mx, sx), (mv, sv) = moments(x), moments(v)
    result = text.copy()
    result[:common] = alpha * ((x - mx) / sx * sv + mv) + (1 - alpha) * x
    return result


def style_delta(styled, neutral, normalize):
    common = min(len(styled), len(neutral))
    delta = styled[:common] - neutral[:common]
    spread = delta.std(ddof=1)
    return delta / spread if normalize and spread > 0 else delta


def with_style_delta(text, delta, alpha, scale_to_text):
    delta = resample(delta, len(text))
    spread = delta.std(ddof=1)
    if scale_to_text and spread > 0:
        delta = delta * text.std(ddof=1) / spread
    return text + alpha * delta


def scale(rows, target):
    spread = rows.std(ddof=1)
    return rows * target / spread if spread > 0 else rows


def per_dimension(rows, mean, std, clip=3.0):
    z = (rows - rows.mean(0)) / np.maximum(rows.std(0, ddof=1), 1e-6)
    if clip is not None:
        z = np.clip(z, -clip, clip)
    return z * np.maximum(std, 1e-6) + mean


def outlier_ratios(rows, std):
    return rows.std(0, ddof=1) / np.maximum(std, 1e-6)


def mask_outliers(rows, std, threshold, mode):
    ratios = outlier_ratios(rows, std)
    result = rows.copy()
    for d in np.flatnonzero(ratios > threshold):
        if mode == "zero":
            result[:, d] = 0
        elif mode == "clamp":
            result[:, d] *= threshold * std[d] / rows[:, d].std(ddof=1)
        elif mode == "scale":
            result[:, d] *= threshold / ratios[d]
    return result
