#include "llmdit/image.hpp"

#include <fmt/format.h>
#include <pybind11/numpy.h>

#include "bindings.hpp"
#include "image.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

Image image_from(const py::object& source) {
  const auto array = py::array::ensure(source, py::array::c_style);
  if (!array) throw py::error_already_set();
  if (array.dtype().kind() != 'u' || array.itemsize() != 1 || array.ndim() != 3 || array.shape(2) != 3) {
    throw py::value_error("an Image is made from an array [height, width, 3] of uint8 or an RGB picture, got shape " +
                          py::cast<std::string>(py::str(array.attr("shape"))) + " of " +
                          py::cast<std::string>(py::str(array.dtype())));
  }
  Image image;
  image.height = array.shape(0);
  image.width = array.shape(1);
  const auto* bytes = static_cast<const uint8_t*>(array.data());
  image.pixels.assign(bytes, bytes + array.nbytes());
  return image;
}

/// An Image of ours, or what one can be made from.
Image to_image(const py::object& source) {
  return py::isinstance<Image>(source) ? py::cast<const Image&>(source) : image_from(source);
}

}  // namespace

ImageText text_from(const py::object& source) {
  if (source.is_none()) return {};
  return py::cast<ImageText>(py::hasattr(source, "items") ? py::list(source.attr("items")()) : source);
}

void bind_image(py::module_& m) {
  py::class_<Image>(m, "Image", py::buffer_protocol(),
                    "An 8-bit RGB picture. numpy.asarray(image) is a view of its pixels, [height, width, 3] uint8.")
      .def(py::init(&image_from), py::arg("array"),
           "From an array [height, width, 3] of uint8, or an RGB picture of Pillow.")
      .def_readonly("width", &Image::width)
      .def_readonly("height", &Image::height)
      .def(
          "__eq__", [](const Image& self, const Image& other) { return self == other; }, py::is_operator())
      .def("__repr__", [](const Image& self) { return fmt::format("<llmdit.Image {}x{}>", self.width, self.height); })
      .def_buffer([](Image& self) {
        return py::buffer_info(self.pixels.data(), {self.height, self.width, int64_t{3}},
                               {self.width * 3, int64_t{3}, int64_t{1}},
                               /*readonly=*/true);
      });
  m.attr("Image").attr("__hash__") = py::none();

  m.def(
      "encode_png",
      [](const py::object& image, const py::object& text) {
        const Image picture = to_image(image);
        const ImageText chunks = text_from(text);
        std::vector<uint8_t> bytes;
        {
          py::gil_scoped_release released;
          bytes = encode_png(picture, chunks);
        }
        return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      },
      py::arg("image"), py::kw_only(), py::arg("text") = py::none(),
      "The bytes of a PNG file. `text` is a mapping, or (keyword, text) pairs, for its text chunks.");
  m.def(
      "write_png",
      [](const std::filesystem::path& path, const py::object& image, const py::object& text) {
        const Image picture = to_image(image);
        const ImageText chunks = text_from(text);
        py::gil_scoped_release released;
        write_png(path, picture, chunks);
      },
      py::arg("path"), py::arg("image"), py::kw_only(), py::arg("text") = py::none(),
      "Writes a PNG file whole or not at all.");

  Record<PngInfo>(m, "PngInfo", "Size and text chunks of a PNG file.")
      .read_only("width", &PngInfo::width)
      .read_only("height", &PngInfo::height)
      .read_only("bit_depth", &PngInfo::bit_depth)
      .read_only("color_type", &PngInfo::color_type, "0 gray, 2 RGB, 3 palette, 4 gray and alpha, 6 RGBA.")
      .read_only("text", &PngInfo::text, "(keyword, text) pairs in file order.");
  m.def("read_png_info", &read_png_info, py::arg("path"), NoGil(),
        "Size and text chunks of a PNG file, without its pixels.");
}

}  // namespace llmdit::python
