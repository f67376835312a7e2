#include "llmdit/image.hpp"

#include <fmt/format.h>
#include <pybind11/numpy.h>

#include <array>
#include <span>

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

/// A format, or its name.
ImageFormat format_from(const py::object& source) {
  return py::isinstance<py::str>(source) ? parse_image_format(py::cast<std::string>(source))
                                         : py::cast<ImageFormat>(source);
}

py::bytes to_bytes(const std::vector<uint8_t>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Image from_state(const py::tuple& state) {
  Image image;
  image.width = py::cast<int64_t>(state[0]);
  image.height = py::cast<int64_t>(state[1]);
  const auto bytes = py::cast<std::string_view>(state[2]);
  image.pixels.assign(bytes.begin(), bytes.end());
  return image;
}

}  // namespace

ImageText text_from(const py::object& source) {
  if (source.is_none()) return {};
  return py::cast<ImageText>(py::hasattr(source, "items") ? py::list(source.attr("items")()) : source);
}

Image any_image_from(const py::object& source) {
  if (py::isinstance<Image>(source)) return py::cast<const Image&>(source);
  return py::cast<Image>(py::module_::import("llmdit._pictures").attr("as_image")(source));
}

namespace {

void bind_reading(py::module_& m) {
  const ReadImageOptions defaults;
  m.def(
      "decode_image",
      [](const py::buffer& data, std::array<uint8_t, 3> background, int64_t max_pixels) {
        const py::buffer_info info = data.request();
        if (info.ndim != 1 || info.itemsize != 1 || info.strides[0] != 1) {
          throw py::value_error("data are bytes one behind the other");
        }
        const std::span bytes(static_cast<const uint8_t*>(info.ptr), static_cast<size_t>(info.size));
        py::gil_scoped_release released;
        return decode_image(bytes, {background, max_pixels});
      },
      py::arg("data"), py::kw_only(), py::arg("background") = defaults.background,
      py::arg("max_pixels") = defaults.max_pixels,
      "The picture in the bytes of a PNG, JPEG or WebP file, told by content: every color type brought to 8-bit RGB,\n"
      "alpha laid over the background, the orientation of its EXIF applied. Color profiles are not applied; animated\n"
      "WebP is refused.\n"
      "background: RGB behind what is transparent. max_pixels: more are refused before memory is taken for them.\n"
      "Raises Unsupported for bytes that are damaged, cut off, too large or of another kind, InvalidArgument for a\n"
      "max_pixels that cannot be.");
  m.def(
      "read_image",
      [](const std::filesystem::path& path, std::array<uint8_t, 3> background, int64_t max_pixels) {
        return read_image(path, {background, max_pixels});
      },
      py::arg("path"), py::kw_only(), py::arg("background") = defaults.background,
      py::arg("max_pixels") = defaults.max_pixels, NoGil(),
      "decode_image of a file, whatever its name.\n"
      "Raises NotFound when it cannot be read, Unsupported when it is damaged, cut off, too large or of another kind.");

  Record<ImageInfo>(m, "ImageInfo", "What is in a picture file, without its pixels.")
      .read_only("format", &ImageInfo::format, "An ImageFormat.")
      .read_only("width", &ImageInfo::width, "Pixels, as read_image gives the picture.")
      .read_only("height", &ImageInfo::height, "Pixels, as read_image gives the picture.")
      .read_only("color", &ImageInfo::color, "'gray', 'RGB', 'palette' or 'CMYK'.")
      .read_only("bit_depth", &ImageInfo::bit_depth, "Of a sample, or of a palette's index.")
      .read_only("has_alpha", &ImageInfo::has_alpha, "Whether anything of it may be transparent.")
      .read_only("orientation", &ImageInfo::orientation, "Of EXIF, 1 to 8; 1 is upright.")
      .read_only("text", &ImageInfo::text,
                 "(keyword, text) pairs in file order. PNG: all its text chunks; JPEG, WebP: 'parameters' of the "
                 "UserComment, and 'llmdit'.");
  m.def("read_image_info", &read_image_info, py::arg("path"), NoGil(),
        "What is in a picture file, without its pixels. EXIF that cannot be read counts as none.\n"
        "Raises NotFound when it cannot be read, Unsupported when it is damaged or of another kind.");
}

void bind_resizing(py::module_& m) {
  m.def(
      "resize_image",
      [](const py::object& image, int64_t width, int64_t height) {
        const Image picture = to_image(image);
        py::gil_scoped_release released;
        return resize_image(picture, width, height);
      },
      py::arg("image"), py::arg("width"), py::arg("height"),
      "The picture in another size: the numbers of Pillow's Lanczos filter, which averages where it makes smaller.\n"
      "image: an Image, an array [height, width, 3] of uint8 or an RGB picture of Pillow. Raises InvalidArgument for a "
      "side below 1.");
}

void bind_writing(py::module_& m) {
  m.def(
      "encode_image",
      [](const py::object& image, const py::object& format, const py::object& text, std::optional<int> quality) {
        const Image picture = to_image(image);
        const ImageFormat chosen = format_from(format);
        const ImageText texts = text_from(text);
        std::vector<uint8_t> bytes;
        {
          py::gil_scoped_release released;
          bytes = encode_image(picture, chosen, texts, quality);
        }
        return to_bytes(bytes);
      },
      py::arg("image"), py::arg("format"), py::kw_only(), py::arg("text") = py::none(), py::arg("quality") = py::none(),
      "The bytes of a picture file of format 'png', 'jpeg' or 'webp'. `text` is a mapping, or (keyword, text) pairs;\n"
      "JPEG and WebP take 'parameters' and 'llmdit'. `quality`, 1 to 100, is for JPEG and WebP; WebP of 100 is "
      "lossless.\n"
      "Raises InvalidArgument for a size, text or quality that the format cannot have.");
  m.def(
      "write_image",
      [](const std::filesystem::path& path, const py::object& image, const py::object& text,
         std::optional<int> quality) {
        const Image picture = to_image(image);
        const ImageText texts = text_from(text);
        py::gil_scoped_release released;
        write_image(path, picture, texts, quality);
      },
      py::arg("path"), py::arg("image"), py::kw_only(), py::arg("text") = py::none(), py::arg("quality") = py::none(),
      "Writes a picture file of the format that the suffix names, whole or not at all; see encode_image.\n"
      "Raises InvalidArgument for another suffix and as encode_image, NotFound when the file cannot be written.");
  m.def(
      "encode_png",
      [](const py::object& image, const py::object& text) {
        const Image picture = to_image(image);
        const ImageText texts = text_from(text);
        std::vector<uint8_t> bytes;
        {
          py::gil_scoped_release released;
          bytes = encode_png(picture, texts);
        }
        return to_bytes(bytes);
      },
      py::arg("image"), py::kw_only(), py::arg("text") = py::none(),
      "encode_image as PNG. Raises InvalidArgument for a keyword that is not 1 to 79 characters of Latin-1.");
  m.def(
      "write_png",
      [](const std::filesystem::path& path, const py::object& image, const py::object& text) {
        const Image picture = to_image(image);
        const ImageText texts = text_from(text);
        py::gil_scoped_release released;
        write_png(path, picture, texts);
      },
      py::arg("path"), py::arg("image"), py::kw_only(), py::arg("text") = py::none(),
      "write_image as PNG, whatever the path's suffix.\n"
      "Raises NotFound when the file cannot be written, InvalidArgument as encode_png.");
}

}  // namespace

