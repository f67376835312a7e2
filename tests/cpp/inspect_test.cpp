#include "llmdit/inspect.hpp"

#include <catch2/catch_test_macros.hpp>

#include "safetensors_bytes.hpp"
#include "temp_folder.hpp"
#include "thrown_error.hpp"

namespace llmdit {
namespace {

using test::safetensors_with;
using test::TempFolder;
using test::thrown_by;
using Names = std::vector<std::string>;

std::string model_of(const Names& names) {
  const TempFolder folder;
  return inspect(folder.write("file.safetensors", safetensors_with(names))).model;
}

Names prefixed(const std::string& prefix, Names names) {
  for (auto& name : names) name = prefix + name;
  return names;
}

Names joined(Names first, const Names& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

const Names z_image = {"cap_embedder.0.weight", "layers.0.adaLN_modulation.0.weight"};
const Names qwen3 = {"embed_tokens.weight", "layers.0.self_attn.q_norm.weight"};
const Names vae = {"decoder.conv_in.weight", "decoder.mid_block.resnets.0.norm1.weight"};
const Names vae_original = {"decoder.conv_in.weight", "decoder.mid.block_1.norm1.weight"};

std::string index_json(const std::string& weight_map) {
  return R"({"metadata":{"total_size":8},"weight_map":{)" + weight_map + "}}";
}

/// A folder with two shards: tensors a and b.
void write_shards(const TempFolder& folder, const std::string& weight_map) {
  folder.write("model-00001-of-00002.safetensors", safetensors_with({"a"}));
  folder.write("model-00002-of-00002.safetensors", safetensors_with({"b"}));
  folder.write("model.safetensors.index.json", index_json(weight_map));
}

const std::string good_map = R"("a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors")";

test::ThrownError refusal(const std::filesystem::path& path) {
  const auto error = thrown_by([&] { inspect(path); });
  UNSCOPED_INFO(error.text);
  return error;
}

void write_model_folder(const TempFolder& folder) {
  folder.write("model_index.json",
               R"({"_class_name":"ZImagePipeline","scheduler":["diffusers","FlowMatchEulerDiscreteScheduler"],
    "text_encoder":["transformers","Qwen3Model"],"tokenizer":["transformers","Qwen2Tokenizer"],"safety_checker":[null,null],
    "transformer":["diffusers","ZImageTransformer2DModel"],"vae":["diffusers","AutoencoderKL"],"force":true})");
  folder.write("scheduler/scheduler_config.json", R"({"shift":3.0})");
  folder.write("text_encoder/config.json", R"({"architectures":["Qwen3ForCausalLM"]})");
  folder.write("text_encoder/model.safetensors", safetensors_with(prefixed("model.", qwen3)));
  folder.write("tokenizer/tokenizer.json", R"({"model":{"type":"BPE"}})");
  folder.write("tokenizer/tokenizer_config.json", R"({"tokenizer_class":"Qwen2Tokenizer"})");
  folder.write("transformer/config.json", R"({"_class_name":"ZImageTransformer2DModel","architectures":null})");
  folder.write("transformer/diffusion_pytorch_model.safetensors", safetensors_with(z_image));
  folder.write("vae/diffusion_pytorch_model.safetensors", safetensors_with(vae));
}

}  // namespace

TEST_CASE("weights are told from their names under every prefix", "[inspect]") {
  for (const char* prefix : {"", "model.diffusion_model.", "diffusion_model.", "transformer."}) {
    CHECK(model_of(prefixed(prefix, z_image)) == "ZImageTransformer2DModel");
    CHECK(model_of(joined(prefixed(prefix, z_image), {"norm_final.weight", "other"})) == "ZImageTransformer2DModel");
  }
  for (const char* prefix :
       {"", "model.", "text_encoders.qwen3_4b.model.", "text_encoders.qwen3_4b.transformer.model."}) {
    CHECK(model_of(prefixed(prefix, qwen3)) == "Qwen3Model");
  }
  CHECK(model_of(prefixed("model.language_model.", qwen3)) == "Qwen3VLModel");
  for (const char* prefix : {"", "vae.", "first_stage_model."}) {
    CHECK(model_of(prefixed(prefix, vae)) == "AutoencoderKL");
    CHECK(model_of(prefixed(prefix, vae_original)) == "AutoencoderKL");
  }
  CHECK(model_of({"cap_embedder.0.weight"}).empty());
  CHECK(model_of({"0.weight", "1.bias"}).empty());
  CHECK(model_of({}).empty());
}

TEST_CASE("an all-in-one file names its parts", "[inspect]") {
  const Names all = joined(joined(prefixed("model.diffusion_model.", z_image), prefixed("vae.", vae_original)),
                           prefixed("text_encoders.qwen3_4b.transformer.model.", qwen3));
  CHECK(model_of(all) == "Qwen3Model + ZImageTransformer2DModel + AutoencoderKL");
}

TEST_CASE("an adapter is told before the model whose names it has", "[inspect]") {
  for (const char* name :
       {"transformer.layers.0.attention.to_q.lora_A.weight", "layers.0.attention.to_q.lora_B.default.weight",
        "lora_unet_layers_0_attention_to_out_0.lora_down.weight", "lora_unet__layers_0_x.lora_up.weight",
        "diffusion_model.layers.0.feed_forward.w1.lokr_w1", "lycoris_layers_0_x.hada_w1_a",
        "layers.0.attention.to.q.lora.down.weight", "unet.x_lora.up.weight", "x.lora_linear_layer.up.weight",
        "diffusion_model.x_embedder.diff", "diffusion_model.x_embedder.diff_b", "x.dora_scale"}) {
    INFO(name);
    CHECK(model_of(joined(z_image, {name})) == "LoRA");
  }
}

TEST_CASE("Lumina 2 is not taken for Z-Image", "[inspect]") {
  const TempFolder folder;
  const std::string header = R"({"cap_embedder.0.weight":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)"
                             R"("cap_embedder.1.weight":{"dtype":"U8","shape":[2304,0],"data_offsets":[0,0]},)"
                             R"("layers.0.adaLN_modulation.0.weight":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})";
  CHECK(inspect(folder.write("a.safetensors", test::safetensors_bytes(header))).model == "Lumina2Transformer2DModel");
}

TEST_CASE("fp8 files with their scales in either spelling are listed", "[inspect]") {
  const TempFolder folder;
  const auto info = inspect(
      folder.write("a.safetensors",
                   test::safetensors_bytes(R"({"l.weight":{"dtype":"F8_E4M3","shape":[2],"data_offsets":[0,2]},)"
                                           R"("l.scale_weight":{"dtype":"F32","shape":[],"data_offsets":[2,6]},)"
                                           R"("m.weight":{"dtype":"F8_E5M2","shape":[2],"data_offsets":[6,8]},)"
                                           R"("m.weight_scale":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
                                           R"("m.comfy_quant":{"dtype":"U8","shape":[3],"data_offsets":[12,15]},)"
                                           R"("scaled_fp8":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[15,15]}})",
                                           std::string(15, '\0'))));
  CHECK(info.tensors.size() == 6);
}

TEST_CASE("a folder of shards is one component", "[inspect]") {
  const TempFolder folder;
  write_shards(folder, good_map);
  for (const auto& path : {folder.path(), folder.path() / "model.safetensors.index.json"}) {
    const FileInfo info = inspect(path);
    CHECK(info.kind == FileKind::component);
    REQUIRE(info.tensors.size() == 2);
    CHECK(info.tensors[0].file == folder.path() / "model-00001-of-00002.safetensors");
    CHECK(info.tensors[1].file == folder.path() / "model-00002-of-00002.safetensors");
  }
}

TEST_CASE("shards may lie behind links, as in the Hub's cache", "[inspect]") {
  const TempFolder blobs, folder;
  std::filesystem::create_symlink(blobs.write("0123abcd", safetensors_with({"a"})), folder.path() / "s.safetensors");
  folder.write("model.safetensors.index.json", index_json(R"("a":"s.safetensors")"));
  CHECK(inspect(folder.path()).tensors.size() == 1);
}

TEST_CASE("an index and its shards must agree", "[inspect]") {
  const TempFolder folder;
  SECTION("a missing shard is named with the index") {
    write_shards(folder, good_map);
    std::filesystem::remove(folder.path() / "model-00002-of-00002.safetensors");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.says("model.safetensors.index.json"));
    CHECK(error.says("model-00002-of-00002.safetensors"));
  }
  SECTION("a key that its shard lacks is named with both") {
    write_shards(folder, good_map + R"(,"c":"model-00001-of-00002.safetensors")");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("tensor \"c\""));
    CHECK(error.says("model-00001-of-00002.safetensors"));
    CHECK(error.says("model.safetensors.index.json"));
  }
  SECTION("a key in two shards is named with both") {
    write_shards(folder, good_map);
    folder.write("model-00002-of-00002.safetensors", safetensors_with({"b", "a"}));
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("tensor \"a\" stands in both"));
  }
  SECTION("a tensor the index does not name is part of the component") {
    write_shards(folder, good_map);
    folder.write("model-00002-of-00002.safetensors", safetensors_with({"b", "z"}));
    CHECK(inspect(folder.path()).tensors.size() == 3);
  }
  SECTION("a damaged shard is named") {
    write_shards(folder, good_map);
    folder.write("model-00002-of-00002.safetensors", safetensors_with({"b"}) + "x");
    CHECK(refusal(folder.path()).says("model-00002-of-00002.safetensors: expected"));
  }
}

