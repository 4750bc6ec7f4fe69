#include "latgrad/plugin/search_space.h"

#include <ATen/ATen.h>

#include <optional>

#include "classes/error_translation.h"
#include "classes/offered_mask.h"
#include "classes/register_classes.h"
#include "latgrad/search/fragment.h"
#include "latgrad/search/scaling.h"
#include "latgrad/search/space.h"

namespace latgrad {

struct SearchSpace::Impl {
  search::Space space;
};

namespace {

c10::IValue value_of(const net::Argument& arg) {
  if (arg.i) return *arg.i;
  if (arg.f) return static_cast<double>(*arg.f);
  if (arg.s) return *arg.s;
  if (!arg.ints.empty()) return arg.ints;
  if (!arg.floats.empty()) return std::vector<double>(arg.floats.begin(), arg.floats.end());
  return arg.strings;
}

SearchSpace::Fragment tuple_of(const search::Fragment& fragment) {
  std::vector<SearchSpace::Operator> operators;
  for (const net::Operator& op : fragment.ops) {
    auto arguments = c10::impl::toTypedDict<std::string, c10::IValue>(
        c10::impl::GenericDict(c10::StringType::get(), c10::AnyType::get()));
    for (const net::Argument& arg : op.args) arguments.insert(arg.name, value_of(arg));
    if (fragment.without_norm.contains(op.outputs.front())) arguments.insert("norm", int64_t{0});
    operators.emplace_back(op.type, op.inputs, op.outputs, arguments);
  }
  c10::Dict<std::string, std::vector<int64_t>> parameters;
  for (const auto& [name, info] : fragment.parameters) parameters.insert(name, info.shape);
  return {fragment.input, fragment.output, std::move(operators), parameters};
}

std::optional<int64_t> unless_zero(int64_t number) {
  return number == 0 ? std::nullopt : std::optional(number);
}

}  // namespace

SearchSpace::SearchSpace(const std::string& path)
    : impl_(translate_errors([&] { return std::make_unique<const Impl>(Impl{search::Space::load(path)}); })) {
}

SearchSpace::SearchSpace(const State& state)
    : impl_(translate_errors([&] {
        const auto& [version, text] = state;
        TORCH_CHECK_VALUE(version == kStateVersion, "the state of a SearchSpace must have version ",
                          kStateVersion, ", got ", version, ": it was saved by another version of latgrad");
        return std::make_unique<const Impl>(Impl{search::Space::parse(text, "saved SearchSpace")});
      })) {}

SearchSpace::~SearchSpace() = default;

SearchSpace::State SearchSpace::state() const { return {kStateVersion, text()}; }

std::string SearchSpace::name() const { return impl_->space.name(); }

std::string SearchSpace::text() const {
  return translate_errors([&] { return impl_->space.text(); });
}

std::vector<int64_t> SearchSpace::input_shape() const { return impl_->space.input_shape(); }

int64_t SearchSpace::classes() const {
  return search::classifier_fragment(impl_->space).parameters.at("logits_w").shape.front();
}

int64_t SearchSpace::layers() const { return static_cast<int64_t>(impl_->space.layers().size()); }

at::Tensor SearchSpace::valid() const { return offered_mask(impl_->space); }

std::vector<std::string> SearchSpace::candidates(int64_t layer) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  return impl_->space.layers()[layer].candidates;
}

c10::intrusive_ptr<SearchSpace> SearchSpace::scaled(double width, double depth, int64_t resolution,
                                                    int64_t classes) const {
  return translate_errors([&] {
    const search::Space space = search::scaled(impl_->space, {.width = width,
                                                              .depth = depth,
                                                              .resolution = unless_zero(resolution),
                                                              .classes = unless_zero(classes)});
    return c10::make_intrusive<SearchSpace>(State{kStateVersion, space.text()});
  });
}

SearchSpace::Fragment SearchSpace::stem(const std::string& precision) const {
  return translate_errors(
      [&] { return tuple_of(search::stem_fragment(impl_->space, search::parse_precision(precision))); });
}

