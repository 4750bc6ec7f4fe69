#include "images.h"

#include <torch/torch.h>

#include <filesystem>

namespace fs = std::filesystem;
namespace F = torch::nn::functional;
using torch::Tensor;

// Where the noise of a generated image is repeated, as {down, right} in pixels: one offset a class.
constexpr std::array<std::array<int64_t, 2>, 8> kOffsets = {
    {{0, 1}, {1, 0}, {1, 1}, {1, -1}, {0, 2}, {2, 0}, {2, 2}, {2, -2}}};

ImageSet generate(int64_t count, int64_t size, const at::Generator& random) {
  const Tensor labels = torch::randint(0, kOffsets.size(), {count}, random, torch::kLong);
  const Tensor noise = torch::randn({count, 3, size, size}, random);
  Tensor images = torch::randn({count, 3, size, size}, random).mul_(0.2);
  for (size_t label = 0; label < kOffsets.size(); ++label) {
    const Tensor chosen = (labels == static_cast<int64_t>(label)).nonzero().squeeze(1);
    const Tensor repeated = noise.index_select(0, chosen);
    images.index_add_(0, chosen, repeated + repeated.roll(kOffsets[label], {2, 3}));
  }
  return {images.mul_(40.0).add_(127.5).clamp_(0, 255).to(torch::kByte), labels};
}

// Records are a label, then red, green and blue, row by row. `limit`: the first so many; 0 takes all.
ImageSet read_cifar10(const std::vector<fs::path>& files, int64_t limit, int64_t size) {
  std::vector<Tensor> parts;
  for (const fs::path& file : files) {
    TORCH_CHECK(fs::exists(file), file.string(), " is no file");
    const auto bytes = static_cast<int64_t>(fs::file_size(file));
    TORCH_CHECK(bytes > 0 && bytes % 3073 == 0, file.string(), " must be records of 3073 bytes, got ", bytes);
    parts.push_back(torch::from_file(file.string(), /*shared=*/false, bytes, torch::kByte).view({-1, 3073}));
    TORCH_CHECK(parts.back().select(1, 0).le(9).all().item<bool>(), file.string(), " must have labels to 9");
  }
  const Tensor records = limit > 0 ? torch::cat(parts).slice(0, 0, limit) : torch::cat(parts);
  const auto options = F::InterpolateFuncOptions().size(std::vector{size, size}).mode(torch::kBilinear);
  const Tensor images = records.slice(1, 1).reshape({-1, 3, 32, 32}).to(torch::kFloat);
  return {F::interpolate(images, options).to(torch::kByte), records.select(1, 0).to(torch::kLong)};
}

Batch ImageSet::load(const Tensor& indices) const {
  const Tensor batch = images.index_select(0, indices).to(torch::kFloat).sub_(127.5).div_(64.0);
  return {batch.contiguous(torch::MemoryFormat::ChannelsLast), labels.index_select(0, indices)};
}

DataSet load_images(const nlohmann::json& settings, int64_t size) {
  const int64_t train = settings["train_images"], test = settings["test_images"];
  if (settings["data"] == "generated") {
    const at::Generator random = generator(settings["seed"], kImages);
    const ImageSet images = generate(train > 0 ? train : 8000, size, random);
    return {images, generate(test > 0 ? test : 2000, size, random), kOffsets.size()};
  }
  const fs::path folder = settings["data_folder"].get<std::string>();
  std::vector<fs::path> files;
  for (const char* number : {"1", "2", "3", "4", "5"}) {
    files.push_back(folder / (std::string("data_batch_") + number + ".bin"));
  }
  return {read_cifar10(files, train, size), read_cifar10({folder / "test_batch.bin"}, test, size), 10};
}
