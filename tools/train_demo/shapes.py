"""The ten shapes as signed distances, and their anti-aliased coverage on a pixel grid."""

import numpy as np

CANVAS = 128  # pixels along one side of a picture; the canvas spans -1..1 on both axes, y points down

SHAPES = ("circle", "square", "triangle", "star", "heart", "ring", "diamond", "cross", "hexagon", "moon")


def pixel_grid(left: int = 0, top: int = 0, size: int = CANVAS) -> tuple[np.ndarray, np.ndarray]:
    """Centres of the pixels of the size x size window at (left, top), in canvas units."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) * (2 / CANVAS) - 1
    x, y = np.meshgrid(axis + left * 2 / CANVAS, axis + top * 2 / CANVAS)
    return x, y


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    half, diagonal = 0.55, 0.7071  # a square standing on its corner, and two discs on its upper sides
    square = np.maximum(np.abs((x + y - 0.1) * diagonal) - half, np.abs((-x + y - 0.1) * diagonal) - half)
    discs = np.hypot(np.abs(x) - half * diagonal, y - 0.1 + half * diagonal) - half
    return np.minimum(square, discs)


def _star(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Five points: fold the plane onto one half of one point, then the distance to its edge."""
    cosine, sine = 0.809016994, 0.587785252
    tip, inner = 1.08, 0.46
    px, py = np.abs(x), -(y - 0.08)
    for fold_x in (cosine, -cosine):
        twice = 2 * np.maximum(fold_x * px - sine * py, 0)
        px, py = px - twice * fold_x, py + twice * sine
    px, py = np.abs(px), py - tip
    edge_x, edge_y = inner * sine, inner * cosine - 1
    along = np.clip((px * edge_x + py * edge_y) / (edge_x**2 + edge_y**2), 0, tip)
    return np.hypot(px - edge_x * along, py - edge_y * along) * np.sign(py * edge_x - px * edge_y)


def signed_distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance (roughly) to the edge of a shape of radius 1 at the origin; negative inside."""
    ax, ay = np.abs(x), np.abs(y)
    match shape:
        case "circle":
            return np.hypot(x, y) - 0.95
        case "ring":
            return np.abs(np.hypot(x, y) - 0.72) - 0.24
        case "square":
            return np.maximum(ax, ay) - 0.84
        case "diamond":
            return (ax * 1.25 + ay - 1.08) / 1.6
        case "cross":
            return np.minimum(np.maximum(ax - 0.33, ay - 0.98), np.maximum(ax - 0.98, ay - 0.33))
        case "hexagon":
            return np.maximum(ax * 0.866 + ay * 0.5, ay) - 0.86
        case "triangle":
            return np.maximum(ax * 0.866 - (y - 0.72) * 0.5 - 0.83, y - 0.72)
        case "moon":
            return np.maximum(np.hypot(x, y) - 1.0, 0.78 - np.hypot(x - 0.45, y + 0.1))
        case "heart":
            return _heart(x, y)
        case "star":
            return _star(x, y)
    raise ValueError(f"unknown shape {shape!r}")


def edge_distance(
    shape: str, outline: bool, center: tuple[float, float], radius: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """Distance (roughly) to the edges of a shape anywhere, hollow if `outline`, in canvas units; negative inside."""
    distance = signed_distance(shape, (x - center[0]) / radius, (y - center[1]) / radius) * radius
    if outline:
        width = 0.10 + 0.08 * radius
        distance = np.abs(distance + width / 2) - width / 2
    return distance


def coverage(
    shape: str, outline: bool, center: tuple[float, float], radius: float, x: np.ndarray, y: np.ndarray
) -> np.ndarray:
    """How much of each pixel the shape covers, 0..1, with an edge one pixel soft."""
    return np.clip(0.5 - edge_distance(shape, outline, center, radius, x, y) * CANVAS / 2, 0, 1)