TEST_CASE("an index must not lead out of its folder", "[inspect]") {
  for (const std::string shard : {"../a.safetensors", "/etc/passwd", "x/../../a.safetensors", "..", "", "sub/"}) {
    const TempFolder folder;
    write_shards(folder, R"("a":")" + shard + "\"");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("weight_map key \"a\""));
  }
  const TempFolder folder;
  folder.write("sub/s.safetensors", safetensors_with({"a"}));
  folder.write("model.safetensors.index.json", index_json(R"("a":"./sub/s.safetensors")"));
  CHECK(inspect(folder.path()).tensors.size() == 1);
}

TEST_CASE("a broken index is named with file and key", "[inspect]") {
  const TempFolder folder;
  const auto refused = [&](const std::string& text, std::string_view part) {
    write_shards(folder, good_map);
    folder.write("model.safetensors.index.json", text);
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("model.safetensors.index.json: "));
    CHECK(error.says(part));
  };
  refused("", "parse error");
  refused("[]", "expected a JSON object");
  refused("{}", "key \"weight_map\": expected an object, found no such key");
  refused(R"({"weight_map":[]})", "found an array");
  refused(R"({"weight_map":{"a":1}})", "key \"weight_map.a\": expected a string, found number 1");
  refused(R"({"weight_map":{"a":null}})", "found null");
  refused(R"({"weight_map":{"a":"x","a":"y"}})", "\"a\" stands there twice");
  refused(R"({"weight_map":{}} {})", "parse error");
  refused(std::string("{\"weight_map\":{}}\0{", 19), "NUL");
  refused("{\"weight_map\":1e999}", "number overflow");
  refused("{\"weight_map\":" + std::string(100'000, '['), "nested deeper");
}

TEST_CASE("of several weights in a folder the rule picks one or refuses", "[inspect]") {
  const TempFolder folder;
  const auto tensor = [&] { return inspect(folder.path()).tensors.at(0).name; };
  folder.write("model.fp16.safetensors", safetensors_with({"half"}));
  CHECK(tensor() == "half");
  folder.write("model.fp16-00001-of-00002.safetensors", safetensors_with({"shard"}));
  CHECK(tensor() == "half");
  folder.write("model.int8.safetensors", safetensors_with({"int8"}));
  const auto variants = refusal(folder.path());
  CHECK(variants.code == ErrorCode::unsupported);
  CHECK(variants.says("model.fp16.safetensors, model.int8.safetensors"));
  CHECK(inspect(folder.path() / "model.int8.safetensors").tensors.at(0).name == "int8");

  folder.write("model.safetensors", safetensors_with({"plain"}));
  CHECK(tensor() == "plain");
  folder.write("diffusion_pytorch_model.safetensors", safetensors_with({"diffusers"}));
  CHECK(tensor() == "diffusers");
  std::filesystem::remove(folder.path() / "diffusion_pytorch_model.safetensors");

  folder.write("model.safetensors.index.json", index_json(R"("plain":"model.safetensors")"));
  CHECK(tensor() == "plain");
  write_shards(folder, good_map);
  const auto both = refusal(folder.path());
  CHECK(both.code == ErrorCode::unsupported);
  CHECK(both.says("model.safetensors and model.safetensors.index.json"));
}

TEST_CASE("variants of an index are found in both spellings", "[inspect]") {
  for (const char* name : {"model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"}) {
    const TempFolder folder;
    folder.write("model.fp16-00001-of-00001.safetensors", safetensors_with({"a"}));
    folder.write(name, index_json(R"("a":"model.fp16-00001-of-00001.safetensors")"));
    CHECK(inspect(folder.path()).tensors.size() == 1);
  }
}

TEST_CASE("a model folder lists its components in the order of the flow", "[inspect]") {
  const TempFolder folder;
  write_model_folder(folder);
  for (const auto& path : {folder.path(), folder.path() / "model_index.json"}) {
    const FileInfo info = inspect(path);
    CHECK(info.kind == FileKind::model_folder);
    CHECK(info.path == folder.path());
    CHECK(info.model == "ZImagePipeline");
    CHECK(info.metadata.at("scheduler") == "FlowMatchEulerDiscreteScheduler");
    CHECK(info.metadata.size() == 5);
    REQUIRE(info.components.size() == 4);
    CHECK(info.components[0].kind == FileKind::tokenizer);
    CHECK(info.components[0].model == "Qwen2Tokenizer");
    CHECK(info.components[1].kind == FileKind::component);
    CHECK(info.components[1].model == "Qwen3ForCausalLM");
    CHECK(info.components[2].model == "ZImageTransformer2DModel");
    CHECK(info.components[3].model == "AutoencoderKL");  // told from the tensors
    CHECK(info.components[3].tensors.size() == 2);
  }
}

TEST_CASE("a damaged model folder is refused by name", "[inspect]") {
  const TempFolder folder;
  write_model_folder(folder);
  SECTION("missing component") {
    std::filesystem::remove_all(folder.path() / "vae");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.says("model_index.json names the component"));
    CHECK(error.says("vae"));
  }
  SECTION("missing weights") {
    std::filesystem::remove(folder.path() / "transformer/diffusion_pytorch_model.safetensors");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::not_found);
    CHECK(error.says(
        "diffusion_pytorch_model.safetensors, diffusion_pytorch_model.safetensors.index.json, model.safetensors"));
  }
  SECTION("broken settings") {
    folder.write("scheduler/scheduler_config.json", "{");
    CHECK(refusal(folder.path()).says("scheduler_config.json: parse error"));
  }
  SECTION("no class") {
    folder.write("model_index.json", "{}");
    CHECK(refusal(folder.path()).says("key \"_class_name\": expected a string, found no such key"));
  }
  SECTION("a component outside the folder") {
    folder.write("model_index.json", R"({"_class_name":"X","../vae":["diffusers","AutoencoderKL"]})");
    const auto error = refusal(folder.path());
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says("\"../vae\""));
  }
}

