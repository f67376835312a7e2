#include "llmdit/context_refiner.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <variant>

#include "bindings.hpp"
#include "closing.hpp"
#include "models.hpp"
#include "record.hpp"

namespace llmdit::python {
namespace {

using TensorOrList = std::variant<at::Tensor, std::vector<at::Tensor>>;

TensorOrList refine(const ContextRefiner& self, const TensorOrList& x, const std::optional<at::Tensor>& attention_mask,
                    const std::optional<TensorOrList>& position_ids) {
  if (const auto* rows = std::get_if<at::Tensor>(&x)) {
    if (position_ids && !std::holds_alternative<at::Tensor>(*position_ids))
      throw py::type_error("position_ids of a tensor x is a tensor, not a list");
    const at::Tensor positions = position_ids ? std::get<at::Tensor>(*position_ids) : at::Tensor();
    py::gil_scoped_release released;
    return self.forward(*rows, attention_mask.value_or(at::Tensor()), positions);
  }
  if (attention_mask) throw py::type_error("attention_mask goes with a batch; a list has the lengths of its tensors");
  if (position_ids && !std::holds_alternative<std::vector<at::Tensor>>(*position_ids))
    throw py::type_error("position_ids of a list x is a list of as many tensors");
  const auto positions = position_ids ? std::get<std::vector<at::Tensor>>(*position_ids) : std::vector<at::Tensor>();
  py::gil_scoped_release released;
  return self.forward(std::get<std::vector<at::Tensor>>(x), positions);
}

std::string refiner_repr(const ContextRefiner& self) {
  const ContextRefinerConfig& c = self.config();
  const std::string rope = c.legacy_rope ? "legacy rope" : fmt::format("rope {}", fmt::join(c.axes_dims.value(), "/"));
  const std::string groups = *c.n_kv_heads == c.n_heads ? "" : fmt::format(" ({} of keys and values)", *c.n_kv_heads);
  return fmt::format("<llmdit.ContextRefiner {} layers, {} wide, {} heads{}, {}, {} parameters on {}>", c.n_layers,
                     c.dim, c.n_heads, groups, rope, self.get_num_params(), self.parameters().front().device().str());
}

void def_making(py::class_<ContextRefiner>& cls) {
  const ContextRefinerConfig d;
  const std::string options = "\nOther keywords, of which dtype and device matter here:" + options_doc<LoadOptions>();
  cls.def(py::init([](int64_t dim, int64_t n_layers, int64_t n_heads, std::optional<int64_t> n_kv_heads,
                      double norm_eps, bool qk_norm, std::optional<int64_t> ffn_hidden, double rope_theta,
                      int64_t max_seq_len, std::optional<std::array<int64_t, 3>> axes_dims, bool legacy_rope,
                      uint64_t seed, const py::kwargs& keywords) {
            const auto options = options_from<LoadOptions>(keywords);
            const ContextRefinerConfig config{.dim = dim,
                                              .n_layers = n_layers,
                                              .n_heads = n_heads,
                                              .n_kv_heads = n_kv_heads,
                                              .norm_eps = norm_eps,
                                              .qk_norm = qk_norm,
                                              .ffn_hidden = ffn_hidden,
                                              .rope_theta = rope_theta,
                                              .max_seq_len = max_seq_len,
                                              .axes_dims = axes_dims,
                                              .legacy_rope = legacy_rope};
            py::gil_scoped_release released;
            return ContextRefiner(config, options, seed);
          }),
          py::arg("dim") = d.dim, py::arg("n_layers") = d.n_layers, py::arg("n_heads") = d.n_heads,
          py::arg("n_kv_heads") = d.n_kv_heads, py::arg("norm_eps") = d.norm_eps, py::arg("qk_norm") = d.qk_norm,
          py::arg("ffn_hidden") = d.ffn_hidden, py::arg("rope_theta") = d.rope_theta,
          py::arg("max_seq_len") = d.max_seq_len, py::kw_only(), py::arg("axes_dims") = d.axes_dims,
          py::arg("legacy_rope") = d.legacy_rope, py::arg("seed") = 0,
          ("With fresh weights, drawn from `seed`, in float32 unless dtype says otherwise.\n"
           "axes_dims: columns of a head that each axis rotates; None is 1/4, 3/8 and 3/8 of it.\n"
           "legacy_rope: rotates all columns by the row's number from 0, as llm-dit-experiments does.\n"
           "Raises InvalidArgument for sizes that do not fit each other." +
           options)
              .c_str());
  cls.def_static(
      "from_pretrained",
      [](const std::filesystem::path& path, const OptionalPath& subfolder, const OptionalPath& config_path,
         bool legacy_rope, const py::kwargs& keywords) {
        const auto options = options_from<LoadOptions>(keywords);
        py::gil_scoped_release released;
        return ContextRefiner::load(subfolder ? path / *subfolder : path, options, config_path.value_or(""),
                                    legacy_rope);
      },
      py::arg("path"), py::kw_only(), py::arg("subfolder") = py::none(), py::arg("config_path") = py::none(),
      py::arg("legacy_rope") = d.legacy_rope,
      ("From a transformer's folder or weight file, or a file with the state_dict of a refiner. Every parameter must "
       "be "
       "there.\nsubfolder: the transformer's folder inside `path`, as in diffusers.\n"
       "config_path: the transformer's folder or config.json, for what a bare weight file does not tell.\n"
       "Raises NotFound for a missing file, Unsupported for one that is damaged or lacks a parameter." +
       options)
          .c_str());
}

void def_parameters(py::class_<ContextRefiner>& cls) {
  cls.def("parameters", &ContextRefiner::parameters,
          "The parameters: leaf tensors [out, in] or [out] that require gradients.")
      .def("named_parameters", &ContextRefiner::named_parameters,
           "Pairs of name and parameter, [out, in] or [out], named as in diffusers' ZImageTransformer2DModel.")
      .def("get_num_params", &ContextRefiner::get_num_params, py::arg("trainable_only") = false,
           "How many numbers the parameters hold; trainable_only: those that require gradients.")
      .def("state_dict", &ContextRefiner::state_dict,
           "The parameters by name, [out, in] or [out], without gradients; they share the parameters' memory.")
      .def("load_state_dict", &ContextRefiner::load_state_dict, py::arg("state"), NoGil(),
           "Overwrites the parameters. Names and shapes [out, in] or [out] must be exactly those of state_dict().\n"
           "Raises InvalidArgument where they are not; then nothing has changed.")
      .def("enable_gradient_checkpointing", &ContextRefiner::enable_gradient_checkpointing, py::arg("enable") = true,
           "Keeps of each block its input alone and computes the rest again in backward: less memory, equal results.")
      .def_property_readonly("is_gradient_checkpointing", &ContextRefiner::is_gradient_checkpointing,
                             "Whether backward computes the blocks again.")
      .def_property_readonly("config", &ContextRefiner::config, "Its sizes, every value filled in.");
}

}  // namespace

void bind_context_refiner(py::module_& m) {
  Record<ContextRefinerConfig>(m, "ContextRefinerConfig", "Sizes of a ContextRefiner.")
      .read_only("dim", &ContextRefinerConfig::dim, "Width of a row.")
      .read_only("n_layers", &ContextRefinerConfig::n_layers, "Blocks.")
      .read_only("n_heads", &ContextRefinerConfig::n_heads, "Heads of queries; they divide dim.")
      .read_only("n_kv_heads", &ContextRefinerConfig::n_kv_heads, "Heads of keys and values; they divide n_heads.")
      .read_only("norm_eps", &ContextRefinerConfig::norm_eps, "Added to the mean square in each norm.")
      .read_only("qk_norm", &ContextRefinerConfig::qk_norm, "Whether queries and keys are normed.")
      .read_only("ffn_hidden", &ContextRefinerConfig::ffn_hidden, "Width of the feed-forward layers.")
      .read_only("rope_theta", &ContextRefinerConfig::rope_theta, "Base of the rotation.")
      .read_only("max_seq_len", &ContextRefinerConfig::max_seq_len,
                 "Most rows of a sequence, and the largest position.")
      .read_only("axes_dims", &ContextRefinerConfig::axes_dims,
                 "Columns of a head that each of the three axes rotates; None with legacy_rope.")
      .read_only("legacy_rope", &ContextRefinerConfig::legacy_rope,
                 "Whether all columns of a head are rotated by the row's number from 0.");

  py::class_<ContextRefiner> cls(m, "ContextRefiner",
                                 "The context_refiner of a ZImageTransformer by itself, differentiable and trainable: "
                                 "refines caption rows that have "
                                 "passed the caption embedder.");
  def_not_copied(cls, "one of the same config takes what state_dict() gives by load_state_dict");
  def_making(cls);
  def_parameters(cls);
  cls.def(
         "__call__", &refine, py::arg("x"), py::arg("attention_mask") = py::none(),
         py::arg("position_ids") = py::none(),
         "The refined rows, of x's shape; float32 on a CPU.\n"
         "x: [tokens, dim], [batch, tokens, dim], or a list of [tokens, dim], which gives a list.\n"
         "attention_mask: of x's shape without dim, bool or 0 and 1; rows with 0 take no part and come back as zeros.\n"
         "position_ids: integers [tokens] or [tokens, 3], the same for every sequence of a batch, or a list of them "
         "for a\n"
         "list; None: a row's number from 1, and from 0 with legacy_rope.\n"
         "Raises InvalidArgument for other shapes or types, more rows than config.max_seq_len, or a position past it.")
      .def("__repr__", &refiner_repr);
}

}  // namespace llmdit::python