void bind_image(py::module_& m) {
  py::class_<Image>(m, "Image", py::buffer_protocol(),
                    "An 8-bit RGB picture. numpy.asarray(image) is a view of its pixels, [height, width, 3] uint8.")
      .def(py::init(&image_from), py::arg("array"),
           "From an array [height, width, 3] of uint8, or an RGB picture of Pillow. Raises ValueError for another.")
      .def_readonly("width", &Image::width, "Pixels.")
      .def_readonly("height", &Image::height, "Pixels.")
      .def(
          "__eq__", [](const Image& self, const Image& other) { return self == other; }, py::is_operator())
      .def("__repr__", [](const Image& self) { return fmt::format("<llmdit.Image {}x{}>", self.width, self.height); })
      .def(
          "_repr_png_", [](const Image& self) { return to_bytes(encode_png(self)); }, "How notebooks show it.")
      .def(py::pickle([](const Image& self) { return py::make_tuple(self.width, self.height, to_bytes(self.pixels)); },
                      &from_state))
      .def_buffer([](Image& self) {
        return py::buffer_info(self.pixels.data(), {self.height, self.width, int64_t{3}},
                               {self.width * 3, int64_t{3}, int64_t{1}},
                               /*readonly=*/true);
      });
  m.attr("Image").attr("__hash__") = py::none();

  py::native_enum<ImageFormat>(m, "ImageFormat", "enum.Enum", "A kind of picture file.")
      .value("png", ImageFormat::png)
      .value("jpeg", ImageFormat::jpeg)
      .value("webp", ImageFormat::webp)
      .finalize();
  bind_reading(m);
  bind_resizing(m);
  bind_writing(m);
}

}  // namespace llmdit::python
