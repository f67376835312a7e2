// Prompts of many kinds and lengths, so that statistics do not depend on a single subject.
#include "llmdit/reference_statistics.hpp"

namespace llmdit {

const std::vector<std::string>& statistics_prompts() {
  static const std::vector<std::string> prompts = {
      "a cat",
      "a red bicycle leaning against a white wall",
      "an old fisherman mending a net in the morning light, close portrait, wrinkled hands in focus",
      "a village under snow at dusk, smoke above the chimneys, warm windows, seen from the hill behind it",
      "an oil painting of a storm over wheat fields, thick brush strokes, yellow and deep blue",
      "a shop sign that reads \"OPEN LATE\" in green neon above a wet street",
      "an isometric drawing of a small kitchen, flat colours, thin outlines, no people",
      "three lemons on a blue plate, soft daylight from the left, shallow depth of field",
      "a bridge of steel and glass between two towers at night, long exposure, trails of cars below",
      "a child in a yellow raincoat jumping into a puddle, drops frozen in the air, grey city behind",
      "a map of an island that does not exist, ink on old paper, compass rose in the corner, names in small capitals",
      "a portrait of a woman with short silver hair and round glasses, studio light on a dark background, 85 mm",
      "an astronaut watering tomatoes in a greenhouse on the moon, the earth low over the horizon",
      "a watercolour of a heron standing in reeds, a lot of empty paper around it",
      "the inside of a mechanical watch, brass wheels and ruby bearings, macro photograph, every tooth sharp",
      "a crowded market in the rain, umbrellas of every colour, fruit under canvas, steam rising from a food stall, a "
      "dog "
      "asleep beneath a table, seen from a window on the second floor",
      "a poster for a jazz concert, large geometric shapes, two colours, the word \"BLUE\" across the top",
      "a dragon made of folded paper on a wooden desk, morning sun through a blind",
      "a desert road that runs straight to the mountains, a single parked car, heat shimmer, wide angle",
      "a diagram of how a sailing boat moves against the wind, arrows and labels, clean vector style",
      "an abandoned library with trees growing through the floor, beams of dusty light, books open on the ground",
      "a bowl of ramen from above, egg halves, spring onions, a red and white napkin, chopsticks on the right",
      "two chess players in a park in autumn, leaves on the board, one of them laughing",
      "a whale drawn with one continuous line, black on white",
  };
  return prompts;
}

}  // namespace llmdit
