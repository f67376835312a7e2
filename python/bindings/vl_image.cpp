#include "llmdit/vl_image.hpp"

#include "bindings.hpp"
#include "image.hpp"
#include "record.hpp"
#include "vl_image.hpp"

namespace llmdit::python {

void bind_vl_image(py::module_& m) {
  Record<VLImageOptions>(m, "VLImageOptions", "How Qwen3-VL takes pictures; the defaults are the published model's.")
      .read_write("patch_size", &VLImageOptions::patch_size, "Side of a patch in pixels.")
      .read_write("temporal_patch_size", &VLImageOptions::temporal_patch_size, "Frames of a patch.")
      .read_write("merge_size", &VLImageOptions::merge_size, "Side in patches of the block that becomes one token.")
      .read_write("min_pixels", &VLImageOptions::min_pixels, "The resized picture has at least so many.")
      .read_write("max_pixels", &VLImageOptions::max_pixels, "The resized picture has at most so many.")
      .read_write("image_mean", &VLImageOptions::image_mean, "Three numbers, taken from the channels in 0..1.")
      .read_write("image_std", &VLImageOptions::image_std, "Three numbers, what the channels are divided by then.")
      .constructible()
      .comparable()
      .cls()
      .def_static("from_pretrained", &VLImageOptions::load, py::arg("path"),
                  "Of a model folder or its preprocessor_config.json.\n"
                  "Raises NotFound when there is none, Unsupported for settings that are not handled.");

  const VLImageOptions defaults;
  m.def(
      "smart_resize",
      [](int64_t height, int64_t width, int64_t factor, int64_t min_pixels, int64_t max_pixels) {
        const PictureSides sides = smart_resize(height, width, factor, min_pixels, max_pixels);
        return std::pair(sides.height, sides.width);
      },
      py::arg("height"), py::arg("width"), py::arg("factor") = defaults.factor(),
      py::arg("min_pixels") = defaults.min_pixels, py::arg("max_pixels") = defaults.max_pixels,
      "(height, width) that Qwen3-VL brings a picture to: multiples of factor, min_pixels to max_pixels in all.\n"
      "Raises InvalidArgument for sides below 1, one more than 200 times the other, or bounds that allow no size.");

  m.def(
      "preprocess",
      [](const py::object& image, const py::kwargs& keywords) {
        const Image picture = any_image_from(image);
        const auto options = Record<VLImageOptions>::from_keywords(keywords);
        py::gil_scoped_release released;
        return to_arrays(preprocess_image(picture, options));
      },
      py::arg("image"),
      "(pixel_values [patches, columns] float32, image_grid_thw [1, 3] int64) of a picture; keywords are the\n"
      "attributes of VLImageOptions.\n"
      "Raises InvalidArgument for options or a picture that cannot be, as smart_resize does.");
}

}  // namespace llmdit::python