TEST_CASE("tokenizers are told in both formats", "[inspect]") {
  const TempFolder folder;
  const auto json = folder.write("a/tokenizer.json", R"({"model":{"type":"BPE"}})");
  CHECK(inspect(json).model == "BPE");
  CHECK(inspect(folder.path() / "a").kind == FileKind::tokenizer);
  const auto pieces = folder.write("b/tokenizer.model", "\x0a\x0e\x0a\x05<unk>");
  CHECK(inspect(pieces).model == "SentencePiece");
  CHECK(inspect(folder.path() / "b").kind == FileKind::tokenizer);
  CHECK(refusal(folder.write("c/tokenizer.model", "text")).code == ErrorCode::unsupported);
  CHECK(refusal(folder.write("d/tokenizer.json", "{}")).says("key \"model\""));
}

TEST_CASE("other files are refused with what they are", "[inspect]") {
  const TempFolder folder;
  const auto refused = [&](const char* name, std::string_view bytes, std::string_view part) {
    const auto error = refusal(folder.write(name, bytes));
    CHECK(error.code == ErrorCode::unsupported);
    CHECK(error.says(part));
  };
  refused("a.gguf", "GGUF\3\0\0\0", "GGUF");
  refused("a.ckpt", "PK\3\4....", "pickle");
  refused("a.txt", "some text", "expected safetensors weights");
  refused("empty", "", "expected safetensors weights");
  CHECK(inspect(folder.write("no suffix", safetensors_with(z_image))).model == "ZImageTransformer2DModel");

  const TempFolder empty;
  const auto error = refusal(empty.path());
  CHECK(error.code == ErrorCode::unsupported);
  CHECK(error.says("found none of them"));
}

TEST_CASE("every kind of file has a name", "[inspect]") {
  CHECK(file_kind_name(FileKind::weights) == "weights");
  CHECK(file_kind_name(FileKind::component) == "component");
  CHECK(file_kind_name(FileKind::model_folder) == "model_folder");
  CHECK(file_kind_name(FileKind::tokenizer) == "tokenizer");
  CHECK(file_kind_name(FileKind::picture) == "picture");
}

}  // namespace llmdit