SearchSpace::Fragment SearchSpace::block(int64_t layer, int64_t candidate,
                                         const std::string& precision) const {
  TORCH_CHECK_VALUE(layer >= 0 && layer < layers(), "layer must be from 0 to ", layers() - 1, ", got ",
                    layer);
  TORCH_CHECK_VALUE(candidate >= 0, "candidate must not be negative, got ", candidate);
  return translate_errors([&] {
    search::refuse_chain(impl_->space, "a space whose blocks are modules, as in a supernet,");
    return tuple_of(search::block_fragment(impl_->space, static_cast<size_t>(layer),
                                           static_cast<size_t>(candidate),
                                           search::parse_precision(precision)));
  });
}

SearchSpace::Fragment SearchSpace::head(const std::string& precision) const {
  return translate_errors(
      [&] { return tuple_of(search::head_fragment(impl_->space, search::parse_precision(precision))); });
}

SearchSpace::Fragment SearchSpace::classifier() const {
  return tuple_of(search::classifier_fragment(impl_->space));
}

at::Tensor SearchSpace::parse_architecture(const std::string& text) const {
  const search::Architecture arch = translate_errors([&] { return impl_->space.parse_architecture(text); });
  return at::tensor(std::vector<int64_t>(arch.begin(), arch.end()), at::kLong);
}

std::string SearchSpace::format_architecture(const at::Tensor& arch) const {
  TORCH_CHECK_VALUE(arch.scalar_type() == at::kByte || arch.scalar_type() == at::kLong,
                    "arch must be uint8 or int64, got ", arch.scalar_type());
  TORCH_CHECK_VALUE(arch.dim() == 1, "arch must be one architecture, [", layers(), "], got ", arch.sizes());
  const at::Tensor indexes = arch.cpu().to(at::kLong).contiguous();
  search::Architecture choices;
  for (int64_t layer = 0; layer < indexes.numel(); ++layer) {
    const int64_t choice = indexes.data_ptr<int64_t>()[layer];
    // What does not fit an int is out of range in every layer.
    choices.push_back(choice == static_cast<int>(choice) ? static_cast<int>(choice) : -1);
  }
  return translate_errors([&] { return impl_->space.format_architecture(choices); });
}

void register_search_space(torch::Library& library) {
  library.class_<SearchSpace>("SearchSpace")
      .def(torch::init<std::string>(), "A search space, read from its file.", {torch::arg("path")})
      .def("name", &SearchSpace::name)
      .def("text", &SearchSpace::text)
      .def("input_shape", &SearchSpace::input_shape)
      .def("classes", &SearchSpace::classes)
      .def("layers", &SearchSpace::layers)
      .def("valid", &SearchSpace::valid)
      .def("candidates", &SearchSpace::candidates, "", {torch::arg("layer")})
      .def("scaled", &SearchSpace::scaled, "",
           {torch::arg("width") = 1.0, torch::arg("depth") = 1.0, torch::arg("resolution") = 0,
            torch::arg("classes") = 0})
      .def("stem", &SearchSpace::stem, "", {torch::arg("precision") = "int8"})
      .def("block", &SearchSpace::block, "",
           {torch::arg("layer"), torch::arg("candidate"), torch::arg("precision") = "int8"})
      .def("head", &SearchSpace::head, "", {torch::arg("precision") = "int8"})
      .def("classifier", &SearchSpace::classifier)
      .def("parse_architecture", &SearchSpace::parse_architecture, "", {torch::arg("text")})
      .def("format_architecture", &SearchSpace::format_architecture, "", {torch::arg("arch")})
      // What torch.export looks for: enough for the fake classes of plugin/python/latgrad/tracing.py.
      .def("__obj_flatten__",
           [](const c10::intrusive_ptr<SearchSpace>& self) {
             return std::make_tuple(std::make_tuple(std::string("valid"), self->valid()));
           })
      .def_pickle([](const c10::intrusive_ptr<SearchSpace>& self) { return self->state(); },
                  [](const SearchSpace::State& state) { return c10::make_intrusive<SearchSpace>(state); });
}

}  // namespace latgrad
